/**
 * The fluid problem: which share of each route's requests should go to which kind of backend, so that the most loaded
 * resource of all is loaded the least. Pure and cold. Its exact counterpart, for rehearsals, is sim/fluid.ts.
 */

/** Matrices row by row. Amounts are finite and ≥ 0, in any units. */
export interface MixProblem {
  readonly resources: number
  /**
   * Requests per second, by route. Only their proportions matter for the shares. When all are 0 they count as equal.
   */
  readonly rates: Float64Array
  /** By route and resource: what one request per second takes. */
  readonly use: Float64Array
  /** By kind of backend and resource: what there is of it. */
  readonly capacity: Float64Array
}

export interface MixSolution {
  /** By route and kind of backend; every row sums to 1. */
  readonly shares: Float64Array
  /** Utilization of the most loaded resource with these shares; 1 / worst is how much more of the same would fit. */
  readonly worst: number
  /** No shares whatever bring `worst` below this. */
  readonly bound: number
  readonly steps: number
  /** How sharp the prices were in the end. */
  readonly sharpness: number
}

export interface MixOptions {
  /** Where to start, rows of any positive sum; by default in proportion to capacity. */
  readonly from?: Float64Array | undefined
  /** The sharpness that a start near the optimum ended with: without it the bound is too low to see how near it is. */
  readonly sharpness?: number | undefined
  readonly stepsMax: number
  /** Stops when `worst` is proven to be within this of the optimum, as a fraction. */
  readonly gap: number
}

/** The least that a share may be, over the number of kinds: what is zero could never grow again. */
const floor = 1e-5
/** How sharply a price rises with utilization at first. Sharper prices are truer and harder to balance. */
const sharpnessFirst = 12
const sharpnessMax = 3_000
/** A start is not near the optimum when it may be this much worse. */
const farOff = 0.1

/**
 * Exponentiated gradient on prices. With ρ the utilization of a resource of a kind of backend, the price of a unit of
 * work there is exp(β (ρ/ρ_max − 1)). A route finds the costs g of a request at every kind, and multiplies its shares
 * by exp(η (1 − g / mean g)). Prices are per unit of work, with units scaled by the fleet's total, so splitting a
 * kind in two or counting in other units changes nothing.
 *
 * By duality the cheapest placing of all requests at any prices, over the worth of all capacity at these prices, is a
 * lower bound on ρ_max. The sharpness β grows when the shares are nearly optimal for the present one, η shrinks when
 * a step makes matters worse. O(routes · kinds · resources) per step.
 *
 * A route that no kind can serve (a resource it needs is nowhere) is spread by capacity and does not count, so does
 * one that needs nothing. Routes without requests follow the prices of the others. No kinds: no shares.
 *
 * @throws RangeError when the sizes do not fit.
 * @see Kivinen and Warmuth, "Exponentiated gradient versus gradient descent for linear predictors", Information and
 *   Computation 132(1), 1997; Plotkin, Shmoys and Tardos, "Fast approximation algorithms for fractional packing and
 *   covering problems", Mathematics of Operations Research 20(2), 1995.
 */
export function solveMix(problem: MixProblem, options: MixOptions): MixSolution {
  return new Descent(problem, options.from).run(options)
}

class Descent {
  readonly #routes: number
  readonly #kinds: number
  readonly #resources: number
  readonly #rates: Float64Array
  /** Capacity over the fleet's total of the resource: the weight of its price. */
  readonly #weight: Float64Array
  /** Use over the fleet's total: what one request per second takes of the whole fleet. */
  readonly #use: Float64Array
  /** Which routes have a choice that matters. */
  readonly #counts: Uint8Array
  /** By route and kind: 1 where it cannot be served. */
  readonly #barred: Uint8Array
  readonly #shares: Float64Array
  readonly #utilization: Float64Array
  readonly #price: Float64Array
  readonly #cost: Float64Array
  readonly #meanCost: Float64Array
  readonly #floor: number

