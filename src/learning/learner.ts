/** Cold: one per balancer. What is known of requests and backends, from what they showed and what they said. */
import type { BackendId } from "../core/backend.ts"
import type { Millis } from "../core/clock.ts"
import type { Knowledge, Mix, RouteKnowledge } from "../core/knowledge.ts"
import type { LoadReport } from "../core/load-report.ts"
import {
  type NamedAmounts,
  namedOf,
  type ResourceTable,
  type ResourceVector,
  vectorOf,
} from "../core/resources.ts"
import { CapacityEstimator, type GivenWork } from "./capacity-estimator.ts"
import { CostEstimator } from "./estimator.ts"
import { cellCost, cellFields, cellStride, type ObservationBatch } from "./observer.ts"
import { Penalties } from "./penalties.ts"
import { routeCount, type RouteList, routeName } from "../routing/routes.ts"
import { ServiceTimes } from "./service-time.ts"
import type { Member, Snapshot } from "../membership/snapshot.ts"
import { regressionRoutesMax, UtilizationRegression } from "./utilization-regression.ts"
import { widened } from "./widened.ts"
import { averagingsCount, type ClosedStretch, WorkLedger } from "./work-ledger.ts"

/** What works out which part of a route's requests goes where (learning/planner/mix-planner.ts), where that is of use. */
export interface Planner {
  plan(
    members: readonly {
      readonly id: BackendId
      readonly capacity: Readonly<ResourceVector>
      readonly penalty?: number | undefined
    }[],
    routes: readonly RouteKnowledge[],
  ): Mix | undefined
}

export interface LearnerOptions {
  readonly resources: ResourceTable
  /** What a request is believed to need before anything is known: `demand.default`. */
  readonly prior: Readonly<ResourceVector>
  readonly routes: () => RouteList
  /** Without one there is no mix. */
  readonly planner?: Planner | undefined
}

/** From what the mean demand is known, best first. */
export type DemandSource = "reported" | "utilization" | "service-time" | "prior"

/** What was learned, with how sure it is: for the API and the page. */
export interface LearnedView {
  /** How old it is; NaN when nothing has been learned yet. */
  readonly ageMs: Millis
  readonly routes: readonly LearnedRoute[]
  readonly backends: readonly LearnedBackend[]
  /** How well requests explain the utilization that was reported; by resource, those without any left out. */
  readonly fits: readonly UtilizationFit[]
}

export interface UtilizationFit {
  readonly resource: string
  /** Seconds of backends that it rests on, older ones counting less. */
  readonly seconds: number
  /** Utilization that is there without requests, 0 to 1. */
  readonly background: number
  /** What requests do not explain, as a standard deviation of utilization. */
  readonly noise: number
}

export interface LearnedRoute {
  readonly route: number
  readonly name: string
  /** Requests per second of late. */
  readonly rate: number
  /** In the order of the table. */
  readonly demand: readonly LearnedDemand[]
}

/** What is known of one route's demand of one resource. */
export interface LearnedDemand {
  readonly resource: string
  readonly source: DemandSource
  readonly mean: number
  /** Of the mean; NaN where it is not known. */
  readonly standardError: number
  /** Costs, seconds of reports or requests that it rests on; 0 for the prior. */
  readonly samples: number
  /** Standard deviation of single requests over their mean; NaN where costs are not reported. */
  readonly variation: number
  /** Demand by length of the body where that tells it: the amount at no bytes, and for each byte. */
  readonly bySize: { readonly base: number; readonly perByte: number } | undefined
}

export interface LearnedBackend {
  readonly id: BackendId
  readonly registered: NamedAmounts
  readonly corrected: NamedAmounts
  /** 1 is none. */
  readonly penalty: number
}

/** Of the rate of one second ago this much is left. */
const rateKept = 0.7
/** Backends whose seconds are kept; the regression needs no more, and a correction goes to these only. */
const ledgersMax = 1_024
/** Backends whose seconds go into the regression at a time; with more, they take turns. */
const regressedMax = 64
/** Where its demand is not needed the regression is fitted only every so many calls. */
const solveEvery = 10
/** Reported seconds before the regression is believed. */
const intervalsMin = 5

