// Hot path: called once a candidate in every pick. Benchmark: bench/choose.ts.
import type { LoadMetric } from "./policy.ts"

/** Attempts in flight per unit of weight: twice the weight may carry twice as many. Blind to what they need. */
export const inFlight: LoadMetric = (backend) => backend.load.inFlight / backend.weight
