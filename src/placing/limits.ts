import type { Millis } from "../core/clock.ts"

export interface PlacingLimits {
  /** Attempts of one request, the first included. */
  readonly attemptsMax: number
  /** Requests that wait, of one pool. */
  readonly queueMax: number
}

/** What holds where nothing is set, in production and in the simulator; and how long a request waits. */
export const placingDefaults: PlacingLimits & { readonly queueMs: Millis } = {
  attemptsMax: 3,
  queueMax: 1_024,
  queueMs: 5_000,
}
