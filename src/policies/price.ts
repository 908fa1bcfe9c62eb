import { LeastLoaded } from "./least-loaded.ts"
import { resourcePrice } from "./load-metrics.ts"
import type { Policy, PolicyContext } from "./policy.ts"

/**
 * The default: every request goes where what it needs is cheapest now, ties at random.
 *
 * Capacity splits into kinds by itself: a request that needs much storage bids against the backlog of storage
 * alone, so it leaves the compute-heavy backends to others without any rule that says so. O(n·R) per pick.
 */
export function price(context: PolicyContext): Policy {
  return new LeastLoaded("price", context.rng, resourcePrice(context.resources))
}
