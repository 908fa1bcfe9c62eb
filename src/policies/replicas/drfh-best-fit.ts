import { BestFit, type Misfits } from "../shapes/best-fit.ts"
import type { Policy, PolicyContext, PolicyEntry } from "../policy.ts"
import { horizonSeconds, type Room } from "../shapes/room.ts"

/**
 * Best-Fit DRFH: every request goes to the hole of its shape.
 *
 *     H = Σ_r | d_r / d_1 − a_r / a_1 |     the least wins
 *
 * with d the demand and a what the backend has left, both as shares of the fleet's totals, and both divided by their
 * first entry. Here "first" is the first resource that the request needs: where it fits, the backend has some of
 * that left, so nothing is divided by zero. A request that needs nothing suits all alike. A resource that no
 * member has is left out. See `Room` for what is left of a rate, and `BestFit` for when nothing fits.
 *
 * H depends on the order of the resources and has no upper bound. It knows only the shape of the load: two holes of
 * one shape are the same to it, however different in size.
 *
 * @see Wang, Li, Liang, "Multi-Resource Fair Allocation in Heterogeneous Cloud Computing Systems", IEEE TPDS 26(10),
 * 2015 (arXiv 1308.0083).
 */
export const drfhBestFit = {
  summary:
    "Best-Fit DRFH's: the least difference between the proportions of free capacity and of the demand.",
  make(context: PolicyContext): Policy {
    return new BestFit("drfh-best-fit", context, drfhMisfit)
  },
  parameters: { horizonSeconds },
  seesDemand: true,
} as const satisfies PolicyEntry

/** H of every member, 0 for a request that needs nothing. O(n·R). */
function drfhMisfit(room: Room): Misfits {
  const { resources, totals } = room
  return (members, demand, values) => {
    let first = 0
    while (first < resources && demand[first] === 0) first++
    if (first === resources) return
    const needed = demand[first]! / totals[first]!
    for (let i = 0; i < members.length; i++) {
      if (Number.isNaN(values[i])) continue
      const left = room.left(members[i]!, first) / totals[first]!
      let misfit = 0
      for (let r = 0; r < resources; r++) {
        if (totals[r] === 0) continue
        const share = room.left(members[i]!, r) / totals[r]!
        misfit += Math.abs(demand[r]! / totals[r]! / needed - share / left)
      }
      values[i] = misfit
    }
  }
}
