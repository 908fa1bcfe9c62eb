/**
 * Cold: what one backend was busy with, second by second. Requests are counted when they end, utilization speaks of
 * work while it is done; here both come to stand in the same second.
 */
import type { Millis } from "../core/clock.ts"
import type { ResourceVector } from "../core/resources.ts"

const binMs = 1_000
/** Seconds that are kept open for requests which have still to end. */
const binsMax = 16
/** Requests that end within a stretch of time are taken to end at so many points of it. */
const pointsPerBatch = 4

/** One second of one backend, closed: nothing more comes in. */
export interface ClosedSecond {
  readonly seconds: number
  readonly at: Millis
  /** Mean utilization by resource; NaN where none was reported. */
  readonly utilization: Readonly<ResourceVector>
  /** Requests by route: of each the part of its duration that fell into this second. */
  readonly served: Float64Array
  /** The same as backends may have averaged it, in each of several ways. */
  readonly averaged: readonly Float64Array[]
  /** Utilization and requests over about the last ten seconds, both averaged alike. */
  readonly slow: { readonly utilization: Readonly<ResourceVector>; readonly served: Float64Array }
  /** The work they needed, as far as it is known, by resource. */
  readonly work: Readonly<ResourceVector>
}

/** How a utilization may have been averaged: y(k) = (1 − kept) · ((1 − late) · x(k) + late · x(k − 1)) + kept · y(k − 1). */
interface Averaging {
  readonly late: number
  readonly kept: number
}

/**
 * What backends may mean by their utilization: the second just over, one that ends a quarter of a second before, an
 * average of the recent past with a mean age of half a second, of 1.5, of 4, of 13 seconds.
 */
const averagings: readonly Averaging[] = [
  { late: 0, kept: 0 },
  { late: 0.25, kept: 0 },
  { late: 0.35, kept: 0.14 },
  { late: 0.5, kept: 0.5 },
  { late: 0, kept: 0.8 },
  { late: 0, kept: 0.93 },
]

/** The first seconds of a ledger do not count: requests that were under way when it was begun are not in it. */
const settling = 3
/** Of the slow averages this much is left after a second. */
export const slowKept = 0.9

/** How many rows `ClosedSecond.averaged` has. */
export const averagingsCount: number = averagings.length

interface Bin {
  readonly served: Float64Array
  readonly work: ResourceVector
  readonly utilization: ResourceVector
  readonly weights: ResourceVector
}

/**
 * Sixteen bins of a second. A request that ended at t after T counts in each bin by the part of [t − T, t] that lies
 * in it: exact when it is worked on evenly, and never out by more than one request at either end. One that took longer
 * than the bins reach back is spread over those there are.
 *
 * A bin is closed once requests as long as those of late can no longer end in it, after 16 s at the latest.
 * Memory: 16 · (routes + 3R) numbers.
 */
export class WorkLedger {
  /** Routes that are told apart in seconds that begin from now on; those beyond count as route 0. */
  routes = 1
  readonly #resources: number
  #bins: (Bin | undefined)[] = []
  /** Number of the first bin that is kept, in `binMs` since the clock's zero; NaN before anything came. */
  #first = NaN
  /** Seconds over since the ledger was begun, and seconds with a report among them. */
  #passed = 0
  #reported = 0
  readonly #slowUtilization: ResourceVector
  #slowServed = new Float64Array(0)
  #before = new Float64Array(0)
  readonly #averaged: Float64Array[] = averagings.map(() => new Float64Array(0))
  /** How long requests take of late. */
  #durationMs = 0

  constructor(resources: number) {
    this.#resources = resources
    this.#slowUtilization = new Float64Array(resources).fill(NaN)
  }

  /**
   * Requests of one route ended evenly between `since` and `until`.
   *
   * @param durationMs of one of them
   * @param work by resource, of all of them together, from `workAt` on
   */
  served(
    route: number,
    count: number,
    durationMs: Millis,
    work: Float64Array,
    workAt: number,
    since: Millis,
    until: Millis,
  ): void {
    this.#open(since)
    this.#durationMs = Math.max(this.#durationMs, durationMs)
    const part = 1 / pointsPerBatch
    for (let point = 0; point < pointsPerBatch; point++) {
      const end = since + (until - since) * (point + 0.5) * part
      const begin = Math.max(end - durationMs, this.#first * binMs)
      this.#spread(begin, end, (bin, share) => {
        bin.served[route < bin.served.length ? route : 0]! += count * part * share
        for (let r = 0; r < this.#resources; r++) bin.work[r]! += work[workAt + r]! * part * share
      })
    }
  }

