/** Hot path: the members as one data-plane thread knows them, and choosing among them. Benchmark: bench/choose.ts. */
import { formatAddress } from "../cluster/address.ts"
import type { Attempt, Attempts, PlacedBackend } from "../cluster/attempts.ts"
import { roomUnitsOf } from "../cluster/attempts.ts"
import type { LoadTable } from "../cluster/load-table.ts"
import type { Member, Snapshot } from "../cluster/snapshot.ts"
import type { Backend, BackendId, BackendLoad } from "../core/backend.ts"
import type { Millis } from "../core/clock.ts"
import type { ResourceTable, ResourceVector } from "../core/resources.ts"
import type { Rng } from "../core/rng.ts"
import { makePolicy, plainPolicy, type PolicyName } from "../policies/index.ts"
import type { PickRequest, Policy } from "../policies/policy.ts"
import { BackendPool } from "./backend-pool.ts"
import type { Context } from "./context.ts"
import { destinationOf, isSameDestination } from "./dial.ts"

/** How long a backend that refused a connection is passed over while another will do. */
export const avoidMs = 1_000

export class FleetBackend implements PlacedBackend {
  readonly id: BackendId
  readonly slot: number
  readonly capacity: ResourceVector
  readonly weight: number
  readonly zone: string | undefined
  readonly tier: number
  readonly eligibleSince: Millis = -Infinity
  readonly address: string
  readonly load: BackendLoad
  readonly roomUnits: Int32Array
  readonly pool: BackendPool
  /** Until when it is passed over, after a connection to it could not be made. */
  avoidUntil: Millis = 0

  constructor(member: Member, resources: ResourceTable, load: BackendLoad, pool: BackendPool) {
    this.id = member.id
    this.slot = member.slot
    this.capacity = Float64Array.from(resources, (resource) => member.capacity[resource.name] ?? 0)
    this.weight = member.weight
    this.zone = member.zone
    this.tier = 0
    this.address = formatAddress(member.address)
    this.load = load
    this.roomUnits = roomUnitsOf(resources, this.capacity)
    this.pool = pool
  }
}

/**
 * Why nobody was chosen. `empty`: nobody is eligible; `exhausted`: all who are have been tried; `full`: somebody
 * would do and has no room now, of a resource or for one more connection of this thread.
 */
export type NoPlace = "empty" | "exhausted" | "full"

/** What requests need, in their own units and in the load table's. Replaced, never changed. */
export interface Demand {
  readonly vector: Readonly<ResourceVector>
  readonly units: Int32Array
}

const nobody: readonly FleetBackend[] = []

/** What has to be known of a request to place it. One a thread: it is used up within one call of `Fleet.place`. */
export class Placement implements PickRequest {
  now: Millis = 0
  demand: Readonly<ResourceVector>
  /** The demand in the load table's units. */
  units: Int32Array
  route = 0
  affinityHash: number | undefined = undefined
  clientAddress: Uint8Array | undefined = undefined
  boundTo: BackendId | undefined = undefined
  /** Backends that this exchange has tried. */
  tried: readonly FleetBackend[] = nobody

  readonly #resources: ResourceTable
  readonly #hasSpace: boolean
  /** Backends that had no room when it came to reserving. */
  readonly #full: Backend[] = []
  #avoids = true

  constructor(resources: ResourceTable, { vector, units }: Demand) {
    this.#resources = resources
    this.#hasSpace = resources.some((resource) => resource.kind === "space")
    this.demand = vector
    this.units = units
  }

