import { BestFit, type Misfits } from "./best-fit.ts"
import type { Policy, PolicyContext, PolicyEntry } from "../policy.ts"
import { horizonSeconds, type Room } from "./room.ts"

/**
 * The backend where what is left has most nearly the proportions of the request, measured by the logarithm of the
 * ratios.
 *
 * With q_r = d_r / a_r, the part of what is left that the request would take, the error is 1 − min q / max q. For two
 * resources that is the error of `seed-ratio`, |A − D| / max(A, D) of the two ratios, but on what is left instead of
 * what was registered, among those where the request fits, and without a preference for the first registered. For
 * more it is 1 − e^−x with x the distance of the two vectors in Hilbert's projective metric: symmetric, and blind to
 * units and size. See `Room` for what is left of a rate, and `BestFit` for when nothing fits.
 */
export const logRatio = {
  summary:
    "The backend whose free capacity is nearest to the demand in its proportions, by the logarithm of the ratios.",
  make(context: PolicyContext): Policy {
    return new BestFit("log-ratio", context, ratioError)
  },
  parameters: { horizonSeconds },
  seesDemand: true,
} as const satisfies PolicyEntry

/** What counts as needed of a resource that is not, as a part of the largest share that is. */
const least = 1 / 1024

/**
 * 1 − min q / max q of every member, from 0 (the same shape) to 1; 0 for a request that needs nothing. O(n·R).
 *
 * Of what a request does not need it is taken to need a thousandth, or every backend that has it would be infinitely
 * far and no two could be told apart; this way the one with the least to waste is nearest. One that has nothing left
 * of it, or nothing at all, is infinitely far on the other side: its error is 1.
 */
export function ratioError(room: Room): Misfits {
  const { resources, totals } = room
  return (members, demand, values) => {
    let largest = 0
    for (let r = 0; r < resources; r++) {
      if (totals[r]! > 0 && demand[r]! / totals[r]! > largest) largest = demand[r]! / totals[r]!
    }
    if (largest === 0) return

    for (let i = 0; i < members.length; i++) {
      if (Number.isNaN(values[i])) continue
      let low = Infinity
      let high = 0
      for (let r = 0; r < resources; r++) {
        if (totals[r] === 0) continue
        const needed = Math.max(demand[r]!, least * largest * totals[r]!)
        // Infinity where nothing is left, and then `low / high` is 0, as infinitely far as it gets.
        const part = needed / room.left(members[i]!, r)
        if (part < low) low = part
        if (part > high) high = part
      }
      values[i] = low === high ? 0 : 1 - low / high
    }
  }
}
