/**
 * Cold: what requests need when backends tell nothing but how busy they are. Utilization times capacity is the work
 * of an interval, and that is what the requests served in it have needed together; over many intervals with different
 * mixes it comes apart into the routes' shares.
 */
import type { ResourceTable, ResourceVector } from "../core/resources.ts"
import { widened } from "./widened.ts"

/** What one backend did in one interval: of a `ClosedStretch`. */
export interface ServedInterval {
  readonly seconds: number
  /** Mean over the interval, NaN where it was not reported. */
  readonly utilization: Readonly<ResourceVector>
  readonly usualUtilization: Readonly<ResourceVector>
  /** Hardly any requests were there, and by no accident: what is used now is used without them. */
  readonly isQuiet: boolean
  /** Requests that others send for each one sent from here; 0 when there are none or it is not known. */
  readonly others: number
  /** What is usual is a mean over about so many seconds. */
  readonly span: number
  /** Requests served in it, by route, for rates. */
  readonly served: Exposure
  /** Requests in flight, the mean by route, for spaces. */
  readonly held: Exposure | undefined
}

/** Amounts by route: in several rows, one for each way in which utilization may have been averaged; and as is usual. */
export interface Exposure {
  readonly averaged: readonly Float64Array[]
  readonly usual: Float64Array
}

/** Routes that are told apart; those beyond count as route 0. */
export const regressionRoutesMax = 128
/** After this time an interval counts half. */
const halfLifeSeconds = 300
/** The prior's standard deviation, of a route's demand over the mean of all. */
const priorSpread = 1
/** As if so many quiet seconds without any background had been seen. */
const quietAssumed = 5
/** What others' work at one backend may be off by when it is taken to be as ours, as a part of what it would be. */
const othersSpread = 0.2
/** Of utilization over one second, where others are there: what is not understood. */
const usualNoise = 0.15
/** As if so many seconds had been off by a tenth: a few may fit by accident. */
const noiseAssumed = 5
/** The least that a reported utilization is believed to be off. */
const noiseMin = 0.005
const sweepsMax = 50
const roundsMax = 3
const closeEnough = 1e-5

/**
 * Least squares with forgetting, no demand below zero, one resource at a time:
 *
 *     utilization_i = b + Σ_c d_c · served_ic / (capacity_i · seconds_i) + noise,   d ≥ 0, b ≥ 0
 *
 * That is for rates. A space is held, so there it is requests in flight over capacity; `overall` is then the mean over
 * what is in flight, in which requests that last count more.
 *
 * Each d has the mean over all routes for its prior, with that mean for its standard deviation too, so routes that
 * never come apart (their counts always move together) share their work evenly, and their standard error stays large.
 * The noise is what the fit leaves over.
 *
 * b is what uses the backends without requests, the same for all. It is what is seen in quiet seconds, and nothing
 * until there are such. A fit would find it in every load that is steady: counts of requests tell the work of a second
 * only roughly, requests being of different sizes and lasting into the next, and what a regressor is off by takes from
 * its slope and gives to the constant. The steadier the load (and the better the balancing), the more: all demands
 * would go towards zero, slowly and together. Without a constant in the fit, errors of the counts weigh little.
 *
 * Requests that other balancers have sent are taken to be of the kinds that this one has sent to the same backend of
 * late. That may be wrong: a balancer that believes something false sends accordingly, and would take the others' work
 * for a proof of it. So the more others send, the more of what is usual at a backend comes off both sides, and what is
 * left are the comings and goings of requests sent from here (a random effect for each backend). Then it takes minutes
 * to tell routes apart. When backends do not tell how many requests they have, demand comes out too large by as much,
 * for all routes and resources alike, which changes no choice but where spaces are short.
 *
 * How a backend averages its utilization is not known. Several guesses at it are fitted side by side, and the one that
 * leaves least over counts. How high the demands are together comes from the sums over all seconds, in which one second
 * more or less does not matter.
 *
 * Utilization that is reported with responses alone is that of moments in which work ends. With fewer than a few such
 * responses per second it is higher than the usual, and demand comes out larger by as much (by 30 % with two per
 * second).
 *
 * Demand comes out in units of capacity seconds as registered. If all backends registered half of what they have, all
 * demands come out half as large, and nothing changes in which request fits where. Demand and the true capacity of each
 * backend cannot both be known from this either: the registered capacities are believed on the whole.
 *
 * `add` is O(A·K²), `solve` O(K³) with K routes seen and A guesses. Memory a resource: (A + 1)·K² numbers,
 * 0.9 MB at most.
 *
 * @see Lawson, Hanson, "Solving Least Squares Problems", 1974, ch. 23, for what the solution satisfies.
 */
