/** Starts programs on given cores, and makes sure that none of them outlives the benchmark. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import { closeSync, openSync, readFileSync } from "node:fs"
import { connect } from "node:net"
import { setTimeout as pause } from "node:timers/promises"

const startMsMax = 60_000
const stopMsMax = 5_000

export interface Running {
  readonly name: string
  readonly pid: number
  readonly isRunning: () => boolean
  /** Asks it to end, and insists after 5 s. */
  readonly stop: () => Promise<void>
}

export interface Program {
  readonly name: string
  /** As `taskset -c` takes them: "0" or "1-3". */
  readonly cores: string
  readonly command: string
  readonly args: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  /** What it prints goes here. */
  readonly log: string
  /** It is ready when it accepts connections on these. */
  readonly ports: readonly number[]
}

// Debian keeps servers where only root's shell looks for programs.
process.env["PATH"] = `${process.env["PATH"] ?? ""}:/usr/sbin:/usr/local/sbin`

const children = new Set<ChildProcess>()
// Not SIGKILL: a master that is killed leaves its workers behind.
process.on("exit", () => {
  for (const child of children) child.kill("SIGTERM")
})
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => process.exit(130))

/** Resolves when the program accepts connections; rejects with what it printed when it does not. */
export async function start(program: Program): Promise<Running> {
  const log = openSync(program.log, "a")
  const child = spawn("taskset", ["-c", program.cores, program.command, ...program.args], {
    stdio: ["ignore", log, log],
    env: { ...process.env, ...program.environment },
  })
  closeSync(log)
  children.add(child)
  const isRunning = (): boolean => child.exitCode === null && child.signalCode === null
  const ended = new Promise<void>((resolve) => {
    child.once("error", () => resolve()).once("exit", () => resolve())
  }).then(() => children.delete(child))
  const stop = async (): Promise<void> => {
    if (!isRunning()) return
    child.kill("SIGTERM")
    const insists = setTimeout(() => child.kill("SIGKILL"), stopMsMax)
    await ended
    clearTimeout(insists)
  }
  for (const port of program.ports) {
    if (await accepts(port, isRunning)) continue
    await stop()
    throw new Error(
      `${program.name} does not listen on port ${port}; it said:\n${readFileSync(program.log, "utf8")}`,
    )
  }
  return { name: program.name, pid: child.pid!, isRunning, stop }
}

async function accepts(port: number, isRunning: () => boolean): Promise<boolean> {
  const giveUpAt = performance.now() + startMsMax
  while (isRunning() && performance.now() < giveUpAt) {
    const isOpen = await new Promise<boolean>((resolve) => {
      const socket = connect({ host: "127.0.0.1", port })
      socket.once("connect", () => resolve(true)).once("error", () => resolve(false))
      socket.once("connect", () => socket.destroy())
    })
    if (isOpen) return true
    await pause(50)
  }
  return false
}

/** The first line that a program prints about its version, or undefined when it cannot be run. */
export function versionOf(command: string, args: readonly string[], pattern: RegExp): string | undefined {
  const { error, stdout, stderr } = spawnSync(command, args, { encoding: "utf8", timeout: startMsMax })
  if (error !== undefined) return undefined
  return pattern.exec(stdout + stderr)?.[1] ?? "of unknown version"
}
