// Hot path: `ask` once a pick, `of` once a candidate. Benchmark: bench/choose.ts.
import type { Backend, BackendLoad } from "../../core/backend.ts"
import { type Knowledge, nothingKnown } from "../../core/knowledge.ts"
import type { ResourceTable } from "../../core/resources.ts"
import type { Rng } from "../../core/rng.ts"
import { averageFrom, believedOf } from "./believed.ts"
import { HoldTimes } from "./hold-time.ts"
import type { PickRequest } from "../policy.ts"
import { Suitability } from "./suitability.ts"
import { Trials } from "./trials.ts"

/**
 * What placing a request would cost at each member of a fleet:
 *
 *     Σ_r  d_r / K̄_r · φ_r( (W_r + d_r/2) / K_r )
 *
 * with d the request's demand, W the demand reserved on the backend, K what the backend has, and K̄ the mean of K over
 * the fleet. The argument of φ is the load half way through the placing, so that big requests see that they are big.
 * φ(u) = u for rates, which may lag behind, and u / (1 − u) for spaces, which may not: Infinity from 1 on.
 *
 * So no unit matters. The fleet's mean divides the demand, the own capacity divides the backlog, once: dividing the
 * demand by the own capacity too makes large backends look cheap for the wrong requests. Where the means of all
 * resources are alike this is Σ d_r φ((W_r + d_r/2) / C_r) but for a factor.
 *
 * Rates beside spaces are made comparable by time, once it is known how long requests take. Of a rate, K is then the
 * work that the backend can do in T, the time that requests take on average: by Little's law the work in flight is
 * arrivals times T, so W/K is the rate's utilization, a fraction of the same meaning as that of a space. And a space
 * counts for as long as it is held: its term is multiplied by t / T, with t the time that this request will hold it
 * there (`HoldTimes`). Where some place is far dearer than another that has no room just now, requests wait for that
 * (`Suitability`).
 *
 * A resource the request does not need costs nothing, however scarce. One it needs and the backend lacks costs
 * Infinity. A request that needs nothing, as when backends report only zeros, costs the attempts in flight per weight:
 * without any price it would go anywhere. Never NaN.
 *
 * A backend with a penalty p for failing costs p times its price, and (p − 1) times what the request would cost at
 * the mean load of those that do not fail: failing fast keeps a backend idle, and idle must not look cheap. What it
 * announces must not either: it counts as no larger than they are (`believedOf`), and p is over the least penalty of
 * the fleet, so where all fail alike nothing is different. So one that fails may get nothing at all, whatever its size.
 * To find out when it works again it is tried now and then (`Trials`).
 *
 * @see Stolyar, "Maxweight scheduling in a generalized switch", Annals of Applied Probability 14(1), 2004: with rates
 * alone this is the greedy step on the quadratic potential Σ W² / (C · K̄), stable whenever any policy is.
 */
export class PriceList {
  readonly #rng: Rng
  readonly #count: number
  readonly #isSpace: readonly boolean[]
  readonly #isPairOfRates: boolean
  /** Whether two rates are all there is and no member lacks one of them. */
  #isPlainPair = false
  readonly #hasBoth: boolean
  /** Whether some place can be too dear. */
  #withdraws = false
  readonly #times: HoldTimes
  readonly #suitability: Suitability
  #knowledge: Knowledge = nothingKnown
  #members: readonly Backend[] = []
  /** All their indices. */
  #all = new Int32Array(0)
  #loads: readonly BackendLoad[] = []
  /** By member and resource: 1 / K. */
  #inverse = new Float64Array(0)
  /** By resource: 1 / K̄. */
  readonly #inverseMean: Float64Array<ArrayBuffer>
  /** By member, of the last request whose price was asked of all. */
  #prices = new Float64Array(0)
  /** By member, of the same request: how dear it is. */
  #dears = new Float64Array(0)
  /** By member, over the least of them. */
  #penalties: Readonly<Float64Array> = new Float64Array(0)
  #hasPenalties = false
  /** By member: its weight, of one that fails no more than those of others. */
  #weightOf: Readonly<Float64Array> = new Float64Array(0)
  /** By resource: what those have together that do not fail, 1 / K; and their loads. */
  readonly #inverseGood: Float64Array<ArrayBuffer>
  #goodLoads: readonly BackendLoad[] = []
  /** By resource: φ of their mean load, as of the last refresh. Only kept while there are penalties. */
  readonly #meanPrice: Float64Array
  /** Their attempts in flight per weight, as of the last refresh. */
  #meanInFlight = 0
  #goodWeight = 0
  readonly #trials = new Trials()

  // Of the request asked about, by resource: d / K̄ and d / 2. Then one cell: what it would cost at the mean load.
  readonly #weights: Float64Array
  readonly #halves: Float64Array
  readonly #atMeanLoad = new Float64Array(1)
  #needsNothing = false

