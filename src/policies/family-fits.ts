/** Policies that compare the shape of a request with the shape of a backend, or of its room. */
import type { PolicyEntry } from "./policy.ts"
import { SeedRatio, seedRatioUnsuitable } from "./seed-ratio.ts"

export const fits = {
  "seed-ratio": {
    summary:
      "The first backend whose compute to storage ratio is within 20 % of the request's, else the nearest.",
    make: (context) => new SeedRatio(context.resources),
    unsuitable: seedRatioUnsuitable,
    seesDemand: true,
  },
} as const satisfies Record<string, PolicyEntry>