/**
 * Demand by route, capacity and penalty by backend.
 *
 * Of each route and resource the best source counts that there is: costs that backends reported for its requests; else
 * the regression on utilization; else, where the resource is a rate and no backend reports anything, service times in
 * proportion to the prior; else the mean over all routes; else the prior.
 *
 * The regression's demand is in units of registered capacity, reported cost in whatever unit the backends report.
 * Where both are known of some route, their ratio converts the regression's.
 *
 * Corrections of capacity do not go back into the regression, which believes what was registered: with both free, each
 * could explain the other. So with utilization alone a slow backend is found as far as it gets the same kinds of
 * requests as others; one that has a kind to itself looks as if that kind needed more.
 *
 * Time of other threads is not compared with `now`: a batch is taken to have ended when it arrives.
 *
 * Memory: a route has about 2 KB per resource, a backend that reports utilization some seconds of one number per route
 * (1 024 backends at most), one that is corrected a handful of numbers, and one a handful for each route on which
 * some backend fails. What has left is forgotten.
 */
export class Learner {
  readonly #options: LearnerOptions
  readonly #resources: ResourceTable
  readonly #count: number
  readonly #costs: (CostEstimator | undefined)[] = []
  readonly #regression: UtilizationRegression
  readonly #serviceTimes = new ServiceTimes()
  readonly #capacities: CapacityEstimator
  readonly #penalties = new Penalties()
  readonly #ledgers = new Map<BackendId, WorkLedger>()
  /** By route: requests since the last `learn`, and per second of late. */
  #requests = new Float64Array(0)
  #rates = new Float64Array(0)
  /** By route, the means published last; NaN for a route that is new. */
  #means: ResourceVector[] = []
  readonly #work: ResourceVector
  #learnedAt: Millis = NaN
  #turn = 0
  #version = 0
  #knowledge: Knowledge | undefined
  #members: readonly Member[] = []

  constructor(options: LearnerOptions) {
    this.#options = options
    this.#resources = options.resources
    this.#count = options.resources.length
    this.#regression = new UtilizationRegression(options.resources, averagingsCount)
    this.#capacities = new CapacityEstimator(options.resources)
    this.#work = new Float64Array(this.#count)
  }

  /** What one thread has seen; `members` are those that its slots meant. O(cells + samples). */
  ingest(batch: ObservationBatch, members: readonly Member[], now: Millis): void {
    this.#widen()
    const since = now - (batch.until > batch.since ? batch.until - batch.since : 1_000)
    const idOf = new Map(members.map((member) => [member.slot, member.id]))
    this.#ingestSamples(batch)
    this.#ingestLoads(batch, idOf, since, now)
    this.#ingestCells(batch, idOf, since, now)
  }

  /** What a backend said of itself other than on a response: with a renewal, or when it was asked. */
  report(id: BackendId, report: LoadReport, now: Millis): void {
    const ledger = this.#ledgerOf(id, report.utilization)
    ledger?.utilized(report.utilization, 0, 1, now - 1_000, now)
    ledger?.answers(report.rpsFractional, 1, now)
  }

