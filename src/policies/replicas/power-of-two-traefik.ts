// Hot path. Benchmark: bench/choose.ts.
import type { Backend } from "../../core/backend.ts"
import type { Rng } from "../../core/rng.ts"
import { firstAdmitted } from "../tools/first-admitted.ts"
import type { PickRequest, Policy, PolicyEntry } from "../policy.ts"

/**
 * Power of two choices as Traefik draws them: both from all members, and when the two draws coincide the
 * second is the next member.
 *
 * So neighbours in the order of registration meet more often: of n > 3 members each pair of neighbours with
 * probability 3/n², every other pair with 2/n². A member beside a busy one gets a little more than
 * its share. Compared are attempts in flight, without weights; the first draw wins ties. O(1) per pick; as
 * `PowerOfTwoChoices` where members are not admitted (the original draws from those that are healthy).
 *
 * Prior art: Traefik's `p2c` as of its introduction in 3.4 and in 3.7; its main branch has drawn distinct
 * members at times.
 */
export class PowerOfTwoTraefik implements Policy {
  /** Its row in the table of policies. */
  static readonly entry = {
    summary:
      "As Traefik draws two: backends registered one after the other are compared more often than others.",
    make: ({ rng }) => new PowerOfTwoTraefik(rng),
    seesDemand: false,
  } as const satisfies PolicyEntry

  readonly name = "power-of-two-traefik"
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
    const count = members.length
    if (count === 0) return undefined
    const first = this.#rng.below(count)
    let second = this.#rng.below(count)
    if (second === first) second = first + 1 === count ? 0 : first + 1
    const a = members[first]!
    const b = members[second]!

    if (!request.admits(a)) return request.admits(b) ? b : firstAdmitted(members, first, request)
    if (!request.admits(b)) return a
    return b.load.inFlight < a.load.inFlight ? b : a
  }
}
