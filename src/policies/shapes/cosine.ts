import { BestFit, type Misfits } from "./best-fit.ts"
import type { Policy, PolicyContext, PolicyEntry } from "../policy.ts"
import { horizonSeconds, type Room } from "./room.ts"

/**
 * The backend whose room points in the direction of the request: the largest cosine of the angle between the demand
 * and what is left.
 *
 * Both are taken as shares of the fleet's totals, so that the units of the resources do not matter. Like every
 * comparison of shapes it sees no size. A request that needs nothing suits all alike. See `Room` for what is
 * left of a rate, and `BestFit` for when nothing fits.
 */
export const cosine = {
  summary: "The backend with the smallest angle between its free capacity and the demand, taken as vectors.",
  make(context: PolicyContext): Policy {
    return new BestFit("cosine", context, angle)
  },
  parameters: { horizonSeconds },
  seesDemand: true,
} as const satisfies PolicyEntry

/** 1 − cosine of every member, 0 to 1. O(n·R). */
function angle(room: Room): Misfits {
  const { resources, totals } = room
  return (members, demand, values) => {
    for (let i = 0; i < members.length; i++) {
      if (Number.isNaN(values[i])) continue
      let along = 0
      let demandSquare = 0
      let leftSquare = 0
      for (let r = 0; r < resources; r++) {
        if (totals[r] === 0) continue
        const needed = demand[r]! / totals[r]!
        const left = room.left(members[i]!, r) / totals[r]!
        along += needed * left
        demandSquare += needed * needed
        leftSquare += left * left
      }
      // Where something is needed and fits, both lengths are positive.
      values[i] = demandSquare === 0 ? 0 : 1 - along / Math.sqrt(demandSquare * leftSquare)
    }
  }
}
