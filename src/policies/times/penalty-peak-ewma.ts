// Hot path. Benchmark: bench/choose.ts.
import type { Millis } from "../../core/clock.ts"
import { ByLearnedLoad, type LearnedLoad } from "./learned-load.ts"
import { PeakEwma, peakEwmaParameters } from "./peak-ewma.ts"
import type { Outcome, Parameter, Policy, PolicyContext, PolicyEntry } from "../policy.ts"
import { PowerOfTwoChoices } from "../counts/power-of-two.ts"

const penaltyPeakEwmaParameters = {
  decayMs: peakEwmaParameters.decayMs,
  defaultRttMs: { ...peakEwmaParameters.defaultRttMs, default: 30 },
  penaltyMs: {
    summary: "What a failing response counts as having taken, at least, in milliseconds.",
    default: 5_000,
    min: 0,
    max: 86_400_000,
  },
  retryAfterMaxMs: {
    summary: "The most that a Retry-After counts for, in milliseconds.",
    default: 300_000,
    min: 0,
    max: 86_400_000,
  },
} as const satisfies Record<string, Parameter>

/**
 * `peak-ewma` by time to first byte, where a response that tells of trouble counts as a very slow one: a 429
 * or 503 as what its Retry-After asks for, within the limits, every other 5xx as the penalty. O(1).
 *
 * The penalty decays like any time, so a backend that has failed comes back little by little. An attempt
 * without a response counts as long as it lasted, as in the original: to tell a dead backend is the work of
 * health. One whose client has left counts only if its response had begun.
 *
 * Prior art: linkerd's penalty peak EWMA (2026). It also reads gRPC's statuses and pushback.
 */
export const penaltyPeakEwma = {
  summary: "linkerd's: peak-ewma in which a failing response counts as a very slow one.",
  make({ rng, parameters }: PolicyContext): Policy {
    const penaltyMs = parameters["penaltyMs"]!
    const retryAfterMaxMs = parameters["retryAfterMaxMs"]!
    const peak = new PeakEwma(parameters["decayMs"]!, parameters["defaultRttMs"]!)
    const load: LearnedLoad = {
      metric: peak.metric,
      rebuild: (members) => peak.rebuild(members),
      onSettled(backend, outcome, now) {
        const time = effectiveTime(outcome, penaltyMs, retryAfterMaxMs)
        if (!Number.isNaN(time)) peak.observe(backend, time, now)
      },
    }
    return new ByLearnedLoad(new PowerOfTwoChoices("penalty-peak-ewma", rng, load.metric), load)
  },
  parameters: penaltyPeakEwmaParameters,
  seesDemand: false,
} as const satisfies PolicyEntry

/** Hot. What the attempt counts as having taken; NaN when it does not count. */
function effectiveTime(outcome: Outcome, penaltyMs: Millis, retryAfterMaxMs: Millis): Millis {
  const { status, retryAfterMs } = outcome
  if (status === 429 || status === 503) {
    return retryAfterMs > penaltyMs ? Math.max(Math.min(retryAfterMs, retryAfterMaxMs), penaltyMs) : penaltyMs
  }
  if (status >= 500) return penaltyMs
  return outcome.result === "failure" && Number.isNaN(outcome.firstByteMs)
    ? outcome.totalMs
    : outcome.firstByteMs
}
