// Hot path: called once a candidate in every pick. Benchmark: bench/choose.ts.
import type { LoadMetric } from "../policy.ts"

/** Attempts in flight per unit of weight: twice the weight may carry twice as many. Blind to what they need. */
export const inFlight: LoadMetric = (backend) => backend.load.inFlight / backend.weight

/** As `inFlight`, with the request that is placed counted in; but an idle backend is idle whatever it weighs. */
export const haproxyKey: LoadMetric = ({ load, weight }) => {
  const attempts = load.inFlight
  return attempts === 0 ? 0 : (attempts + 1) / weight
}
