// Hot path. Benchmark: bench/choose.ts.
import type { Backend, BackendId } from "../../core/backend.ts"
import { type Knowledge, nothingKnown } from "../../core/knowledge.ts"
import type { Rng } from "../../core/rng.ts"
import { AliasTables } from "./alias-tables.ts"
import type { Parameter, PickRequest, Policy, PolicyContext, PolicyEntry } from "../policy.ts"
import { PriceList } from "./price-list.ts"

export const mixParameters = {
  samples: {
    summary: "How many backends are drawn for a request, of which the cheapest is taken.",
    default: 6,
    min: 1,
    max: 16,
    isInteger: true,
  },
  explored: {
    summary: "The part of the draws that every backend is equally likely to get, whatever the plan says.",
    default: 0.5,
    min: 0,
    max: 1,
  },
} as const satisfies Record<string, Parameter>

/** The largest fleet of which all members may be looked at for one request. `Auto` goes by it too. */
export const scannedMax = 64
/** In a larger one so many are drawn for a request of a route without a mix. */
const drawnBlindly = 8

/**
 * Draws a few backends, half from the mix of the request's route and half from all, and takes the cheapest of them now.
 *
 * The mix is slow and sees the whole: which part of a route's requests belongs where for the fleet to carry most. The
 * prices are fast and see the moment. Draws keep several balancers from running for the same backend, and what they
 * cost does not depend on the size of the fleet: O(samples · resources). When none of those drawn will do, all
 * are looked at, so one that admits is found, unless it is better to wait.
 *
 * A plan is as good as what it was made from, and near the bound the hundredth by which it is wrong is what overfills a
 * kind of backend. Draws from all set that right, as prices rise there: with eight balancers, each of which has learned
 * from an eighth of the requests, 300 backends of three types carry 0.94 of the fluid bound with a fiftieth of the
 * draws from all, 0.98 with half, 0.96 with three quarters and 0.87 without a plan. Where the plan is right they do no
 * harm, as there it is cheapest.
 *
 * Without a mix two draws from all would miss the few backends that fit, so it is eight, and all in a small
 * fleet. Members that the mix does not know are drawn as often as the average. A route's table is made when it is first
 * needed after a change: O(n), 15 ns per backend.
 *
 * @see Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", IEEE TPDS 12(10), 2001.
 */
export class MixPolicy implements Policy {
  /** Its row in the table of policies. */
  static readonly entry = {
    summary:
      "The cheapest of a few backends, of which half are drawn from a plan for the request's route and half from all.",
    make: (context) => new MixPolicy(context),
    parameters: mixParameters,
    seesDemand: true,
    readsMix: () => true,
  } as const satisfies PolicyEntry

  readonly name = "mix"
  readonly #rng: Rng
  readonly #drawn: Int32Array
  readonly #drawnBlindly = new Int32Array(drawnBlindly)
  readonly #explored: number
  readonly #prices: PriceList
  readonly #tables = new AliasTables()
  #knowledge: Knowledge = nothingKnown
  #members: readonly Backend[] = []
  /** By route: whether it has a mix. */
  #isPlanned = new Uint8Array(0)
  /** By member: its column in the mix, −1 when it is not in it. */
  #columns = new Int32Array(0)

  constructor({ resources, rng, parameters }: PolicyContext) {
    this.#rng = rng
    this.#drawn = new Int32Array(parameters["samples"]!)
    this.#explored = parameters["explored"]!
    this.#prices = new PriceList(resources, rng)
  }

  rebuild(members: readonly Backend[]): void {
    this.#members = members
    this.#prices.rebuild(members)
    this.#prepare()
  }

  learn(knowledge: Knowledge): void {
    this.#knowledge = knowledge
    this.#prices.learn(knowledge)
    this.#prepare()
  }

  tick(): void {
    this.#prices.refresh()
  }

  #prepare(): void {
    const { mix, routes } = this.#knowledge
    const columns = new Map<BackendId, number>()
    for (const [column, id] of (mix?.backends ?? []).entries()) columns.set(id, column)
    this.#columns = Int32Array.from(this.#members, ({ id }) => columns.get(id) ?? -1)
    const rows = mix === undefined ? 0 : mix.shares.length / mix.backends.length
    this.#isPlanned = Uint8Array.from(routes, ({ isLearned }, row) => (isLearned && row < rows ? 1 : 0))
    this.#tables.reset(this.#isPlanned.length, this.#members.length)
  }

  pick(request: PickRequest): Backend | undefined {
    const members = this.#members
    const count = members.length
    const { route } = request
    const tried = this.#prices.trial(request)
    if (tried !== undefined) return tried
    const isPlanned = route < this.#isPlanned.length && this.#isPlanned[route] === 1
    if (!isPlanned && count <= scannedMax) return this.#prices.cheapest(request)
    if (count === 0) return undefined
    if (isPlanned && !this.#tables.isFilled(route)) this.#fill(route)

    const drawn = isPlanned ? this.#drawn : this.#drawnBlindly
    for (let i = 0; i < drawn.length; i++) {
      drawn[i] = isPlanned ? this.#tables.draw(route, this.#rng.next()) : this.#rng.below(count)
    }
    return this.#prices.cheapestOf(request, drawn) ?? this.#prices.cheapest(request)
  }

  #fill(route: number): void {
    const { backends, shares } = this.#knowledge.mix!
    const count = this.#members.length
    const weights = this.#tables.weights
    let sum = 0
    for (let i = 0; i < count; i++) {
      const column = this.#columns[i]!
      const share = column < 0 ? 1 / count : shares[route * backends.length + column]!
      weights[i] = share
      sum += share
    }
    // When all that were planned for have left, any is as good as another.
    const explored = sum > 0 ? this.#explored : 1
    const scale = sum > 0 ? (1 - explored) / sum : 0
    for (let i = 0; i < count; i++) weights[i] = weights[i]! * scale + explored / count
    this.#tables.fill(route)
  }
}
