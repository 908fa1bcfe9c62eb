// Hot path. Benchmark: bench/choose.ts.
import type { Backend } from "../../core/backend.ts"
import type { PickRequest, Policy, PolicyEntry } from "../policy.ts"
import { SmoothTurns } from "../tools/smooth-turns.ts"

/**
 * Turns in proportion to weight, spread out evenly; see `SmoothTurns` for the order and its source.
 *
 * A member the request does not admit neither earns nor pays in that turn, so it is not owed a burst when it is
 * back. O(n) per pick.
 */
export class WeightedRoundRobin implements Policy {
  /** Its row in the table of policies. */
  static readonly entry = {
    summary: "Turns in proportion to weight, spread out evenly.",
    make: () => new WeightedRoundRobin(),
    seesDemand: false,
  } as const satisfies PolicyEntry

  readonly name = "weighted-round-robin"
  readonly #turns = new SmoothTurns()
  #members: readonly Backend[] = []
  #admitted = new Int32Array(0)

  rebuild(members: readonly Backend[]): void {
    this.#turns.rebuild(members)
    this.#members = members
    this.#admitted = new Int32Array(members.length)
  }

  pick(request: PickRequest): Backend | undefined {
    const members = this.#members
    const admitted = this.#admitted
    let count = 0
    for (let i = 0; i < members.length; i++) {
      if (request.admits(members[i]!)) admitted[count++] = i
    }
    return count === 0 ? undefined : members[this.#turns.next(admitted, count)]
  }
}
