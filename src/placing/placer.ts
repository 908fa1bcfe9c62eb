/**
 * Hot path: places requests on backends: chooses, reserves, lets them wait, settles, and tells policy and observer how it
 * went. The product and the simulator place by this code alone, so what one records of a request the other does too.
 * It opens no socket and reads no clock: the time is an argument, and what hangs on a backend is a `Site`.
 *
 *     arrive ──▶ place ──▶ an attempt runs ──▶ settle
 *                │  ▲ ▲                        │
 *          no room  │ └── failed, retry ◀──────┘
 *                ▼  │ its turn
 *                queue ──▶ given up
 *
 * After each `place` that says "placed" there is exactly one `settle`, whatever ends the attempt. A second settle is a
 * bug and throws: it would give back what another attempt holds. Benchmark: bench/exchange.ts, bench/sim.ts.
 */
import type { BackendId } from "../core/backend.ts"
import type { Millis } from "../core/clock.ts"
import type { Knowledge } from "../core/knowledge.ts"
import type { LoadReport } from "../core/load-report.ts"
import type { ResourceTable, ResourceVector } from "../core/resources.ts"
import type { Snapshot } from "../membership/snapshot.ts"
import type { AttemptResult, Outcome } from "../policies/policy.ts"
import { Choosing } from "./choosing.ts"
import type { Demand } from "./demand.ts"
import { FairQueue, type QueuePlace } from "./fair-queue.ts"
import { Group, type GroupParts } from "./group.ts"
import type { PlacingLimits } from "./limits.ts"
import type { LoadTable } from "./load-table.ts"
import { couldHold, type Placed, type PlacedBackend, type Site, type Sites } from "./placed-backend.ts"
import type { GivenUp, Placement } from "./placement.ts"
import { Roster } from "./roster.ts"

/** How long a backend that refused a connection is passed over while another will do. */
const avoidMs = 1_000

/**
 * What became of a request that asked for a backend.
 *
 * - `placed`: an attempt has begun
 * - `waits`: it is in the queue of its group, or was, and had its turn at once: its owner was told of that
 * - all others: there is neither a backend nor a place in the queue for it, for this reason
 */
export type PlaceVerdict = "placed" | "waits" | "no_backend" | "no_backend_fits" | "queue_full"

/**
 * How an attempt ended. `complete`: the whole response has come, and its status says how that went. `failure`: it has
 * not, for a reason that counts against the backend. `ignored`: for one that does not.
 */
export type Ending = "complete" | "failure" | "ignored"

/** What learns from attempts (`learning/observer.ts`). */
export interface AttemptObserver {
  settled(slot: number, route: number, outcome: Outcome): void
  load(slot: number, report: LoadReport): void
  cost(slot: number, route: number, requestCost: Readonly<ResourceVector>, bodyBytes: number): void
}

export interface PlacerOptions<S extends Site> {
  readonly resources: ResourceTable
  readonly table: LoadTable
  /** Its ledger in the load table. */
  readonly worker: number
  readonly sites: Sites<S>
  /** Undefined where everything is known already. */
  readonly observer: AttemptObserver | undefined
  readonly limits: PlacingLimits
  /** Until when a request that comes now may wait. */
  readonly waitsUntil: (now: Millis) => Millis
  /** Until then requests wait for the first backend of their group: just after the start it is still to come. */
  readonly firstUntil: Millis
  /** An attempt has settled, so there may be room for requests that wait: `serve` is to be called. */
  readonly onSettled: () => void
}

/** How the attempt that has just settled went. One per placer: it is used up at once. */
class SettledOutcome implements Outcome {
  result: AttemptResult = "success"
  status = 0
  firstByteMs: Millis = NaN
  totalMs: Millis = 0
  retryAfterMs: Millis = NaN
  route = 0
  isExact = false
}

export class Placer<S extends Site> {
  readonly #options: PlacerOptions<S>
  readonly #table: LoadTable
  readonly #roster: Roster<S>
  readonly #queues = new Map<string, FairQueue<Placement<S>>>()
  readonly #outcome = new SettledOutcome()
  readonly #choosing: Choosing<S>
  #queueList: readonly FairQueue<Placement<S>>[] = []
  #groups: readonly Group<S>[] = []

