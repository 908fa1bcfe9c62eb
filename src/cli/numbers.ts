/** Options whose values are numbers, times and lists of loads. What is wrong is said with what is allowed. */
import type { Millis } from "../core/clock.ts"
import { durationExpected, formatDuration, parseDuration } from "../text/duration.ts"
import { type Given, text, UsageError } from "./command.ts"

/** Which numbers are allowed: both ends, or all that are greater than one, up to another where there is one. */
export type Range =
  | { readonly from: number; readonly to: number }
  | { readonly above: number; readonly to?: number }

/** The largest load at which anything is played, as a share of θ*. */
export const loadMax = 2

/** Undefined when the option was not given. @throws UsageError when it is no integer in digits from `min` to `max`. */
export function integerOf(given: Given, flag: string, min: number, max: number): number | undefined {
  return read(given, flag, `an integer from ${min} to ${max}`, (written) => {
    const value = /^[0-9]+$/.test(written) ? Number(written) : NaN
    return value >= min && value <= max ? value : undefined
  })
}

/** Undefined when the option was not given. @throws UsageError when it is no number in this range. */
export function numberOf(given: Given, flag: string, range: Range): number | undefined {
  return read(given, flag, `a number ${wordsOf(range)}`, (written) => numberIn(written, range))
}

/** Milliseconds; undefined when it was not given. @throws UsageError when it is no duration of at least `min`. */
export function durationOf(given: Given, flag: string, min: Millis): Millis | undefined {
  const expected = min > 0 ? `${durationExpected}, at least ${formatDuration(min)}` : durationExpected
  return read(given, flag, expected, (written) => {
    const ms = parseDuration(written)
    return ms !== undefined && ms >= min ? ms : undefined
  })
}

/**
 * What `--load` says, shares of θ* with commas between them: each once, ascending. Undefined when it was not given.
 *
 * @throws UsageError when one is none in this range.
 */
export function loadsOf(given: Given, range: Range): number[] | undefined {
  const list = text(given, "load")
  if (list === undefined) return undefined
  const loads = list.split(",").map((word) => {
    const load = numberIn(word.trim(), range)
    if (load !== undefined) return load
    const expected = `shares of θ* ${wordsOf(range)}, like 0.5,0.9`
    throw new UsageError(`--load: expected ${expected}; found "${word.trim()}"`)
  })
  return [...new Set(loads)].toSorted((a, b) => a - b)
}

function read(
  given: Given,
  flag: string,
  expected: string,
  valueOf: (written: string) => number | undefined,
): number | undefined {
  const written = text(given, flag)
  if (written === undefined) return undefined
  const value = valueOf(written)
  if (value !== undefined) return value
  throw new UsageError(`--${flag}: expected ${expected}, found "${written}"`)
}

function numberIn(written: string, range: Range): number | undefined {
  const value = /^[0-9]*\.?[0-9]+(e[+-]?[0-9]+)?$/.test(written) ? Number(written) : NaN
  const isAbove = "above" in range ? value > range.above : value >= range.from
  // What is too large to be told from infinity is no number.
  return isAbove && value < Infinity && value <= (range.to ?? Infinity) ? value : undefined
}

function wordsOf(range: Range): string {
  if ("from" in range) return `from ${range.from} to ${range.to}`
  return range.to === undefined ? `above ${range.above}` : `above ${range.above}, up to ${range.to}`
}
