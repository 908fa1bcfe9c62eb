import type { Io } from "./command.ts"

/**
 * Waits for SIGINT or SIGTERM, then runs `stop` to its end. A second signal does not wait for it: the process ends
 * at once with the code that a shell gives to that signal.
 */
export async function untilSignal(io: Io, stop: () => Promise<void>): Promise<void> {
  await new Promise<void>((resolve) => {
    let stopping = false
    const onSignal = (signal: NodeJS.Signals): void => {
      if (stopping) process.exit(signal === "SIGINT" ? 130 : 143)
      stopping = true
      io.err("\nstopping: finishing what runs; once more to end at once\n")
      resolve()
    }
    process.on("SIGINT", onSignal)
    process.on("SIGTERM", onSignal)
  })
  await stop()
}
