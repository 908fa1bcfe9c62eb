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
    for (let first = this.#places[0]; first !== undefined; first = this.#places[0]) {
      if (first.until <= now) {
        this.#places.shift()
        first.waiting.giveUpQueued("queue_timeout")
        continue
      }
      if (!first.waiting.retryQueued()) return
      // It may have left by itself within its turn.
      if (this.#places[0] === first) this.#places.shift()
    }
  }

  /** Whoever waits here has gone. */
  remove(waiting: Waiting): void {
    const index = this.#places.findIndex((place) => place.waiting === waiting)
    if (index !== -1) this.#places = this.#places.toSpliced(index, 1)
  }

  /** Nobody shall wait any longer. */
  giveUp(code: ErrorCode): void {
    const places = this.#places
    this.#places = []
    for (const { waiting } of places) waiting.giveUpQueued(code)
  }
}
