// Hot path. Benchmark: bench/choose.ts.
import type { Backend } from "../../core/backend.ts"
import type { Rng } from "../../core/rng.ts"
import type { PickRequest, Policy, PolicyEntry } from "../policy.ts"
import { WeightedDraw } from "../tools/weighted-draw.ts"
import { WeightedRoundRobin } from "../turns/weighted-round-robin.ts"

/** Draws that may fail in one pick: refused members, and the first one drawn again. */
const failuresMax = 20

/**
 * Draws two distinct admitted members in proportion to weight and picks the one with fewer attempts in flight
 * per weight, the second on ties.
 *
 * Weight counts twice, once in the draw and once in the comparison. A draw that fails is repeated; with more
 * than 20 failures the pick is a turn of weighted round robin among all the admitted instead. So is every
 * pick while only one member is admitted, and many where one weight dwarfs the others: 1,000 to 1 draws the
 * same one again. O(1) per pick, O(n) after too many failures.
 *
 * Prior art: nginx's `random two least_conn`, where failures add up over all attempts of a request; here each
 * pick begins with none.
 */
export class RandomTwoWeighted implements Policy {
  /** Its row in the table of policies. */
  static readonly entry = {
    summary: "nginx's: of two backends drawn by weight the one with fewer attempts in flight per weight.",
    make: ({ rng }) => new RandomTwoWeighted(rng),
    seesDemand: false,
  } as const satisfies PolicyEntry

  readonly name = "random-two-weighted"
  readonly #draw: WeightedDraw
  readonly #turns = new WeightedRoundRobin()
  #members: readonly Backend[] = []

  constructor(rng: Rng) {
    this.#draw = new WeightedDraw(rng)
  }

  rebuild(members: readonly Backend[]): void {
    this.#members = members
    this.#draw.rebuild(members)
    this.#turns.rebuild(members)
  }

  pick(request: PickRequest): Backend | undefined {
    const members = this.#members
    if (members.length < 2) return this.#turns.pick(request)
    let first: Backend | undefined
    let failures = 0
    while (failures <= failuresMax) {
      const drawn = members[this.#draw.next()]!
      if (drawn === first || !request.admits(drawn)) failures++
      else if (first === undefined) first = drawn
      else return lessPerWeight(drawn, first)
    }
    return this.#turns.pick(request)
  }
}

function lessPerWeight(later: Backend, earlier: Backend): Backend {
  return later.load.inFlight * earlier.weight > earlier.load.inFlight * later.weight ? earlier : later
}
