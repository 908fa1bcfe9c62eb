import type { Millis } from "../core/clock.ts"

/** What is allowed, as the end of the sentence "expected …". */
export const durationExpected = "a duration with its unit, like 5s or 250ms"

/** The form of a duration as text, for editors (JSON Schema). */
export const durationPattern = "^[0-9]+(\\.[0-9]+)?(ms|s|m|h)$"

const form = new RegExp(durationPattern)
const unitMs = { h: 3_600_000, m: 60_000, s: 1_000, ms: 1 } as const

/**
 * Whole milliseconds from `5s`, `250ms`, `1.5m` or `1h`. A duration needs its unit, because a bare number is as often
 * meant in seconds as in milliseconds; only the number 0 is the same in every unit.
 *
 * @returns undefined when it is none of these or not finite.
 */
export function parseDuration(input: string | number): Millis | undefined {
  if (typeof input === "number") return input === 0 ? 0 : undefined
  if (!form.test(input)) return undefined
  const unit = input.endsWith("ms") ? "ms" : (input.at(-1) as "s" | "m" | "h")
  const ms = Math.round(Number.parseFloat(input) * unitMs[unit])
  return Number.isFinite(ms) ? ms : undefined
}

/** The shortest exact text of whole milliseconds: 90000 is `90s`, 120000 is `2m`, 0 is `0s`. */
export function formatDuration(ms: Millis): string {
  if (ms === 0) return "0s"
  for (const unit of ["h", "m", "s"] as const) {
    if (ms % unitMs[unit] === 0) return `${ms / unitMs[unit]}${unit}`
  }
  return `${ms}ms`
}
