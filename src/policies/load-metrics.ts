// Hot path: called once a candidate in every pick. Benchmark: bench/choose.ts.
import type { ResourceTable } from "../core/resources.ts"
import type { LoadMetric } from "./policy.ts"

/** Attempts in flight per unit of weight: twice the weight may carry twice as many. Blind to what they need. */
export const inFlight: LoadMetric = (backend) => backend.load.inFlight / backend.weight

/** As `inFlight`, with the request that is placed counted in; but an idle backend is idle whatever it weighs. */
export const haproxyKey: LoadMetric = ({ load, weight }) => {
  const attempts = load.inFlight
  return attempts === 0 ? 0 : (attempts + 1) / weight
}

/**
 * What placing this request here would cost: Σ_r d_r · φ_r((W_r + d_r/2) / C_r), with d the request's demand, W
 * the demand reserved on the backend and C its capacity.
 *
 * The argument of φ is the load half way through the placing, so that big requests see that they are big. For a
 * `rate` it is seconds of backlog and φ(u) = u. For a `space` it is the fraction held and φ(u) = u / (1 − u),
 * which is Infinity from 1 on. A resource the request does not need costs nothing, however scarce; one it needs
 * and the backend lacks (capacity 0) costs Infinity. Never NaN for what the load table can tell apart. A request that needs nothing finds every
 * backend equally cheap.
 *
 * A price is per unit of work, so the capacity divides once. Dividing the demand by it as well makes large
 * backends look cheap for the wrong requests. O(R).
 *
 * @see Stolyar, "Maxweight scheduling in a generalized switch", Annals of Applied Probability 14(1), 2004: with
 * rates alone this is the greedy step on the quadratic potential Σ W²/C, stable whenever any policy is.
 */
export function resourcePrice(resources: ResourceTable): LoadMetric {
  const count = resources.length
  const isSpace = resources.map((resource) => resource.kind === "space")

  return (backend, request) => {
    const { demand } = request
    const { capacity, load } = backend
    let price = 0
    for (let r = 0; r < count; r++) {
      const amount = demand[r]!
      // Skipped rather than multiplied: 0 · Infinity would be NaN.
      if (amount === 0) continue
      const loadMidway = (load.reserved(r) + amount / 2) / capacity[r]!
      if (!isSpace[r]) price += amount * loadMidway
      else if (loadMidway < 1) price += (amount * loadMidway) / (1 - loadMidway)
      else return Infinity
    }
    return price
  }
}
