/**
 * Real time and real chance. This is the only file that touches either; everything else is given both, so that
 * tests and the simulator can give it others.
 */

import { randomBytes, randomInt } from "node:crypto"
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

/** The wall clock as a Date field has it: an IMF-fixdate, accurate to a second (RFC 9110 5.6.7). */
export function httpDate(): string {
  return new Date().toUTCString()
}

/** The wall clock as ISO 8601 has it, UTC, with milliseconds. */
export function isoTime(): string {
  return new Date().toISOString()
}

/** Wall-clock time at which this process started, in whole milliseconds since 1970. */
export const processStartedAt: number = Math.floor(performance.timeOrigin)

/** A source of chance that cannot be repeated: the usual generator with 47 secret bits for a seed. */
export function systemRng(): Rng {
  return seeded(randomInt(2 ** 47))
}

/** Bytes that cannot be guessed. */
export function secretBytes(count: number): Buffer {
  return randomBytes(count)
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

/** What a thread does over and over. */
export interface EventLoop extends Timers {
  /**
   * Calls `fn` each `ms`. With `unref` that does not keep the process alive by itself.
   *
   * @returns what ends it; does nothing after that.
   */
  every(ms: Millis, fn: () => void, options?: { readonly unref?: boolean }): () => void
  /** Calls `fn` once in the next turn, when everything that has come in this one has been seen. */
  soon(fn: () => void): void
}

/** The longest that Node's timers can wait, 24.8 days; a longer wish is shortened to it. */
const timerMsMax = 2 ** 31 - 1

/** Real timers, rounded up to whole milliseconds. */
export const systemTimers: EventLoop = {
  set(ms, fn, options) {
    const timer = setTimeout(fn, Math.min(Math.ceil(ms), timerMsMax))
    if (options?.unref === true) timer.unref()
    return () => clearTimeout(timer)
  },
  every(ms, fn, options) {
    const timer = setInterval(fn, Math.min(Math.ceil(ms), timerMsMax))
    if (options?.unref === true) timer.unref()
    return () => clearInterval(timer)
  },
  soon(fn) {
    setImmediate(fn)
  },
}
