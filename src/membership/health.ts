import type { Millis } from "../core/clock.ts"
import type { Rng } from "../core/rng.ts"

/** How often a backend is checked, and how many results change its health. */
export interface CheckTimes {
  /** Between two checks of a settled backend. */
  readonly intervalMs: Millis
  /** Between two checks while the result is open; never more than `intervalMs` counts. */
  readonly fastIntervalMs: Millis
  /** A check that has not passed by then has failed. */
  readonly timeoutMs: Millis
  /** Failures in a row that eject a healthy backend. */
  readonly fall: number
  /** Passes in a row that bring an ejected backend back. */
  readonly rise: number
}

export const checkTimesDefault: CheckTimes = {
  intervalMs: 5_000,
  fastIntervalMs: 1_000,
  timeoutMs: 2_000,
  fall: 3,
  rise: 2,
}

/** Every delay is stretched or shrunk by up to this share, so that checks of many backends do not march in step. */
const checkJitter = 0.15

/**
 * What the checks say of one backend. Replaced, never changed.
 *
 * ```
 *            first pass            `fall` failures in a row
 *  probing ─────────────▶ healthy ──────────────────────────▶ ejected
 *                            ▲                                   │
 *                            └───────────────────────────────────┘
 *                                     `rise` passes in a row
 * ```
 *
 * A backend announces itself because it wants traffic, so one pass is enough at the start; one that has failed
 * is trusted more slowly.
 */
export interface Health {
  readonly condition: "probing" | "healthy" | "ejected"
  /** Passes in a row, up to the last check; 0 when that one failed. */
  readonly passes: number
  /** Failures in a row, up to the last check; 0 when that one passed. */
  readonly failures: number
}

export const unprobed: Health = { condition: "probing", passes: 0, failures: 0 }

/** The health after one more check. */
export function afterCheck(health: Health, passed: boolean, times: CheckTimes): Health {
  const passes = passed ? health.passes + 1 : 0
  const failures = passed ? 0 : health.failures + 1
  return { condition: conditionAfter(health.condition, passes, failures, times), passes, failures }
}

function conditionAfter(
  condition: Health["condition"],
  passes: number,
  failures: number,
  times: CheckTimes,
): Health["condition"] {
  switch (condition) {
    case "probing":
      return passes > 0 ? "healthy" : "probing"
    case "healthy":
      return failures >= times.fall ? "ejected" : "healthy"
    case "ejected":
      return passes >= times.rise ? "healthy" : "ejected"
  }
}

/**
 * How long to wait for the next check: the fast interval while the last result contradicts the condition or
 * none has passed yet, the normal one otherwise, within ± `checkJitter`. An ejected backend is asked at the
 * normal interval until it passes once. The first check of a new member is not asked for here: it is due at once.
 */
export function nextCheckMs(health: Health, times: CheckTimes, rng: Rng): Millis {
  const base = inTransition(health) ? Math.min(times.fastIntervalMs, times.intervalMs) : times.intervalMs
  return base * (1 - checkJitter + 2 * checkJitter * rng.next())
}

function inTransition(health: Health): boolean {
  switch (health.condition) {
    case "probing":
      return true
    case "healthy":
      return health.failures > 0
    case "ejected":
      return health.passes > 0
  }
}