  /** Everything that is known now. Call it about once per second. */
  learn(snapshot: Snapshot, now: Millis): Knowledge {
    this.#widen()
    const registered = this.#follow(snapshot)
    this.#closeSeconds(registered, now)
    this.#countRates(now)
    const routes = this.#knowRoutes()
    this.#capacities.learn(now)
    const capacities = new Map<BackendId, ResourceVector>()
    for (const [id, capacity] of registered) {
      const correction = this.#capacities.correctionOf(id)
      if (correction !== undefined)
        capacities.set(
          id,
          capacity.map((amount, r) => amount * correction[r]!),
        )
    }
    const penalties = this.#penalties.learn(snapshot.eligible, now)
    const members = snapshot.eligible.map(({ id }) => ({
      id,
      capacity: capacities.get(id) ?? registered.get(id)!,
      penalty: penalties.get(id),
    }))
    this.#knowledge = {
      version: ++this.#version,
      routes,
      capacities,
      penalties,
      mix: this.#options.planner?.plan(members, routes),
    }
    return this.#knowledge
  }

  /** The state of the last `learn`, for people. O(routes³) for the standard errors of the regression. */
  view(now: Millis): LearnedView {
    const list = this.#options.routes()
    const known = this.#knowledge
    if (known === undefined) return { ageMs: NaN, routes: [], backends: [], fits: [] }
    const errors = this.#resources.map((_, r) => this.#regression.standardErrors(r, known.routes.length))
    const scales = this.#resources.map((_, r) => this.#scale(r))
    const overall = this.#resources.map((_, r) => this.#overall(r))
    const routes = known.routes.map(({ mean, rate }, route): LearnedRoute => {
      const hint = this.#costs[route]?.sizeHint()
      const demand = this.#resources.map((resource, r): LearnedDemand => {
        const source = this.#sourceOf(route, r, overall[r]!)
        const perByte = hint?.perByte[r] ?? 0
        return {
          resource: resource.name,
          source,
          mean: mean[r]!,
          standardError: this.#standardError(route, r, source, errors[r]![route]! * scales[r]!),
          samples: this.#samples(route, r, source),
          variation: this.#costs[route]?.variation(r) ?? NaN,
          bySize: perByte > 0 ? { base: hint!.base[r]!, perByte } : undefined,
        }
      })
      return { route, name: routeName(list, route), rate, demand }
    })
    const backends = this.#members.map((member): LearnedBackend => {
      const registered = capacityOf(this.#resources, member)
      return {
        id: member.id,
        registered: namedOf(this.#resources, registered),
        corrected: namedOf(this.#resources, known.capacities.get(member.id) ?? registered),
        penalty: known.penalties.get(member.id) ?? 1,
      }
    })
    return { ageMs: now - this.#learnedAt, routes, backends, fits: this.#fits() }
  }

  #fits(): UtilizationFit[] {
    const fits: UtilizationFit[] = []
    for (const [r, { name }] of this.#resources.entries()) {
      const seconds = this.#regression.intervals(r)
      if (seconds === 0) continue
      fits.push({
        resource: name,
        seconds,
        background: this.#regression.background(r),
        noise: this.#regression.noise(r),
      })
    }
    return fits
  }

  /** Makes room for the routes that there are. */
  #widen(): void {
    const routes = routeCount(this.#options.routes())
    if (routes <= this.#rates.length) return
    this.#requests = widened(this.#requests, routes)
    this.#rates = widened(this.#rates, routes)
    for (const ledger of this.#ledgers.values()) ledger.routes = this.#ledgerRoutes()
  }

  #ledgerRoutes(): number {
    return Math.min(this.#rates.length, regressionRoutesMax)
  }

  #ingestSamples({ samples }: ObservationBatch): void {
    const width = 1 + this.#count
    for (const [row, found] of samples.routes.entries()) {
      const route = this.#known(found)
      const costs = (this.#costs[route] ??= new CostEstimator(this.#count))
      costs.add(samples.values, row * width)
    }
  }

  #ingestLoads(
    batch: ObservationBatch,
    idOf: ReadonlyMap<number, BackendId>,
    since: Millis,
    now: Millis,
  ): void {
    const { slots, counts, rps, utilization } = batch.loads
    for (const [row, slot] of slots.entries()) {
      const id = idOf.get(slot)
      if (id === undefined) continue
      const at = row * this.#count
      const ledger = this.#ledgerOf(id, utilization.subarray(at, at + this.#count))
      ledger?.utilized(utilization, at, counts[row]!, since, now)
      ledger?.answers(rps[row]!, counts[row]!, now)
    }
  }

  #ingestCells(
    batch: ObservationBatch,
    idOf: ReadonlyMap<number, BackendId>,
    since: Millis,
    now: Millis,
  ): void {
    const { slots, routes, values } = batch.cells
    const stride = cellStride(this.#resources)
    for (const [row, found] of routes.entries()) {
      const route = this.#known(found)
      const at = row * stride
      const served = values[at + cellFields.served]!
      const failed = values[at + cellFields.failed]!
      const totalMs = values[at + cellFields.totalMs]!
      this.#requests[route]! += served + failed + values[at + cellFields.ignored]!
      const answerMs = values[at + cellFields.answerMs]!
      this.#serviceTimes.add(route, served, totalMs, values[at + cellFields.firstByteMsMin]!, answerMs)
      const id = idOf.get(slots[row]!)
      if (id === undefined) continue
      this.#penalties.add(id, route, served, failed, now)
      const ledger = this.#ledgers.get(id)
      ledger?.ended(served + failed + values[at + cellFields.ignored]!, now)
      if (ledger === undefined || served === 0) continue
      this.#reportedWork(route, values, at)
      ledger.served(route, served, totalMs / served, this.#work, 0, since, now)
    }
  }

  /**
   * What the served requests of a cell needed where their costs are reported: as reported, and the mean for the few
   * that were not. Nothing for a route without costs.
   */
  #reportedWork(route: number, values: Float64Array, at: number): void {
    const served = values[at + cellFields.served]!
    const reported = Math.min(served, values[at + cellFields.reported]!)
    for (let r = 0; r < this.#count; r++) {
      const mean = this.#means[route]?.[r] ?? this.#options.prior[r]!
      const isReported = this.#isReported(route, r)
      this.#work[r] = isReported ? values[at + cellCost + r]! + mean * (served - reported) : 0
    }
  }

  #isReported(route: number, r: number): boolean {
    return (this.#costs[route]?.samples(r) ?? 0) > 0
  }

  /** What a backend was given to do. Of routes without costs it is what they are believed to need now. */
  #given({ others, seconds, served, utilization, work }: ClosedStretch): GivenWork {
    const known = this.#knowledge?.routes
    let requests = 0
    for (let route = 0; route < served.now.length; route++) requests += served.now[route]!
    const all = new Float64Array(this.#count)
    const reported = new Float64Array(this.#count)
    for (let r = 0; r < this.#count; r++) {
      let believed = 0
      for (let route = 0; route < served.now.length; route++) {
        const count = served.now[route]!
        if (!(count > 0) || this.#isReported(route, r)) continue
        believed += count * (known?.[route]?.mean[r] ?? this.#options.prior[r]!)
      }
      const seen = work[r]! + believed
      all[r] = seen * (1 + others)
      reported[r] = seen > 0 ? work[r]! / all[r]! : 0
    }
    return { seconds, requests, utilization, work: all, reported }
  }

  /** A route of a list that is not here yet is route 0. */
  #known(route: number): number {
    return route < this.#rates.length ? route : 0
  }

  /** The backend's ledger, begun with the first utilization that it reports; undefined when it reports none. */
  #ledgerOf(id: BackendId, utilization: Readonly<ResourceVector>): WorkLedger | undefined {
    const known = this.#ledgers.get(id)
    if (known !== undefined) return known
    if (this.#ledgers.size >= ledgersMax || !utilization.some((value) => value >= 0)) return undefined
    const ledger = new WorkLedger(this.#resources)
    ledger.routes = Math.max(1, this.#ledgerRoutes())
    this.#ledgers.set(id, ledger)
    return ledger
  }

  /** Forgets backends that are no longer members; returns what the members registered. */
  #follow(snapshot: Snapshot): Map<BackendId, ResourceVector> {
    this.#members = snapshot.members
    const registered = new Map(
      snapshot.members.map((member) => [member.id, capacityOf(this.#resources, member)] as const),
    )
    const isMember = (id: BackendId): boolean => registered.has(id)
    this.#capacities.retain(isMember)
    this.#penalties.retain(isMember)
    for (const id of this.#ledgers.keys()) if (!isMember(id)) this.#ledgers.delete(id)
    return registered
  }

  #closeSeconds(registered: ReadonlyMap<BackendId, ResourceVector>, now: Millis): void {
    if (!Number.isNaN(this.#learnedAt)) this.#regression.forget(Math.max(0, now - this.#learnedAt) / 1_000)
    let any = false
    const turns = Math.ceil(this.#ledgers.size / regressedMax)
    let place = this.#turn++
    for (const [id, ledger] of this.#ledgers) {
      const capacity = registered.get(id)!
      const isRegressed = place++ % turns === 0
      ledger.close(now, (stretch) => {
        any = true
        const given = this.#given(stretch)
        // What others send is a guess, and a guess at what it needs is no measure of a backend.
        if (stretch.others < 1) this.#capacities.add(id, given, capacity, now)
        if (isRegressed) this.#regression.add(stretch, capacity)
      })
    }
    // Where costs tell of all routes it is only looked at, and need not be new.
    const isNeeded = this.#turn % solveEvery === 0 || !this.#knowsAllCosts()
    if (any && isNeeded) this.#regression.solve()
  }

  /** Whether the cost of each resource was reported for every route that has requests of late. */
  #knowsAllCosts(): boolean {
    for (let route = 0; route < this.#rates.length; route++) {
      if (this.#rates[route]! < 1e-3 && this.#requests[route] === 0) continue
      for (let r = 0; r < this.#count; r++) if (!this.#isReported(route, r)) return false
    }
    return true
  }

  #countRates(now: Millis): void {
    const seconds = (now - this.#learnedAt) / 1_000
    const isFirst = Number.isNaN(this.#learnedAt)
    if (!isFirst && seconds <= 0) return
    const kept = isFirst ? 1 : rateKept ** seconds
    for (let route = 0; route < this.#rates.length; route++) {
      const rate = isFirst ? this.#requests[route]! : this.#requests[route]! / seconds
      this.#rates[route] = isFirst ? rate : this.#rates[route]! * kept + rate * (1 - kept)
      this.#requests[route] = 0
    }
    this.#learnedAt = now
  }

  #knowRoutes(): RouteKnowledge[] {
    const list = this.#options.routes()
    const overall = this.#resources.map((_, r) => this.#overall(r))
    const scales = this.#resources.map((_, r) => this.#scale(r))
    this.#means = []
    return Array.from({ length: this.#rates.length }, (_, route) => {
      const mean = new Float64Array(this.#count)
      const isMeasured: boolean[] = []
      let isLearned = false
      for (let r = 0; r < this.#count; r++) {
        const source = this.#sourceOf(route, r, overall[r]!)
        mean[r] = this.#mean(route, r, source, overall[r]!, scales[r]!)
        isMeasured.push(source === "reported" || source === "utilization" || !Number.isNaN(overall[r]))
        if (source !== "prior") isLearned = true
      }
      this.#means.push(mean)
      const holdMs = this.#serviceTimes.meanMs(route)
      const answerMs = this.#serviceTimes.meanAnswerMs(route)
      const bySize = this.#costs[route]?.sizeHint()
      const rate = this.#rates[route]!
      return { name: routeName(list, route), mean, rate, isLearned, isMeasured, holdMs, answerMs, bySize }
    })
  }

  #sourceOf(route: number, r: number, overall: number): DemandSource {
    if ((this.#costs[route]?.samples(r) ?? 0) > 0) return "reported"
    if (this.#regression.intervals(r) >= intervalsMin && this.#regression.mean(r, route) >= 0)
      return "utilization"
    const isBlind = Number.isNaN(overall) && this.#resources[r]!.kind === "rate"
    return isBlind && this.#serviceTimes.of(route) > 0 ? "service-time" : "prior"
  }

  #mean(route: number, r: number, source: DemandSource, overall: number, scale: number): number {
    const prior = Number.isNaN(overall) ? this.#options.prior[r]! : overall
    switch (source) {
      case "reported":
        return this.#costs[route]!.mean(r, prior)
      case "utilization":
        return this.#regression.mean(r, route) * scale
      case "service-time":
        return (prior * this.#serviceTimes.of(route)) / this.#usualServiceMs()
      case "prior":
        return prior
    }
  }

  /**
   * The mean demand over all requests: of those with costs, else by utilization; NaN when no backend has said anything.
   */
  #overall(r: number): number {
    let weight = 0
    let sum = 0
    for (const [route, costs] of this.#costs.entries()) {
      const samples = costs?.samples(r) ?? 0
      if (samples === 0) continue
      // A route without requests now is still better than no information.
      const part = this.#rates[route]! + 1e-3
      weight += part
      sum += part * costs!.observed(r)
    }
    if (weight > 0) return sum / weight
    return this.#regression.intervals(r) >= intervalsMin ? this.#regression.overall(r) : NaN
  }

  /** What one unit of registered capacity is in units of reported cost, over the routes of which both are known. */
  #scale(r: number): number {
    let reported = 0
    let regressed = 0
    for (const [route, costs] of this.#costs.entries()) {
      const mean = this.#regression.mean(r, route)
      if (costs === undefined || costs.samples(r) === 0 || !(mean >= 0)) continue
      reported += this.#rates[route]! * costs.observed(r)
      regressed += this.#rates[route]! * mean
    }
    return reported > 0 && regressed > 0 ? reported / regressed : 1
  }

  /** Over all requests of routes whose time is known. */
  #usualServiceMs(): number {
    let weight = 0
    let sum = 0
    for (const [route, rate] of this.#rates.entries()) {
      const ms = this.#serviceTimes.of(route)
      if (Number.isNaN(ms)) continue
      weight += rate + 1e-3
      sum += (rate + 1e-3) * ms
    }
    return sum / weight
  }

  #standardError(route: number, r: number, source: DemandSource, regressed: number): number {
    if (source === "reported") return this.#costs[route]!.standardError(r)
    return source === "utilization" ? regressed : NaN
  }

  #samples(route: number, r: number, source: DemandSource): number {
    switch (source) {
      case "reported":
        return this.#costs[route]!.samples(r)
      case "utilization":
        return this.#regression.intervals(r)
      case "service-time":
        return this.#serviceTimes.samples(route)
      case "prior":
        return 0
    }
  }
}

function capacityOf(resources: ResourceTable, member: Member): ResourceVector {
  const found = vectorOf(resources, member.capacity, 0)
  return found.ok ? found.value : new Float64Array(resources.length)
}
