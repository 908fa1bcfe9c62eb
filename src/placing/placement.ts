/**
 * Hot path: one request, as far as it is placed: what it needs, where it has been, where it waits, and its attempt. One per
 * client connection in the product, and per place in the table of requests in the simulator: its owner uses it again for
 * its next request, so that a request allocates nothing here. Benchmark: bench/exchange.ts, bench/sim.ts.
 */
import type { Millis } from "../core/clock.ts"
import type { ResourceVector } from "../core/resources.ts"
import type { Choosing } from "./choosing.ts"
import type { Demand } from "./demand.ts"
import type { QueuePlace } from "./fair-queue.ts"
import type { Group } from "./group.ts"
import type { PlacedBackend, Site } from "./placed-backend.ts"

/** Why a request waits no more that was not served. */
export type GivenUp = "queue_timeout" | "queue_full" | "shutting_down"

/** What a request belongs to, as the placer sees it. */
export interface Owner<S extends Site> {
  /** The client of the request, as one text: clients share the places of a full queue. */
  readonly clientKey: string
  /** Writes what the request sticks to; before each choosing. */
  stick(choosing: Choosing<S>): void
  /**
   * There may be room now: the owner calls `Placer.place`. False when the request waits on; true when it does not, also
   * when it has ended and the owner's next request waits already.
   */
  retryQueued(): boolean
  /** It waits no more, for this reason. */
  giveUpQueued(code: GivenUp): void
}

export class Placement<S extends Site> {
  readonly owner: Owner<S>

  // ── what it asks for ──
  group: Group<S>
  /** Number of its route in `Knowledge.routes`. */
  route = 0
  /** Replaced only while no attempt of it runs. */
  demand: Demand

  // ── its last attempt ──
  /** It has not settled. */
  runs = false
  /** Undefined while there was none. */
  backend: PlacedBackend<S> | undefined = undefined
  /** What it holds or held there, in the load table's units. */
  held: Int32Array
  /** NaN while there was none. */
  begunAt: Millis = NaN
  /** Of the final response; 0 before. */
  status = 0
  /** When the response began; NaN before. */
  firstByteAt: Millis = NaN
  /** How long the backend asks clients to wait, where it does. */
  retryAfterMs: Millis | undefined = undefined
  /** What the backend says that the request has cost; NaN for the resources of which it says nothing. */
  cost: Readonly<ResourceVector> | undefined = undefined

  // ── how far it is ──
  /** Attempts so far, with the one that runs. */
  attempts = 0
  /** Until when it may wait; undefined while it has not had to. */
  waitsUntil: Millis | undefined = undefined
  /** Where it waits; undefined while it does not. */
  place: QueuePlace<Placement<S>> | undefined = undefined
  /** Sites that have failed it. */
  #tried: S[] | undefined = undefined

  constructor(owner: Owner<S>, group: Group<S>, demand: Demand) {
    this.owner = owner
    this.group = group
    this.demand = demand
    this.held = demand.units
  }

  /** Hot: another request of its owner. */
  begin(route: number, group: Group<S>, demand: Demand): void {
    this.route = route
    this.group = group
    this.demand = demand
    this.begunAt = NaN
    this.status = 0
    this.firstByteAt = NaN
    this.attempts = 0
    this.waitsUntil = undefined
    this.forget()
  }

  /** Hot: the request has ended. An owner without requests keeps no backend that has left in memory. */
  forget(): void {
    this.backend = undefined
    this.cost = undefined
    this.#tried = undefined
  }

  /** Hot: the head of the final response has come. */
  responded(status: number, now: Millis, retryAfterMs?: Millis): void {
    this.status = status
    this.firstByteAt = now
    this.retryAfterMs = retryAfterMs
  }

  /** Whether it has been tried there: by the process, since a new weight or capacity makes another backend of it. */
  hasTried({ site }: PlacedBackend<S>): boolean {
    const tried = this.#tried
    if (tried === undefined) return false
    for (let i = 0; i < tried.length; i++) if (tried[i] === site) return true
    return false
  }

  // ── for the placer ──

  /** An attempt has begun. */
  begun(backend: PlacedBackend<S>, held: Int32Array, now: Millis): void {
    this.runs = true
    this.backend = backend
    this.held = held
    this.begunAt = now
    this.status = 0
    this.firstByteAt = NaN
    this.retryAfterMs = undefined
    this.cost = undefined
    this.attempts++
  }

  /** The backend of the attempt that runs has failed it: it will not do again. */
  exclude(): void {
    this.#tried ??= []
    this.#tried.push(this.backend!.site)
  }

  /** What the request has cost counts once, when all is said: what is said later knows more, and counts. */
  costs(requestCost: Readonly<ResourceVector>): void {
    const before = this.cost
    this.cost =
      before === undefined ? requestCost : requestCost.map((cost, r) => (cost >= 0 ? cost : before[r]!))
  }
}
