// Hot path. Benchmark: bench/choose.ts.
import { ByLearnedLoad } from "./learned-load.ts"
import { LeastLoaded } from "../counts/least-loaded.ts"
import type { Parameter, Policy, PolicyContext, PolicyEntry } from "../policy.ts"
import { CubicScore } from "./cubic-score.ts"

const c3Parameters = {
  gain: {
    summary: "What a new sample weighs in the averages, 0 to 1.",
    default: 0.9,
    min: 0.001,
    max: 1,
  },
  clients: {
    summary: "How many balancers share the backends: each of our attempts stands for as many.",
    default: 1,
    min: 1,
    max: 10_000,
  },
} as const satisfies Record<string, Parameter>

/** The least score of C3; ties at random. See `CubicScore`. O(n) per pick. */
export const c3 = {
  summary:
    "The least R + (q³ − 1)·S, with R the response time, S the service time and q the length of the queue.",
  make({ rng, parameters }: PolicyContext): Policy {
    const load = new CubicScore(parameters["gain"]!, parameters["clients"]!)
    return new ByLearnedLoad(new LeastLoaded("c3", rng, load.metric), load)
  },
  parameters: c3Parameters,
  seesDemand: false,
} as const satisfies PolicyEntry
