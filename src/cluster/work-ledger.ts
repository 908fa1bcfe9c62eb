/**
 * Cold: what one backend was busy with, second by second. Requests are counted when they end, utilization speaks of
 * work while it is done; here both come to stand in the same second.
 */
import type { Millis } from "../core/clock.ts"
import type { ResourceTable, ResourceVector } from "../core/resources.ts"

const binMs = 1_000
/** Seconds that are kept open for requests which have still to end. */
const binsMax = 16
/** Bins there are at most, if nobody closes any: clocks may stop, memory may not grow. */
const aheadMax = 2 * binsMax
/** Requests that end within a stretch of time are taken to end at so many points of it. */
const pointsPerBatch = 4

/** One second of one backend, closed: nothing more comes in. Keep nothing of it: it is used again. */
export interface ClosedSecond {
  readonly seconds: number
  readonly at: Millis
  /** Mean utilization by resource; NaN where none was reported. */
  readonly utilization: Readonly<ResourceVector>
  /** The same over about the last ten seconds. */
  readonly slowUtilization: Readonly<ResourceVector>
  /** Requests by route: of each the part of its duration that fell into this second. */
  readonly served: Presence
  /** Requests in flight by route, the mean over the second; undefined where there is no space resource to hold. */
  readonly held: Presence | undefined
  /** The work they needed, as far as it is known, by resource. */
  readonly work: Readonly<ResourceVector>
}

/** How much of each route's requests was there, by route. */
export interface Presence {
  readonly now: Float64Array
  /** As backends may have averaged it, in each of several ways (`averagingsCount`). */
  readonly averaged: readonly Float64Array[]
  /** Over about the last ten seconds, averaged as `slowUtilization` is. */
  readonly slow: Float64Array
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
  readonly held: Float64Array | undefined
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
 * Memory: 8 numbers a route for the averages and one or two more in each open bin, of which there are three while
 * requests are short.
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
  readonly #served = new PresenceAverages()
  readonly #held: PresenceAverages | undefined
  /** How long requests take of late. */
  #durationMs = 0