  constructor({ resources, rates, use, capacity }: MixProblem, from: Float64Array | undefined) {
    const routes = rates.length
    const kinds = resources === 0 ? 0 : capacity.length / resources
    if (!Number.isInteger(kinds) || use.length !== routes * resources) {
      throw new RangeError(`${use.length} uses and ${capacity.length} capacities of ${resources} resources`)
    }
    if (from !== undefined && from.length !== routes * kinds) {
      throw new RangeError(`${from.length} shares for ${routes} routes and ${kinds} kinds`)
    }
    this.#routes = routes
    this.#kinds = kinds
    this.#resources = resources
    this.#rates = rates.some((rate) => rate > 0) ? rates : new Float64Array(routes).fill(1)
    const totals = new Float64Array(resources)
    for (const [i, amount] of capacity.entries()) totals[i % resources]! += amount
    const ofTotal = (amount: number, i: number): number => {
      const total = totals[i % resources]!
      return total > 0 ? amount / total : amount > 0 ? Infinity : 0
    }
    this.#weight = capacity.map(ofTotal)
    this.#use = use.map(ofTotal)
    this.#counts = new Uint8Array(routes)
    this.#barred = new Uint8Array(routes * kinds)
    this.#shares = new Float64Array(routes * kinds)
    this.#utilization = new Float64Array(kinds * resources)
    this.#price = new Float64Array(kinds * resources)
    this.#cost = new Float64Array(routes * kinds)
    this.#meanCost = new Float64Array(routes)
    this.#floor = floor / kinds
    for (let route = 0; route < routes; route++) this.#start(route, from)
  }

