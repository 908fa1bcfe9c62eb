import { type ChildProcess, fork } from "node:child_process"
import { fileURLToPath } from "node:url"
import type { Disturbance } from "./demonstration-backend.ts"
import { leaveGoneFolder } from "../net/folder.ts"
import { systemClock, systemTimers } from "../system.ts"
import type { Io } from "../text/io.ts"

/** How long the backends may take until all of them get traffic, and how much longer for each. */
const readyMsMax = 20_000
const readyMsEach = 3_000
const pollMs = 20
/** How long a backend may take to end in order before it is killed. */
const stopMsMax = 15_000

/** Demonstration backends in processes of their own, so that each can be killed, frozen and started again by itself. */
export class DemonstrationFleet {
  readonly #io: Io
  /** By id, the one that stands for it now. */
  readonly #children = new Map<string, ChildProcess>()
  readonly #running = new Set<ChildProcess>()
  /** Those that were asked to end. */
  readonly #leaving = new Set<ChildProcess>()
  #stopping = false
  /** One has ended without being asked to. */
  hasFailed = false

  constructor(io: Io) {
    this.#io = io
  }

  /** Backends that run. */
  get size(): number {
    return this.#running.size
  }

  /** Starts a backend of this id with the arguments of `linebacker backend`. */
  start(id: string, args: readonly string[]): void {
    const entry = import.meta.url.endsWith(".ts") ? "../cli/backend-process.ts" : "../cli/backend-process.js"
    leaveGoneFolder()
    const child = fork(fileURLToPath(new URL(entry, import.meta.url)), [`--id=${id}`, ...args], {
      stdio: ["ignore", "ignore", "pipe", "ipc"],
      // Or SIGUSR1 opened a debugger's port until the program is loaded and ignores it.
      execArgv: [...process.execArgv, "--disable-sigusr1"],
    })
    this.#children.set(id, child)
    this.#running.add(child)
    const onEnd = (how: string): void => {
      if (!this.#running.delete(child)) return
      if (this.#children.get(id) === child) this.#children.delete(id)
      if (this.#isLeaving(child)) return
      this.hasFailed = true
      this.#io.err(`${id} ended (${how})\n`)
    }
    // A message to one that has just ended is lost, as it would be a moment later. One that could not be started never
    // ends.
    child.on("error", (error) => child.pid === undefined && onEnd(error.message))
    child.stderr?.on("data", (chunk: Buffer) => {
      if (!this.#isLeaving(child)) this.#io.err(chunk.toString())
    })
    child.on("exit", (code, signal) => onEnd(signal ?? `exit code ${code}`))
  }

  /** Ends it as a power failure would. Nothing happens when it does not run. */
  kill(id: string): void {
    this.#end(id, "SIGKILL")
  }

  /** Asks it to leave in order: it drains first. */
  retire(id: string): void {
    this.#end(id, "SIGTERM")
  }

  /** It stands still until `thaw`; its sockets stay open. */
  freeze(id: string): void {
    this.#children.get(id)?.kill("SIGSTOP")
  }

  thaw(id: string): void {
    this.#children.get(id)?.kill("SIGCONT")
  }

  /** From now on it does worse, or better. */
  tell(id: string, condition: Disturbance): void {
    const child = this.#children.get(id)
    if (child?.connected === true) child.send(condition)
  }

  /** Ends all, in order where they do not take too long; resolves when the last has ended. */
  async stop(): Promise<void> {
    this.#stopping = true
    await Promise.all(
      [...this.#running].map(
        (child) =>
          new Promise<void>((resolve) => {
            const cancel = systemTimers.set(stopMsMax, () => child.kill("SIGKILL"))
            child.once("exit", () => {
              cancel()
              resolve()
            })
            child.kill("SIGTERM")
            // One that is frozen would not hear it.
            child.kill("SIGCONT")
          }),
      ),
    )
  }

  #end(id: string, signal: "SIGKILL" | "SIGTERM"): void {
    const child = this.#children.get(id)
    if (child === undefined) return
    this.#leaving.add(child)
    this.#children.delete(id)
    child.kill(signal)
    if (signal === "SIGTERM") child.kill("SIGCONT")
  }

  #isLeaving(child: ChildProcess): boolean {
    return this.#stopping || this.#leaving.has(child)
  }
}

/** Waits until it holds; false when a backend has ended meanwhile, or it takes too long. */
export async function untilReady(holds: () => boolean, fleet: DemonstrationFleet): Promise<boolean> {
  const readyMs = readyMsMax + fleet.size * readyMsEach
  const end = systemClock.now() + readyMs
  while (systemClock.now() < end) {
    if (holds()) return true
    if (fleet.hasFailed) return false
    await new Promise<void>((resolve) => void systemTimers.set(pollMs, resolve))
  }
  return false
}
