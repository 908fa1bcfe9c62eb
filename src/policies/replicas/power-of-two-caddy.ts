// Hot path. Benchmark: bench/choose.ts.
import type { Backend } from "../../core/backend.ts"
import type { Rng } from "../../core/rng.ts"
import { firstAdmitted } from "../tools/first-admitted.ts"
import type { PickRequest, Policy, PolicyEntry } from "../policy.ts"

/**
 * Power of two choices as Caddy's `random_choose` was written for years: diluted in two ways, so that a busy
 * backend keeps winning picks that a power of two would not give it.
 *
 * Two slots are filled from all members in order: the i-th, counted from 0 and with those that are not
 * admitted, goes into slot below(i + 1) when that is one of the two. The second member can so overwrite the
 * first and leave a slot empty: with two members every second pick has a single candidate, the later one.
 * Then an idle candidate wins at once. Of two busy ones a later, less loaded one is only added to the list of
 * the best and does not replace it, and the list is drawn from at random: it wins half of the time.
 *
 * Of two busy members the later therefore wins 3/4 when it is less loaded or as loaded, and still 1/2 when it
 * is more loaded. Attempts in flight are compared, without weights. O(n) per pick, one draw per member. When no
 * slot was filled the original says that none is available; here the first admitted member is used.
 *
 * Prior art: Caddy's code as read in 2026-08. Later code fills both slots and keeps only the best, as
 * documented.
 */
export class PowerOfTwoCaddy implements Policy {
  /** Its row in the table of policies. */
  static readonly entry = {
    summary: "As older versions of Caddy drew and compared two backends, by which the busier one often wins.",
    make: ({ rng }) => new PowerOfTwoCaddy(rng),
    seesDemand: false,
  } as const satisfies PolicyEntry

  readonly name = "power-of-two-caddy"
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
    let first: Backend | undefined
    let second: Backend | undefined
    for (let i = 0; i < members.length; i++) {
      const backend = members[i]!
      if (!request.admits(backend)) continue
      const slot = this.#rng.below(i + 1)
      if (slot === 0) first = backend
      else if (slot === 1) second = backend
    }
    if (first === undefined) return second ?? firstAdmitted(members, 0, request)
    if (second === undefined) return first

    const inFirst = first.load.inFlight
    if (inFirst === 0) return first
    const inSecond = second.load.inFlight
    if (inSecond === 0) return second
    return inSecond <= inFirst && this.#rng.below(2) === 1 ? second : first
  }
}
