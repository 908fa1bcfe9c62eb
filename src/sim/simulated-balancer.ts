/**
 * Hot path: one balancer before the simulated fleet. It knows what it has sent itself, and nothing that others have;
 * it chooses and reserves with the load table, the attempts and the policies of production, by the rules of
 * production's data plane (`proxy/fleet.ts`).
 */
import { formatAddress } from "../cluster/address.ts"
import {
  type Attempt,
  Attempts,
  type OnSettled,
  type PlacedBackend,
  roomUnitsOf,
} from "../cluster/attempts.ts"
import { FairQueue } from "../cluster/fair-queue.ts"
import { LoadTable } from "../cluster/load-table.ts"
import type { Member, Snapshot } from "../cluster/snapshot.ts"
import type { Backend, BackendId, BackendLoad } from "../core/backend.ts"
import type { Millis } from "../core/clock.ts"
import { type Knowledge, nothingKnown } from "../core/knowledge.ts"
import type { ResourceTable, ResourceVector } from "../core/resources.ts"
import type { AttemptResult, Outcome, PickRequest, Policy } from "../policies/policy.ts"

/** How long a backend that refused a connection is passed over while another will do: as in production. */
const avoidMs = 1_000

/** A member as one balancer sees it. */
export class SeenBackend implements PlacedBackend {
  readonly id: BackendId
  readonly slot: number
  /** Its number in the fleet. */
  readonly index: number
  /** As registered, or as corrected since. */
  readonly capacity: ResourceVector
  readonly #registered: Readonly<ResourceVector>
  readonly weight: number
  readonly zone: string | undefined
  readonly tier: number
  readonly eligibleSince: Millis
  readonly address: string
  readonly load: BackendLoad
  readonly roomUnits: Int32Array
  avoidUntil: Millis = -Infinity

  constructor(
    member: Member,
    index: number,
    tier: number,
    registered: Readonly<ResourceVector>,
    eligibleSince: Millis,
    load: BackendLoad,
    roomUnits: Int32Array,
  ) {
    this.id = member.id
    this.slot = member.slot
    this.index = index
    this.#registered = registered
    this.capacity = Float64Array.from(registered)
    this.weight = member.weight
    this.zone = member.zone
    this.tier = tier
    this.eligibleSince = eligibleSince
    this.address = formatAddress(member.address)
    this.load = load
    this.roomUnits = roomUnits
  }

  /** Takes this capacity, or the registered one again. Whether that is another than before. */
  correct(corrected: Readonly<ResourceVector> = this.#registered): boolean {
    const { capacity } = this
    let isOther = false
    for (let r = 0; r < capacity.length; r++) {
      if (capacity[r] !== corrected[r]) isOther = true
      capacity[r] = corrected[r]!
    }
    return isOther
  }
}

interface Seen {
  readonly member: Member
  readonly backend: SeenBackend
}

/** How one attempt went. Reused. */
class SettledOutcome implements Outcome {
  result: AttemptResult = "success"
  status = 0
  firstByteMs: Millis = NaN
  totalMs: Millis = 0
  readonly retryAfterMs: Millis = NaN
  route = 0
}

/** What has to be known of a request to choose for it. Reused. */
class Choice implements PickRequest {
  now: Millis = 0
  demand: Readonly<ResourceVector> = new Float64Array(0)
  route = 0
  affinityHash: number | undefined = undefined
  readonly clientAddress: Uint8Array = new Uint8Array(4)
  readonly boundTo: BackendId | undefined = undefined
  /** Backends that it has been tried on: `triedCount` numbers from `triedFrom` on. */
  tried = new Int32Array(0)
  triedFrom = 0
  triedCount = 0
  avoids = true
  /** Backends that had no room when it came to reserving. */
  readonly full: Backend[] = []
  readonly #resources: ResourceTable
  readonly #hasSpace: boolean

  constructor(resources: ResourceTable) {
    this.#resources = resources
    this.#hasSpace = resources.some(({ kind }) => kind === "space")
  }

  /** An address of its own for each client. */
  setClient(client: number): void {
    const address = this.clientAddress
    address[0] = 10
    address[1] = client >>> 16
    address[2] = client >>> 8
    address[3] = client
  }

  admits(backend: Backend): boolean {
    const { index, avoidUntil } = backend as SeenBackend
    for (let i = 0; i < this.triedCount; i++) if (this.tried[this.triedFrom + i] === index) return false
    if (this.avoids && avoidUntil > this.now) return false
    return !this.#hasSpace || this.#fits(backend)
  }

  #fits(backend: Backend): boolean {
    if (this.full.length > 0 && this.full.includes(backend)) return false
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

export interface SimulatedBalancerOptions {
  readonly resources: ResourceTable
  readonly slots: number
  readonly policy: Policy
  /** A member's number in the fleet by its id. */
  readonly indexOf: ReadonlyMap<string, number>
  /** Tiers by number in the fleet: the registry does not know them yet. */
  readonly tiers: readonly number[]
  /** Of each route, what is taken for its requests' demand while nothing is known. */
  readonly prior: Readonly<ResourceVector>
  readonly routes: number
  /** Requests that may wait for room. */
  readonly queueMax: number
}

export class SimulatedBalancer {
  readonly policy: Policy
  readonly table: LoadTable
  /** Requests that wait for room. */
  readonly queue: FairQueue<number>
  readonly choice: Choice
  readonly outcome = new SettledOutcome()
  knowledge: Knowledge = nothingKnown
  eligible: readonly SeenBackend[] = []
  readonly #options: SimulatedBalancerOptions
  readonly #attempts: Attempts
  readonly #prior: Readonly<ResourceVector>
  /** By route. Replaced, never changed: attempts hold on to them. */
  readonly #demands: Readonly<ResourceVector>[]
  readonly #units: Int32Array[]
  #seen = new Map<BackendId, Seen>()

