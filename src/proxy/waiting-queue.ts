/** Requests of one thread that no backend has room for now: first come, first served, bounded in number and time. */
import type { ErrorCode } from "../core/errors.ts"
import type { Millis } from "../core/clock.ts"

/** Whoever waits. It may have left in the meantime: then it says true to `retryQueued` and nothing to the other. */
export interface Waiting {
  /** There may be room now. False while there is none. */
  retryQueued(): boolean
  giveUpQueued(code: ErrorCode): void
}

interface Place {
  readonly waiting: Waiting
  readonly until: Millis
}

export class WaitingQueue {
  readonly #lengthMax: number
  #places: Place[] = []

  constructor(lengthMax: number) {
    this.#lengthMax = lengthMax
  }

  get length(): number {
    return this.#places.length
  }

  /** False when the queue is full. */
  push(waiting: Waiting, until: Millis): boolean {
    if (this.#places.length >= this.#lengthMax) return false
    this.#places.push({ waiting, until })
    return true
  }

  /** Gives room to whoever has waited longest, until somebody does not fit; gives up those whose time is over. */
  serve(now: Millis): void {
    let served = 0
    // Whoever is served may, in the same turn, make others push: the list is looked at afresh each time.
    for (; served < this.#places.length; served++) {
      const { waiting, until } = this.#places[served]!
      if (until <= now) waiting.giveUpQueued("queue_timeout")
      else if (!waiting.retryQueued()) break
    }
    if (served > 0) this.#places = this.#places.slice(served)
  }

  /** Nobody shall wait any longer. */
  giveUp(code: ErrorCode): void {
    const places = this.#places
    this.#places = []
    for (const { waiting } of places) waiting.giveUpQueued(code)
  }
}
