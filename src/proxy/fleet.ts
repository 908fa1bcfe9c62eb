/** Hot path: the members as one data-plane thread knows them, and choosing among them. Benchmark: bench/choose.ts. */
import { formatAddress } from "../membership/address.ts"
import {
  type Attempt,
  type Attempts,
  couldHold,
  type PlacedBackend,
  roomMostOf,
  roomUnitsOf,
} from "../placing/attempts.ts"
import { Choosing } from "../placing/choosing.ts"
import type { LoadTable } from "../placing/load-table.ts"
import { emptySnapshot, type Member, type Snapshot } from "../membership/snapshot.ts"
import type { BackendId, BackendLoad } from "../core/backend.ts"
import type { Millis } from "../core/clock.ts"
import { type Knowledge, nothingKnown } from "../core/knowledge.ts"
import type { ResourceTable, ResourceVector } from "../core/resources.ts"
import type { Rng } from "../core/rng.ts"
import { makeChooser } from "../policies/around/chooser.ts"
import { policies } from "../policies/index.ts"
import type { Policy } from "../policies/policy.ts"
import { BackendPool } from "./backends/backend-pool.ts"
import type { Context } from "./context.ts"
import { destinationOf, isSameDestination } from "./backends/dial.ts"
import type { PoolMatch } from "../config/config.ts"
import type { GroupOptions } from "./options.ts"
import { WaitingQueue } from "../placing/waiting-queue.ts"

export class FleetBackend implements PlacedBackend {
  readonly id: BackendId
  readonly slot: number
  /** As registered, or as corrected since by what backends reported. */
  capacity: ResourceVector
  readonly weight: number
  readonly zone: string | undefined
  readonly tier: number
  eligibleSince: Millis = -Infinity
  readonly address: string
  readonly load: BackendLoad
  readonly roomUnits: Int32Array
  readonly pool: BackendPool
  avoidUntil: Millis = -Infinity

  constructor(member: Member, resources: ResourceTable, load: BackendLoad, pool: BackendPool) {
    this.id = member.id
    this.slot = member.slot
    this.capacity = Float64Array.from(resources, (resource) => member.capacity[resource.name] ?? 0)
    this.weight = member.weight
    this.zone = member.zone
    this.tier = tierOf(member)
    this.address = formatAddress(member.address)
    this.load = load
    this.roomUnits = roomUnitsOf(resources, this.capacity)
    this.pool = pool
  }
}

/**
 * Why no backend was chosen. `empty`: none is eligible; `exhausted`: all that are have been tried; `full`: one would do
 * and has no room now, of a resource or for one more connection of this thread, or the first is still to come.
 */
export type NoPlace = "empty" | "exhausted" | "full"

/** What requests need, in their own units and in the load table's. Replaced, never changed. */
export interface Demand {
  readonly vector: Readonly<ResourceVector>
  readonly units: Int32Array
}

const nobody: readonly FleetBackend[] = []

/** What has to be known of a request to place it. One a thread: it is used up within one call of `Fleet.place`. */
export class Placement extends Choosing<FleetBackend> {
  /** The demand in the load table's units. */
  units: Int32Array
  /** Backends that this exchange has tried. */
  tried: readonly FleetBackend[] = nobody

  constructor(resources: ResourceTable, { vector, units }: Demand) {
    super(resources, vector)
    this.units = units
  }

  override isOpen({ pool }: FleetBackend): boolean {
    return pool.hasRoom
  }

  /** By its pool, which is the process: for a new weight or capacity makes it another object. */
  override hasTried({ pool }: FleetBackend): boolean {
    const { tried } = this
    for (let i = 0; i < tried.length; i++) if (tried[i]!.pool === pool) return true
    return false
  }

  /** The request that is to be placed, and whom it has tried. */
  assign(
    { vector, units }: Demand,
    route: number,
    tried: readonly FleetBackend[] | undefined,
    now: Millis,
  ): void {
    this.demand = vector
    this.units = units
    this.route = route
    this.tried = tried ?? nobody
    this.now = now
  }

  /** What it has to stick to. */
  stick(
    affinityHash: number | undefined,
    clientAddress: Uint8Array | undefined,
    boundTo: BackendId | undefined,
    preferred: FleetBackend | undefined,
  ): void {
    this.affinityHash = affinityHash
    this.clientAddress = clientAddress
    this.boundTo = boundTo
    this.preferred = preferred
  }
}

/** Backends that serve together, how one is chosen among them, and who waits for them. */
export class Group {
  readonly options: GroupOptions
  readonly policy: Policy
  /** Its policy goes by the time of every attempt, so that time has to be exact. */
  readonly measures: boolean
  /** Of the pool, so that requests that wait stay where they are when the policy changes. */
  readonly queue: WaitingQueue
  eligible: readonly FleetBackend[] = []
  /** A backend of it has been eligible. */
  hasBegun = false
  /** By resource the most that a request can hold at one of them: Infinity for rates, and of nobody. */
  roomMost: Readonly<ResourceVector> = new Float64Array(0)