  admits(backend: Backend): boolean {
    if (this.tried.length > 0 && this.tried.includes(backend as FleetBackend)) return false
    if (this.#avoids && (backend as FleetBackend).avoidUntil > this.now) return false
    if (!(backend as FleetBackend).pool.hasRoom) return false
    if (!this.#hasSpace) return true
    if (this.#full.length > 0 && this.#full.includes(backend)) return false
    return this.#fits(backend)
  }

  /** Starts a choosing: nobody is known to be full, and `avoids` says whether refusals of late count. */
  begin(avoids: boolean): void {
    this.#avoids = avoids
    if (this.#full.length > 0) this.#full.length = 0
  }

  /** The request that is to be placed, and whom it has tried. */
  assign({ vector, units }: Demand, tried: readonly FleetBackend[] | undefined, now: Millis): void {
    this.demand = vector
    this.units = units
    this.tried = tried ?? nobody
    this.now = now
  }

  markFull(backend: Backend): void {
    this.#full.push(backend)
  }

  #fits(backend: Backend): boolean {
    const resources = this.#resources
    for (let r = 0; r < resources.length; r++) {
      if (
        resources[r]!.kind === "space" &&
        backend.load.reserved(r) + this.demand[r]! > backend.capacity[r]!
      ) {
        return false
      }
    }
    return true
  }
}

export class Fleet {
  readonly #context: Context
  readonly #table: LoadTable
  readonly #attempts: Attempts
  readonly #rng: Rng
  #policy: Policy
  #members = new Map<BackendId, { member: Member; backend: FleetBackend }>()
  #eligible: readonly FleetBackend[] = []

  constructor(context: Context, table: LoadTable, attempts: Attempts, rng: Rng) {
    this.#context = context
    this.#table = table
    this.#attempts = attempts
    this.#rng = rng
    this.#policy = this.#make(context.options.policy)
  }

  get policy(): Policy {
    return this.#policy
  }

  /** The time for choosing and settling: exact for a policy that measures, else the last sweep's, which costs nothing. */
  now(): Millis {
    const { clock, deadlines } = this.#context
    return this.#policy.onSettled === undefined ? deadlines.coarseNow : clock.now()
  }

  /** The demand as it is reserved. `vector` must stay as it is. */
  demandOf(vector: Readonly<ResourceVector>): Demand {
    return { vector, units: this.#attempts.unitsOf(vector) }
  }

  setPolicy(name: PolicyName): void {
    this.#policy = this.#make(name)
    this.#policy.rebuild(this.#eligible)
  }

  /** Cold. Attempts that run keep the backend they run on, also when it is gone from the snapshot. */
  apply(snapshot: Snapshot): void {
    const before = this.#members
    const members = new Map<BackendId, { member: Member; backend: FleetBackend }>()
    for (const member of snapshot.members) {
      const known = before.get(member.id)
      members.set(member.id, {
        member,
        backend:
          known !== undefined && isSamePlace(known.member, member)
            ? known.backend
            : this.#place(member, known),
      })
    }
    for (const [id, { backend }] of before) {
      const now = members.get(id)
      if (now === undefined || now.backend.pool !== backend.pool) backend.pool.retire()
      else if (now.member.state === "ejected") backend.pool.closeIdle()
    }
    this.#members = members
    this.#eligible = snapshot.eligible.map((member) => members.get(member.id)!.backend)
    this.#policy.rebuild(this.#eligible)
  }

  /**
   * Chooses a backend and reserves the demand on it. A backend that ran full between choosing and reserving (other
   * threads reserve too) is passed over; one that refused a connection a moment ago is used only when no other will do.
   */
  place(placement: Placement): Attempt | NoPlace {
    if (this.#eligible.length === 0) return "empty"
    return this.#tryPlace(placement, true) ?? this.#tryPlace(placement, false) ?? this.#whyNot(placement)
  }

  #tryPlace(placement: Placement, avoids: boolean): Attempt | undefined {
    placement.begin(avoids)
    for (;;) {
      const backend = this.#policy.pick(placement) as FleetBackend | undefined
      if (backend === undefined) return undefined
      const attempt = this.#attempts.begin(backend, placement.units)
      if (attempt !== undefined) return attempt
      placement.markFull(backend)
    }
  }

  #whyNot(placement: Placement): NoPlace {
    return this.#eligible.every((backend) => placement.tried.includes(backend)) ? "exhausted" : "full"
  }

  #place(member: Member, known: { member: Member; backend: FleetBackend } | undefined): FleetBackend {
    const { options } = this.#context
    // Another capacity or weight is no reason to close connections to the same process.
    const pool =
      known !== undefined && isSameProcess(known.member, member)
        ? known.backend.pool
        : new BackendPool(this.#context, destinationOf(member))
    return new FleetBackend(member, options.resources, this.#table.loadOf(member.slot), pool)
  }

  #make(name: PolicyName): Policy {
    return makePolicy(plainPolicy(name), { rng: this.#rng, resources: this.#context.options.resources })
  }
}

function isSameProcess(a: Member, b: Member): boolean {
  return a.generation === b.generation && isSameDestination(destinationOf(a), destinationOf(b))
}

function isSamePlace(a: Member, b: Member): boolean {
  if (!isSameProcess(a, b) || a.slot !== b.slot || a.weight !== b.weight) return false
  const names = Object.keys(b.capacity)
  return names.every((name) => a.capacity[name] === b.capacity[name])
}
