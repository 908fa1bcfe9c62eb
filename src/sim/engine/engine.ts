/**
 * Hot path: the loop of one run, from event to event in virtual time.
 *
 *     arrival ──▶ a balancer chooses ──▶ room at the backend ──▶ its rates in turn ──▶ hold ──▶ response
 *                  │   ▲        ▲          (waits there)                                │
 *         none has │   │        └── failed, may be sent again ◀── the backend crashes ◀─┘
 *         room     ▼   │
 *                 queue ──▶ given up
 *
 * Arrivals, completions at stations and all other events wait in three places, each by time; among equal times
 * completions come first, then the others, then arrivals. A request is a number and costs no allocation but the
 * attempt of production. Everything that is drawn has a stream of its own. Benchmark: bench/sim.ts.
 */
import { placingDefaults, type PlacingLimits } from "../../placing/limits.ts"
import type { Demand } from "../../placing/demand.ts"
import type { Choosing } from "../../placing/choosing.ts"
import type { PlacedBackend } from "../../placing/placed-backend.ts"
import { type GivenUp, type Owner, Placement } from "../../placing/placement.ts"
import type { Ending, PlaceVerdict } from "../../placing/placer.ts"
import type { Snapshot } from "../../membership/snapshot.ts"
import type { Backend, BackendId } from "../../core/backend.ts"
import type { Millis } from "../../core/clock.ts"
import type { ResourceKind, ResourceTable } from "../../core/resources.ts"
import { mix32, type Rng } from "../../core/rng.ts"
import type { Policy, Prober } from "../../policies/policy.ts"
import { ArrivalProcess, streamOf } from "./arrivals.ts"
import { SimulatedBalancer, type SimulatedProcess } from "./balancer.ts"
import { type Sampler, samplerOf } from "./distributions.ts"
import { EventHeap } from "./event-heap.ts"
import { aloneMsOn, backendsOf, checkFaults, Condition, firstOfEach, type FleetBackend } from "./fleet.ts"
import { Known, BalancerLearning, priorOf } from "./learning.ts"
import { Membership, SimulatedSlots } from "./membership.ts"
import { Reporting } from "./reporting.ts"
import { factCount, facts, phases, Requests } from "./requests.ts"
import { Rooms } from "./rooms.ts"
import type { Fault, RequestClass, Scenario } from "../scenario/scenario.ts"
import { Stations } from "./stations.ts"

export interface EngineLimits extends PlacingLimits {
  /** How long a request waits for room. */
  readonly queueMs: Millis
  /** How long it takes to ask a backend how it is. */
  readonly probeMs: Millis
  readonly tickMs: Millis
  readonly learnMs: Millis
  /** Different clients; each sticks to its backend where the policy makes it so. */
  readonly clients: number
}

/** As in production, unless a test says otherwise. */
export const engineDefaults: EngineLimits = {
  ...placingDefaults,
  probeMs: 1,
  tickMs: 250,
  learnMs: 1_000,
  clients: 1_000,
}

/** Why a request ended without its response. */
export type Failure =
  | Exclude<PlaceVerdict, "placed" | "waits">
  | "queue_timeout"
  | "backend_failed"
  | "backend_error"

/** Told how the requests ended, in order of ending. */
export interface Recorder {
  completed(request: EndedRequest, latencyMs: Millis, aloneMs: Millis): void
  failed(request: EndedRequest, failure: Failure): void
  /** A request has arrived, the `index`-th, from 0 on; `active` have not ended, without it. True stops the run. */
  arrived(index: number, active: number, now: Millis): boolean
}

/** The request that ended. Reused. */
export interface EndedRequest {
  readonly index: number
  readonly class: number
  /** The backend of its last attempt; −1 when there was none. */
  readonly backend: number
  readonly attempts: number
  readonly hasWaited: boolean
}

class Ended implements EndedRequest {
  index = 0
  class = 0
  backend = -1
  attempts = 0
  hasWaited = false
}

