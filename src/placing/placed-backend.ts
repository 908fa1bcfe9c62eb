/** A backend as requests are placed on it: the member, its row in the load table, and what hangs on it. */
import type { Backend, BackendId, BackendLoad } from "../core/backend.ts"
import type { Millis } from "../core/clock.ts"
import { type Resource, type ResourceTable, type ResourceVector, unitsMax } from "../core/resources.ts"
import { formatAddress } from "../membership/address.ts"
import type { Member } from "../membership/snapshot.ts"

/**
 * What hangs on a backend and stands for its process: a pool of connections in the product, a process of a simulated
 * backend in the simulator. The placer knows two backends for the same process by their site alone.
 */
export interface Site {
  /** Hot: whether one more request can be sent there, whatever it needs. */
  readonly hasRoom: boolean
  /** Its checks fail: what is kept for later requests is of no use. */
  closeIdle(): void
  /** Its process has left or was replaced: attempts that run may finish, and no more will come. */
  retire(): void
}

/** Where sites come from. */
export interface Sites<S extends Site> {
  /** The site of this member: that of `before`, the same id in the last snapshot, if it is the same process; else a new one. */
  siteOf(member: Member, before: Placed<S> | undefined): S
  /** No site has room. True when some of them may have room now, and it is worth while to look again. */
  makeRoom(): boolean
}

/** A member with the backend that stands for it. */
export interface Placed<S extends Site> {
  readonly member: Member
  readonly backend: PlacedBackend<S>
}

/**
 * Replaced by another object when the member has another weight, capacity, zone or tier. Attempts keep the one that they
 * were placed on.
 */
export class PlacedBackend<S extends Site> implements Backend {
  readonly id: BackendId
  readonly slot: number
  readonly weight: number
  readonly zone: string | undefined
  readonly tier: number
  readonly address: string
  readonly load: BackendLoad
  readonly site: S
  /** As registered, or as corrected since by what backends reported. Another vector then: attempts keep theirs. */
  capacity: Readonly<ResourceVector>
  /** The most fixed-point units that each resource may hold: its capacity for `space`, else no bound that matters. */
  readonly roomUnits: Int32Array
  /** Until when it is passed over while another backend will do, after a connection to it could not be made. */
  avoidUntil: Millis = -Infinity
  eligibleSince: Millis = -Infinity
  readonly #registered: Readonly<ResourceVector>

  constructor(member: Member, tier: number, resources: ResourceTable, load: BackendLoad, site: S) {
    this.id = member.id
    this.slot = member.slot
    this.weight = member.weight
    this.zone = member.zone
    this.tier = tier
    this.address = formatAddress(member.address)
    this.load = load
    this.site = site
    this.#registered = Float64Array.from(resources, ({ name }) => member.capacity[name] ?? 0)
    this.capacity = this.#registered
    this.roomUnits = roomUnitsOf(resources, this.#registered)
  }

  /** Cold: takes this capacity, or the registered one again. Whether it is another than before. Spaces stay as registered. */
  correct(resources: ResourceTable, corrected: Readonly<ResourceVector> | undefined): boolean {
    const registered = this.#registered
    const capacity = registered.map((amount, r) =>
      corrected === undefined || resources[r]!.kind === "space" ? amount : corrected[r]!,
    )
    const isOther = capacity.some((amount, r) => amount !== this.capacity[r])
    if (isOther) this.capacity = capacity
    return isOther
  }
}

/** What `PlacedBackend.roomUnits` is for this capacity. A space capacity is rounded down, a demand up. */
function roomUnitsOf(resources: ResourceTable, capacity: Readonly<ResourceVector>): Int32Array {
  return Int32Array.from(resources, (resource: Resource, r) =>
    resource.kind === "space" ? Math.floor(capacity[r]! / resource.resolution) : unitsMax,
  )
}

/** By resource the most that a request can hold at one of these backends: Infinity for rates, and of no backends. */
export function roomMostOf<S extends Site>(
  resources: ResourceTable,
  backends: readonly PlacedBackend<S>[],
): ResourceVector {
  return Float64Array.from(resources, ({ kind, resolution }, r) => {
    if (kind === "rate" || backends.length === 0) return Infinity
    return backends.reduce((most, { roomUnits }) => Math.max(most, roomUnits[r]!), 0) * resolution
  })
}

/** Cold: whether one of these backends would have space for so many units were it empty, or there is no backend. */
export function couldHold<S extends Site>(
  resources: ResourceTable,
  backends: readonly PlacedBackend<S>[],
  units: Int32Array,
): boolean {
  if (backends.length === 0) return true
  return backends.some(({ roomUnits }) =>
    resources.every(({ kind }, r) => kind === "rate" || units[r]! <= roomUnits[r]!),
  )
}

/** From the label `tier`: a whole number, 0 where there is none that makes sense. */
export function tierOf({ labels }: Member): number {
  const label = labels["tier"] ?? ""
  return /^[0-9]{1,3}$/.test(label) ? Number(label) : 0
}
