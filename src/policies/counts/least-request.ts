// Hot path. Benchmark: bench/choose.ts.
import type { Backend } from "../../core/backend.ts"
import type { Rng } from "../../core/rng.ts"
import { EdfSchedule } from "../tools/edf-schedule.ts"
import { firstAdmitted } from "../tools/first-admitted.ts"
import type { Parameter, PickRequest, Policy, PolicyEntry } from "../policy.ts"
import { haveEqualWeights } from "../tools/weights.ts"

const leastRequestParameters = {
  choices: {
    summary: "How many backends are drawn, with replacement, while all weights are equal.",
    default: 2,
    min: 2,
    max: 100,
    isInteger: true,
  },
  bias: {
    summary:
      "While weights differ: a weight counts divided by (in flight + 1) to this power; 0 is turns by weight.",
    default: 1,
    min: 0,
    max: 10,
  },
} as const satisfies Record<string, Parameter>

/**
 * While all weights are equal: of `choices` members drawn at random the one with the fewest attempts in
 * flight, the one drawn first on ties. While they differ: by earliest deadline (`EdfSchedule`), each due
 * again after (in flight + 1)^bias / weight as of its pick.
 *
 * Both as in the original, so with what they cost there. The draws are with replacement: with two choices of
 * n, one pick in n has a single candidate, and even the busiest of all wins now and then. With unequal
 * weights nothing is compared: a busy backend is due later but never drops out, and what was in flight when
 * it was last picked counts until it is picked again. O(choices) and O(log n) per pick; O(n) when those
 * drawn, or due, are not admitted.
 *
 * Prior art: Envoy's `least_request` with N_CHOICES; with bias 1 and equal weights also gRPC's (A48).
 */
export class LeastRequest implements Policy {
  /** Its row in the table of policies. */
  static readonly entry = {
    summary:
      "Envoy's: of two drawn at random the less busy one; if weights differ, round robin by weight and load.",
    make: ({ rng, parameters }) => new LeastRequest(rng, parameters["choices"]!, parameters["bias"]!),
    parameters: leastRequestParameters,
    seesDemand: false,
  } as const satisfies PolicyEntry

  readonly name = "least-request"
  readonly #rng: Rng
  readonly #choices: number
  readonly #schedule: EdfSchedule
  #members: readonly Backend[] = []
  #isSampling = true

  constructor(rng: Rng, choices: number, bias: number) {
    this.#rng = rng
    this.#choices = choices
    this.#schedule = new EdfSchedule(rng, bias)
  }

  rebuild(members: readonly Backend[]): void {
    this.#members = members
    this.#isSampling = haveEqualWeights(members)
    this.#schedule.rebuild(members)
  }

  pick(request: PickRequest): Backend | undefined {
    if (this.#members.length === 0) return undefined
    return this.#isSampling ? this.#sampled(request) : this.#schedule.pick(request)
  }

  #sampled(request: PickRequest): Backend | undefined {
    const members = this.#members
    let best: Backend | undefined
    let least = Infinity
    let drawn = 0
    for (let choice = 0; choice < this.#choices; choice++) {
      drawn = this.#rng.below(members.length)
      const backend = members[drawn]!
      const load = backend.load.inFlight
      if (load < least && request.admits(backend)) {
        best = backend
        least = load
      }
    }
    return best ?? firstAdmitted(members, drawn, request)
  }
}