export interface EngineOptions {
  readonly scenario: Scenario
  /** Mean rate of arrivals, requests per second. */
  readonly rate: number
  readonly requests: number
  readonly balancers: number
  readonly seed: number
  readonly recorder: Recorder
  /** Makes the policy of one balancer. */
  readonly makePolicy: (rng: Rng, prober: Prober) => Policy
  readonly limits?: Partial<EngineLimits> | undefined
}

const kinds = {
  holdEnds: 0,
  joins: 1,
  leaves: 2,
  faultBegins: 3,
  faultEnds: 4,
  flaps: 5,
  membership: 6,
  tick: 7,
  learn: 8,
  report: 9,
  reportArrives: 10,
  probed: 11,
  queue: 12,
} as const

export class Engine {
  /** Virtual time, from 0 on. */
  now: Millis = 0
  readonly backends: readonly FleetBackend[]
  readonly balancers: readonly SimulatedBalancer[]
  readonly stations: Stations
  readonly rooms: Rooms | undefined
  readonly #limits: EngineLimits
  readonly #scenario: Scenario
  readonly #recorder: Recorder
  readonly #arrivals: ArrivalProcess
  readonly #requestCount: number
  readonly #requests: Requests
  /** By request: how far its balancer is with it. */
  readonly #placements: Placement<SimulatedProcess>[] = []
  readonly #events = new EventHeap()
  readonly #membership: Membership
  readonly #reporting: Reporting
  readonly #conditions: readonly Condition[]
  readonly #tellsCosts: boolean
  readonly #declaring: Declaring | undefined
  readonly #balancerRng: Rng
  readonly #clientRng: Rng
  readonly #faultRng: Rng
  /** Indices into the resources of the rates, in the order in which requests visit them. */
  readonly #rates: Int32Array
  readonly #resources: number
  /** One backend of each group: a request alone is as fast as on the fastest of these. */
  readonly #kinds: readonly FleetBackend[]
  readonly #ended = new Ended()
  /** Of the client whose request is placed. */
  readonly #clientAddress = new Uint8Array(4)
  readonly #probed = new Float64Array(2)
  readonly #probes: (SentProbe | undefined)[] = []
  readonly #known: Known | undefined
  /** One per balancer; none where everything is known. */
  readonly #learning: readonly BalancerLearning[]
  #snapshot: Snapshot
  #membershipDueAt: Millis = Infinity
  #arrived = 0
  #nextArrivalAt: Millis = Infinity
  #stopped = false

  /** @throws RangeError when a number of the scenario makes no sense. */
  constructor(options: EngineOptions) {
    const { balancers, makePolicy, rate, recorder, requests, scenario, seed } = options
    const { classes, knowledge, resources } = scenario
    this.#limits = { ...engineDefaults, ...options.limits }
    this.#scenario = scenario
    this.#recorder = recorder
    this.#requestCount = requests
    this.#resources = resources.length
    this.backends = backendsOf(scenario)
    checkFaults(scenario, this.backends)
    this.#kinds = firstOfEach(scenario, this.backends)
    this.#arrivals = new ArrivalProcess(scenario, rate, seed)
    this.#balancerRng = streamOf(seed, "balancers")
    this.#clientRng = streamOf(seed, "clients")
    this.#faultRng = streamOf(seed, "faults")
    this.#tellsCosts = knowledge.reports === "costs"
    this.#declaring =
      knowledge.demand === "declared" ? new Declaring(classes, streamOf(seed, "errors")) : undefined
    this.#requests = new Requests(resources.length, this.#declaring !== undefined)

    const spaces = indicesOf(resources, "space")
    this.#rates = Int32Array.from(indicesOf(resources, "rate"))
    this.stations = new Stations(
      this.backends.flatMap(({ capacity, group }) =>
        indicesOf(resources, "rate").map((r) => ({
          capacity: capacity[r]!,
          lane: group.lane[resources[r]!.name] ?? Infinity,
          discipline: group.discipline,
        })),
      ),
      this.#requests,
    )
    this.rooms =
      spaces.length === 0
        ? undefined
        : new Rooms(
            this.backends.map(({ capacity }) => capacity),
            spaces,
            resources.length,
            this.#requests,
          )
    this.#conditions = this.backends.map(() => new Condition(resources))
    this.#reporting = new Reporting(scenario, this.backends, this.stations, this.rooms, this.#conditions)

    // Backends that come back get another row where requests of their former life have not settled yet.
    const slots = 2 * this.backends.length + 16
    const indexOf = new Map(this.backends.map(({ name }, index) => [name as BackendId, index]))
    const isKnown = knowledge.demand === "known"
    this.#known = isKnown ? new Known(scenario, rate, balancers) : undefined
    this.#learning = isKnown
      ? []
      : Array.from({ length: balancers }, () => new BalancerLearning(scenario, slots))
    const prober: Prober = { probe: (backend, answer) => this.#probe(backend, answer) }
    this.balancers = Array.from({ length: balancers }, (_, index) => {
      return new SimulatedBalancer({
        resources,
        slots,
        policy: makePolicy(streamOf(seed, "policies", index), prober),
        indexOf,
        prior: priorOf(resources),
        routes: classes.length + 1,
        limits: this.#limits,
        queueMs: this.#limits.queueMs,
        observer: this.#learning[index]?.observer,
      })
    })
    const tables = this.balancers.map(({ table }) => table)
    this.#membership = new Membership(
      resources,
      this.backends,
      new SimulatedSlots(tables, slots),
      streamOf(seed, "checks"),
    )
    this.#snapshot = this.#membership.snapshot
    this.#begin()
  }

