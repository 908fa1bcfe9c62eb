/** Waking up on time: timers are exact to a millisecond or two, so the last stretch is spent looking at the clock. */
import type { Clock, Millis } from "../core/clock.ts"
import type { EventLoop } from "../system.ts"
import type { Pacer } from "./generator.ts"

/** A timer may be this late, so it is set this much early. */
const spinMs = 1.5

/**
 * Sleeps up to a millisecond and a half before the time, then looks at the clock once in every turn of the event loop, in
 * which sockets are read as well. From some 700 calls per second on it never sleeps and takes a core by itself; without
 * `spins` it takes none, and wakes up to two milliseconds late.
 */
export class SystemPacer implements Pacer {
  readonly #clock: Clock
  readonly #timers: EventLoop
  readonly #spins: boolean
  #at: Millis = Infinity
  #fn: (() => void) | undefined
  #takeBack: (() => void) | undefined
  /** It looks at the clock in the next turn. */
  #isLooking = false

  constructor(clock: Clock, timers: EventLoop, spins: boolean) {
    this.#clock = clock
    this.#timers = timers
    this.#spins = spins
  }

  wakeAt(at: Millis, fn: () => void): void {
    this.#at = at
    this.#fn = fn
    this.#takeBack?.()
    this.#takeBack = undefined
    this.#wait()
  }

  stop(): void {
    this.#fn = undefined
    this.#takeBack?.()
    this.#takeBack = undefined
  }

  readonly #look = (): void => {
    this.#takeBack = undefined
    this.#isLooking = false
    const fn = this.#fn
    if (fn === undefined) return
    if (this.#clock.now() < this.#at) {
      this.#wait()
      return
    }
    this.#fn = undefined
    fn()
  }

  #wait(): void {
    if (this.#isLooking) return
    const gap = this.#at - this.#clock.now()
    if (gap <= 0 || (this.#spins && gap <= spinMs)) {
      this.#isLooking = true
      this.#timers.soon(this.#look)
    } else this.#takeBack = this.#timers.set(this.#spins ? Math.floor(gap - spinMs) : gap, this.#look)
  }
}
