/**
 * Hot path: what one thread sees of its attempts, kept as sums until the control plane asks. Nothing is allocated per
 * request but when a new pair of backend and route first appears. Benchmark: bench/learn.ts.
 */
import type { Millis } from "../core/clock.ts"
import type { LoadReport } from "../core/load-report.ts"
import type { ResourceTable, ResourceVector } from "../core/resources.ts"
import { seeded, type Rng } from "../core/rng.ts"
import type { Outcome } from "../policies/policy.ts"

/**
 * What happened between two calls of `take`: plain data without references into the observer. Rows of `cells` are
 * pairs of backend and route, of `samples` single requests, of `loads` backends.
 */
export interface ObservationBatch {
  /** When the last batch was taken; NaN in the first. */
  readonly since: Millis
  readonly until: Millis
  readonly cells: {
    readonly slots: Int32Array
    readonly routes: Int32Array
    /** `cellStride(resources)` numbers per row, in the order of `cellFields`, then the cost by resource. */
    readonly values: Float64Array
  }
  /** Costs that backends reported of single requests: at most `samplesMax` per route, each of them equally likely. */
  readonly samples: {
    readonly routes: Int32Array
    /** Length of the request's body and its cost by resource, NaN where none was reported. */
    readonly values: Float64Array
  }
  readonly loads: {
    readonly slots: Int32Array
    /** How many reports had a utilization. */
    readonly counts: Float64Array
    /** The mean utilization by resource, NaN where none was reported. */
    readonly utilization: Float64Array
    /** The mean of the requests per second that it said it serves, from all senders; NaN where it said nothing. */
    readonly rps: Float64Array
  }
}

/** The first numbers of a row of `ObservationBatch.cells`. */
export const cellFields = {
  /** Attempts that ended in success. */
  served: 0,
  /** Attempts that ended in failure. */
  failed: 1,
  /** Attempts that say nothing of the backend. */
  ignored: 2,
  /** Sum of the successful attempts' `totalMs`. */
  totalMs: 3,
  /** The least exact `firstByteMs` of a success; Infinity when there was none. */
  firstByteMsMin: 4,
  /** Attempts whose cost was reported. */
  reported: 5,
  /** Sum over the successful attempts of the time from the first byte of the response to the end. */
  answerMs: 6,
} as const

const fieldCount = 7

/** Numbers in a row of `ObservationBatch.cells`. */
export function cellStride(resources: ResourceTable): number {
  return fieldCount + resources.length
}

/** Where a row has the sum of reported costs, by resource. */
export const cellCost: number = fieldCount

/** Reported costs that are passed on one by one, of each route and interval. */
const samplesMax = 64
/** Pairs of backend and route in one interval; of those beyond, all routes count as route 0, or not at all. */
const cellsMax = 16_384
/** Routes with samples of their own: numbers beyond are counted in their cells and never sampled. */
const sampledRoutesMax = 512

/**
 * Counts one thread's settled attempts. Memory: 16 384 cells of 7 + R numbers at most (1.2 MB for R = 2), 64 samples
 * per route.
 */
export class Observer {
  readonly #count: number
  readonly #stride: number
  readonly #rng: Rng
  #since: Millis = NaN
  #dirty = false

  /** Open addressing: index of the cell, from 1 on. */
  #table = new Int32Array(64)
  #keys = new Float64Array(16)
  #values: Float64Array
  #cells = 0

  /** By route: its block of `samplesMax` samples, from 1 on. */
  readonly #blockOf = new Int32Array(sampledRoutesMax)
  #blocks = 0
  /** By block, from 0 on: its route. */
  readonly #sampledRoutes = new Int32Array(sampledRoutesMax)
  #seen = new Float64Array(4)
  #samples: Float64Array

  readonly #loadCounts: Float64Array
  /** By slot and resource: sum of reported utilizations and their number. */
  readonly #loadSums: Float64Array
  readonly #loadNumbers: Float64Array
  readonly #rpsSums: Float64Array
  readonly #rpsCounts: Float64Array