  /** Reports spoke of the time between `since` and `until`; `weight` is how many they were. NaN is not reported. */
  utilized(utilization: Float64Array, at: number, weight: number, since: Millis, until: Millis): void {
    this.#open(since)
    const begin = Math.max(since, this.#first * binMs)
    this.#spread(begin, Math.max(until, begin), (bin, share) => {
      for (let r = 0; r < this.#resources; r++) {
        const value = utilization[at + r]!
        if (!(value >= 0)) continue
        bin.utilization[r]! += value * weight * share
        bin.weights[r]! += weight * share
      }
    })
  }

  /** Takes the seconds out that are over, the oldest first. Those without a report are left out. */
  close(now: Millis): ClosedSecond[] {
    if (Number.isNaN(this.#first)) return []
    const open = Math.min(binsMax, 2 + Math.ceil((1.5 * this.#durationMs) / binMs))
    const last = Math.floor(now / binMs) - open
    // Long requests of the past do not hold later seconds up for ever.
    this.#durationMs *= 0.9
    const closed: ClosedSecond[] = []
    while (this.#first <= last) {
      const bin = this.#bins.shift()
      this.#average(bin?.served)
      if (++this.#passed > settling && bin?.weights.some((weight) => weight > 0) === true) {
        closed.push(this.#closed(bin))
      }
      this.#first++
      if (this.#bins.length === 0) this.#first = Math.max(this.#first, last + 1)
    }
    return closed
  }

  #closed(bin: Bin): ClosedSecond {
    const utilization = bin.utilization.map((sum, r) => sum / bin.weights[r]!)
    // The mean of all while there are few.
    const gain = Math.max(1 - slowKept, 1 / ++this.#reported)
    for (const [r, value] of utilization.entries()) {
      const before = this.#slowUtilization[r]!
      if (value >= 0) this.#slowUtilization[r] = before >= 0 ? before + gain * (value - before) : value
    }
    if (this.#slowServed.length < bin.served.length) {
      this.#slowServed = widened(this.#slowServed, bin.served.length)
    }
    for (let route = 0; route < bin.served.length; route++) {
      this.#slowServed[route]! += gain * (bin.served[route]! - this.#slowServed[route]!)
    }
    return {
      seconds: binMs / 1_000,
      at: (this.#first + 1) * binMs,
      utilization,
      served: bin.served,
      averaged: this.#averaged.map((one) => one.slice()),
      slow: { utilization: this.#slowUtilization.slice(), served: this.#slowServed.slice() },
      work: bin.work,
    }
  }

  /** One more second has passed in which this was served. */
  #average(served: Float64Array | undefined): void {
    if (this.#before.length < this.routes) {
      this.#before = widened(this.#before, this.routes)
      for (const [i, one] of this.#averaged.entries()) this.#averaged[i] = widened(one, this.routes)
    }
    for (const [i, { late, kept }] of averagings.entries()) {
      const averaged = this.#averaged[i]!
      for (let route = 0; route < averaged.length; route++) {
        const now = (1 - late) * (served?.[route] ?? 0) + late * this.#before[route]!
        averaged[route] = this.#passed === 0 ? now : (1 - kept) * now + kept * averaged[route]!
      }
    }
    for (let route = 0; route < this.#before.length; route++) this.#before[route] = served?.[route] ?? 0
  }

  #open(since: Millis): void {
    if (Number.isNaN(this.#first)) this.#first = Math.floor(since / binMs)
  }

  /** Calls `add` for every bin that [begin, end] touches, with the part that lies in it; the whole at one point in time. */
  #spread(begin: Millis, end: Millis, add: (bin: Bin, share: number) => void): void {
    const from = Math.max(this.#first, Math.floor(begin / binMs))
    const to = Math.max(from, Math.floor(end / binMs))
    const length = end - begin
    for (let bin = from; bin <= to; bin++) {
      const inside = Math.min(end, (bin + 1) * binMs) - Math.max(begin, bin * binMs)
      const share = length > 0 ? inside / length : 1
      if (share > 0) add(this.#bin(bin - this.#first), share)
    }
  }

  #bin(index: number): Bin {
    // What is reported for a time far from the kept one goes to its end: clocks may stop, memory may not grow.
    const kept = Math.min(index, 2 * binsMax)
    return (this.#bins[kept] ??= {
      served: new Float64Array(this.routes),
      work: new Float64Array(this.#resources),
      utilization: new Float64Array(this.#resources),
      weights: new Float64Array(this.#resources),
    })
  }
}

function widened(old: Float64Array, size: number): Float64Array<ArrayBuffer> {
  const array = new Float64Array(size)
  array.set(old)
  return array
}