  /** By backend and resource: milliseconds in which all of it was used, or the same in parts. See `Stations.busyMs`. */
  busyMs(): Float64Array {
    const rates = this.#rates
    const busy = new Float64Array(this.backends.length * this.#resources)
    for (let backend = 0; backend < this.backends.length; backend++) {
      const from = backend * this.#resources
      for (let r = 0; r < this.#resources; r++) busy[from + r] = this.rooms?.heldMs(backend, r, this.now) ?? 0
      for (let stage = 0; stage < rates.length; stage++) {
        busy[from + rates[stage]!] = this.stations.busyMs(backend * rates.length + stage, this.now)
      }
    }
    return busy
  }

  /** Plays the whole run, until the last request has ended, or the recorder has stopped it. */
  run(): void {
    for (;;) {
      const { stations } = this
      const events = this.#events
      const dueAt = stations.dueAt
      if (dueAt <= events.dueAt && dueAt <= this.#nextArrivalAt) {
        if (dueAt === Infinity) return
        this.now = dueAt
        this.#advance(stations.complete())
      } else if (events.dueAt <= this.#nextArrivalAt) {
        this.now = events.dueAt
        events.pop()
        this.#happen(events.kind, events.subject, events.detail)
      } else {
        this.now = this.#nextArrivalAt
        this.#arrive()
      }
      if (this.#nextArrivalAt === Infinity && (this.#requests.active === 0 || this.#stopped)) return
    }
  }

  // ── a request's way ───────────────────────────────────────────────────────────────────────────────────────────

  #arrive(): void {
    const arrivals = this.#arrivals
    const requests = this.#requests
    const request = requests.take()
    const { now } = this
    requests.facts[request * factCount + facts.index] = this.#arrived
    requests.facts[request * factCount + facts.arrivedAt] = now
    requests.facts[request * factCount + facts.holdMs] = arrivals.holdMs
    for (let r = 0; r < this.#resources; r++) {
      requests.work[request * this.#resources + r] = arrivals.work[r]!
    }
    let alone = Infinity
    for (let k = 0; k < this.#kinds.length; k++) {
      alone = Math.min(alone, aloneMsOn(this.#kinds[k]!, arrivals.work, arrivals.holdMs))
    }
    requests.facts[request * factCount + facts.aloneMs] = alone
    requests.backend[request] = -1
    requests.client[request] = this.#clientRng.below(this.#limits.clients)
    const balancer = this.#balancerRng.below(this.balancers.length)
    requests.balancer[request] = balancer
    const placement = this.#present(request)

    this.#stopped = this.#recorder.arrived(this.#arrived, requests.active - 1, now)
    this.#arrived++
    if (this.#arrived < this.#requestCount && !this.#stopped) {
      arrivals.next()
      this.#nextArrivalAt = arrivals.at
    } else this.#nextArrivalAt = Infinity

    const verdict = this.balancers[balancer]!.placer.arrive(placement, now)
    if (verdict === "waits") this.#events.push(placement.waitsUntil!, kinds.queue, balancer, 0)
    else this.#follow(request, verdict)
  }

  /** What the balancer sees of the request that has just arrived. */
  #present(request: number): Placement<SimulatedProcess> {
    const { group } = this.#balancerOf(request)
    const route = this.#arrivals.class + 1
    if (this.#declaring !== undefined) this.#declare(request)
    const demand = this.#demandOf(request, route)
    const placement = (this.#placements[request] ??= new Placement(
      new BalancerRequest(this, request),
      group,
      demand,
    ))
    placement.begin(route, group, demand)
    return placement
  }

  /** What it is believed to need: as it says itself, or as its balancer knows now. */
  #demandOf(request: number, route: number): Demand {
    if (this.#declaring !== undefined) return this.#requests.declared[request]!
    return this.#balancerOf(request).demandOf(route)
  }

  #declare(request: number): void {
    const declared = this.#requests.declared[request]!
    this.#declaring!.declare(this.#arrivals.class, this.#arrivals.work, declared.vector)
    this.#balancerOf(request).table.toUnits(declared.vector, declared.units)
  }

  /** Goes on as the balancer says: at a backend, or not at all. */
  #follow(request: number, verdict: Exclude<PlaceVerdict, "waits">): void {
    if (verdict === "placed") this.#retry(request, this.#start(request))
    else this.#fail(request, verdict)
  }

  /** Ends the attempt, if it failed, and begins another where that may be. */
  #retry(request: number, after: Failure | undefined): void {
    for (let failure = after; failure !== undefined; failure = this.#start(request)) {
      if (!this.#failAttempt(request, failure)) return
      if (this.#place(request) === "placed") continue
      this.#fail(request, failure)
      return
    }
  }

  /**
   * One that has waited or failed is placed by what is known by now. In the product it is by what was known when it came:
   * what a client declares, or the length of its body tells, is read once, with its head.
   */
  #place(request: number): PlaceVerdict {
    const placement = this.#placements[request]!
    placement.demand = this.#demandOf(request, placement.route)
    return this.#balancerOf(request).placer.place(placement, this.now)
  }

  #balancerOf(request: number): SimulatedBalancer {
    return this.balancers[this.#requests.balancer[request]!]!
  }

  /** The attempt reaches its backend. Why it failed at once, where it did. */
  #start(request: number): Failure | undefined {
    const requests = this.#requests
    const backend = this.#placements[request]!.backend!.site.index
    requests.backend[request] = backend
    this.#reporting.begun(backend, this.now)
    const condition = this.#conditions[backend]!
    if (condition.isDown) return "backend_failed"
    if (condition.failing > 0 && this.#faultRng.next() < condition.failing) return "backend_error"
    const { capacity } = this.backends[backend]!
    for (let r = 0; r < this.#resources; r++) {
      // What a backend does not have at all it cannot do.
      if (capacity[r] === 0 && requests.work[request * this.#resources + r]! > 0) return "backend_error"
    }
    requests.stage[request] = 0
    if (this.rooms !== undefined) {
      if (!this.rooms.canHold(backend, request)) return "backend_error"
      requests.phase[request] = phases.room
      if (!this.rooms.enter(backend, request, this.now)) return undefined
    }
    requests.phase[request] = phases.working
    this.#advance(request)
    return undefined
  }

  /** On to the next rate that the request needs, or to its hold, or to its end. */
  #advance(request: number): void {
    const requests = this.#requests
    const rates = this.#rates
    const backend = requests.backend[request]!
    while (requests.stage[request]! < rates.length) {
      const stage = requests.stage[request]!++
      const work = requests.work[request * this.#resources + rates[stage]!]!
      if (work === 0) continue
      this.stations.arrive(backend * rates.length + stage, request, work, this.now)
      return
    }
    this.#placements[request]!.responded(200, this.now)
    const hold = requests.facts[request * factCount + facts.holdMs]!
    if (hold > 0) {
      requests.phase[request] = phases.holding
      this.#events.push(this.now + hold, kinds.holdEnds, request, requests.epoch[request]!)
    } else this.#complete(request)
  }

  #complete(request: number): void {
    const requests = this.#requests
    const backend = requests.backend[request]!
    const ms = this.now - this.#placements[request]!.begunAt
    if (this.#tellsCosts) this.#tellCost(request, backend)
    this.#settle(request, "complete")
    this.#reporting.completed(backend, ms, this.now)
    const latency = this.now - requests.facts[request * factCount + facts.arrivedAt]!
    this.#recorder.completed(
      this.#describe(request),
      latency,
      requests.facts[request * factCount + facts.aloneMs]!,
    )
    const { placer } = this.#balancerOf(request)
    requests.give(request)
    if (this.rooms !== undefined) this.#admit(backend)
    placer.serve(this.now)
  }

  /** Ends the attempt, which failed; whether another may follow. Otherwise the request has ended. */
  #failAttempt(request: number, failure: Failure): boolean {
    const requests = this.#requests
    const backend = requests.backend[request]!
    const placement = this.#placements[request]!
    const { placer } = this.#balancerOf(request)
    const isResponse = failure === "backend_error"
    if (failure === "backend_failed" && requests.phase[request] === phases.away) {
      // It could not even connect.
      placer.refused(placement, this.now)
      this.#membership.suspect(backend, this.now)
      this.#scheduleMembership()
    }
    // An error comes whole. One that fails behind its head has shown the status that it has begun with.
    if (isResponse) placement.responded(500, this.now)
    // Only silence is tried again; and, unlike in the product, a response that had begun, whose client has seen of it.
    const retries = !isResponse && placer.retry(placement)
    this.#settle(request, isResponse ? "complete" : "failure")
    this.#reporting.failed(backend, this.now)
    if (!retries) this.#fail(request, failure)
    return retries
  }

  #settle(request: number, ending: Ending): void {
    const requests = this.#requests
    const backend = requests.backend[request]!
    if (this.rooms !== undefined && requests.phase[request]! >= phases.working) {
      this.rooms.leave(backend, request, this.now)
    }
    requests.phase[request] = phases.away
    requests.epoch[request]!++
    this.#balancerOf(request).placer.settle(this.#placements[request]!, ending, this.now)
    if (--this.#reporting.inFlight[backend]! === 0 && this.#membership.isDraining(backend)) {
      this.#membership.leave(backend)
      this.#takeSnapshot()
    }
  }

  #fail(request: number, failure: Failure): void {
    const { placer } = this.#balancerOf(request)
    this.#recorder.failed(this.#describe(request), failure)
    this.#requests.give(request)
    placer.serve(this.now)
  }

