/**
 * Cold: what one backend was busy with, second by second. Requests are counted when they end, utilization speaks of
 * work while it is done; here both come to stand in the same second.
 */
import type { Millis } from "../core/clock.ts"
import type { ResourceTable, ResourceVector } from "../core/resources.ts"
import { widened } from "./widened.ts"

const binMs = 1_000
/** Seconds that are kept open for requests which have still to end. */
const binsMax = 16
/** Bins there are at most, if none is closed: clocks may stop, memory may not grow. */
const aheadMax = 2 * binsMax
/** Requests that end within a stretch of time are taken to end at so many points of it. */
const pointsPerBatch = 4

/**
 * Some seconds of one backend that are over: nothing more comes in. They follow one another, but that those without a
 * report are left out. Keep nothing of it: it is used again.
 */
export interface ClosedStretch {
  readonly seconds: number
  /** When the last of them ended. */
  readonly at: Millis
  /** Mean utilization by resource; NaN where none was reported. */
  readonly utilization: Readonly<ResourceVector>
  /** Hardly any requests were there, nor in the seconds before, and by no accident. */
  readonly isQuiet: boolean
  /** Requests that others sent it for each one sent from here; 0 when it does not say how many it has. */
  readonly others: number
  /** Mean utilization over a longer time, and what that and `usual` are means over. */
  readonly usualUtilization: Readonly<ResourceVector>
  readonly span: number
  /** Requests by route: of each the part of its duration that fell into these seconds. */
  readonly served: Presence
  /** Requests in flight by route, the mean over these seconds; undefined where there is no space resource to hold. */
  readonly held: Presence | undefined
  /** The work they needed, as far as it is known, by resource. */
  readonly work: Readonly<ResourceVector>
}

/** How much of each route's requests was there, by route. */
export interface Presence {
  readonly now: Float64Array
  /** As backends may have averaged it, in each of several ways (`averagingsCount`). */
  readonly averaged: readonly Float64Array[]
  /** The mean per second over a longer time. */
  readonly usual: Float64Array
}

/**
 * How a utilization may have been averaged:
 * y(k) = (1 − kept) · ((1 − late) · x(k) + late · x(k − 1)) + kept · y(k − 1).
 */
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
/** A stretch has so many requests, if they come within so many seconds. */
const requestsDefault = 20
const secondsMax = 10
/** What is usual is a mean over so many requests; within these bounds, in seconds. */
const usualRequests = 200
const usualSecondsMin = 10
const usualSecondsMax = 120
/** How long the rates count that tell how many requests others send. */
const rateMs = 60_000
/** Others are there when the backend has more requests than were seen by this factor: windows and failures differ. */
const othersMin = 1.15
/** No backend serves more requests per second. */
const rpsMax = 1e9
/** Beyond it, it is not known how many requests there are. */
const othersMax = 1_000
/** A report in per cent is still understood: all demands come out as much larger, which changes no choice. */
const rateUtilizationMax = 100
/**
 * A second is quiet with less than this part of the usual requests, after so many seconds and usual durations, and so
 * many missing.
 */
const quietPart = 0.1
const quietSeconds = 3
const quietDurations = 5
const quietMissing = 30
/** The newest second counts for this part in the usual number, at least. */
const usualGain = 0.005

/** How many rows `Presence.averaged` has. */
export const averagingsCount: number = averagings.length

interface Bin {
  readonly served: Float64Array
  readonly held: Float64Array | undefined
  readonly work: ResourceVector
  readonly utilization: ResourceVector
  readonly weights: ResourceVector
}

/**
 * Sixteen bins of one second. A request that ended at t after T counts in each bin by the part of [t − T, t] that lies
 * in it: exact when it is worked on evenly, and never out by more than one request at either end. One that took longer
 * than the bins reach back is spread over those there are.
 *
 * A bin is closed once requests as long as those of late can no longer end in it, after 16 s at the latest. Closed
 * seconds are handed out in stretches, in which requests that began before or end later matter less.
 * Memory: 16 numbers per route for the averages and their sums, and one or two more in each open bin, of which there
 * are three while requests are short.
 */
export class WorkLedger {
  /** Routes that are told apart in seconds that begin from now on; those beyond count as route 0. */
  routes = 1
  readonly #resources: number
  /** By resource: what is more than this is no utilization. */
  readonly #utilizationMost: Float64Array
  #bins: (Bin | undefined)[] = []
  /** Number of the first bin that is kept, in `binMs` since the clock's zero; NaN before anything came. */
  #first = NaN
  /** Seconds over since the ledger was begun, and seconds with a report among them. */
  #passed = 0
  #reported = 0
  readonly #requestsMin: number
  #stretch: Stretch | undefined
  readonly #rates = new RatesSeen()
  readonly #usualUtilization: ResourceVector
  #span = 1
  /** Mean requests in a second that is not quiet, of how many such seconds; and how long there have been hardly any. */
  #usual = 0
  #loud = 0
  #quiet = 0
  readonly #served = new PresenceAverages()
  readonly #held: PresenceAverages | undefined
  /** How long requests take of late. */
  #durationMs = 0
  /** The same over a quarter of an hour: one that takes some times as long may be there and has not ended. */
  #longestMs = 0