  /**
   * @param slots rows of the load table
   * @param rng chooses which costs are passed on when there are more than `samplesMax`
   */
  constructor(resources: ResourceTable, slots: number, rng: Rng = seeded(1)) {
    this.#count = resources.length
    this.#stride = cellStride(resources)
    this.#rng = rng
    this.#values = new Float64Array(16 * this.#stride)
    this.#samples = new Float64Array(4 * samplesMax * (1 + this.#count))
    this.#loadCounts = new Float64Array(slots)
    this.#loadSums = new Float64Array(slots * this.#count)
    this.#loadNumbers = new Float64Array(slots * this.#count)
    this.#rpsSums = new Float64Array(slots)
    this.#rpsCounts = new Float64Array(slots)
  }

  /** An attempt on the backend with this slot has settled. O(1). */
  settled(slot: number, route: number, outcome: Outcome): void {
    const at = this.#cell(slot, route)
    if (at < 0) return
    const values = this.#values
    this.#dirty = true
    if (outcome.result === "ignored") {
      values[at + cellFields.ignored]!++
      return
    }
    if (outcome.result === "failure") {
      values[at + cellFields.failed]!++
      return
    }
    values[at + cellFields.served]!++
    values[at + cellFields.totalMs]! += outcome.totalMs
    if (outcome.isExact && outcome.firstByteMs < values[at + cellFields.firstByteMsMin]!) {
      values[at + cellFields.firstByteMsMin] = outcome.firstByteMs
    }
    // Comparing is false for NaN.
    const answerMs = outcome.totalMs - outcome.firstByteMs
    if (answerMs > 0) values[at + cellFields.answerMs]! += answerMs
  }

  /** A backend has said how busy it is. O(R). */
  load(slot: number, { rpsFractional, utilization }: LoadReport): void {
    const count = this.#count
    let hasLoad = false
    for (let r = 0; r < count; r++) {
      // Comparing is false for NaN.
      if (!(utilization[r]! >= 0)) continue
      hasLoad = true
      this.#loadSums[slot * count + r]! += utilization[r]!
      this.#loadNumbers[slot * count + r]!++
    }
    if (!hasLoad) return
    this.#loadCounts[slot]!++
    this.#dirty = true
    if (rpsFractional >= 0) {
      this.#rpsSums[slot]! += rpsFractional
      this.#rpsCounts[slot]!++
    }
  }

  /**
   * What the request of an attempt has cost, NaN where nothing was said of a resource: once per attempt, or its route
   * looks dearer than it is. O(R). `bodyBytes` is the length of the request's body, if any.
   */
  cost(slot: number, route: number, requestCost: Readonly<ResourceVector>, bodyBytes: number): void {
    const count = this.#count
    let hasCost = false
    for (let r = 0; r < count; r++) if (requestCost[r]! >= 0) hasCost = true
    if (!hasCost) return
    const at = this.#cell(slot, route)
    if (at < 0) return
    this.#dirty = true
    const cost = at + cellCost
    this.#values[at + cellFields.reported]!++
    for (let r = 0; r < count; r++) if (requestCost[r]! >= 0) this.#values[cost + r]! += requestCost[r]!
    this.#sample(route, requestCost, bodyBytes)
  }