export class UtilizationRegression {
  /** By resource one system for each way of averaging, and which of them fits best. */
  readonly #systems: readonly (readonly System[])[]
  readonly #best: System[]
  readonly #resources: ResourceTable
  #turn = 0

  /** `averagings` is the number of rows of `Exposure.averaged`. */
  constructor(resources: ResourceTable, averagings: number) {
    this.#resources = resources
    this.#systems = resources.map(() => Array.from({ length: averagings }, () => new System()))
    this.#best = this.#systems.map((ways) => ways[0]!)
  }

  /**
   * Takes one interval of a backend that registered this capacity. Intervals without a request count too: they tell
   * what b is.
   */
  add(interval: ServedInterval, capacity: Readonly<ResourceVector>): void {
    for (const [r, ways] of this.#systems.entries()) {
      const { seconds, usualUtilization, utilization } = interval
      const isRate = this.#resources[r]!.kind === "rate"
      const exposure = isRate ? interval.served : interval.held
      const room = capacity[r]! * (isRate ? seconds : 1)
      if (exposure === undefined || !(utilization[r]! >= 0) || room === 0) continue
      for (const [way, system] of ways.entries()) {
        system.add(
          utilization[r]!,
          exposure,
          way,
          interval,
          usualUtilization[r]!,
          room,
          (isRate ? seconds : 1) / room,
        )
      }
    }
  }

