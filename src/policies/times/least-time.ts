// Hot path. Benchmark: bench/choose.ts.
import { ByLearnedLoad } from "./learned-load.ts"
import { LeastInTurns } from "../counts/least-in-turns.ts"
import type { Parameter, Policy, PolicyContext, PolicyEntry } from "../policy.ts"
import { ExpectedTime } from "./expected-time.ts"

const leastTimeParameters = {
  lastByte: {
    summary: "1 measures to the end of a response, 0 to its first byte.",
    default: 0,
    min: 0,
    max: 1,
    isInteger: true,
  },
  inflight: {
    summary: "1 also looks at the age of unfinished attempts, 0 only at finished ones.",
    default: 0,
    min: 0,
    max: 1,
    isInteger: true,
  },
  failTimeoutSeconds: {
    summary: "How long a backend may go without a fresh look before its time is halved, in seconds.",
    default: 10,
    min: 0,
    max: 86_400,
    isInteger: true,
  },
} as const satisfies Record<string, Parameter>

/** The least expected time per weight; ties in weighted turns. See `ExpectedTime`. O(n) per pick. */
export const leastTime = {
  summary:
    "nginx's: the least product of average response time and attempts in flight, per weight, in steps of 20 ms.",
  make({ parameters }: PolicyContext): Policy {
    const load = new ExpectedTime(
      parameters["lastByte"] === 1,
      parameters["inflight"] === 1,
      parameters["failTimeoutSeconds"]!,
    )
    return new ByLearnedLoad(new LeastInTurns("least-time", load.metric), load)
  },
  parameters: leastTimeParameters,
  seesDemand: false,
} as const satisfies PolicyEntry