  #describe(request: number): EndedRequest {
    const requests = this.#requests
    const placement = this.#placements[request]!
    const ended = this.#ended
    ended.index = requests.facts[request * factCount + facts.index]!
    ended.class = placement.route - 1
    ended.backend = requests.backend[request]!
    ended.attempts = placement.attempts
    ended.hasWaited = placement.waitsUntil !== undefined
    return ended
  }

  /** A request has left the backend: those that wait there for space may begin. */
  #admit(backend: number): void {
    for (;;) {
      const request = this.rooms!.admitNext(backend, this.now)
      if (request === -1) return
      this.#requests.phase[request] = phases.working
      this.#advance(request)
    }
  }

  // ── what the balancers ask of a request ───────────────────────────────────────────────────────────────────────

  stick(request: number, choosing: Choosing<SimulatedProcess>): void {
    const client = this.#requests.client[request]!
    choosing.affinityHash = mix32(client + 1)
    choosing.clientAddress = addressOf(client, this.#clientAddress)
  }

  /** It has its turn in the queue of its balancer; false when it waits on. */
  retryQueued(request: number): boolean {
    const verdict = this.#place(request)
    if (verdict === "waits") return false
    this.#follow(request, verdict)
    return true
  }

  giveUpQueued(request: number, code: Exclude<GivenUp, "shutting_down">): void {
    this.#fail(request, code)
  }

  // ── everything else that happens ──────────────────────────────────────────────────────────────────────────────

  #begin(): void {
    const { faults, knowledge } = this.#scenario
    for (const [backend, { group }] of this.backends.entries()) {
      if (group.joinsAtMs <= 0) this.#membership.join(backend, 0)
      else this.#events.push(group.joinsAtMs, kinds.joins, backend, 0)
      if (group.leavesAtMs !== undefined) this.#events.push(group.leavesAtMs, kinds.leaves, backend, 0)
    }
    for (const [index, fault] of faults.entries()) {
      this.#events.push(fault.atMs, kinds.faultBegins, index, 0)
    }
    this.#takeSnapshot()
    if (this.#learning.length > 0) this.#events.push(this.#limits.learnMs, kinds.learn, 0, 0)
    if (knowledge.reports !== "none") this.#events.push(knowledge.reportEveryMs, kinds.report, 0, 0)
    if (this.balancers.some(({ group }) => group.policy.tick !== undefined)) {
      this.#events.push(this.#limits.tickMs, kinds.tick, 0, 0)
    }
    this.#arrivals.next()
    this.#nextArrivalAt = this.#requestCount > 0 ? this.#arrivals.at : Infinity
  }

  #happen(kind: number, subject: number, detail: number): void {
    switch (kind) {
      case kinds.holdEnds:
        if (this.#requests.epoch[subject] === detail) this.#complete(subject)
        break
      case kinds.joins:
        if (!this.#conditions[subject]!.isDown) this.#membership.join(subject, this.now)
        this.#takeSnapshot()
        break
      case kinds.leaves:
        this.#drain(subject)
        break
      case kinds.faultBegins:
        this.#beginFault(subject)
        break
      case kinds.faultEnds:
        this.#changeFault(this.#scenario.faults[subject]!, false)
        break
      case kinds.flaps:
        this.#flap(subject, detail === 1)
        break
      case kinds.membership:
        this.#passMembership()
        break
      case kinds.tick:
        for (const { placer } of this.balancers) placer.tick(this.now)
        this.#events.push(this.now + this.#limits.tickMs, kinds.tick, 0, 0)
        break
      case kinds.learn:
        for (const [index, learning] of this.#learning.entries()) {
          this.balancers[index]!.learn(learning.learn(this.#snapshot, this.now))
        }
        this.#events.push(this.now + this.#limits.learnMs, kinds.learn, 0, 0)
        break
      case kinds.report:
        this.#report()
        break
      case kinds.reportArrives:
        this.#tellReports()
        break
      case kinds.probed:
        this.#answerProbe(subject)
        break
      case kinds.queue:
        this.balancers[subject]!.placer.serve(this.now)
        break
    }
  }

  /** Takes a new membership to all balancers, when there is one. */
  #takeSnapshot(): void {
    const { snapshot } = this.#membership
    this.#scheduleMembership()
    if (snapshot === this.#snapshot) return
    for (const learning of this.#learning) learning.flush(this.#snapshot, this.now)
    this.#snapshot = snapshot
    for (const [index, balancer] of this.balancers.entries()) {
      balancer.apply(snapshot, this.now)
      if (this.#known !== undefined) balancer.learn(this.#known.with(snapshot, index))
    }
    for (const { placer } of this.balancers) placer.serve(this.now)
  }

  #scheduleMembership(): void {
    const { dueAt } = this.#membership
    if (dueAt >= this.#membershipDueAt) return
    this.#membershipDueAt = dueAt
    this.#events.push(Math.max(dueAt, this.now), kinds.membership, 0, 0)
  }

  #passMembership(): void {
    this.#membershipDueAt = Infinity
    this.#membership.pass(this.now)
    this.#takeSnapshot()
  }

  #drain(backend: number): void {
    this.#membership.drain(backend, this.now)
    if (this.#membership.isDraining(backend) && this.#reporting.inFlight[backend] === 0) {
      this.#membership.leave(backend)
    }
    this.#takeSnapshot()
  }

  // ── faults ────────────────────────────────────────────────────────────────────────────────────────────────────

  #beginFault(index: number): void {
    const fault = this.#scenario.faults[index]!
    this.#changeFault(fault, true)
    if (fault.kind === "flapping") this.#events.push(this.now + fault.everyMs / 2, kinds.flaps, index, 0)
    if (fault.forMs !== undefined) this.#events.push(this.now + fault.forMs, kinds.faultEnds, index, 0)
  }

  /** One flapping is down for the first half of each period and up for the second. */
  #flap(index: number, down: boolean): void {
    const fault = this.#scenario.faults[index]!
    if (fault.kind !== "flapping") return
    const isOver = fault.forMs !== undefined && this.now >= fault.atMs + fault.forMs
    if (isOver) return
    this.#changeFault(fault, down)
    this.#events.push(this.now + fault.everyMs / 2, kinds.flaps, index, down ? 0 : 1)
  }

  #changeFault(fault: Fault, begins: boolean): void {
    const backend = this.backends.findIndex(({ name }) => name === fault.backend)
    const condition = this.#conditions[backend]!
    const wasDown = condition.isDown
    if (begins) condition.begin(fault)
    else condition.end(fault)
    const rates = this.#rates
    for (let stage = 0; stage < rates.length; stage++) {
      const taken = condition.taken[rates[stage]!]!
      this.stations.setSpeed(backend * rates.length + stage, condition.speed, taken, this.now)
    }
    this.rooms?.setTaken(backend, condition.taken)
    if (condition.isDown && !wasDown) this.#crash(backend)
    if (!condition.isDown && wasDown) {
      this.#membership.restart(backend, this.now)
      const { joinsAtMs, leavesAtMs = Infinity } = this.backends[backend]!.group
      const isLate = this.#membership.isAbsent(backend) && joinsAtMs <= this.now && this.now < leavesAtMs
      if (isLate) this.#membership.join(backend, this.now)
    }
    if (this.rooms !== undefined && !condition.isDown) this.#evict(backend)
    this.#takeSnapshot()
  }

  /** All that is in flight there fails at this moment. */
  #crash(backend: number): void {
    this.#membership.crash(backend, this.now)
    const rates = this.#rates
    for (let stage = 0; stage < rates.length; stage++) {
      this.stations.clear(backend * rates.length + stage, this.now)
    }
    this.rooms?.clear(backend, this.now)
    this.#failAll(backend, phases.room, "backend_failed")
  }

  /** A neighbour has taken so much space that some that wait there never fit. */
  #evict(backend: number): void {
    const rooms = this.rooms!
    const waiting = rooms.takeUnfit(backend)
    for (const request of waiting) this.#retry(request, "backend_error")
    this.#admit(backend)
  }

  #failAll(backend: number, from: number, failure: Failure): void {
    const requests = this.#requests
    const failed: number[] = []
    for (let request = 0; request < requests.size; request++) {
      if (requests.backend[request] === backend && requests.phase[request]! >= from) failed.push(request)
    }
    failed.sort(
      (a, b) => requests.facts[a * factCount + facts.index]! - requests.facts[b * factCount + facts.index]!,
    )
    // The space has been given back for all at once.
    for (const request of failed) requests.phase[request] = phases.room
    for (const request of failed) this.#retry(request, failure)
  }

  // ── what backends tell ────────────────────────────────────────────────────────────────────────────────────────

  #tellCost(request: number, backend: number): void {
    const requests = this.#requests
    const { group, placer } = this.#balancerOf(request)
    if (group.policy.onReport === undefined && this.#learning.length === 0) return
    const report = this.#reporting.costOf(backend, requests.work, request * this.#resources)
    placer.report(this.#placements[request]!, report, this.now)
  }

  #report(): void {
    const { reportDelayMs, reportEveryMs } = this.#scenario.knowledge
    this.#reporting.measure(this.now)
    this.#events.push(this.now + reportDelayMs, kinds.reportArrives, 0, 0)
    this.#events.push(this.now + reportEveryMs, kinds.report, 0, 0)
  }

  #tellReports(): void {
    const reports = this.#reporting.arrive()
    for (const [index, { group }] of this.balancers.entries()) {
      // Where every response tells how busy its backend is the learner has heard it.
      const learning = this.#tellsCosts ? undefined : this.#learning[index]
      for (const backend of group.eligible) {
        const report = reports[backend.site.index]
        if (report === undefined) continue
        // In the product only the learner, on another thread, hears of a report that comes without a response.
        group.policy.onReport?.(backend, report, this.now)
        learning?.report(backend.id, report, this.now)
      }
    }
  }

  /** Only here can policies ask: in the product there is no prober. */
  #probe(backend: Backend, answer: SentProbe["answer"]): void {
    let place = this.#probes.indexOf(undefined)
    if (place === -1) place = this.#probes.length
    const { index } = (backend as PlacedBackend<SimulatedProcess>).site
    this.#probes[place] = { backend: index, answer }
    this.#events.push(this.now + this.#limits.probeMs, kinds.probed, place, 0)
  }

  #answerProbe(place: number): void {
    const { answer, backend } = this.#probes[place]!
    this.#probes[place] = undefined
    if (this.#conditions[backend]!.isDown) return
    this.#reporting.probe(backend, this.now, this.#probed)
    answer(this.#probed[0]!, this.#probed[1]!, this.now)
  }
}