  /** Time passes: what was added before counts less. */
  forget(seconds: number): void {
    const kept = 0.5 ** (seconds / halfLifeSeconds)
    for (const ways of this.#systems) for (const system of ways) system.forget(kept)
  }

  /**
   * Fits again; before it, everything is as it was fitted last. Each call fits the guess at the averaging that counts
   * and one of the others in turn.
   */
  solve(): void {
    const turn = this.#turn++
    for (const [r, ways] of this.#systems.entries()) {
      ways[turn % ways.length]!.solve()
      this.#best[r]!.solve()
      const best = ways
        .filter(({ isSolved }) => isSolved)
        .reduce((best, one) => (one.noise < best.noise ? one : best))
      this.#best[r] = best
    }
  }

  /** Intervals that told the utilization of this resource, older ones counting less. */
  intervals(resource: number): number {
    return this.#best[resource]!.rows
  }

  /** Mean demand over all routes; NaN while nothing is known. */
  overall(resource: number): number {
    return this.#best[resource]!.overall
  }

  /** NaN for a route that has not been seen. */
  mean(resource: number, route: number): number {
    return this.#best[resource]!.mean(route)
  }

  /** The utilization that is there without requests. */
  background(resource: number): number {
    return this.#best[resource]!.background
  }

  /** The part of a utilization that is not understood, as a standard deviation. */
  noise(resource: number): number {
    return Math.sqrt(this.#best[resource]!.noise)
  }

  /**
   * Of the mean of each route with a number below `routes`, NaN for those not seen. O(K³): for people, not each second.
   */
  standardErrors(resource: number, routes: number): Float64Array {
    return this.#best[resource]!.standardErrors(routes)
  }
}

/** The normal equations of one resource. Row 0 is the constant; then the routes in the order in which they appeared. */
class System {
  /** Σ z zᵀ as a full square of `regressionRoutesMax + 1`, made larger as routes appear. */
  #gram = new Float64Array(16)
  #size = 4
  #moments = new Float64Array(4)
  /** Σ z over quiet seconds, and Σ u. */
  #quiet = new Float64Array(4)
  #quietUtilization = 0
  #square = 0
  #count = 1
  /** By route its unknown, 0 when it has none yet. */
  readonly #unknownOf = new Int32Array(regressionRoutesMax)
  #solution = new Float64Array(4)
  #features = new Float64Array(4)
  /** Σ z as it was seen, and Σ u. */
  #totals = new Float64Array(4)
  #totalUtilization = 0
  #workSeen = 0
  #servedSeen = 0
  #factor = 1
  rows = 0

  /** The noise's variance, by the last fit. */
  noise = 0.05 ** 2
  isSolved = false

  get overall(): number {
    return this.#servedSeen > 0 ? this.#workSeen / this.#servedSeen : NaN
  }

  get background(): number {
    return this.#solution[0]!
  }

  mean(route: number): number {
    const unknown = this.#unknownOf[route < regressionRoutesMax ? route : 0]!
    return unknown === 0 ? NaN : this.#solution[unknown]! * this.#factor
  }

  forget(kept: number): void {
    for (let i = 0; i < this.#gram.length; i++) this.#gram[i]! *= kept
    for (let i = 0; i < this.#moments.length; i++) this.#moments[i]! *= kept
    for (let i = 0; i < this.#quiet.length; i++) this.#quiet[i]! *= kept
    this.#quietUtilization *= kept
    this.#square *= kept
    for (let i = 0; i < this.#totals.length; i++) this.#totals[i]! *= kept
    this.#totalUtilization *= kept
    this.#workSeen *= kept
    this.#servedSeen *= kept
    this.rows *= kept
  }

  add(
    utilization: number,
    exposure: Exposure,
    way: number,
    interval: ServedInterval,
    usualUtilization: number,
    room: number,
    usualTime: number,
  ): void {
    const weight = interval.seconds
    const features = this.#featuresOf(exposure.averaged[way]!, room)
    for (let i = 0; i < this.#count; i++) this.#totals[i]! += weight * features[i]!
    this.#totalUtilization += weight * utilization
    this.#workSeen += utilization * room
    for (let i = 1; i < this.#count; i++) this.#servedSeen += features[i]! * room
    if (interval.isQuiet) {
      this.#quietUtilization += weight * utilization
      for (let i = 0; i < this.#count; i++) this.#quiet[i]! += weight * features[i]!
    }
    let measured = utilization
    if (interval.others > 0) {
      const { usual } = exposure
      for (let route = 0; route < usual.length; route++)
        this.#servedSeen += interval.others * usual[route]! * usualTime * room
      measured -= (1 - this.#addOthers(usual, interval, usualTime)) * usualUtilization
    }
    const size = this.#size
    for (let i = 0; i < this.#count; i++) {
      const value = features[i]! * weight
      if (value === 0) continue
      this.#moments[i]! += value * measured
      for (let j = 0; j < this.#count; j++) this.#gram[i * size + j]! += value * features[j]!
    }
    this.#square += weight * measured * measured
    this.rows += weight
  }

  solve(): void {
    const overall = this.overall
    this.isSolved = true
    if (!(overall > 0) || this.rows === 0) {
      // Nothing is used, so nothing is needed.
      this.#solution.fill(0)
      return
    }
    // The noise decides how much the prior counts, and the fit what the noise is: three rounds are enough.
    for (let round = 0; round < roundsMax; round++) {
      this.#findBackground()
      this.#fit(overall)
      const before = this.noise
      this.noise = Math.max(
        noiseMin ** 2,
        (this.#residual() + noiseAssumed * 0.1 ** 2) / (this.rows + noiseAssumed),
      )
      if (Math.abs(this.noise / before - 1) < 0.05) break
    }
    this.#level()
  }

  /** What quiet seconds use beyond their requests, by the last solution. */
  #findBackground(): void {
    let rest = this.#quietUtilization
    for (let i = 1; i < this.#count; i++) rest -= this.#solution[i]! * this.#quiet[i]!
    this.#solution[0] = Math.max(0, rest) / (this.#quiet[0]! + quietAssumed)
  }

  /** Makes the sum of what is fitted that of what was measured: what the prior has moved all demands by. */
  #level(): void {
    let fitted = 0
    for (let i = 1; i < this.#count; i++) fitted += this.#solution[i]! * this.#totals[i]!
    const measured = this.#totalUtilization - this.#solution[0]! * this.rows
    this.#factor = fitted > 0 ? Math.max(0, measured) / fitted : 1
  }

  /** The exact minimum with all that came out negative at zero, then made sure of coordinate by coordinate; b stays. */
  #fit(overall: number): void {
    const count = this.#count
    const gram = this.#gram
    const size = this.#size
    const solution = this.#solution
    const background = solution[0]!
    const precision = this.#precision(overall)
    let free = Array.from({ length: count - 1 }, (_, i) => i + 1)
    while (free.length > 0) {
      const n = free.length
      const matrix = new Float64Array(n * n)
      const right = new Float64Array(n)
      for (const [a, i] of free.entries()) {
        for (const [b, j] of free.entries()) matrix[a * n + b] = gram[i * size + j]!
        matrix[a * n + a]! += precision
        right[a] = this.#moments[i]! - background * gram[i * size]! + precision * overall
      }
      solve(matrix, right, n)
      solution.fill(0, 1)
      for (const [a, i] of free.entries()) solution[i] = Math.max(0, right[a]!)
      const positive = free.filter((_, a) => right[a]! > 0)
      if (positive.length === n) break
      free = positive
    }
    for (let sweep = 0; sweep < sweepsMax; sweep++) {
      let moved = 0
      for (let i = 1; i < count; i++) {
        let rest = this.#moments[i]! + precision * overall
        for (let j = 0; j < count; j++) if (j !== i) rest -= gram[i * size + j]! * solution[j]!
        const next = Math.max(0, rest / (gram[i * size + i]! + precision))
        moved = Math.max(moved, Math.abs(next - solution[i]!) / overall)
        solution[i] = next
      }
      if (moved < closeEnough) break
    }
  }

  standardErrors(routes: number): Float64Array {
    const overall = this.overall
    const errors = new Float64Array(routes).fill(NaN)
    if (!(overall > 0)) return errors
    const count = this.#count - 1
    const precision = this.#precision(overall)
    const posterior = new Float64Array(count * count)
    for (let i = 0; i < count; i++) {
      for (let j = 0; j < count; j++) posterior[i * count + j] = this.#gram[(i + 1) * this.#size + j + 1]!
      posterior[i * count + i]! += precision
    }
    const inverse = inverseDiagonal(posterior, count)
    for (let route = 0; route < routes; route++) {
      const unknown = this.#unknownOf[route < regressionRoutesMax ? route : 0]!
      if (unknown > 0) errors[route] = Math.sqrt(this.noise * inverse[unknown - 1]!) * this.#factor
    }
    return errors
  }

  /** Of the prior, in the gram matrix's own scale: the noise's variance over that of the prior. */
  #precision(overall: number): number {
    const spread = priorSpread * overall
    return this.noise / (spread * spread)
  }

  /** Σ (utilization − fit)². */
  #residual(): number {
    let residual = this.#square
    for (let i = 0; i < this.#count; i++) {
      let fitted = 0
      for (let j = 0; j < this.#count; j++) fitted += this.#gram[i * this.#size + j]! * this.#solution[j]!
      residual += this.#solution[i]! * (fitted - 2 * this.#moments[i]!)
    }
    return Math.max(0, residual)
  }

  /**
   * Others' requests go into the features, and what is usual comes off, as far as others are unsure. Returns what is
   * left of the usual. `usualTime` is what a usual request counts, in the unit of the features.
   */
  #addOthers(usual: Float64Array, { others, seconds, span }: ServedInterval, usualTime: number): number {
    const features = this.#features
    let sum = 0
    for (let route = 0; route < usual.length; route++) sum += usual[route]! * usualTime
    const doubt = this.overall > 0 ? othersSpread * others * sum * this.overall : 0
    const left = Math.sqrt(1 / (1 + (doubt * doubt * span) / (usualNoise * usualNoise)))
    for (let route = 0; route < usual.length; route++) {
      const unknown = this.#unknownOf[route < regressionRoutesMax ? route : 0]!
      if (unknown === 0) continue
      const own = usualTime * usual[route]!
      this.#totals[unknown]! += seconds * others * own
      features[unknown]! += left * others * own - (1 - left) * own
    }
    features[0] = left
    return left
  }

  #featuresOf(served: Float64Array, room: number): Float64Array {
    for (let route = 0; route < served.length; route++) {
      const known = route < regressionRoutesMax ? route : 0
      if (served[route]! > 0 && this.#unknownOf[known] === 0) this.#appear(known)
    }
    const features = this.#features
    features.fill(0)
    features[0] = 1
    for (let route = 0; route < served.length; route++) {
      const unknown = this.#unknownOf[route < regressionRoutesMax ? route : 0]!
      if (unknown > 0) features[unknown]! += served[route]! / room
    }
    return features
  }

  #appear(route: number): void {
    const unknown = this.#count++
    this.#unknownOf[route] = unknown
    if (this.#count > this.#size) {
      const size = this.#size * 2
      const gram = new Float64Array(size * size)
      for (let i = 0; i < this.#size; i++) {
        gram.set(this.#gram.subarray(i * this.#size, (i + 1) * this.#size), i * size)
      }
      this.#gram = gram
      this.#moments = widened(this.#moments, size)
      this.#quiet = widened(this.#quiet, size)
      this.#solution = widened(this.#solution, size)
      this.#features = new Float64Array(size)
      this.#totals = widened(this.#totals, size)
      this.#size = size
    }
    const overall = this.overall
    this.#solution[unknown] = overall > 0 ? overall : 0
  }
}

/** The lower factor of a symmetric, positive definite matrix (Cholesky), in place of its lower half. O(n³). */
function factorize(lower: Float64Array, n: number): void {
  for (let j = 0; j < n; j++) {
    for (let k = 0; k < j; k++) lower[j * n + j]! -= lower[j * n + k]! ** 2
    // Rounding may leave less than nothing of what the prior has made positive.
    const pivot = Math.sqrt(Math.max(lower[j * n + j]!, Number.MIN_VALUE))
    lower[j * n + j] = pivot
    for (let i = j + 1; i < n; i++) {
      for (let k = 0; k < j; k++) lower[i * n + j]! -= lower[i * n + k]! * lower[j * n + k]!
      lower[i * n + j]! /= pivot
    }
  }
}

/** Solves for `right` in its place; the matrix is used up. */
function solve(matrix: Float64Array, right: Float64Array, n: number): void {
  factorize(matrix, n)
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < i; k++) right[i]! -= matrix[i * n + k]! * right[k]!
    right[i]! /= matrix[i * n + i]!
  }
  for (let i = n - 1; i >= 0; i--) {
    for (let k = i + 1; k < n; k++) right[i]! -= matrix[k * n + i]! * right[k]!
    right[i]! /= matrix[i * n + i]!
  }
}

/** The diagonal of the inverse of a symmetric, positive definite matrix. O(n³). */
function inverseDiagonal(matrix: Float64Array, n: number): Float64Array {
  const lower = matrix.slice()
  factorize(lower, n)
  const diagonal = new Float64Array(n)
  const column = new Float64Array(n)
  for (let c = 0; c < n; c++) {
    // Column c of the inverse of the factor; its squared length is the entry.
    for (let i = c; i < n; i++) {
      let value = i === c ? 1 : 0
      for (let k = c; k < i; k++) value -= lower[i * n + k]! * column[k]!
      column[i] = value / lower[i * n + i]!
      diagonal[c]! += column[i]! ** 2
    }
  }
  return diagonal
}
