// Hot path. Benchmark: bench/choose.ts.
import type { Backend } from "../core/backend.ts"
import { inFlight } from "./load-metrics.ts"
import type { PickRequest, Policy } from "./policy.ts"
import { SmoothTurns } from "./smooth-turns.ts"

/**
 * The fewest attempts in flight per unit of weight; among the tied, weighted turns.
 *
 * Ties are the rule and not the exception where requests are short: on an idle fleet all are tied at nothing in
 * flight, and this is weighted round robin. Nobody earns a turn in a pick that had a single winner. Each load is
 * read once, so that other threads may move it meanwhile. O(n) per pick.
 *
 * Prior art: nginx's `least_conn`, which breaks its ties in the same way.
 */
export class LeastConnections implements Policy {
  readonly name = "least-connections"
  readonly #turns = new SmoothTurns()
  #members: readonly Backend[] = []
  #tied = new Int32Array(0)

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
      const load = inFlight(backend, request)
      if (load > least) continue
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
