/**
 * Hot path: time limits without a timer per request. Whoever can run late carries one number, `deadlineAt`;
 * setting a limit is one store. One coarse sweep looks at everybody, so a limit is accurate to one period (a
 * quarter of a second) and is never early.
 */
import type { Millis } from "../core/clock.ts"

export interface Limited {
  /** When it has run late; Infinity while nothing limits it. */
  deadlineAt: Millis
  onDeadline(): void
}

export const sweepMs = 250

export class Deadlines {
  /** The time of the last sweep. Close enough for limits of seconds, and free to read. */
  coarseNow: Millis
  readonly #members = new Set<Limited>()

  constructor(now: Millis) {
    this.coarseNow = now
  }

  add(limited: Limited): void {
    this.#members.add(limited)
  }

  delete(limited: Limited): void {
    this.#members.delete(limited)
  }

  /** The deadline that is `ms` from now, rounded up to a whole period. */
  after(ms: number): Millis {
    return this.coarseNow + ms + sweepMs
  }

  /** To be called each `sweepMs`. */
  sweep(now: Millis): void {
    this.coarseNow = now
    for (const limited of this.#members) {
      if (limited.deadlineAt > now) continue
      limited.deadlineAt = Number.POSITIVE_INFINITY
      limited.onDeadline()
    }
  }
}
