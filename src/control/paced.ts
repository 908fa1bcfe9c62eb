import type { Clock, Millis } from "../core/clock.ts"
import type { Timers } from "../system.ts"

/**
 * Does something soon after it was asked for: at once when it has not been done lately, else when the least time
 * between two has passed, and then once for all that was asked for meanwhile. Cold.
 */
export class Paced {
  readonly #act: () => void
  readonly #spacingMs: () => Millis
  readonly #clock: Clock
  readonly #timers: Timers
  #doneAt: Millis = -Infinity
  #cancel: (() => void) | undefined
  #isClosed = false

  /** @param spacingMs the least time between two, asked each time that something is put off */
  constructor(act: () => void, spacingMs: () => Millis, clock: Clock, timers: Timers) {
    this.#act = act
    this.#spacingMs = spacingMs
    this.#clock = clock
    this.#timers = timers
  }

  ask(): void {
    if (this.#isClosed || this.#cancel !== undefined) return
    const waitMs = this.#doneAt + this.#spacingMs() - this.#clock.now()
    if (waitMs <= 0) this.#do()
    else this.#cancel = this.#timers.set(waitMs, () => this.#do(), { unref: true })
  }

  /** What was put off is not done any more, nor anything that is asked for from now on. */
  close(): void {
    this.#isClosed = true
    this.#cancel?.()
  }

  #do(): void {
    this.#cancel = undefined
    this.#doneAt = this.#clock.now()
    this.#act()
  }
}
