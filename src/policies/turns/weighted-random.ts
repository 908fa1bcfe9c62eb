// Hot path. Benchmark: bench/choose.ts.
import type { Backend } from "../../core/backend.ts"
import type { Rng } from "../../core/rng.ts"
import type { PickRequest, Policy, PolicyEntry } from "../policy.ts"
import { WeightedDraw } from "../tools/weighted-draw.ts"

/**
 * Every admitted member as likely as its weight says, whatever it carries.
 *
 * O(1) when the one drawn is admitted. Else O(n): another is drawn among the admitted in proportion to
 * weight, so that the share of the refused is spread over the others as their weights are.
 *
 * Prior art: AWS ALB's `weighted_random`, nginx's `random`.
 */
export class WeightedRandom implements Policy {
  /** Its row in the table of policies. */
  static readonly entry = {
    summary: "Any backend, each as likely as its weight says.",
    make: ({ rng }) => new WeightedRandom(rng),
    seesDemand: false,
  } as const satisfies PolicyEntry

  readonly name = "weighted-random"
  readonly #rng: Rng
  readonly #draw: WeightedDraw
  #members: readonly Backend[] = []

  constructor(rng: Rng) {
    this.#rng = rng
    this.#draw = new WeightedDraw(rng)
  }

  rebuild(members: readonly Backend[]): void {
    this.#members = members
    this.#draw.rebuild(members)
  }

  pick(request: PickRequest): Backend | undefined {
    const members = this.#members
    if (members.length === 0) return undefined
    const drawn = members[this.#draw.next()]!
    if (request.admits(drawn)) return drawn

    // The newest takes over with its share of the weight seen so far: after all of them, each with its share.
    let held: Backend | undefined
    let seen = 0
    for (let i = 0; i < members.length; i++) {
      const backend = members[i]!
      if (!request.admits(backend)) continue
      seen += backend.weight
      if (held === undefined || this.#rng.next() * seen < backend.weight) held = backend
    }
    return held
  }
}
