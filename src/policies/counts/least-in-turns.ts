// Hot path. Benchmark: bench/choose.ts.
import type { Backend } from "../../core/backend.ts"
import type { LoadMetric, PickRequest, Policy } from "../policy.ts"
import { SmoothTurns } from "../tools/smooth-turns.ts"
import type { Turns } from "../tools/turns.ts"

/**
 * Looks at every member the request admits and picks the one with the least load, whatever the metric means
 * by that; the tied take turns, weighted and smooth unless told otherwise.
 *
 * Ties are the rule and not the exception where requests are short: by attempts in flight an idle fleet is
 * tied at nothing, and this is weighted round robin. No member earns a turn in a pick that had a single winner.
 * Each load is read once, so that other threads may move it meanwhile. A backend at Infinity is picked only
 * when all admitted ones are; one at NaN never. O(n) per pick, one call of the metric per candidate.
 *
 * Prior art: nginx's `least_conn`, which is this by attempts in flight per weight.
 */
export class LeastInTurns implements Policy {
  readonly name: string
  readonly #metric: LoadMetric
  readonly #turns: Turns
  #members: readonly Backend[] = []
  #tied = new Int32Array(0)

  constructor(name: string, metric: LoadMetric, turns: Turns = new SmoothTurns()) {
    this.name = name
    this.#metric = metric
    this.#turns = turns
  }

  rebuild(members: readonly Backend[]): void {
    this.#turns.rebuild(members)
    this.#members = members
    this.#tied = new Int32Array(members.length)
  }

  pick(request: PickRequest): Backend | undefined {
    const members = this.#members
    const tied = this.#tied
    let least = Infinity
    let count = 0
    for (let i = 0; i < members.length; i++) {
      const backend = members[i]!
      if (!request.admits(backend)) continue
      const load = this.#metric(backend, request)
      if (!(load <= least)) continue
      if (load < least) {
        least = load
        count = 0
      }
      tied[count++] = i
    }
    if (count === 0) return undefined
    return members[count === 1 ? tied[0]! : this.#turns.next(tied, count)]
  }
}
