import type { Backend, BackendId } from "../../core/backend.ts"
import type { Millis } from "../../core/clock.ts"
import { nothingKnown, type Knowledge } from "../../core/knowledge.ts"
import type { Policy } from "../policy.ts"

/** Members that one policy chooses among. */
export interface Subgroup<Key> {
  readonly key: Key
  readonly members: readonly Backend[]
  readonly policy: Policy
}

/**
 * Groups without members whose policies are kept; of more, the one that has been without members for longest is
 * forgotten.
 */
const restingMax = 16

/**
 * The members sorted into groups by a key, with a policy of its own for each group.
 *
 * A group keeps its policy as long as one of those it has had is a member, be it of another group for a while: zones
 * that are looked at or not as a single member comes and goes would else forget each time what they have measured. One
 * that is new knows what the others have learned.
 */
export class Groups<Key> {
  /** One of the policies, to see which methods they have. */
  readonly like: Policy
  readonly #make: () => Policy
  readonly #holders = new Map<BackendId, Policy>()
  #groups = new Map<Key, Subgroup<Key>>()
  /** Those that have no members now, with the ones they had before that are members still. */
  #resting = new Map<Key, Subgroup<Key>>()
  #knowledge: Knowledge = nothingKnown
  #spare: Policy | undefined

  constructor(make: () => Policy) {
    this.#make = make
    this.like = make()
    this.#spare = this.like
  }

  /** Cold. The groups that have members, in the order in which their first members come. */
  rebuild(members: readonly Backend[], keyOf: (member: Backend) => Key): readonly Subgroup<Key>[] {
    const before = new Map([...this.#resting, ...this.#groups])
    this.#groups = new Map()
    this.#holders.clear()
    for (const [key, group] of Map.groupBy(members, keyOf)) {
      const known = before.get(key)
      before.delete(key)
      const policy = known?.policy ?? this.#another()
      if (this.#resting.has(key)) policy.learn?.(this.#knowledge)
      policy.rebuild(group)
      for (const { id } of group) this.#holders.set(id, policy)
      this.#groups.set(key, { key, members: group, policy })
    }
    this.#rest(before)
    return [...this.#groups.values()]
  }

  /** Keeps these groups, which have no members now, without the backends that have left. */
  #rest(groups: ReadonlyMap<Key, Subgroup<Key>>): void {
    this.#resting = new Map()
    for (const [key, { members, policy }] of groups) {
      const still = members.filter(({ id }) => this.#holders.has(id))
      if (still.length === 0) continue
      if (still.length < members.length) policy.rebuild(still)
      this.#resting.set(key, { key, members: still, policy })
    }
    for (const key of this.#resting.keys()) {
      if (this.#resting.size <= restingMax) break
      this.#resting.delete(key)
    }
  }

  /** Hot. The policy of the group that has this backend as a member. */
  readonly holderOf = (backend: Backend): Policy | undefined => this.#holders.get(backend.id)

  learn(knowledge: Knowledge): void {
    this.#knowledge = knowledge
    for (const { policy } of this.#groups.values()) policy.learn?.(knowledge)
  }

  tick(now: Millis): void {
    for (const { policy } of this.#groups.values()) policy.tick?.(now)
  }

  #another(): Policy {
    const policy = this.#spare ?? this.#make()
    this.#spare = undefined
    if (this.#knowledge !== nothingKnown) policy.learn?.(this.#knowledge)
    return policy
  }
}
