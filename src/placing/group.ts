/** Backends that serve together, how one is chosen among them, and where requests wait for them. */
import type { BackendId } from "../core/backend.ts"
import type { ResourceTable, ResourceVector } from "../core/resources.ts"
import type { Member, Snapshot } from "../membership/snapshot.ts"
import type { Policy } from "../policies/policy.ts"
import type { FairQueue } from "./fair-queue.ts"
import { type Placed, type PlacedBackend, roomMostOf, type Site } from "./placed-backend.ts"
import type { Placement } from "./placement.ts"

/** Which members belong to a group, as a pool's `match` says: those that fit everything that is given here. */
export interface MemberMatch {
  /** Each of these labels with exactly this value. */
  readonly labels: Readonly<Record<string, string>>
  readonly zone: string | undefined
  /** One of these; undefined is any. */
  readonly ids: readonly string[] | undefined
}

export interface GroupParts<S extends Site> {
  /** Undefined: all backends. */
  readonly match: MemberMatch | undefined
  readonly policy: Policy
  /** Of the pool, so that requests that wait stay where they are when the policy changes. */
  readonly queue: FairQueue<Placement<S>>
  /** The times that its attempts begin and end at are exact. Else they are right in the mean: see `Outcome.isExact`. */
  readonly isExact: boolean
}

export class Group<S extends Site> {
  readonly policy: Policy
  readonly queue: FairQueue<Placement<S>>
  readonly isExact: boolean
  /** In order of registration. */
  eligible: readonly PlacedBackend<S>[] = []
  /** A backend of it has been eligible. */
  hasBegun = false
  /** By resource the most that a request can hold at one of them: Infinity for rates, and of no backends. */
  roomMost: Readonly<ResourceVector> = new Float64Array(0)
  readonly #match: MemberMatch | undefined

  constructor({ match, policy, queue, isExact }: GroupParts<S>) {
    this.#match = match
    this.policy = policy
    this.queue = queue
    this.isExact = isExact
  }

  /** Cold: takes its backends out of a new membership. */
  fill(
    { eligible, members }: Snapshot,
    placed: ReadonlyMap<BackendId, Placed<S>>,
    resources: ResourceTable,
  ): void {
    const own = eligibleOf(members, eligible, this.#match)
    this.eligible = own.map(({ id }) => placed.get(id)!.backend)
    if (own.length > 0) this.hasBegun = true
    this.roomMost = roomMostOf(resources, this.eligible)
    this.rebuild()
  }

  /** Cold: its backends, or what they have, are others now. */
  rebuild(): void {
    this.policy.rebuild(this.eligible)
    this.queue.rebuild(this.eligible)
  }
}

/** The members of a pool that may be chosen: its serving ones, or its suspects when none of it is serving. */
function eligibleOf(
  members: readonly Member[],
  eligible: readonly Member[],
  match: MemberMatch | undefined,
): readonly Member[] {
  if (match === undefined) return eligible
  const serving = eligible.filter((member) => isOf(member, match))
  if (serving.length > 0) return serving
  return members.filter((member) => member.state === "suspect" && isOf(member, match))
}

function isOf(member: Member, { labels, zone, ids }: MemberMatch): boolean {
  if (zone !== undefined && member.zone !== zone) return false
  if (ids !== undefined && !ids.includes(member.id)) return false
  return Object.entries(labels).every(([name, value]) => member.labels[name] === value)
}
