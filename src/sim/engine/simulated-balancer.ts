/**
 * Hot path: one balancer before the simulated fleet. It knows what it has sent itself, and nothing that others have;
 * it chooses and reserves with the load table, the attempts and the policies of production, by the rules of
 * production's data plane (`proxy/fleet.ts`).
 */
import { formatAddress } from "../../membership/address.ts"
import {
  type Attempt,
  Attempts,
  couldHold,
  type OnSettled,
  type PlacedBackend,
  roomMostOf,
  roomUnitsOf,
} from "../../placing/attempts.ts"
import { avoidMs, Choosing } from "../../placing/choosing.ts"
import { FairQueue } from "../../placing/fair-queue.ts"
import { LoadTable } from "../../placing/load-table.ts"
import type { Member, Snapshot } from "../../membership/snapshot.ts"
import type { BackendId, BackendLoad } from "../../core/backend.ts"
import type { Millis } from "../../core/clock.ts"
import { type Knowledge, nothingKnown } from "../../core/knowledge.ts"
import type { ResourceTable, ResourceVector } from "../../core/resources.ts"
import type { AttemptResult, Outcome, Policy } from "../../policies/policy.ts"

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
  readonly isExact = true
}

/** Its clients have addresses of their own, and its requests have been tried on numbers of backends. */
class Choice extends Choosing<SeenBackend> {
  override readonly clientAddress = new Uint8Array(4)
  /** Backends that it has been tried on: `triedCount` numbers from `triedFrom` on. */
  tried = new Int32Array(0)
  triedFrom = 0
  triedCount = 0

  setClient(client: number): void {
    const address = this.clientAddress
    address[0] = 10
    address[1] = client >>> 16
    address[2] = client >>> 8
    address[3] = client
  }

  override isOpen(): boolean {
    return true
  }

  override hasTried({ index }: SeenBackend): boolean {
    for (let i = 0; i < this.triedCount; i++) if (this.tried[this.triedFrom + i] === index) return true
    return false
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
  /** By route. Replaced, never changed: attempts hold on to them. */
  #demands: readonly Readonly<ResourceVector>[] = []
  #units: readonly Int32Array[] = []
  #seen = new Map<BackendId, Seen>()

  constructor(options: SimulatedBalancerOptions) {
    const { policy, prior, queueMax, resources, slots } = options
    this.#options = options
    this.policy = policy
    this.table = LoadTable.create(resources, slots, 1)
    this.queue = new FairQueue(resources, queueMax)
    this.choice = new Choice(resources, prior)
    this.#attempts = new Attempts(this.table, 0, resources.length, this.#onSettled)
    this.#renewDemands()
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
    this.#renewDemands()
    this.#rebuild()
  }

  /** Cold: takes what was learned. */
  learn(knowledge: Knowledge): void {
    this.knowledge = knowledge
    this.#renewDemands()
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

  #renewDemands(): void {
    const { prior, resources, routes } = this.#options
    const most = roomMostOf(resources, this.eligible)
    this.#demands = Array.from({ length: routes }, (_, route) => {
      const mean = this.knowledge.routes[route]?.mean ?? prior
      // What is only believed must not keep a request from all backends: it gets the roomiest to itself.
      return mean.map((amount, r) => Math.min(amount, most[r]!))
    })
    this.#units = this.#demands.map((demand) => this.#attempts.unitsOf(demand))
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

  /** Chooses for what is in `choice` and reserves these units: see `Attempts.place`. */
  place(units: Int32Array): Attempt | undefined {
    const { choice } = this
    if (this.eligible.length === 0) return undefined
    const attempt = this.#attempts.place(this.policy, choice, units)
    if (attempt !== undefined && choice.hasSpace) this.queue.begun(choice.route, choice.demand)
    return attempt
  }

  /** The attempt has gone as `outcome` says; `demand` is what was asked for when it was placed. */
  settle(attempt: Attempt, demand: Readonly<ResourceVector>, now: Millis): void {
    if (this.choice.hasSpace) this.queue.ended(this.outcome.route, demand)
    attempt.settle(this.outcome.result, now)
  }

  /** Whether somebody would have the room for so many units if nothing else were there. */
  couldHold(units: Int32Array): boolean {
    return couldHold(this.#options.resources, this.eligible, units)
  }

  /** Whether somebody would do who has not been tried, and has only no room now. */
  get isFull(): boolean {
    return this.eligible.some((backend) => !this.choice.hasTried(backend))
  }

  avoid(backend: SeenBackend, now: Millis): void {
    backend.avoidUntil = now + avoidMs
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