  constructor(options: GroupOptions, policy: Policy, queue: WaitingQueue) {
    this.options = options
    this.policy = policy
    const { name } = options.choosing.policy
    this.measures = policy.onSettled !== undefined && policies[name].ignoresTimes !== true
    this.queue = queue
  }
}

interface Known {
  readonly member: Member
  readonly backend: FleetBackend
}

export class Fleet {
  readonly #context: Context
  readonly #table: LoadTable
  readonly #attempts: Attempts
  readonly #rng: Rng
  /** Until then requests wait for the first backend of their group. */
  readonly #firstUntil: Millis
  readonly #queues = new Map<string, WaitingQueue>()
  #queueList: readonly WaitingQueue[] = []
  #groups: readonly Group[] = []
  #members = new Map<BackendId, Known>()
  #snapshot: Snapshot = emptySnapshot
  #knowledge: Knowledge = nothingKnown

  constructor(context: Context, table: LoadTable, attempts: Attempts, rng: Rng) {
    this.#context = context
    this.#table = table
    this.#attempts = attempts
    this.#rng = rng
    this.#firstUntil = context.deadlines.coarseNow + context.options.timeouts.firstMemberMs
    this.regroup(context.options.routing.groups)
  }

  /** In the order of `RoutingOptions.groups`. */
  get groups(): readonly Group[] {
    return this.#groups
  }

  /** One a pool. */
  get queues(): readonly WaitingQueue[] {
    return this.#queueList
  }

  /** Hot: whether any request waits. */
  get hasWaiting(): boolean {
    const queues = this.#queueList
    for (let i = 0; i < queues.length; i++) if (queues[i]!.length > 0) return true
    return false
  }

  get members(): Iterable<BackendId> {
    return this.#members.keys()
  }

  /** The time for choosing and settling: exact for a policy that measures, else of the last sweep, which is free. */
  now(group: Group): Millis {
    const { clock, deadlines } = this.#context
    return group.measures ? clock.now() : deadlines.coarseNow
  }

  /** The demand as it is reserved. `vector` must stay as it is. */
  demandOf(vector: Readonly<ResourceVector>): Demand {
    return { vector, units: this.#attempts.unitsOf(vector) }
  }

  /** Cold: other groups. One that is as it was before keeps its policy and what that knows. */
  regroup(options: readonly GroupOptions[]): void {
    const before = this.#groups
    this.#groups = options.map((wanted) => {
      const same = before.find((group) => isSameGroup(group.options, wanted))
      return same ?? this.#make(wanted)
    })
    for (const group of this.#groups) {
      if (before.includes(group)) continue
      group.policy.learn?.(this.#knowledge)
      this.#fill(group)
    }
  }

