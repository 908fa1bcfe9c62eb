/** Policies that compare the shape of a request with the shape of a backend, or of its room. */
import { balancedAllocation } from "../replicas/balanced-allocation.ts"
import { cosine } from "./cosine.ts"
import { drfhBestFit } from "./drfh-best-fit.ts"
import { logRatio } from "./log-ratio.ts"
import { MinMax } from "./min-max.ts"
import type { PolicyEntry } from "../policy.ts"
import { band, RatioThenShare } from "./ratio-then-share.ts"
import { horizonSeconds } from "./room.ts"
import { SeedRatio, seedRatioUnsuitable } from "./seed-ratio.ts"
import { tetris } from "./tetris.ts"

export const fits = {
  "ratio-then-share": {
    summary: "Of the backends whose room has nearly the shape of the request, the least full.",
    make: (context) => new RatioThenShare(context),
    parameters: { band, horizonSeconds },
    seesDemand: true,
  },
  "drfh-best-fit": {
    summary: "The backend whose room has the shape of the request, as in Best-Fit DRFH.",
    make: drfhBestFit,
    parameters: { horizonSeconds },
    seesDemand: true,
  },
  "log-ratio": {
    summary: "The backend whose room has most nearly the proportions of the request.",
    make: logRatio,
    parameters: { horizonSeconds },
    seesDemand: true,
  },
  cosine: {
    summary: "The backend whose room points in the direction of the request.",
    make: cosine,
    parameters: { horizonSeconds },
    seesDemand: true,
  },
  tetris: {
    summary: "The largest dot product of what the request needs and what the backend has left.",
    make: tetris,
    parameters: { horizonSeconds },
    seesDemand: true,
  },
  "balanced-allocation": {
    summary: "The backend whose resources would be used most evenly, as in Kubernetes.",
    make: balancedAllocation,
    parameters: { horizonSeconds },
    seesDemand: true,
  },
  "min-max": {
    summary: "The backend whose fullest resource would be the least full.",
    make: (context) => new MinMax(context),
    parameters: { horizonSeconds },
    seesDemand: true,
  },
  "seed-ratio": {
    summary:
      "The first backend whose compute to storage ratio is within 20 % of the request's, else the nearest.",
    make: (context) => new SeedRatio(context.resources),
    unsuitable: seedRatioUnsuitable,
    seesDemand: true,
  },
} as const satisfies Record<string, PolicyEntry>
