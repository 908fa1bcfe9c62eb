/** Waking up on time: timers are exact to a millisecond or two, so the last stretch is spent looking at the clock. */
import type { Clock, Millis } from "../core/clock.ts"
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
  readonly #spins: boolean
  #at: Millis = Infinity
  #fn: (() => void) | undefined
  #timer: NodeJS.Timeout | undefined
  #immediate: NodeJS.Immediate | undefined

  constructor(clock: Clock, spins: boolean) {
    this.#clock = clock
    this.#spins = spins
  }

  wakeAt(at: Millis, fn: () => void): void {
    this.#at = at
    this.#fn = fn
    if (this.#timer !== undefined) clearTimeout(this.#timer)
    this.#timer = undefined
    this.#wait()
  }

  stop(): void {
    this.#fn = undefined
    if (this.#timer !== undefined) clearTimeout(this.#timer)
    if (this.#immediate !== undefined) clearImmediate(this.#immediate)
    this.#timer = undefined
    this.#immediate = undefined
  }

  readonly #look = (): void => {
    this.#timer = undefined
    this.#immediate = undefined
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
    if (this.#immediate !== undefined) return
    const gap = this.#at - this.#clock.now()
    if (gap <= 0 || (this.#spins && gap <= spinMs)) this.#immediate = setImmediate(this.#look)
    else this.#timer = setTimeout(this.#look, this.#spins ? Math.floor(gap - spinMs) : Math.ceil(gap))
  }
}
