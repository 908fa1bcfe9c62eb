// Hot path. Benchmark: bench/choose.ts.
import type { Backend } from "../../core/backend.ts"
import type { Rng } from "../../core/rng.ts"
import { firstAdmitted } from "../tools/first-admitted.ts"
import type { LoadMetric, PickRequest, Policy, PolicyEntry } from "../policy.ts"
import { inFlight } from "./load-metrics.ts"

/**
 * Power of two choices: samples two distinct members uniformly and picks the less loaded, whatever the metric
 * means by that.
 *
 * O(1) per pick. A backend the request does not admit loses to one it does; when neither of the two is
 * admitted, the first admitted member after the first sample is used. The one sampled first wins ties.
 *
 * Prior art: YARP's default, HAProxy's since 3.3 (there drawn by weight), Finagle's chooser.
 *
 * @see Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", IEEE TPDS 12(10), 2001.
 */
export class PowerOfTwoChoices implements Policy {
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
    const count = members.length
    if (count === 0) return undefined
    const first = this.#rng.below(count)
    const a = members[first]!
    if (count === 1) return request.admits(a) ? a : undefined

    // The second sample skips over the first, so the pair is distinct and every pair equally likely.
    let second = this.#rng.below(count - 1)
    if (second >= first) second++
    const b = members[second]!

    if (!request.admits(a)) return request.admits(b) ? b : firstAdmitted(members, first, request)
    if (!request.admits(b)) return a
    return this.#metric(a, request) <= this.#metric(b, request) ? a : b
  }
}

/** By attempts in flight per weight. */
export const powerOfTwo = {
  summary: "Of two backends drawn at random the one with fewer attempts in flight per weight.",
  make: ({ rng }) => new PowerOfTwoChoices("power-of-two", rng, inFlight),
  seesDemand: false,
} as const satisfies PolicyEntry
