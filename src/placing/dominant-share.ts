import type { ResourceVector } from "../core/resources.ts"

/**
 * The dominant share: the largest of used / total over all resources, from 0 to 1. A resource whose total is 0
 * counts for nothing, as in YARN. Hot. O(R).
 *
 * @see Ghodsi, Zaharia, Hindman, Konwinski, Shenker, Stoica, "Dominant Resource Fairness: Fair Allocation of Multiple
 * Resource Types", NSDI 2011.
 */
export function dominantShare(used: Readonly<ResourceVector>, totals: Readonly<ResourceVector>): number {
  let share = 0
  for (let r = 0; r < totals.length; r++) {
    const total = totals[r]!
    if (total > 0 && used[r]! / total > share) share = used[r]! / total
  }
  return share
}
