/**
 * Bugs in the control plane. Whatever calls into it (a timer, a message, a request, a check) does so through a guard:
 * what is thrown is said with its stack and counted, and ends nothing, so that traffic flows on.
 */
import type { Clock, Millis } from "../core/clock.ts"
import type { Timers } from "../system.ts"

/** A bug that happens again and again is said again no more often than this. */
const againMs: Millis = 60_000
/** Kinds of bugs that are told apart. All beyond them are one kind more. */
const kindsMax = 64

interface Kind {
  saidAt: Millis
  /** How often it has happened since it was said. */
  unsaid: number
}

export class Bugs {
  readonly #log: (line: string) => void
  readonly #clock: Clock
  readonly #onReport: (where: string, error: unknown) => void
  readonly #kinds = new Map<string, Kind>()
  #count = 0

  /** @param onReport told of each bug, however often; must not throw */
  constructor(
    log: (line: string) => void,
    clock: Clock,
    onReport: (where: string, error: unknown) => void = () => {},
  ) {
    this.#log = log
    this.#clock = clock
    this.#onReport = onReport
  }

  /** All that have happened. */
  get count(): number {
    return this.#count
  }

  /** Does the work; undefined when it throws, which is reported. `where` is the end of the sentence "a bug in …". */
  guard<T>(where: string, work: () => T): T | undefined {
    try {
      return work()
    } catch (error) {
      this.report(where, error)
      return undefined
    }
  }

  /** The same timers, with a guard around what they call. */
  timers(where: string, timers: Timers): Timers {
    return { set: (ms, fn, options) => timers.set(ms, () => this.guard(where, fn), options) }
  }

  /**
   * The first of its kind is said with its stack. A kind is the place that threw: messages may differ each time.
   * Never throws.
   */
  report(where: string, error: unknown): void {
    this.#count++
    this.#onReport(where, error)
    const stack = stackOf(error)
    const now = this.#clock.now()
    const kind = this.#kindOf(`${where} ${placeIn(stack)}`)
    if (now - kind.saidAt < againMs) {
      kind.unsaid++
      return
    }
    const again = kind.unsaid === 0 ? "" : `, ${kind.unsaid} times more since it was last said`
    kind.saidAt = now
    kind.unsaid = 0
    this.#say(`a bug in ${where}${again}; the balancer goes on: ${stack}`)
  }

  #kindOf(name: string): Kind {
    const key = this.#kinds.has(name) || this.#kinds.size < kindsMax ? name : ""
    let kind = this.#kinds.get(key)
    if (kind === undefined) {
      kind = { saidAt: -Infinity, unsaid: 0 }
      this.#kinds.set(key, kind)
    }
    return kind
  }

  #say(line: string): void {
    try {
      this.#log(line)
    } catch {
      // A line that cannot be written is lost; the bug is counted.
    }
  }
}

/** Anything may be thrown, also what has no stack, or cannot be made text. */
function stackOf(error: unknown): string {
  try {
    return error instanceof Error ? (error.stack ?? String(error)) : String(error)
  } catch {
    return "something that cannot be shown"
  }
}

/** The line of a stack that names the place; the text itself where it has none. */
function placeIn(stack: string): string {
  return /^\s+at .*$/m.exec(stack)?.[0] ?? stack
}