  constructor(options: PlacerOptions<S>) {
    const { resources, sites, table } = options
    this.#options = options
    this.#table = table
    this.#roster = new Roster(resources, table, sites)
    this.#choosing = new Choosing(resources)
  }

  // ── cold: what it places on ───────────────────────────────────────────────────────────────────────────────────

  get groups(): readonly Group<S>[] {
    return this.#groups
  }

  /** By id, all members, whatever their state. */
  get placed(): ReadonlyMap<BackendId, Placed<S>> {
    return this.#roster.placed
  }

  get knowledge(): Knowledge {
    return this.#roster.knowledge
  }

  /** A group of this pool, not in use before `regroup`. Groups of one pool have one queue, which outlives them. */
  makeGroup(pool: string, parts: Omit<GroupParts<S>, "queue">): Group<S> {
    let queue = this.#queues.get(pool)
    if (queue === undefined) {
      queue = new FairQueue(this.#options.resources, this.#options.limits.queueMax)
      this.#queues.set(pool, queue)
      this.#queueList = [...this.#queues.values()]
    }
    return new Group({ ...parts, queue })
  }

  /** Places by these groups from now on. Those of before that are among them keep what their policies know. */
  regroup(groups: readonly Group<S>[]): void {
    const before = this.#groups
    this.#groups = groups
    for (const group of groups) {
      if (before.includes(group)) continue
      group.policy.learn?.(this.knowledge)
      this.#fill(group)
    }
  }

  /** Takes a new membership. */
  apply(snapshot: Snapshot, now: Millis): void {
    this.#roster.apply(snapshot, now)
    for (const group of this.#groups) this.#fill(group)
  }

  /** Takes what was learned. Policies are told, and told again what their backends are where capacities changed. */
  learn(knowledge: Knowledge): void {
    const isOther = this.#roster.learn(knowledge)
    for (const group of this.#groups) {
      group.policy.learn?.(knowledge)
      if (isOther) group.rebuild()
    }
  }

  /** Time has passed: several times per second. */
  tick(now: Millis): void {
    for (const { policy } of this.#groups) policy.tick?.(now)
  }

  #fill(group: Group<S>): void {
    group.fill(this.#roster.snapshot, this.#roster.placed, this.#options.resources)
  }

  // ── hot: placing ──────────────────────────────────────────────────────────────────────────────────────────────

  /** The demand as it is reserved. `vector` must stay as it is. Allocates the units. */
  demandOf(vector: Readonly<ResourceVector>): Demand {
    const units = new Int32Array(vector.length)
    this.#table.toUnits(vector, units)
    return { vector, units }
  }

  /**
   * A request has come: asks for a backend, behind those that wait for one. Where it says "waits" the request may have
   * been served or refused in the meantime, by a call of its owner.
   */
  arrive(placement: Placement<S>, now: Millis): PlaceVerdict {
    const { group } = placement
    const { queue } = group
    if (queue.length === 0) return this.place(placement, now)
    if (!this.#couldHold(placement)) return "no_backend_fits"
    // Small requests would keep a large one waiting for ever: whether this one may pass, the queue says.
    const verdict = this.#wait(placement, now)
    if (verdict === "waits") this.#serveNew(queue)
    return verdict
  }

  /**
   * Chooses a backend and reserves the demand there, or finds a place in the queue, or says why there is neither. One
   * that was placed before does not wait again. To be called of a request that waits only in its turn, or when it has
   * left.
   */
  place(placement: Placement<S>, now: Millis): PlaceVerdict {
    const { group, place } = placement
    const verdict = this.#find(placement, now)
    if (verdict !== "waits") {
      // The queue that gave it its turn takes it out.
      placement.place = undefined
      return verdict
    }
    // Its route may have got another group since it began to wait.
    return place?.queue === group.queue ? verdict : this.#wait(placement, now)
  }

  /** It waits no more: its client has gone, or it goes before its turn. Nothing when it does not wait. */
  leave(placement: Placement<S>): void {
    const { place } = placement
    if (place === undefined) return
    placement.place = undefined
    place.queue.remove(place)
  }

  #find(placement: Placement<S>, now: Millis): PlaceVerdict {
    const { attempts, group } = placement
    const { firstUntil, sites } = this.#options
    if (group.eligible.length === 0) {
      return !group.hasBegun && now < firstUntil && attempts === 0 ? "waits" : "no_backend"
    }
    this.#choosing.begin(placement, now)
    if (this.#choose(placement) || (sites.makeRoom() && this.#choose(placement))) return "placed"
    if (attempts > 0 || hasTriedAll(placement)) return "no_backend"
    return this.#couldHold(placement) ? "waits" : "no_backend_fits"
  }

  /** One that refused a connection a moment ago is used only when no other will do. */
  #choose(placement: Placement<S>): boolean {
    if (this.#tryChoose(placement, true)) return true
    return this.#choosing.hasAvoided && this.#tryChoose(placement, false)
  }

  /** A backend that ran full between choosing and reserving (other threads reserve too) is passed over. */
  #tryChoose(placement: Placement<S>, avoids: boolean): boolean {
    const { policy, queue } = placement.group
    const choosing = this.#choosing
    choosing.look(avoids)
    for (;;) {
      const { preferred } = choosing
      const isPreferred = preferred !== undefined && choosing.admits(preferred)
      const picked = isPreferred ? preferred : policy.pick(choosing)
      if (picked === undefined) return false
      const backend = picked as PlacedBackend<S>
      const held = this.#reserve(backend, placement.demand.units)
      if (held === undefined) {
        if (choosing.markFull(backend)) continue
        return false
      }
      placement.begun(backend, held, choosing.now)
      policy.onBegun?.(backend, choosing)
      if (choosing.hasSpace) queue.begun(placement.route, choosing.demand)
      return true
    }
  }

  /**
   * What is reserved; undefined when a space of the backend has no room for it now. Of a rate of which the table can hold
   * no more (a million of the default resolution) it reserves nothing.
   */
  #reserve({ slot, roomUnits }: PlacedBackend<S>, units: Int32Array): Int32Array | undefined {
    const { worker } = this.#options
    let held: Int32Array | undefined = units
    while (!this.#table.acquire(slot, held, roomUnits, worker)) {
      // With each turn it is fewer rates.
      held = this.#table.withoutFullRates(slot, held)
      if (held === undefined) return undefined
    }
    return held
  }

  #couldHold({ demand, group }: Placement<S>): boolean {
    return couldHold(this.#options.resources, group.eligible, demand.units)
  }

  // ── hot: what comes of an attempt ─────────────────────────────────────────────────────────────────────────────

  /** The backend has said how it is, with the response: in its head, in its trailers or in both. */
  report(placement: Placement<S>, report: LoadReport, now: Millis): void {
    const { backend, group, runs } = placement
    if (backend === undefined || !runs) return
    group.policy.onReport?.(backend, report, now)
    this.#options.observer?.load(backend.slot, report)
    placement.costs(report.requestCost)
  }

  /** The backend of the attempt that runs could not even be connected to. */
  refused({ backend }: Placement<S>, now: Millis): void {
    backend!.avoidUntil = now + avoidMs
  }

  /**
   * The attempt that runs has failed, and its request may be sent again: whether it is to be, after `settle`. Then not
   * to the same process.
   */
  retry(placement: Placement<S>): boolean {
    if (placement.attempts >= this.#options.limits.attemptsMax) return false
    placement.exclude()
    return true
  }

  /**
   * The attempt has ended: gives back what it holds, and tells policy and observer. The one place where an `Outcome` is
   * made. `bodyBytes`: the length of the request's body.
   */
  settle(placement: Placement<S>, ending: Ending, now: Millis, bodyBytes = 0): AttemptResult {
    const { cost, group, route } = placement
    if (!placement.runs) throw new Error("an attempt was settled twice")
    placement.runs = false
    const backend = placement.backend!
    this.#table.release(backend.slot, placement.held, this.#options.worker)
    if (this.#choosing.hasSpace) group.queue.ended(route, placement.demand.vector)
    const outcome = this.#outcomeOf(placement, ending, now)
    const { observer, onSettled } = this.#options
    group.policy.onSettled?.(backend, outcome, now)
    if (observer !== undefined) {
      observer.settled(backend.slot, route, outcome)
      if (cost !== undefined) observer.cost(backend.slot, route, cost, bodyBytes)
    }
    onSettled()
    return outcome.result
  }

  #outcomeOf(placement: Placement<S>, ending: Ending, now: Millis): SettledOutcome {
    const { begunAt, status } = placement
    const outcome = this.#outcome
    const firstByteMs = placement.firstByteAt - begunAt
    // A response is a response, also one that says that something went wrong.
    outcome.result = ending !== "complete" ? ending : status >= 500 ? "failure" : "success"
    outcome.status = status
    outcome.firstByteMs = firstByteMs
    // How long a tunnel stayed open says nothing about the backend.
    outcome.totalMs = status === 101 ? firstByteMs : now - begunAt
    outcome.retryAfterMs = placement.retryAfterMs ?? NaN
    outcome.route = placement.route
    outcome.isExact = placement.group.isExact
    return outcome
  }

  // ── the queues ────────────────────────────────────────────────────────────────────────────────────────────────

  /** Hot: whether any request waits. */
  get hasWaiting(): boolean {
    const queues = this.#queueList
    for (let i = 0; i < queues.length; i++) if (queues[i]!.length > 0) return true
    return false
  }

  /** There may be room: gives it to those that are next as long as they fit; gives up those whose time is over. */
  serve(now: Millis): void {
    const queues = this.#queueList
    for (let i = 0; i < queues.length; i++) if (queues[i]!.length > 0) this.#serve(queues[i]!, now)
  }

  /** No request shall wait any longer. */
  giveUp(code: GivenUp): void {
    for (const queue of this.#queueList) {
      for (let { first } = queue; first !== undefined; { first } = queue) this.#giveUp(first, code)
    }
  }

  #serve(queue: FairQueue<Placement<S>>, now: Millis): void {
    if (queue.isServing) return
    queue.isServing = true
    for (let late = queue.expired(now); late !== undefined; late = queue.expired(now)) {
      this.#giveUp(late, "queue_timeout")
    }
    queue.isServing = false
    queue.roomFreed()
    this.#serveNew(queue)
  }

  /**
   * Asks only those that have not been asked since there was room: the newcomer, unless one of its route waits before it
   * or all wait for one that does not fit.
   */
  #serveNew(queue: FairQueue<Placement<S>>): void {
    // An owner that is served at once may begin its next request within its turn: this loop comes to that.
    if (queue.isServing) return
    queue.isServing = true
    for (let place = queue.next(); place !== undefined; place = queue.next()) {
      const isServed = place.item.owner.retryQueued()
      // It may have left by itself within its turn.
      if (!place.isWaiting) continue
      if (isServed) queue.take(place)
      else queue.refuse(place)
    }
    queue.isServing = false
  }

  /** A request that has waited before, for another group, waits no longer than it would have. */
  #wait(placement: Placement<S>, now: Millis): PlaceVerdict {
    this.leave(placement)
    const { queue } = placement.group
    const until = placement.waitsUntil ?? this.#options.waitsUntil(now)
    const place = this.#push(queue, placement, until)
    if (place === undefined) return "queue_full"
    placement.place = place
    placement.waitsUntil = until
    return "waits"
  }

  /** A full queue takes it in the place of the last request of the client that has most places, if that has more. */
  #push(
    queue: FairQueue<Placement<S>>,
    placement: Placement<S>,
    until: Millis,
  ): QueuePlace<Placement<S>> | undefined {
    const { demand, owner, route } = placement
    const key = owner.clientKey
    const place = queue.push(placement, route, demand.vector, until, key)
    if (place !== undefined) return place
    const last = queue.lastOfRichest(key)
    if (last === undefined) return undefined
    this.#giveUp(last, "queue_full")
    return queue.push(placement, route, demand.vector, until, key)
  }

  #giveUp(place: QueuePlace<Placement<S>>, code: GivenUp): void {
    const { item } = place
    place.queue.remove(place)
    if (item.place === place) item.place = undefined
    item.owner.giveUpQueued(code)
  }
}

function hasTriedAll<S extends Site>(placement: Placement<S>): boolean {
  return placement.group.eligible.every((backend) => placement.hasTried(backend))
}