interface SentProbe {
  readonly backend: number
  readonly answer: (inFlight: number, latencyMs: Millis, now: Millis) => void
}

/** What requests say of themselves, where they do. */
export class Declaring {
  readonly #errors: readonly (Sampler | undefined)[]
  readonly #biases: readonly number[]
  readonly #rng: Rng

  constructor(classes: readonly RequestClass[], rng: Rng) {
    this.#errors = classes.map(({ declaredError }) =>
      declaredError === 0 ? undefined : samplerOf({ kind: "lognormal", mean: 1, cv: declaredError }),
    )
    this.#biases = classes.map(({ declaredBias }) => declaredBias)
    this.#rng = rng
  }

  /** Hot. One error a resource. */
  declare(kind: number, work: Readonly<Float64Array>, declared: Float64Array): void {
    const error = this.#errors[kind]
    for (let r = 0; r < work.length; r++) {
      const factor = error === undefined ? 1 : error.sample(this.#rng)
      declared[r] = work[r]! * this.#biases[kind]! * factor
    }
  }
}

/** A request, as its balancer asks it. */
class BalancerRequest implements Owner<SimulatedProcess> {
  /** In a full queue clients do not make room for each other: they are drawn evenly, so none of them is greedy. */
  readonly clientKey = ""
  readonly #engine: Engine
  readonly #request: number

  constructor(engine: Engine, request: number) {
    this.#engine = engine
    this.#request = request
  }

  stick(choosing: Choosing<SimulatedProcess>): void {
    this.#engine.stick(this.#request, choosing)
  }

  retryQueued(): boolean {
    return this.#engine.retryQueued(this.#request)
  }

  giveUpQueued(code: GivenUp): void {
    // A run ends with its last request: nothing shuts down.
    if (code !== "shutting_down") this.#engine.giveUpQueued(this.#request, code)
  }
}

/** Writes the address of this client, 10.x.x.x. */
function addressOf(client: number, address: Uint8Array): Uint8Array {
  address[0] = 10
  address[1] = client >>> 16
  address[2] = client >>> 8
  address[3] = client
  return address
}

function indicesOf(resources: ResourceTable, kind: ResourceKind): number[] {
  return [...resources.keys()].filter((r) => resources[r]!.kind === kind)
}
