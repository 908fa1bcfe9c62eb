// Hot path. Benchmark: bench/choose.ts.
import { BestFit, type Misfits } from "./best-fit.ts"
import { ratioError } from "./log-ratio.ts"
import type { Parameter, Policy, PolicyContext, PolicyEntry } from "../policy.ts"
import { horizonSeconds, type Room } from "./room.ts"

const band: Parameter = {
  summary: "How much worse than the best error of shape is still good enough for load to decide; 0 to 1.",
  default: 0.2,
  min: 0,
  max: 1,
}

/**
 * First shape, then load: of the backends where the request fits, those whose error of shape is within a band of the
 * best one's (`log-ratio` has the error), and of those the one that would be the least full. Ties at random.
 *
 * It keeps the idea of `seed-ratio`, that a fifth is near enough, and does with it what the seed did not: the band
 * is where load decides. Shape alone leaves one backend hot; load alone spends the scarce resource of a backend on
 * requests that others could take. Where the request fits nowhere, load alone decides among all (`BestFit`). See `Room` for what
 * is left of a rate. O(n·R) per pick, two passes.
 *
 * Prior art for stopping at good enough: the fitness calculators of Netflix Fenzo.
 */
export const ratioThenShare = {
  summary:
    "Of the backends whose free capacity has nearly the same proportions as the demand, the least full.",
  make(context: PolicyContext): Policy {
    return new BestFit("ratio-then-share", context, (room) =>
      leastFullInBand(room, context.parameters["band"]!),
    )
  },
  parameters: { band, horizonSeconds },
  seesDemand: true,
} as const satisfies PolicyEntry

function leastFullInBand(room: Room, width: number): Misfits {
  const errors = ratioError(room)
  return (members, demand, values) => {
    errors(members, demand, values)
    keepBest(values, members.length, width)
    room.fullness(members, demand, values)
  }
}

/** Makes NaN of every value that is more than `band` above the least. */
function keepBest(values: Float64Array, count: number, band: number): void {
  let least = Infinity
  for (let i = 0; i < count; i++) if (values[i]! < least) least = values[i]!
  for (let i = 0; i < count; i++) if (values[i]! > least + band) values[i] = NaN
}
