// Hot path. Benchmark: bench/choose.ts.
import type { Backend } from "../../core/backend.ts"
import type { Rng } from "../../core/rng.ts"
import type { LoadMetric, PickRequest, Policy } from "../policy.ts"

/**
 * Looks at every member the request admits and picks the one with the least load, whatever the metric means by
 * that. Ties are resolved at random, each of the tied equally likely.
 *
 * A backend at Infinity is picked only when all admitted ones are. A metric must not say NaN: such a backend is
 * never picked. O(n) per pick, one call of the metric a candidate.
 *
 * The tie-break is a reservoir of size one: the k-th of the tied replaces the one held with probability 1/k.
 *
 * @see Vitter, "Random Sampling with a Reservoir", ACM TOMS 11(1), 1985.
 */
export class LeastLoaded implements Policy {
  readonly name: string
  readonly #rng: Rng
  readonly #metric: LoadMetric
  #members: readonly Backend[] = []

  constructor(name: string, rng: Rng, metric: LoadMetric) {
    this.name = name
    this.#rng = rng
    this.#metric = metric
  }

  rebuild(members: readonly Backend[]): void {
    this.#members = members
  }

  pick(request: PickRequest): Backend | undefined {
    const members = this.#members
    const metric = this.#metric
    let best: Backend | undefined
    let least = Infinity
    let tied = 0
    for (let i = 0; i < members.length; i++) {
      const backend = members[i]!
      if (!request.admits(backend)) continue
      const load = metric(backend, request)
      if (load < least) {
        best = backend
        least = load
        tied = 1
      } else if (load === least) {
        tied++
        if (tied === 1 || this.#rng.below(tied) === 0) best = backend
      }
    }
    return best
  }
}
