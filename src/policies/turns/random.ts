// Hot path. Benchmark: bench/choose.ts.
import type { Backend } from "../../core/backend.ts"
import type { Rng } from "../../core/rng.ts"
import type { PickRequest, Policy, PolicyEntry } from "../policy.ts"

/**
 * Every admitted member equally likely, whatever it weighs or carries.
 *
 * O(1) when the one drawn is admitted. Else O(n): another is drawn among the admitted by a reservoir of size
 * one, so that the share of the refused is spread over all the others and not over a neighbour.
 *
 * Prior art: `random` of Envoy and of Caddy, which draws from a reservoir always.
 */
export class Random implements Policy {
  /** Its row in the table of policies. */
  static readonly entry = {
    summary: "Any backend, each equally likely.",
    make: ({ rng }) => new Random(rng),
    seesDemand: false,
  } as const satisfies PolicyEntry

  readonly name = "random"
  readonly #rng: Rng
  #members: readonly Backend[] = []

  constructor(rng: Rng) {
    this.#rng = rng
  }

  rebuild(members: readonly Backend[]): void {
    this.#members = members
  }

  pick(request: PickRequest): Backend | undefined {
    const members = this.#members
    if (members.length === 0) return undefined
    const drawn = members[this.#rng.below(members.length)]!
    if (request.admits(drawn)) return drawn

    let held: Backend | undefined
    let admitted = 0
    for (let i = 0; i < members.length; i++) {
      if (!request.admits(members[i]!)) continue
      admitted++
      if (admitted === 1 || this.#rng.below(admitted) === 0) held = members[i]
    }
    return held
  }
}
