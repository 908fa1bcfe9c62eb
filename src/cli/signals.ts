/**
 * What signals do. All commands: a signal that means nothing here does nothing. Commands that run until they are
 * stopped say so, and end in order.
 */
import { constants } from "node:os"
import { isatty } from "node:tty"
import { systemClock } from "../system.ts"
import type { Io } from "../text/io.ts"
import { endBy } from "./last-resort.ts"

/**
 * Signals that would end the process at once by default, and mean nothing here. SIGUSR1 would open the port of Node's
 * debugger. Not among them: SIGPIPE and SIGXFSZ, which Node ignores; those that suspend for a terminal's job control;
 * those of a fault in the program itself; and real-time signals, which Node cannot hear.
 */
const meaningless = [
  "SIGHUP",
  "SIGUSR1",
  "SIGUSR2",
  "SIGALRM",
  "SIGVTALRM",
  "SIGIO",
  "SIGPWR",
  "SIGSTKFLT",
  "SIGXCPU",
  "SIGPROF",
] as const satisfies readonly NodeJS.Signals[]
/** A profiler that runs from the start samples with SIGPROF. */
const isProfiled = /--(cpu-)?prof\b/.test([...process.execArgv, process.env["NODE_OPTIONS"]].join(" "))
const harmless = meaningless.filter((signal) => signal !== "SIGPROF" || !isProfiled)
/** SIGQUIT is Ctrl-\ and the orderly stop of nginx. */
const stops = ["SIGINT", "SIGTERM", "SIGQUIT"] as const satisfies readonly NodeJS.Signals[]

/**
 * Signals of one kind within this time are one: a terminal, `timeout` and systemd send to the whole process group, and
 * npm and the launcher pass on what they got, so one stop arrives up to four times.
 */
const onceMs = 500

/** Makes harmless what means nothing, from the start of the process on, also where `nohup` had SIGHUP ignored. */
export function ignoreSignals(): void {
  for (const signal of harmless) process.on(signal, () => {})
  const hadTerminal = hasTerminal()
  process.on("SIGHUP", () => {
    // The terminal that it was started in has gone, and with it Ctrl-C, so it stops. `nohup` leaves no terminal.
    if (hadTerminal && !hasTerminal()) stopSelf()
  })
}

/** Whether one of its inputs and outputs is a terminal that is still there. */
function hasTerminal(): boolean {
  return [0, 1, 2].some((descriptor) => isatty(descriptor))
}

export interface SignalWords {
  /** What the first stop does: the line that is printed. */
  readonly stopping?: string
  /** Does what SIGHUP asks for, and says in a line what it did. */
  readonly hangup?: () => string
  /** Whether a thread hangs in the system, for which `process.exit` would wait. */
  readonly isBlocked?: () => boolean
}

/**
 * Calls `stop` at the first SIGINT, SIGTERM or SIGQUIT. A second stop does not wait for it: the process ends at once
 * with the code that a shell gives to that signal. For every other signal one line is printed.
 *
 * @returns what takes it all back.
 */
export function onStop(io: Io, stop: () => void, words: SignalWords = {}): () => void {
  const { stopping = "stopping: finishing what runs; once more to end at once", hangup } = words
  const listeners = new Map<NodeJS.Signals, (signal: NodeJS.Signals) => void>()
  let isStopping = false
  const onStopSignal = onceInAWhile((signal) => {
    if (isStopping && words.isBlocked?.() === true) endBy(signal)
    if (isStopping) process.exit(128 + constants.signals[signal])
    isStopping = true
    io.err(`\n${stopping}\n`)
    stop()
  })
  for (const signal of stops) listeners.set(signal, onStopSignal)
  for (const signal of harmless) {
    const say = onceInAWhile(() => io.err(`${signal}: it has no meaning here; nothing was done\n`))
    listeners.set(signal, say)
  }
  // Each one: a file may have changed since the one before.
  if (hangup !== undefined) listeners.set("SIGHUP", () => io.err(`SIGHUP: ${hangup()}\n`))
  for (const [signal, listener] of listeners) process.on(signal, listener)
  return () => {
    for (const [signal, listener] of listeners) process.off(signal, listener)
  }
}

/** Hears signals from now on, as `onStop` does; resolves at the first stop. */
export function stopAsked(io: Io, words?: SignalWords): Promise<void> {
  return new Promise((resolve) => void onStop(io, resolve, words))
}

function onceInAWhile(handle: (signal: NodeJS.Signals) => void): (signal: NodeJS.Signals) => void {
  let lastAt = -Infinity
  return (signal) => {
    const now = systemClock.now()
    if (now - lastAt < onceMs) return
    lastAt = now
    handle(signal)
  }
}

/**
 * A process that another one stands before, and that is told of its end by their channel, stops when that has died:
 * what killed it could not be passed on.
 */
export function stopWithLauncher(): void {
  const { channel, connected } = process
  // False when it has died already; undefined where there never was one.
  if (connected === undefined) return
  if (!connected) return stopSelf()
  process.once("disconnect", stopSelf)
  channel?.unref()
}

function stopSelf(): void {
  process.kill(process.pid, "SIGTERM")
}
