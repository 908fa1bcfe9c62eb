/** Policies that go by what backends say of themselves. */
import { orcaParameters, OrcaWeightedRoundRobin } from "./orca-weighted-round-robin.ts"
import type { PolicyEntry } from "../policy.ts"
import { Prequal, prequalParameters } from "./prequal.ts"

export const reports = {
  "orca-weighted-round-robin": {
    summary: "Turns in proportion to reported rate over reported utilization; equal turns without reports.",
    make: (context) => new OrcaWeightedRoundRobin(context),
    parameters: orcaParameters,
    seesDemand: false,
  },
  prequal: {
    summary: "Asks a few backends at random; of those not too busy the fastest, else the least busy.",
    make: (context) => new Prequal(context),
    parameters: prequalParameters,
    seesDemand: false,
  },
} as const satisfies Record<string, PolicyEntry>
