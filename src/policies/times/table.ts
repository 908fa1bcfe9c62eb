/** Policies that compare how long backends take, as measured or as reported. */
import { c3, c3Parameters } from "./c3.ts"
import { leastTime, leastTimeParameters } from "./least-time.ts"
import { peakEwma, peakEwmaParameters } from "./peak-ewma.ts"
import { penaltyPeakEwma, penaltyPeakEwmaParameters } from "./penalty-peak-ewma.ts"
import type { PolicyEntry } from "../policy.ts"

export const times = {
  "least-time": {
    summary: "nginx's: the least average time times attempts in flight, per weight, in steps of 20 ms.",
    make: leastTime,
    parameters: leastTimeParameters,
    seesDemand: false,
  },
  "peak-ewma": {
    summary:
      "Finagle's: of two drawn at random the one with the lower recent peak time times attempts in flight.",
    make: peakEwma,
    parameters: peakEwmaParameters,
    seesDemand: false,
  },
  "penalty-peak-ewma": {
    summary: "linkerd's: peak-ewma in which a failing response counts as a very slow one.",
    make: penaltyPeakEwma,
    parameters: penaltyPeakEwmaParameters,
    seesDemand: false,
  },
  c3: {
    summary: "Response time plus the cube of the queue times service time: the least.",
    make: c3,
    parameters: c3Parameters,
    seesDemand: false,
  },
} as const satisfies Record<string, PolicyEntry>