  constructor(options: SimulatedBalancerOptions) {
    const { policy, prior, queueMax, resources, routes, slots } = options
    this.#options = options
    this.policy = policy
    this.table = LoadTable.create(resources, slots, 1)
    this.queue = new FairQueue(resources, queueMax)
    this.choice = new Choice(resources)
    this.#attempts = new Attempts(this.table, 0, resources.length, this.#onSettled)
    this.#prior = prior
    this.#demands = Array.from({ length: routes }, () => prior)
    this.#units = Array.from({ length: routes }, () => this.#attempts.unitsOf(prior))
  }

  /** Cold: takes a new membership. */
  apply(snapshot: Snapshot, now: Millis): void {
    const before = this.#seen
    const seen: typeof before = new Map()
    for (const member of snapshot.eligible) {
      const known = before.get(member.id)
      const isKnown = known !== undefined && isSamePlace(known.member, member)
      const backend = isKnown ? known.backend : this.#see(member, known?.backend, now)
      backend.correct(this.knowledge.capacities.get(member.id))
      seen.set(member.id, { member, backend })
    }
    this.#seen = seen
    this.eligible = Array.from(seen.values(), ({ backend }) => backend)
    this.#rebuild()
  }

  /** Cold: takes what was learned. */
  learn(knowledge: Knowledge): void {
    this.knowledge = knowledge
    for (let route = 0; route < this.#demands.length; route++) {
      const mean = knowledge.routes[route]?.mean ?? this.#prior
      if (mean === this.#demands[route]) continue
      this.#demands[route] = mean
      this.#units[route] = this.#attempts.unitsOf(mean)
    }
    this.policy.learn?.(knowledge)
    let isOther = false
    for (const backend of this.eligible) {
      if (backend.correct(knowledge.capacities.get(backend.id))) isOther = true
    }
    if (isOther) this.#rebuild()
  }

  #rebuild(): void {
    this.policy.rebuild(this.eligible)
    this.queue.rebuild(this.eligible)
  }

  demandOf(route: number): Readonly<ResourceVector> {
    return this.#demands[route]!
  }

  unitsOf(route: number): Int32Array {
    return this.#units[route]!
  }

  /** Writes a declared demand in the load table's units. */
  toUnits(demand: Readonly<ResourceVector>, units: Int32Array): void {
    this.table.toUnits(demand, units)
  }

  /**
   * Chooses for what is in `choice` and reserves these units; undefined when nobody is admitted. One that refused a
   * connection a moment ago is used only when no other will do.
   */
  place(units: Int32Array): Attempt | undefined {
    if (this.eligible.length === 0) return undefined
    return this.#tryPlace(units, true) ?? this.#tryPlace(units, false)
  }

  /** Whether somebody would do who has not been tried, and has only no room now. */
  get isFull(): boolean {
    const { tried, triedCount, triedFrom } = this.choice
    return this.eligible.some(
      ({ index }) => !tried.subarray(triedFrom, triedFrom + triedCount).includes(index),
    )
  }

  avoid(backend: SeenBackend, now: Millis): void {
    backend.avoidUntil = now + avoidMs
  }

  #tryPlace(units: Int32Array, avoids: boolean): Attempt | undefined {
    const { choice } = this
    choice.avoids = avoids
    if (choice.full.length > 0) choice.full.length = 0
    for (;;) {
      const backend = this.policy.pick(choice) as SeenBackend | undefined
      if (backend === undefined) return undefined
      const attempt = this.#attempts.begin(backend, units)
      if (attempt !== undefined) return attempt
      choice.full.push(backend)
    }
  }

  #see(member: Member, before: SeenBackend | undefined, now: Millis): SeenBackend {
    const { indexOf, resources, tiers } = this.#options
    const registered = Float64Array.from(resources, ({ name }) => member.capacity[name] ?? 0)
    const index = indexOf.get(member.id)!
    const since = now === 0 ? -Infinity : now
    return new SeenBackend(
      member,
      index,
      tiers[index]!,
      registered,
      before?.slot === member.slot ? before.eligibleSince : since,
      this.table.loadOf(member.slot),
      roomUnitsOf(resources, registered),
    )
  }

  readonly #onSettled: OnSettled = (attempt, _result, now) => {
    this.policy.onSettled?.(attempt.backend, this.outcome, now)
  }
}

function isSamePlace(a: Member, b: Member): boolean {
  return (
    a.generation === b.generation &&
    a.slot === b.slot &&
    a.weight === b.weight &&
    Object.keys(b.capacity).every((name) => a.capacity[name] === b.capacity[name])
  )
}