  /** @param requestsMin when a stretch is long enough; at 0 each is one second. */
  constructor(resources: ResourceTable, requestsMin: number = requestsDefault) {
    this.#requestsMin = requestsMin
    this.#resources = resources.length
    this.#utilizationMost = Float64Array.from(resources, ({ kind }) =>
      kind === "space" ? 1 : rateUtilizationMax,
    )
    this.#usualUtilization = new Float64Array(resources.length).fill(NaN)
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
    this.#longestMs = Math.max(this.#longestMs, durationMs)
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

  /** So many attempts ended since this was called last, however they ended. */
  ended(count: number, now: Millis): void {
    this.#rates.ended(count, now)
  }

  /** The backend says how many requests it serves per second, whichever balancer sent them. NaN is not said. */
  answers(rps: number, weight: number, now: Millis): void {
    if (rps >= 0 && rps < rpsMax) this.#rates.answers(rps, weight, now)
  }

  /**
   * Reports spoke of the time between `since` and `until`; `weight` is how many they were. NaN is not reported, and so
   * is what no utilization can be: more than all of a space, or more than 100 times what a rate has.
   */
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
        // A single absurd number in these sums would stay in all that is learned, for good.
        if (!(value >= 0 && value <= this.#utilizationMost[r]!)) continue
        bin.utilization[r]! += value * share
        bin.weights[r]! += share
      }
    }
  }

  /** Hands out the stretches that are over, the oldest first. */
  close(now: Millis, take: (stretch: ClosedStretch) => void): void {
    if (Number.isNaN(this.#first)) return
    const open = Math.min(binsMax, 2 + Math.ceil((1.5 * this.#durationMs) / binMs))
    const last = Math.floor(now / binMs) - open
    // Long requests of the past do not hold later seconds up for ever.
    this.#durationMs *= 0.9
    this.#longestMs *= 0.999
    while (this.#first <= last) {
      const bin = this.#bins.shift()
      const isFirst = this.#passed === 0
      this.#served.pass(bin?.served, this.routes, isFirst)
      this.#held?.pass(bin?.held, this.routes, isFirst)
      this.#listen(bin)
      if (++this.#passed > settling && bin?.weights.some((weight) => weight > 0) === true) {
        this.#join(bin, take)
      }
      this.#first++
      if (this.#bins.length === 0) this.#first = Math.max(this.#first, last + 1)
    }
  }

  /** One more second with a report joins the stretch, which may be over with it. */
  #join(bin: Bin, take: (stretch: ClosedStretch) => void): void {
    const isQuiet = this.#isQuiet() && this.#rates.others === 0
    if (this.#stretch !== undefined && this.#stretch.isQuiet !== isQuiet) this.#end(take)
    const stretch = (this.#stretch ??= new Stretch(this.#resources, isQuiet))
    const seconds = usualRequests / this.#rates.seen
    const span = Math.min(Math.max(seconds >= 0 ? seconds : 0, usualSecondsMin), usualSecondsMax)
    // The mean of all while there are few.
    this.#span = Math.min(span, ++this.#reported)
    const gain = 1 / this.#span
    for (let r = 0; r < this.#resources; r++) {
      const value = bin.utilization[r]! / bin.weights[r]!
      const before = this.#usualUtilization[r]!
      if (value >= 0) this.#usualUtilization[r] = before >= 0 ? before + gain * (value - before) : value
    }
    this.#served.join(bin.served, gain)
    if (bin.held !== undefined) this.#held!.join(bin.held, gain)
    stretch.join(bin, (this.#first + 1) * binMs)
    if (stretch.requests >= this.#requestsMin || stretch.seconds >= secondsMax) this.#end(take)
  }

  #end(take: (stretch: ClosedStretch) => void): void {
    const stretch = this.#stretch!
    this.#stretch = undefined
    take({
      seconds: stretch.seconds,
      at: stretch.at,
      utilization: stretch.utilization(),
      isQuiet: stretch.isQuiet,
      others: this.#rates.others,
      usualUtilization: this.#usualUtilization,
      span: this.#span,
      served: this.#served.take(1),
      held: this.#held?.take(stretch.seconds),
      work: stretch.work,
    })
  }

  /** Hears whether there are any requests. What is usual is of all seconds until it is quiet. */
  #listen(bin: Bin | undefined): void {
    let served = 0
    if (bin !== undefined)
      for (let route = 0; route < bin.served.length; route++) served += bin.served[route]!
    this.#quiet = served < quietPart * this.#usual ? this.#quiet + 1 : 0
    if (this.#isQuiet()) return
    this.#loud++
    this.#usual += Math.max(usualGain, 1 / this.#loud) * (served - this.#usual)
  }

  #isQuiet(): boolean {
    const patience = quietSeconds + (quietDurations * this.#longestMs) / binMs
    return this.#quiet > patience && this.#quiet * this.#usual > quietMissing
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

/** How many requests a backend has, by its own account and as seen here, over about a minute. */
class RatesSeen {
  #count = 0
  #seconds = 0
  #at: Millis = NaN
  #sum = 0
  #weight = 0
  #saidAt: Millis = NaN

  ended(count: number, now: Millis): void {
    if (Number.isNaN(this.#at)) this.#at = now - 1_000
    const passed = Math.max(0, now - this.#at)
    const kept = Math.exp(-passed / rateMs)
    this.#count = this.#count * kept + count
    this.#seconds = this.#seconds * kept + ((1 - kept) * rateMs) / 1_000
    this.#at = now
  }

  answers(rps: number, weight: number, now: Millis): void {
    const kept = Number.isNaN(this.#saidAt) ? 1 : Math.exp(-Math.max(0, now - this.#saidAt) / rateMs)
    this.#sum = this.#sum * kept + rps * weight
    this.#weight = this.#weight * kept + weight
    this.#saidAt = now
  }

  /** Attempts per second, as seen here; NaN before the first. */
  get seen(): number {
    return this.#count / this.#seconds
  }

  /** Requests that others send for each one seen. */
  get others(): number {
    const ratio = this.#sum / this.#weight / this.seen
    return ratio > othersMin && ratio < othersMax ? ratio - 1 : 0
  }
}

/** Sums over the seconds of a stretch. */
class Stretch {
  readonly isQuiet: boolean
  readonly work: ResourceVector
  seconds = 0
  at: Millis = NaN
  requests = 0
  readonly #sums: ResourceVector
  readonly #weights: ResourceVector

  constructor(resources: number, isQuiet: boolean) {
    this.isQuiet = isQuiet
    this.work = new Float64Array(resources)
    this.#sums = new Float64Array(resources)
    this.#weights = new Float64Array(resources)
  }

  join(bin: Bin, at: Millis): void {
    this.seconds += binMs / 1_000
    this.at = at
    for (let route = 0; route < bin.served.length; route++) this.requests += bin.served[route]!
    for (let r = 0; r < this.work.length; r++) {
      this.work[r]! += bin.work[r]!
      if (bin.weights[r] === 0) continue
      // Every second counts the same, however many reports there were.
      this.#sums[r]! += bin.utilization[r]! / bin.weights[r]!
      this.#weights[r]!++
    }
  }

  utilization(): ResourceVector {
    return this.#sums.map((sum, r) => sum / this.#weights[r]!)
  }
}

/** What was there, averaged second by second and summed up by stretch. */
class PresenceAverages {
  #before = new Float64Array(0)
  #usual = new Float64Array(0)
  readonly #averaged: Float64Array[] = averagings.map(() => new Float64Array(0))
  #sum = new Float64Array(0)
  readonly #sums: Float64Array[] = averagings.map(() => new Float64Array(0))

  /** One more second has passed; undefined when nothing was there. */
  pass(now: Float64Array | undefined, routes: number, isFirst: boolean): void {
    if (this.#before.length < routes) this.#widen(routes)
    const before = this.#before
    for (let way = 0; way < averagings.length; way++) {
      const { kept, late } = averagings[way]!
      const averaged = this.#averaged[way]!
      for (let route = 0; route < averaged.length; route++) {
        const mixed = (1 - late) * (now?.[route] ?? 0) + late * before[route]!
        averaged[route] = isFirst ? mixed : (1 - kept) * mixed + kept * averaged[route]!
      }
    }
    for (let route = 0; route < before.length; route++) before[route] = now?.[route] ?? 0
  }

  /** The second that passed last had a report; it moves what is usual by `gain`. */
  join(now: Float64Array, gain: number): void {
    const usual = this.#usual
    for (let route = 0; route < usual.length; route++) {
      const value = now[route] ?? 0
      usual[route]! += gain * (value - usual[route]!)
      this.#sum[route]! += value
    }
    for (let way = 0; way < averagings.length; way++) {
      const sums = this.#sums[way]!
      const averaged = this.#averaged[way]!
      for (let route = 0; route < sums.length; route++) sums[route]! += averaged[route]!
    }
  }

  /** The sums over the seconds that joined since it was called last, over `by`. */
  take(by: number): Presence {
    return {
      now: taken(this.#sum, by),
      averaged: this.#sums.map((sums) => taken(sums, by)),
      usual: this.#usual,
    }
  }

  #widen(routes: number): void {
    this.#before = widened(this.#before, routes)
    this.#usual = widened(this.#usual, routes)
    this.#sum = widened(this.#sum, routes)
    for (let way = 0; way < averagings.length; way++) {
      this.#averaged[way] = widened(this.#averaged[way]!, routes)
      this.#sums[way] = widened(this.#sums[way]!, routes)
    }
  }
}

/** Divided by `by`; the sums begin anew. */
function taken(sums: Float64Array, by: number): Float64Array {
  const mean = sums.map((sum) => sum / by)
  sums.fill(0)
  return mean
}
