// Hot path. Benchmark: bench/choose.ts.
import type { Backend } from "../../core/backend.ts"
import type { Rng } from "../../core/rng.ts"
import { EdfSchedule } from "../tools/edf-schedule.ts"
import type { PickRequest, Policy, PolicyEntry } from "../policy.ts"
import { RoundRobin } from "./round-robin.ts"
import { haveEqualWeights } from "../tools/weights.ts"

/**
 * Turns in proportion to weight by earliest deadline; plain rotation while all weights are equal.
 *
 * Not as evenly spread as `weighted-round-robin`, where the weights have common divisors, but O(log n) per
 * pick instead of O(n). See `EdfSchedule` for members that are not admitted, newcomers and ties.
 *
 * Prior art: Envoy's `round_robin`. There the rotation starts at random too; here it starts with the first.
 */
export class EdfRoundRobin implements Policy {
  /** Its row in the table of policies. */
  static readonly entry = {
    summary:
      "Envoy's: round robin by weight, earliest deadline first: less even than weighted-round-robin, but O(log n).",
    make: ({ rng }) => new EdfRoundRobin(rng),
    seesDemand: false,
  } as const satisfies PolicyEntry

  readonly name = "edf-round-robin"
  readonly #rotation = new RoundRobin()
  readonly #schedule: EdfSchedule
  #isRotation = true

  constructor(rng: Rng) {
    this.#schedule = new EdfSchedule(rng)
  }

  rebuild(members: readonly Backend[]): void {
    this.#rotation.rebuild(members)
    this.#schedule.rebuild(members)
    this.#isRotation = haveEqualWeights(members)
  }

  pick(request: PickRequest): Backend | undefined {
    return this.#isRotation ? this.#rotation.pick(request) : this.#schedule.pick(request)
  }
}
