/**
 * Entry point of a demonstration backend that another process starts, and that ends when that one says so or has ended
 * itself. Words as behind `linebacker backend`.
 */
import type { Disturbance } from "../live/demonstration-backend.ts"
import { backend, startBackend } from "./backend.ts"
import { type ExitCode, parseCommandLine, UsageError } from "./command.ts"
import { processIo } from "./process-io.ts"
import { ignoreSignals } from "./signals.ts"

const io = processIo()
ignoreSignals()
// A terminal sends Ctrl-C to the whole group; the parent decides when its backends end.
process.on("SIGINT", () => {})
process.on("SIGQUIT", () => {})
// Its balancer is the parent's: no client is left that could use what it would finish.
process.on("disconnect", () => process.exit())
try {
  const running = await startBackend(parseCommandLine(backend, process.argv.slice(2)), io)
  if (typeof running === "number") end(running)
  else {
    process.on("message", (condition: Disturbance) => running.setCondition(condition))
    // However often: what is sent to the whole group is sent by the parent once more.
    process.on("SIGTERM", () => void running.shutdown().then(() => end(0)))
  }
} catch (error) {
  if (!(error instanceof UsageError)) throw error
  io.err(`linebacker backend: ${error.message}\n`)
  end(2)
}

function end(code: ExitCode): void {
  io.end(code)
  if (process.connected) process.disconnect()
}
