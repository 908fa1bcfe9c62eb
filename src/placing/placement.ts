/**
 * Hot path: one request, as far as it is placed: what it needs and sticks to, where it has been, where it waits, and the
 * attempt that runs. One per client connection in the product, and per place in the table of requests in the simulator:
 * its owner uses it again for its next request, so that a request allocates nothing here. Benchmark: bench/exchange.ts.
 */
import { type Backend, type BackendId, hasRoomFor } from "../core/backend.ts"
import type { Millis } from "../core/clock.ts"
import type { ResourceTable, ResourceVector } from "../core/resources.ts"
import type { PickRequest } from "../policies/policy.ts"
import type { Demand } from "./demand.ts"
import type { Place } from "./fair-queue.ts"
import type { Group } from "./group.ts"
import type { PlacedBackend, Site } from "./placed-backend.ts"

/** Why a request waits no more that was not served. */
export type GivenUp = "queue_timeout" | "queue_full" | "shutting_down"

/** What a request belongs to. It is told when the request, which waits, gets its turn. */
export interface Owner {
  /** The client of the request, as one text: clients share the places of a full queue. */
  readonly clientKey: string
  /**
   * There may be room now: the owner calls `Placer.place`. False when the request waits on; true when it does not, also
   * when it has ended and the owner's next request waits already.
   */
  retryQueued(): boolean
  /** It waits no more, for this reason. */
  giveUpQueued(code: GivenUp): void
}

export class Placement<S extends Site> implements PickRequest {
  readonly owner: Owner
  /** When it was placed last. */
  now: Millis = 0

  // ── what it asks for; written by its owner ──
  group: Group<S>
  /** Number of its route in `Knowledge.routes`. */
  route = 0
  demand: Readonly<ResourceVector>
  /** The same in the load table's units. */
  units: Int32Array
  affinityHash: number | undefined = undefined
  clientAddress: Uint8Array | undefined = undefined
  boundTo: BackendId | undefined = undefined
  /** The backend that the request goes to if it is admitted there, whatever the policy is. */
  preferred: PlacedBackend<S> | undefined = undefined

  // ── how far it is; written by the placer ──
  /** Attempts so far, with the one that runs. */
  attempts = 0
  /** It has waited in a queue, or does. */
  hasWaited = false
  /** Until when it may wait, where it has. */
  waitsUntil: Millis = 0
  /** Where it waits; undefined while it does not. */
  place: Place<Placement<S>> | undefined = undefined

  // ── the attempt that runs; written by the placer, and by `responded` ──
  /** Undefined while none runs. */
  backend: PlacedBackend<S> | undefined = undefined
  /** What it holds there, in the load table's units. */
  held: Int32Array
  begunAt: Millis = 0
  /** Of the final response; 0 before. */
  status = 0
  /** When the response began; NaN before. */
  firstByteAt: Millis = NaN
  /** How long the backend asks clients to wait; NaN where it does not. */
  retryAfterMs: Millis = NaN
  /** What the backend says that the request has cost; NaN for the resources of which it says nothing. */
  cost: Readonly<ResourceVector> | undefined = undefined

  readonly #resources: ResourceTable
  readonly #hasSpace: boolean
  /** Sites that have failed it. */
  #tried: S[] | undefined = undefined
  /** Backends that had no room when it came to reserving. */
  #full: Backend[] | undefined = undefined
  #avoids = true
  #hasAvoided = false

  constructor(resources: ResourceTable, owner: Owner, group: Group<S>, { vector, units }: Demand) {
    this.#resources = resources
    this.#hasSpace = resources.some(({ kind }) => kind === "space")
    this.owner = owner
    this.group = group
    this.demand = vector
    this.units = units
    this.held = units
  }

  /** Hot: another request of its owner. What it sticks to is the owner's to write. */
  begin(route: number, group: Group<S>, demand: Demand): void {
    this.route = route
    this.group = group
    this.needs(demand)
    this.attempts = 0
    this.hasWaited = false
    this.#tried = undefined
  }

  /** Hot: what it needs, while no attempt of it runs. */
  needs({ vector, units }: Demand): void {
    this.demand = vector
    this.units = units
  }

  /** The head of the final response has come. */
  responded(status: number, now: Millis, retryAfterMs: Millis = NaN): void {
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

  admits(backend: Backend): boolean {
    const placed = backend as PlacedBackend<S>
    if (this.hasTried(placed) || !placed.site.hasRoom) return false
    if (this.#full !== undefined && this.#full.includes(backend)) return false
    if (this.#hasSpace && !hasRoomFor(backend, this.demand, this.#resources)) return false
    if (!this.#avoids || placed.avoidUntil <= this.now) return true
    this.#hasAvoided = true
    return false
  }

  // ── for the placer ──

  /** Whether a backend was refused in this choosing for nothing but a refused connection of late. */
  get hasAvoided(): boolean {
    return this.#hasAvoided
  }

  /** Starts a choosing: no backend is known to be full, and `avoids` says whether refused connections of late count. */
  choose(avoids: boolean): void {
    this.#avoids = avoids
    this.#hasAvoided = false
    this.#full = undefined
  }

  /** False when it was known already: then the policy that chose it does not listen to `admits`. */
  markFull(backend: Backend): boolean {
    this.#full ??= []
    if (this.#full.includes(backend)) return false
    this.#full.push(backend)
    return true
  }

  /** The attempt that runs has begun. */
  begun(backend: PlacedBackend<S>, held: Int32Array): void {
    this.backend = backend
    this.held = held
    this.attempts++
    this.begunAt = this.now
    this.status = 0
    this.firstByteAt = NaN
    this.retryAfterMs = NaN
    this.cost = undefined
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
