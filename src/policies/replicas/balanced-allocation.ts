import { BestFit, type Misfits } from "../shapes/best-fit.ts"
import type { Policy, PolicyContext, PolicyEntry } from "../policy.ts"
import { horizonSeconds, type Room } from "../shapes/room.ts"

/**
 * The backend whose resources would be used most evenly: the least standard deviation of the fractions in use after
 * placement, among those where the request fits.
 *
 * It looks at the shape of the result instead of the shape of the hole: what lies idle of one resource because
 * another has run out is waste. How full a backend is does not matter to it. Of resources that a backend does not
 * have nothing is counted; with one resource all backends are alike. See `Room` for the fraction of a rate, and
 * `BestFit` for when nothing fits.
 *
 * Prior art: the score NodeResourcesBalancedAllocation of the Kubernetes scheduler.
 */
export const balancedAllocation = {
  summary: "The backend whose resources would be used most evenly, as in Kubernetes.",
  make(context: PolicyContext): Policy {
    return new BestFit("balanced-allocation", context, imbalance)
  },
  parameters: { horizonSeconds },
  seesDemand: true,
} as const satisfies PolicyEntry

/** For every member the standard deviation of (W + d) / whole over what it has, each at most 1. O(n·R). */
function imbalance(room: Room): Misfits {
  const { resources } = room
  return (members, demand, values) => {
    for (let i = 0; i < members.length; i++) {
      if (Number.isNaN(values[i])) continue
      const backend = members[i]!
      let count = 0
      let mean = 0
      let squares = 0
      for (let r = 0; r < resources; r++) {
        const whole = room.whole(backend, r)
        if (whole === 0) continue
        const fraction = Math.min(1, (backend.load.reserved(r) + demand[r]!) / whole)
        // Welford's update: a sum of squares less the square of a sum may come out negative.
        count++
        const off = fraction - mean
        mean += off / count
        squares += off * (fraction - mean)
      }
      values[i] = count === 0 ? 0 : Math.sqrt(squares / count)
    }
  }
}
