// Hot path. Benchmark: bench/choose.ts.
import { DeadlineTurns } from "./deadline-turns.ts"
import { ByLearnedLoad } from "../times/learned-load.ts"
import { LeastInTurns } from "../counts/least-in-turns.ts"
import type { Policy, PolicyEntry } from "../policy.ts"
import { MeanTime } from "./mean-time.ts"

/** The least mean time to first byte, times attempts in flight, per weight; ties by deadline. O(n) per pick. */
export const leastTimeTraefik = {
  summary: "Traefik's: the least mean of the last 100 times to first byte, times attempts in flight.",
  make(): Policy {
    const load = new MeanTime()
    const chooser = new LeastInTurns("least-time-traefik", load.metric, new DeadlineTurns())
    return new ByLearnedLoad(chooser, load)
  },
  seesDemand: false,
} as const satisfies PolicyEntry