  constructor(resources: ResourceTable, rng: Rng) {
    this.#rng = rng
    this.#count = resources.length
    this.#isSpace = resources.map((resource) => resource.kind === "space")
    this.#isPairOfRates = resources.length === 2 && !this.#isSpace.includes(true)
    this.#hasBoth = this.#isSpace.includes(true) && this.#isSpace.includes(false)
    this.#times = new HoldTimes(resources)
    this.#suitability = new Suitability(resources, this.#times)
    this.#inverseMean = new Float64Array(resources.length)
    this.#inverseGood = new Float64Array(resources.length)
    this.#meanPrice = new Float64Array(resources.length)
    this.#weights = new Float64Array(resources.length)
    this.#halves = new Float64Array(resources.length)
  }

  /** Cold. O(members · resources). */
  rebuild(members: readonly Backend[]): void {
    this.#members = members
    this.#all = Int32Array.from(members.keys())
    this.#loads = members.map((member) => member.load)
    this.#prices = new Float64Array(members.length)
    this.#dears = new Float64Array(members.length)
    this.#prepare()
  }

  /** Cold: penalties, and how long requests take. */
  learn(knowledge: Knowledge): void {
    this.#knowledge = knowledge
    this.#prepare()
  }

  #prepare(): void {
    const count = this.#count
    const members = this.#members
    const { routes, penalties } = this.#knowledge
    const believed = believedOf(members, penalties)
    this.#times.prepare(believed.capacities, routes)
    const seconds = this.#times.meanSeconds ?? 1
    const sums = new Float64Array(count)
    const goodSums = new Float64Array(count)
    this.#inverse = new Float64Array(members.length * count)
    for (const [index, capacity] of believed.capacities.entries()) {
      for (let r = 0; r < count; r++) {
        const has = capacity[r]! * (this.#isSpace[r]! ? 1 : seconds)
        this.#inverse[index * count + r] = 1 / has
        sums[r]! += has
        if (believed.isGood[index]) goodSums[r]! += has
      }
    }
    this.#isPlainPair = this.#isPairOfRates && !this.#inverse.includes(Infinity)
    for (let r = 0; r < count; r++) this.#inverseMean[r] = sums[r]! > 0 ? members.length / sums[r]! : 1
    for (let r = 0; r < count; r++) this.#inverseGood[r] = goodSums[r]! > 0 ? 1 / goodSums[r]! : 0
    this.#weightOf = believed.weights
    this.#penalties = believed.penalties
    this.#hasPenalties = believed.hasPenalties
    this.#trials.rebuild(members, believed.penalties)
    this.#goodLoads = this.#loads.filter((_, index) => believed.isGood[index])
    this.#goodWeight = believed.weights.reduce((sum, weight, i) => sum + (believed.isGood[i] ? weight : 0), 0)
    if (this.#hasBoth) this.#suitability.prepare(members, routes, this.#inverse, this.#inverseMean)
    this.#withdraws = this.#hasBoth && this.#suitability.isKnown
    this.refresh()
  }

  /**
   * Cold, several times per second: looks at how loaded the members are that do not fail, and which of the others
   * has its turn to be tried, where that matters. O(members · resources).
   */
  refresh(): void {
    if (!this.#hasPenalties) return
    for (let r = 0; r < this.#count; r++) {
      let held = 0
      for (const load of this.#goodLoads) held += load.reserved(r)
      const mean = held * this.#inverseGood[r]!
      this.#meanPrice[r] = this.#isSpace[r]! ? mean / (1 - Math.min(mean, 0.99)) : mean
    }
    let inFlight = 0
    for (const load of this.#goodLoads) inFlight += load.inFlight
    this.#meanInFlight = inFlight / this.#goodWeight
    this.#trials.refresh()
  }

  /**
   * Hot: a failing member to which this request goes to find out whether it works again (`Trials`); almost always
   * undefined. To be called once a pick, before prices are asked for.
   */
  trial(request: PickRequest): Backend | undefined {
    if (!this.#hasPenalties) return undefined
    const index = this.#trials.next()
    if (index < 0) return undefined
    const backend = this.#members[index]!
    if (!request.admits(backend)) return undefined
    this.ask(request)
    // What the request needs may not be there.
    if (this.#plainOf(index) === Infinity) return undefined
    this.#trials.begun(index)
    return backend
  }

  /** What the following calls of `of` are about. */
  ask(request: PickRequest): void {
    const { demand, route } = request
    if (this.#hasBoth) this.#times.ask(route, demand)
    let needed = 0
    for (let r = 0; r < this.#count; r++) {
      needed += demand[r]!
      this.#weights[r] = demand[r]! * this.#inverseMean[r]!
      this.#halves[r] = demand[r]! / 2
    }
    this.#needsNothing = needed === 0
    if (!this.#hasPenalties) return
    let atMeanLoad = 0
    for (let r = 0; r < this.#count; r++) atMeanLoad += this.#weights[r]! * this.#meanPrice[r]!
    this.#atMeanLoad[0] = atMeanLoad
  }

  /** What the request needs of this resource, over the mean of what members have: d / K̄. */
  weightOf(resource: number): number {
    return this.#weights[resource]!
  }

  /** The price at the member with this index. O(resources). */
  of(index: number): number {
    const price = this.#plainOf(index)
    if (!this.#hasPenalties) return price
    const penalty = this.#penalties[index]!
    if (penalty === 1) return price
    // What needs nothing has no price at an idle backend, and a multiple of that is none either.
    if (this.#needsNothing)
      return penalty * (price + 1 / this.#weightOf[index]!) + (penalty - 1) * this.#meanInFlight
    return penalty * price + (penalty - 1) * this.#atMeanLoad[0]!
  }

  #plainOf(index: number): number {
    const load = this.#loads[index]!
    if (this.#needsNothing) return load.inFlight / this.#weightOf[index]!
    const count = this.#count
    const time = this.#hasBoth ? this.#times.of(index) : 1
    let price = 0
    for (let r = 0; r < count; r++) {
      const weight = this.#weights[r]!
      // Skipped rather than multiplied: 0 · Infinity would be NaN.
      if (weight === 0) continue
      const u = (load.reserved(r) + this.#halves[r]!) * this.#inverse[index * count + r]!
      if (!this.#isSpace[r]!) price += weight * u
      else if (u < 1) price += (weight * time * u) / (1 - u)
      else return Infinity
    }
    return price
  }

  /**
   * Each member's price into `#prices`. Two loops, as one over plain pairs takes half the time of one over anything.
   */
  #priceAll(): void {
    const prices = this.#prices
    const loads = this.#loads
    if (!this.#isPlainPair || this.#hasPenalties || this.#needsNothing) {
      for (let i = 0; i < loads.length; i++) prices[i] = this.of(i)
      return
    }
    const inverse = this.#inverse
    const weight0 = this.#weights[0]!
    const weight1 = this.#weights[1]!
    const half0 = this.#halves[0]!
    const half1 = this.#halves[1]!
    for (let i = 0; i < loads.length; i++) {
      const load = loads[i]!
      prices[i] =
        weight0 * (load.reserved(0) + half0) * inverse[i * 2]! +
        weight1 * (load.reserved(1) + half1) * inverse[i * 2 + 1]!
    }
  }

  /** Of these members, places that are too dear get the price NaN. */
  #withdraw(request: PickRequest, indices: Readonly<Int32Array>): void {
    const suitability = this.#suitability
    const dears = this.#dears
    suitability.ask(request.route, request.demand)
    let least = Infinity
    for (let n = 0; n < indices.length; n++) {
      const i = indices[n]!
      const dear = suitability.of(i)
      dears[i] = dear
      // One that fails is idle, not good.
      if (dear >= least || this.#penalties[i]! > 1) continue
      if (suitability.isFull(i) || request.admits(this.#members[i]!)) least = dear
    }
    for (let n = 0; n < indices.length; n++) {
      const i = indices[n]!
      if (suitability.isTooDear(i, dears[i]!, least)) this.#prices[i] = NaN
    }
  }

  /**
   * As `cheapest`, among the members with these indices only, the first of the tied. What is too dear is so beside
   * the best of these. Undefined as well when that is one that fails often: then others may do better. O(indices ·
   * resources).
   */
  cheapestOf(request: PickRequest, indices: Readonly<Int32Array>): Backend | undefined {
    this.ask(request)
    const prices = this.#prices
    for (let n = 0; n < indices.length; n++) prices[indices[n]!] = this.of(indices[n]!)
    if (this.#withdraws) this.#withdraw(request, indices)
    let best = -1
    let least = Infinity
    for (let n = 0; n < indices.length; n++) {
      const index = indices[n]!
      const price = prices[index]!
      if (!(price < least)) continue
      if (!request.admits(this.#members[index]!)) continue
      best = index
      least = price
    }
    if (best < 0 || (this.#hasPenalties && this.#penalties[best]! >= averageFrom)) return undefined
    return this.#members[best]
  }

  /**
   * The cheapest member that the request admits and that is not too dear to it; each of the tied is equally likely. One
   * at Infinity is found only when all admitted ones are there; `undefined` when none is admitted, or it had better
   * wait. O(members · resources).
   *
   * Only a member that is cheap enough is asked whether it is admitted, which few are: of n in random order ln n.
   * The tie-break is a reservoir of size one: the k-th of the tied replaces the one held with probability 1/k.
   */
  cheapest(request: PickRequest): Backend | undefined {
    this.ask(request)
    this.#priceAll()
    if (this.#withdraws) this.#withdraw(request, this.#all)
    const members = this.#members
    const prices = this.#prices
    let best: Backend | undefined
    let least = Infinity
    let tied = 0
    for (let i = 0; i < members.length; i++) {
      const price = prices[i]!
      // NaN is not at most anything.
      if (!(price <= least)) continue
      const backend = members[i]!
      if (!request.admits(backend)) continue
      if (price < least) {
        best = backend
        least = price
        tied = 1
      } else {
        tied++
        if (tied === 1 || this.#rng.below(tied) === 0) best = backend
      }
    }
    return best
  }
}