  /** The backends that can serve this route, and its first shares. */
  #start(route: number, from: Float64Array | undefined): void {
    const resources = this.#resources
    const row = route * this.#kinds
    let able = 0
    let needs = false
    for (let kind = 0; kind < this.#kinds; kind++) {
      let room = 0
      for (let r = 0; r < resources; r++) {
        const weight = this.#weight[kind * resources + r]!
        room += weight
        if (!(this.#use[route * resources + r]! > 0)) continue
        needs = true
        if (weight === 0) this.#barred[row + kind] = 1
      }
      if (this.#barred[row + kind] === 0) able++
      this.#shares[row + kind] = room
    }
    this.#counts[route] = needs && able > 0 ? 1 : 0
    if (this.#counts[route] === 1) {
      for (let kind = 0; kind < this.#kinds; kind++) {
        if (this.#barred[row + kind] === 1) this.#shares[row + kind] = 0
        else if (from !== undefined) this.#shares[row + kind] = Math.max(from[row + kind]!, 0)
      }
    }
    this.#normalise(route)
  }

  /** Makes a row sum to 1, with the floor under every kind that can serve the route. */
  #normalise(route: number): void {
    const row = route * this.#kinds
    let sum = 0
    for (let kind = 0; kind < this.#kinds; kind++) sum += this.#shares[row + kind]!
    const scale = sum > 0 ? 1 / sum : 0
    let floored = 0
    for (let kind = 0; kind < this.#kinds; kind++) {
      const share =
        this.#barred[row + kind] === 1 ? 0 : Math.max(this.#shares[row + kind]! * scale, this.#floor)
      this.#shares[row + kind] = share
      floored += share
    }
    if (floored === 0) {
      // If no kind can serve it: by capacity, or evenly where there is no capacity at all.
      for (let kind = 0; kind < this.#kinds; kind++) {
        this.#shares[row + kind] = sum > 0 ? this.#roomOf(kind) * scale : 1 / this.#kinds
      }
      return
    }
    for (let kind = 0; kind < this.#kinds; kind++) this.#shares[row + kind]! /= floored
  }

  #roomOf(kind: number): number {
    let room = 0
    for (let r = 0; r < this.#resources; r++) room += this.#weight[kind * this.#resources + r]!
    return room
  }

  run({ stepsMax, gap, sharpness = sharpnessFirst }: MixOptions): MixSolution {
    const best = this.#shares.slice()
    const before = this.#shares.slice()
    let worst = Infinity
    let bound = 0
    let rate = 0.5
    let potentialBefore = Infinity
    let scale = 0
    let steps = 0
    for (; steps < stepsMax; steps++) {
      const highest = this.#load()
      if (highest < worst) {
        worst = highest
        best.set(this.#shares)
      }
      if (highest === 0) {
        bound = 0
        break
      }
      if (scale === 0) scale = highest
      const worth = this.#pricesAt(sharpness, highest, scale)
      const potential = highest / scale + Math.log(worth / this.#resources) / sharpness
      const [least, mean] = this.#costs()
      bound = Math.max(bound, least / worth)
      if (worst <= bound * (1 + gap)) break
      if (steps === 0 && worst > bound * (1 + farOff)) {
        sharpness = sharpnessFirst
        continue
      }
      if (potential > potentialBefore) {
        // The step was too long: half of the way back at once, since the costs here tell the direction.
        rate /= 2
        this.#shares.set(before)
      } else {
        rate = Math.min(1, rate * 1.2)
      }
      potentialBefore = potential
      if (sharpness < sharpnessMax && mean / least - 1 < 0.5 * (worst / bound - 1)) {
        sharpness *= 1.3
        rate /= 1.3
        scale = highest
        potentialBefore = Infinity
      }
      before.set(this.#shares)
      this.#step(rate)
    }
    return { shares: best, worst: worst === Infinity ? 0 : worst, bound, steps, sharpness }
  }

  /** Utilizations with the present shares. Returns the highest. */
  #load(): number {
    const { length } = this.#utilization
    const resources = this.#resources
    const utilization = this.#utilization
    utilization.fill(0)
    for (let route = 0; route < this.#routes; route++) {
      if (this.#counts[route] === 0) continue
      const rate = this.#rates[route]!
      const row = route * this.#kinds
      for (let kind = 0; kind < this.#kinds; kind++) {
        const flow = rate * this.#shares[row + kind]!
        for (let r = 0; r < resources; r++) {
          utilization[kind * resources + r]! += flow * this.#use[route * resources + r]!
        }
      }
    }
    let highest = 0
    for (let i = 0; i < length; i++) {
      if (utilization[i] === 0) continue
      utilization[i]! /= this.#weight[i]!
      if (utilization[i]! > highest) highest = utilization[i]!
    }
    return highest
  }

  /** Prices at the present utilizations. Returns the worth of all capacity at them. */
  #pricesAt(sharpness: number, highest: number, scale: number): number {
    let worth = 0
    for (let i = 0; i < this.#price.length; i++) {
      const price = Math.exp((sharpness * (this.#utilization[i]! - highest)) / scale)
      this.#price[i] = price
      worth += price * this.#weight[i]!
    }
    return worth
  }

  /** What a request costs where. Returns what all cost per second where they are cheapest, and where they are now. */
  #costs(): readonly [least: number, mean: number] {
    const resources = this.#resources
    let leastOfAll = 0
    let meanOfAll = 0
    for (let route = 0; route < this.#routes; route++) {
      if (this.#counts[route] === 0) continue
      const row = route * this.#kinds
      let least = Infinity
      let mean = 0
      for (let kind = 0; kind < this.#kinds; kind++) {
        if (this.#barred[row + kind] === 1) continue
        let cost = 0
        for (let r = 0; r < resources; r++) {
          cost += this.#use[route * resources + r]! * this.#price[kind * resources + r]!
        }
        this.#cost[row + kind] = cost
        mean += this.#shares[row + kind]! * cost
        if (cost < least) least = cost
      }
      this.#meanCost[route] = mean
      leastOfAll += this.#rates[route]! * least
      meanOfAll += this.#rates[route]! * mean
    }
    return [leastOfAll, meanOfAll]
  }

  #step(rate: number): void {
    for (let route = 0; route < this.#routes; route++) {
      const mean = this.#meanCost[route]!
      if (this.#counts[route] === 0 || mean === 0) continue
      const row = route * this.#kinds
      for (let kind = 0; kind < this.#kinds; kind++) {
        if (this.#barred[row + kind] === 1) continue
        this.#shares[row + kind]! *= Math.exp(Math.max(-30, rate * (1 - this.#cost[row + kind]! / mean)))
      }
      this.#normalise(route)
    }
  }
}