  /** What happened since the last call, and forgets it; undefined when nothing did. Cold: copies. */
  take(now: Millis): ObservationBatch | undefined {
    const since = this.#since
    this.#since = now
    if (!this.#dirty) return undefined
    this.#dirty = false
    const batch = {
      since,
      until: now,
      cells: this.#takeCells(),
      samples: this.#takeSamples(),
      loads: this.#takeLoads(),
    }
    return batch
  }

  /** Where the cell's numbers are, or -1 when there is no room for it. */
  #cell(slot: number, route: number): number {
    const key = slot * 65_536 + route
    const mask = this.#table.length - 1
    let place = hash(slot, route) & mask
    for (;;) {
      const cell = this.#table[place]!
      if (cell === 0) break
      if (this.#keys[cell - 1] === key) return (cell - 1) * this.#stride
      place = (place + 1) & mask
    }
    if (this.#cells === cellsMax) return route === 0 ? -1 : this.#cell(slot, 0)
    return this.#newCell(key, place)
  }

  #newCell(key: number, place: number): number {
    if (this.#cells === this.#keys.length) {
      this.#grow()
      return this.#cell(Math.floor(key / 65_536), key % 65_536)
    }
    const cell = this.#cells++
    this.#keys[cell] = key
    this.#table[place] = cell + 1
    const at = cell * this.#stride
    this.#values.fill(0, at, at + this.#stride)
    this.#values[at + cellFields.firstByteMsMin] = Infinity
    return at
  }

  #grow(): void {
    const size = this.#keys.length * 2
    this.#keys = grown(this.#keys, size)
    this.#values = grown(this.#values, size * this.#stride)
    this.#table = new Int32Array(size * 4)
    for (let cell = 0; cell < this.#cells; cell++) this.#place(cell)
  }

  #place(cell: number): void {
    const key = this.#keys[cell]!
    const mask = this.#table.length - 1
    let place = hash(Math.floor(key / 65_536), key % 65_536) & mask
    while (this.#table[place] !== 0) place = (place + 1) & mask
    this.#table[place] = cell + 1
  }

  /** Reservoir sampling: after n costs each of them is kept with probability samplesMax / n (Vitter's algorithm R). */
  #sample(route: number, cost: Readonly<ResourceVector>, bodyBytes: number): void {
    if (route >= sampledRoutesMax) return
    const width = 1 + this.#count
    let block = this.#blockOf[route]! - 1
    if (block < 0) {
      block = this.#blocks++
      this.#blockOf[route] = block + 1
      this.#sampledRoutes[block] = route
      if (block === this.#seen.length) {
        this.#seen = grown(this.#seen, block * 2)
        this.#samples = grown(this.#samples, block * 2 * samplesMax * width)
      }
      this.#seen[block] = 0
    }
    const seen = this.#seen[block]!++
    const index = seen < samplesMax ? seen : this.#rng.below(seen + 1)
    if (index >= samplesMax) return
    const at = (block * samplesMax + index) * width
    this.#samples[at] = bodyBytes
    for (let r = 0; r < this.#count; r++) this.#samples[at + 1 + r] = cost[r]!
  }

  #takeCells(): ObservationBatch["cells"] {
    const cells = this.#cells
    const keys = this.#keys.subarray(0, cells)
    const slots = Int32Array.from(keys, (key) => Math.floor(key / 65_536))
    const routes = Int32Array.from(keys, (key) => key % 65_536)
    const values = this.#values.slice(0, cells * this.#stride)
    this.#cells = 0
    this.#table.fill(0)
    return { slots, routes, values }
  }

  #takeSamples(): ObservationBatch["samples"] {
    const width = 1 + this.#count
    const lengths = this.#seen.subarray(0, this.#blocks).map((seen) => Math.min(seen, samplesMax))
    const total = lengths.reduce((sum, length) => sum + length, 0)
    const routes = new Int32Array(total)
    const values = new Float64Array(total * width)
    let row = 0
    for (let block = 0; block < this.#blocks; block++) {
      const route = this.#sampledRoutes[block]!
      const start = block * samplesMax * width
      values.set(this.#samples.subarray(start, start + lengths[block]! * width), row * width)
      routes.fill(route, row, row + lengths[block]!)
      row += lengths[block]!
      this.#blockOf[route] = 0
    }
    this.#blocks = 0
    return { routes, values }
  }

  #takeLoads(): ObservationBatch["loads"] {
    const count = this.#count
    const found: number[] = []
    for (let slot = 0; slot < this.#loadCounts.length; slot++)
      if (this.#loadCounts[slot]! > 0) found.push(slot)
    const slots = Int32Array.from(found)
    const counts = Float64Array.from(found, (slot) => this.#loadCounts[slot]!)
    const utilization = new Float64Array(found.length * count)
    const rps = Float64Array.from(found, (slot) => this.#rpsSums[slot]! / this.#rpsCounts[slot]!)
    for (const [row, slot] of found.entries()) {
      for (let r = 0; r < count; r++) {
        const cell = slot * count + r
        // 0 / 0 is the NaN that stands for what was not reported.
        utilization[row * count + r] = this.#loadSums[cell]! / this.#loadNumbers[cell]!
        this.#loadSums[cell] = 0
        this.#loadNumbers[cell] = 0
      }
      this.#loadCounts[slot] = 0
      this.#rpsSums[slot] = 0
      this.#rpsCounts[slot] = 0
    }
    return { slots, counts, utilization, rps }
  }
}

function hash(slot: number, route: number): number {
  const mixed = Math.imul(slot, 0x9e3779b1) ^ Math.imul(route, 0x85ebca6b)
  return mixed ^ (mixed >>> 15)
}

function grown(old: Float64Array, size: number): Float64Array<ArrayBuffer> {
  const array = new Float64Array(size)
  array.set(old)
  return array
}