  /** Cold. Attempts that run keep the backend they run on, also when it is gone from the snapshot. */
  apply(snapshot: Snapshot): void {
    const before = this.#members
    const isFirst = before.size === 0
    const members = new Map<BackendId, Known>()
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
    this.#markNew(snapshot, isFirst)
    this.#snapshot = snapshot
    for (const group of this.#groups) this.#fill(group)
  }

  /** Cold: what has been learned. Policies are told, and told again who their members are where capacities changed. */
  learn(knowledge: Knowledge): void {
    this.#knowledge = knowledge
    let hasChanged = false
    for (const { member, backend } of this.#members.values()) {
      if (this.#correct(backend, member)) hasChanged = true
    }
    for (const { policy, eligible, queue } of this.#groups) {
      policy.learn?.(knowledge)
      if (!hasChanged) continue
      policy.rebuild(eligible)
      queue.rebuild(eligible)
    }
  }

  /** Cold: time has passed, several times per second. */
  tick(now: Millis): void {
    for (const { policy } of this.#groups) policy.tick?.(now)
    for (const { backend } of this.#members.values()) backend.pool.follow()
  }

  /** Chooses a backend of the group and reserves the demand on it: see `Attempts.place`. */
  place(placement: Placement, group: Group): Attempt | NoPlace {
    if (group.eligible.length === 0) return this.#awaitsFirst(group) ? "full" : "empty"
    let attempt = this.#attempts.place(group.policy, placement, placement.units)
    const { descriptors } = this.#context
    if (attempt === undefined && !descriptors.hasRoomForBackend) {
      this.closeIdle()
      attempt = this.#attempts.place(group.policy, placement, placement.units)
    }
    if (attempt === undefined) return whyNot(placement, group)
    if (placement.hasSpace) group.queue.begun(placement.route, placement.demand)
    return attempt
  }

  /** Cold: where descriptors are short, connections that are idle give way to those that are needed. */
  closeIdle(): void {
    for (const { backend } of this.#members.values()) backend.pool.closeIdle()
  }

  /** Cold: whether somebody who is eligible would have the space for this demand if nothing else were there. */
  couldHold({ units }: Demand, { eligible }: Group): boolean {
    return couldHold(this.#context.options.resources, eligible, units)
  }

  /** Just after the start backends are still about to announce themselves again, and to pass their first check. */
  #awaitsFirst({ hasBegun }: Group): boolean {
    return !hasBegun && this.#context.deadlines.coarseNow < this.#firstUntil
  }

  /** Who may be chosen since now. Those that were there from the start have no start to be careful of. */
  #markNew(snapshot: Snapshot, isFirst: boolean): void {
    const now = this.#context.clock.now()
    const before = new Set(this.#snapshot.eligible.map(({ id, generation }) => `${id} ${generation}`))
    for (const { id, generation } of snapshot.eligible) {
      if (before.has(`${id} ${generation}`)) continue
      this.#members.get(id)!.backend.eligibleSince = isFirst ? -Infinity : now
    }
  }

  #fill(group: Group): void {
    const { members, eligible } = this.#snapshot
    const { match } = group.options
    group.eligible = eligibleOf(members, eligible, match).map(({ id }) => this.#members.get(id)!.backend)
    if (group.eligible.length > 0) group.hasBegun = true
    group.roomMost = roomMostOf(this.#context.options.resources, group.eligible)
    group.policy.rebuild(group.eligible)
    group.queue.rebuild(group.eligible)
  }

  #place(member: Member, known: Known | undefined): FleetBackend {
    const { options } = this.#context
    // Another capacity or weight is no reason to close connections to the same process.
    const pool =
      known !== undefined && isSameProcess(known.member, member)
        ? known.backend.pool
        : new BackendPool(this.#context, destinationOf(member))
    const backend = new FleetBackend(member, options.resources, this.#table.loadOf(member.slot), pool)
    if (known !== undefined && isSameProcess(known.member, member)) {
      backend.eligibleSince = known.backend.eligibleSince
    }
    this.#correct(backend, member)
    return backend
  }

  /** Puts the capacity as it is known now in place; whether it is another than before. */
  #correct(backend: FleetBackend, member: Member): boolean {
    const { resources } = this.#context.options
    const corrected = this.#knowledge.capacities.get(backend.id)
    let hasChanged = false
    const capacity = Float64Array.from(resources, ({ name, kind }, r) => {
      const registered = member.capacity[name] ?? 0
      const amount = kind === "space" || corrected === undefined ? registered : corrected[r]!
      if (amount !== backend.capacity[r]) hasChanged = true
      return amount
    })
    // The vector of an attempt that runs stays as it was.
    if (hasChanged) backend.capacity = capacity
    return hasChanged
  }

  #make(options: GroupOptions): Group {
    let queue = this.#queues.get(options.pool)
    if (queue === undefined) {
      queue = new WaitingQueue(this.#context.options.limits.queueMax, this.#context.options.resources)
      this.#queues.set(options.pool, queue)
      this.#queueList = [...this.#queues.values()]
    }
    const { resources } = this.#context.options
    return new Group(options, makeChooser(options.choosing, { rng: this.#rng, resources }), queue)
  }
}

function whyNot(placement: Placement, group: Group): NoPlace {
  return group.eligible.every((backend) => placement.hasTried(backend)) ? "exhausted" : "full"
}

/** The members of a pool that may be chosen: its serving ones, or its suspects when none of it is serving. */
export function eligibleOf(
  members: readonly Member[],
  eligible: readonly Member[],
  match: PoolMatch | undefined,
): readonly Member[] {
  if (match === undefined) return eligible
  const serving = eligible.filter((member) => isOf(member, match))
  if (serving.length > 0) return serving
  return members.filter((member) => member.state === "suspect" && isOf(member, match))
}

function isOf(member: Member, { labels, zone, ids }: PoolMatch): boolean {
  if (zone !== undefined && member.zone !== zone) return false
  if (ids !== undefined && !ids.includes(member.id)) return false
  return Object.entries(labels).every(([name, value]) => member.labels[name] === value)
}

/** From the label `tier`: a whole number, 0 where there is none that makes sense. */
function tierOf({ labels }: Member): number {
  const label = labels["tier"] ?? ""
  return /^[0-9]{1,3}$/.test(label) ? Number(label) : 0
}

function isSameGroup(a: GroupOptions, b: GroupOptions): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}

function isSameProcess(a: Member, b: Member): boolean {
  return a.generation === b.generation && isSameDestination(destinationOf(a), destinationOf(b))
}

function isSamePlace(a: Member, b: Member): boolean {
  if (!isSameProcess(a, b) || a.slot !== b.slot || a.weight !== b.weight || a.zone !== b.zone) return false
  if (tierOf(a) !== tierOf(b)) return false
  const names = Object.keys(b.capacity)
  return names.every((name) => a.capacity[name] === b.capacity[name])
}
