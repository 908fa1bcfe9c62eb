/**
 * Cold: what requests need when backends tell nothing but how busy they are. Utilization times capacity is the work
 * of an interval, and that is what the requests served in it have needed together; over many intervals with different
 * mixes it comes apart into the routes' shares.
 */
import type { ResourceTable, ResourceVector } from "../core/resources.ts"

/** What one backend did in one interval: a `ClosedSecond` and what the backend registered. */
export interface ServedInterval {
  readonly seconds: number
  readonly capacity: Readonly<ResourceVector>
  /** Mean over the interval, NaN where it was not reported; and over a longer time. */
  readonly utilization: Readonly<ResourceVector>
  readonly slowUtilization: Readonly<ResourceVector>
  /** Requests served in it, by route, for rates. */
  readonly served: Exposure
  /** Requests in flight, the mean by route, for spaces. */
  readonly held: Exposure | undefined
}

/** Amounts by route: in several rows, one for each way in which utilization may have been averaged; and slowly. */
export interface Exposure {
  readonly averaged: readonly Float64Array[]
  readonly slow: Float64Array
}

/** Routes that are told apart; those beyond count as route 0. */
export const regressionRoutesMax = 128
/** After this time an interval counts half. */
const halfLifeSeconds = 300
/** The prior's standard deviation, of a route's demand over the mean of all, and of what all use in common. */
const priorSpread = 1
const backgroundSpread = 0.05
/** What a slow average of one second counts, since it repeats most of the one before: (1 - 0.9) / (1 + 0.9). */
const slowWeight = 0.053
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
 * b is what uses the backends beside the requests seen here (other balancers' requests, background work), the same
 * for all. Each d has the mean over all routes for its prior, with that mean for its standard deviation too, so routes
 * that never come apart (their counts always move together) share their work evenly, and their standard error stays
 * large. The noise is what the fit leaves over.
 *
 * Nobody knows how a backend averages its utilization, and comparing it with requests of another stretch of time makes
 * all demands look small and b large. Two things are done about it. Several guesses at the averaging are fitted side by
 * side, and the one that leaves least over counts. And only the ratios between routes are taken from it: b, and how
 * high the demands are together, come from averages over ten seconds, in which a second more or less is little.
 *
 * Demand comes out in units of capacity seconds as registered. If all backends registered half of what they have, all
 * demands come out half as large, and nothing changes in who fits where. So it is with a b that never varies: it cannot
 * be told from demand. Demand and the true capacity of each backend cannot both be known from this either: the
 * registered capacities are believed on the whole.
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
  readonly #slow: readonly System[]
  readonly #resources: ResourceTable
  #turn = 0

  /** `averagings` is the number of rows of `Exposure.averaged`. */
  constructor(resources: ResourceTable, averagings: number) {
    this.#resources = resources
    this.#systems = resources.map(() => Array.from({ length: averagings }, () => new System()))
    this.#best = this.#systems.map((ways) => ways[0]!)
    this.#slow = this.#systems.map(() => new System())
  }

  /** Takes one interval. Intervals without a request count too: they tell what b is. */
  add(interval: ServedInterval): void {
    for (const [r, ways] of this.#systems.entries()) {
      const { seconds, utilization, slowUtilization } = interval
      const isRate = this.#resources[r]!.kind === "rate"
      const exposure = isRate ? interval.served : interval.held
      const room = interval.capacity[r]! * (isRate ? seconds : 1)
      if (exposure === undefined || !(utilization[r]! >= 0) || room === 0) continue
      for (const [way, system] of ways.entries()) {
        system.add(utilization[r]!, exposure.averaged[way]!, room, seconds)
      }
      this.#slow[r]!.add(slowUtilization[r]!, exposure.slow, room, seconds * slowWeight)
    }
  }

  /** Time passes: what was added before counts less. */
  forget(seconds: number): void {
    const kept = 0.5 ** (seconds / halfLifeSeconds)
    for (const ways of [...this.#systems, this.#slow]) for (const system of ways) system.forget(kept)
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
      best.level(this.#slow[r]!)
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

  /** Of the mean of each route with a number below `routes`, NaN for those not seen. O(K³): for people, not each second. */
  standardErrors(resource: number, routes: number): Float64Array {
    return this.#best[resource]!.standardErrors(routes)
  }
}

/** The normal equations of one resource. Unknown 0 is b; then the routes in the order in which they appeared. */
class System {
  /** Σ z zᵀ as a full square of `regressionRoutesMax + 1`, made larger as routes appear. */
  #gram = new Float64Array(16)
  #size = 4
  #moments = new Float64Array(4)
  #square = 0
  #count = 1
  /** By route its unknown, 0 when it has none yet. */
  readonly #unknownOf = new Int32Array(regressionRoutesMax)
  #solution = new Float64Array(4)
  #features = new Float64Array(4)
  #workSeen = 0
  #servedSeen = 0
  #factor = 1
  #background = 0
  rows = 0

  /** The noise's variance, by the last fit. */
  noise = 0.05 ** 2
  isSolved = false

  get overall(): number {
    return this.#servedSeen > 0 ? this.#workSeen / this.#servedSeen : NaN
  }

  get background(): number {
    return this.#background
  }

  mean(route: number): number {
    const unknown = this.#unknownOf[route < regressionRoutesMax ? route : 0]!
    return unknown === 0 ? NaN : this.#solution[unknown]! * this.#factor
  }

  /** Takes the background, and with it the height of all demands, from a slower view of the same requests. */
  level(slow: System): void {
    const { overall } = this
    if (!(overall > 0)) return
    const explained = slow.#explained(this)
    const [count, sum, square, moment, total, totalSquare] = explained
    // u = b + g · w with a prior of 0 for b.
    let noise = 0.02 ** 2
    let b = 0
    let g = 1
    for (let round = 0; round < 3; round++) {
      const p = noise / backgroundSpread ** 2
      const determinant = (count + p) * square - sum * sum
      if (!(determinant > 0)) break
      b = Math.max(0, (total * square - sum * moment) / determinant)
      g = (moment - b * sum) / square
      const rest =
        totalSquare - 2 * b * total - 2 * g * moment + b * b * count + 2 * b * g * sum + g * g * square
      noise = Math.max(noiseMin ** 2, rest / Math.max(1, count - 1))
    }
    this.#background = b
    this.#factor = Math.max(0, g)
  }

  /** Sums over the rows here of 1, w, w², w·u, u, u², with w the work that `other` sees in them. */
  #explained(other: System): readonly [number, number, number, number, number, number] {
    const weights = new Float64Array(this.#count)
    for (const [route, unknown] of this.#unknownOf.entries()) {
      const theirs = other.#unknownOf[route]!
      if (unknown > 0 && theirs > 0) weights[unknown] = other.#solution[theirs]!
    }
    let sum = 0
    let square = 0
    let moment = 0
    for (let i = 1; i < this.#count; i++) {
      sum += weights[i]! * this.#gram[i * this.#size]!
      moment += weights[i]! * this.#moments[i]!
      for (let j = 1; j < this.#count; j++)
        square += weights[i]! * weights[j]! * this.#gram[i * this.#size + j]!
    }
    return [this.rows, sum, square, moment, this.#moments[0]!, this.#square]
  }

  forget(kept: number): void {
    for (let i = 0; i < this.#gram.length; i++) this.#gram[i]! *= kept
    for (let i = 0; i < this.#moments.length; i++) this.#moments[i]! *= kept
    this.#square *= kept
    this.#workSeen *= kept
    this.#servedSeen *= kept
    this.rows *= kept
  }

  add(utilization: number, served: Float64Array, work: number, weight: number): void {
    const features = this.#featuresOf(served, work)
    const size = this.#size
    for (let i = 0; i < this.#count; i++) {
      const value = features[i]! * weight
      if (value === 0) continue
      this.#moments[i]! += value * utilization
      for (let j = 0; j < this.#count; j++) this.#gram[i * size + j]! += value * features[j]!
    }
    this.#square += weight * utilization * utilization
    this.rows += weight
    this.#workSeen += utilization * work
    for (let route = 0; route < served.length; route++) this.#servedSeen += served[route]!
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
      this.#fit(overall)
      const before = this.noise
      this.noise = Math.max(noiseMin ** 2, this.#residual() / Math.max(1, this.rows - this.#count))
      if (Math.abs(this.noise / before - 1) < 0.05) break
    }
  }

  /** The exact minimum with what came out negative held at zero, then made sure of coordinate by coordinate. */
  #fit(overall: number): void {
    const count = this.#count
    const gram = this.#gram
    const size = this.#size
    const solution = this.#solution
    let free = Array.from({ length: count }, (_, i) => i)
    while (free.length > 0) {
      const n = free.length
      const matrix = new Float64Array(n * n)
      const right = new Float64Array(n)
      for (const [a, i] of free.entries()) {
        for (const [b, j] of free.entries()) matrix[a * n + b] = gram[i * size + j]!
        const precision = this.#precision(i, overall)
        matrix[a * n + a]! += precision
        right[a] = this.#moments[i]! + precision * (i === 0 ? 0 : overall)
      }
      solve(matrix, right, n)
      solution.fill(0)
      for (const [a, i] of free.entries()) solution[i] = Math.max(0, right[a]!)
      const positive = free.filter((_, a) => right[a]! > 0)
      if (positive.length === n) break
      free = positive
    }
    for (let sweep = 0; sweep < sweepsMax; sweep++) {
      let moved = 0
      for (let i = 0; i < count; i++) {
        const precision = this.#precision(i, overall)
        let rest = this.#moments[i]! + precision * (i === 0 ? 0 : overall)
        for (let j = 0; j < count; j++) if (j !== i) rest -= gram[i * size + j]! * solution[j]!
        const next = Math.max(0, rest / (gram[i * size + i]! + precision))
        moved = Math.max(moved, Math.abs(next - solution[i]!) / (i === 0 ? 1 : overall))
        solution[i] = next
      }
      if (moved < closeEnough) break
    }
  }

  standardErrors(routes: number): Float64Array {
    const overall = this.overall
    const errors = new Float64Array(routes).fill(NaN)
    if (!(overall > 0)) return errors
    const count = this.#count
    const posterior = new Float64Array(count * count)
    for (let i = 0; i < count; i++) {
      for (let j = 0; j < count; j++) posterior[i * count + j] = this.#gram[i * this.#size + j]!
      posterior[i * count + i]! += this.#precision(i, overall)
    }
    const inverse = inverseDiagonal(posterior, count)
    for (let route = 0; route < routes; route++) {
      const unknown = this.#unknownOf[route < regressionRoutesMax ? route : 0]!
      if (unknown > 0) errors[route] = Math.sqrt(this.noise * inverse[unknown]!) * this.#factor
    }
    return errors
  }

  /** Of the prior, in the gram matrix's own scale: the noise's variance over that of the prior. */
  #precision(unknown: number, overall: number): number {
    const spread = unknown === 0 ? backgroundSpread : priorSpread * overall
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

  #featuresOf(served: Float64Array, work: number): Float64Array {
    for (let route = 0; route < served.length; route++) {
      const known = route < regressionRoutesMax ? route : 0
      if (served[route]! > 0 && this.#unknownOf[known] === 0) this.#appear(known)
    }
    const features = this.#features
    features.fill(0)
    features[0] = 1
    for (let route = 0; route < served.length; route++) {
      const unknown = this.#unknownOf[route < regressionRoutesMax ? route : 0]!
      if (served[route]! > 0) features[unknown]! += served[route]! / work
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
      this.#solution = widened(this.#solution, size)
      this.#features = new Float64Array(size)
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

function widened(old: Float64Array, size: number): Float64Array<ArrayBuffer> {
  const array = new Float64Array(size)
  array.set(old)
  return array
}