  constructor(resources: ResourceTable) {
    this.#resources = resources.length
    this.#slowUtilization = new Float64Array(resources.length).fill(NaN)
    this.#held = resources.some(({ kind }) => kind === "space") ? new PresenceAverages() : undefined
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
      const from = this.#binAt(begin)
      const to = Math.max(from, this.#binAt(end))
      for (let index = from; index <= to; index++) {
        const share = part * this.#shareOf(index, begin, end)
        if (share === 0) continue
        const bin = this.#bin(index)
        const known = route < bin.served.length ? route : 0
        bin.served[known]! += count * share
        if (bin.held !== undefined) bin.held[known]! += (count * share * durationMs) / binMs
        for (let r = 0; r < this.#resources; r++) bin.work[r]! += work[workAt + r]! * share
      }
    }
  }

  /** Reports spoke of the time between `since` and `until`; `weight` is how many they were. NaN is not reported. */
  utilized(utilization: Float64Array, at: number, weight: number, since: Millis, until: Millis): void {
    this.#open(since)
    const begin = Math.max(since, this.#first * binMs)
    const end = Math.max(until, begin)
    const to = this.#binAt(end)
    for (let index = this.#binAt(begin); index <= to; index++) {
      const share = weight * this.#shareOf(index, begin, end)
      if (share === 0) continue
      const bin = this.#bin(index)
      for (let r = 0; r < this.#resources; r++) {
        const value = utilization[at + r]!
        if (!(value >= 0)) continue
        bin.utilization[r]! += value * share
        bin.weights[r]! += share
      }
    }
  }

  /** Hands out the seconds that are over, the oldest first. Those without a report are left out. */
  close(now: Millis, take: (second: ClosedSecond) => void): void {
    if (Number.isNaN(this.#first)) return
    const open = Math.min(binsMax, 2 + Math.ceil((1.5 * this.#durationMs) / binMs))
    const last = Math.floor(now / binMs) - open
    // Long requests of the past do not hold later seconds up for ever.
    this.#durationMs *= 0.9
    while (this.#first <= last) {
      const bin = this.#bins.shift()
      const isFirst = this.#passed === 0
      this.#served.pass(bin?.served, this.routes, isFirst)
      this.#held?.pass(bin?.held, this.routes, isFirst)
      if (++this.#passed > settling && bin?.weights.some((weight) => weight > 0) === true) {
        take(this.#closed(bin))
      }
      this.#first++
      if (this.#bins.length === 0) this.#first = Math.max(this.#first, last + 1)
    }
  }

  #closed(bin: Bin): ClosedSecond {
    const utilization = bin.utilization.map((sum, r) => sum / bin.weights[r]!)
    // The mean of all while there are few.
    const gain = Math.max(1 - slowKept, 1 / ++this.#reported)
    for (const [r, value] of utilization.entries()) {
      const before = this.#slowUtilization[r]!
      if (value >= 0) this.#slowUtilization[r] = before >= 0 ? before + gain * (value - before) : value
    }
    return {
      seconds: binMs / 1_000,
      at: (this.#first + 1) * binMs,
      utilization,
      slowUtilization: this.#slowUtilization,
      served: this.#served.closed(bin.served, gain),
      held: this.#held?.closed(bin.held!, gain),
      work: bin.work,
    }
  }

  #open(since: Millis): void {
    if (Number.isNaN(this.#first)) this.#first = Math.floor(since / binMs)
  }

  /** Index of the bin of this time, 0 for all before the first; of a time far ahead the last that may be. */
  #binAt(time: Millis): number {
    return Math.min(Math.max(0, Math.floor(time / binMs) - this.#first), aheadMax)
  }

  /** The part of [begin, end] that lies in a bin; the whole where that is one point in time. */
  #shareOf(index: number, begin: Millis, end: Millis): number {
    if (end <= begin) return 1
    const start = (this.#first + index) * binMs
    return Math.max(0, Math.min(end, start + binMs) - Math.max(begin, start)) / (end - begin)
  }

  #bin(index: number): Bin {
    return (this.#bins[index] ??= {
      served: new Float64Array(this.routes),
      held: this.#held === undefined ? undefined : new Float64Array(this.routes),
      work: new Float64Array(this.#resources),
      utilization: new Float64Array(this.#resources),
      weights: new Float64Array(this.#resources),
    })
  }
}

/** Averages of what was there, second by second. */
class PresenceAverages {
  #before = new Float64Array(0)
  #slow = new Float64Array(0)
  readonly #averaged: Float64Array[] = averagings.map(() => new Float64Array(0))

  /** One more second has passed; undefined when nothing was there. */
  pass(now: Float64Array | undefined, routes: number, isFirst: boolean): void {
    if (this.#before.length < routes) {
      this.#before = widened(this.#before, routes)
      this.#slow = widened(this.#slow, routes)
      for (const [i, one] of this.#averaged.entries()) this.#averaged[i] = widened(one, routes)
    }
    for (const [i, { late, kept }] of averagings.entries()) {
      const averaged = this.#averaged[i]!
      for (let route = 0; route < averaged.length; route++) {
        const mixed = (1 - late) * (now?.[route] ?? 0) + late * this.#before[route]!
        averaged[route] = isFirst ? mixed : (1 - kept) * mixed + kept * averaged[route]!
      }
    }
    for (let route = 0; route < this.#before.length; route++) this.#before[route] = now?.[route] ?? 0
  }

  /** The second that passed last had a report; it counts for `gain` in the slow average. */
  closed(now: Float64Array, gain: number): Presence {
    for (let route = 0; route < now.length; route++)
      this.#slow[route]! += gain * (now[route]! - this.#slow[route]!)
    return { now, averaged: this.#averaged, slow: this.#slow }
  }
}

function widened(old: Float64Array, size: number): Float64Array<ArrayBuffer> {
  const array = new Float64Array(size)
  array.set(old)
  return array
}
