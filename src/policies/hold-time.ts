import type { RouteKnowledge } from "../core/knowledge.ts"

/** How long requests take in the mean, over all routes of which that is known; `undefined` when it is of none. */
export function meanHoldSeconds(routes: readonly RouteKnowledge[]): number | undefined {
  let time = 0
  let weight = 0
  for (const { rate, holdMs = NaN } of routes) {
    if (!(holdMs > 0 && holdMs < Infinity)) continue
    // A route without requests of late still knows better than nobody.
    const often = rate > 0 && rate < Infinity ? rate : 1e-9
    time += (often * holdMs) / 1_000
    weight += often
  }
  return weight === 0 ? undefined : time / weight
}
