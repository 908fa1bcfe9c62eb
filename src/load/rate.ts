/** How many requests per second, as a person writes it: `500`, or steps and ramps `100/10s,100-500/30s,500/1m`. */
import type { Millis } from "../core/clock.ts"
import { durationExpected, parseDuration } from "../text/duration.ts"
import { fail, ok, type Result } from "../core/result.ts"
import type { Phase } from "./schedule.ts"

/** More than one machine sends; a larger number is a mistake. */
export const ratePerSecondMax = 1_000_000
const phasesMax = 1_000

/**
 * Reads a rate. One number alone lasts for `durationMs`; steps and ramps each say how long they take.
 *
 * @returns the phases, or a sentence that names the part that is wrong.
 */
export function parseRate(text: string, durationMs: Millis): Result<readonly Phase[], string> {
  const parts = text.split(",")
  if (parts.length > phasesMax) return fail(`at most ${phasesMax} steps, found ${parts.length}`)
  const phases: Phase[] = []
  for (const part of parts) {
    const [, from, to, lasts] = /^\s*([0-9.]+)(?:-([0-9.]+))?(?:\/(\S+))?\s*$/.exec(part) ?? []
    const first = numberOf(from)
    const last = to === undefined ? first : numberOf(to)
    if (first === undefined || last === undefined) {
      const allowed = `a rate from 0 to ${ratePerSecondMax} requests per second, like 500 or 100-500/30s`
      return fail(`expected ${allowed}, found "${part.trim()}"`)
    }
    if (lasts === undefined && (parts.length > 1 || to !== undefined)) {
      return fail(`"${part.trim()}" does not say how long it takes: ${part.trim()}/30s`)
    }
    const ms = lasts === undefined ? durationMs : parseDuration(lasts)
    if (ms === undefined || ms <= 0) return fail(`expected ${durationExpected} behind "/", found "${lasts}"`)
    phases.push({ from: first, to: last, ms })
  }
  if (phases.every(({ from, to }) => from === 0 && to === 0)) return fail("a rate of 0 sends nothing")
  return ok(phases)
}

function numberOf(text: string | undefined): number | undefined {
  const value = Number(text)
  return text !== undefined && /^[0-9]+(\.[0-9]+)?$/.test(text) && value <= ratePerSecondMax
    ? value
    : undefined
}
