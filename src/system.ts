/**
 * Real time and real chance. This is the only file that touches either; everything else is given both, so that
 * tests and the simulator can give it others.
 */

import { randomInt } from "node:crypto"
import type { Clock, Millis } from "./core/clock.ts"
import { seeded, type Rng } from "./core/rng.ts"

/** Monotonic time of this process: not moved by changes of the wall clock. */
export const systemClock: Clock = { now: () => performance.now() }

/** Where `systemClock` of this thread has its zero, ms since 1970 with fractions: each thread has another. */
export const clockOrigin: number = performance.timeOrigin

/** Milliseconds since 1970, UTC. For people and for identity over restarts, never for measuring: it may jump. */
export function wallClock(): number {
  return Date.now()
}

/** Wall-clock time at which this process started, in whole milliseconds since 1970. */
export const processStartedAt: number = Math.floor(performance.timeOrigin)

/** A source of chance that cannot be repeated: the usual generator with 47 secret bits for a seed. */
export function systemRng(): Rng {
  return seeded(randomInt(2 ** 47))
}

/** The wish to be called once, later. Passed in where it is needed. */
export interface Timers {
  /**
   * Calls `fn` once after at least `ms`, never before `set` has returned. An `unref`ed timer does not keep the
   * process alive by itself.
   *
   * @returns what takes the wish back; does nothing after the call.
   */
  set(ms: Millis, fn: () => void, options?: { readonly unref?: boolean }): () => void
}

/** The longest that Node's timers can wait, 24.8 days; a longer wish is shortened to it. */
const timerMsMax = 2 ** 31 - 1

/** Real timers, rounded up to whole milliseconds. */
export const systemTimers: Timers = {
  set(ms, fn, options) {
    const timer = setTimeout(fn, Math.min(Math.ceil(ms), timerMsMax))
    if (options?.unref === true) timer.unref()
    return () => clearTimeout(timer)
  },
}
