/** Policies that compare the shape of a request with the shape of a backend, or of its room. */
import { cosine } from "./cosine.ts"
import { logRatio } from "./log-ratio.ts"
import { MinMax } from "./min-max.ts"
import type { PolicyEntry } from "../policy.ts"
import { band, RatioThenShare } from "./ratio-then-share.ts"
import { horizonSeconds } from "./room.ts"

export const shapes = {
  "ratio-then-share": {
    summary: "Of the backends whose room has nearly the shape of the request, the least full.",
    make: (context) => new RatioThenShare(context),
    parameters: { band, horizonSeconds },
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
  "min-max": {
    summary: "The backend whose fullest resource would be the least full.",
    make: (context) => new MinMax(context),
    parameters: { horizonSeconds },
    seesDemand: true,
  },
} as const satisfies Record<string, PolicyEntry>
