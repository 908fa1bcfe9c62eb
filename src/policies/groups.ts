import type { Backend, BackendId } from "../core/backend.ts"
import type { Millis } from "../core/clock.ts"
import { nothingKnown, type Knowledge } from "../core/knowledge.ts"
import type { Policy } from "./policy.ts"

/** Members that one policy chooses among. */
export interface Group<Key> {
  readonly key: Key
  readonly members: readonly Backend[]
  readonly policy: Policy
}

/**
 * The members sorted into groups by a key, with a policy of its own for each group.
 *
 * A group keeps its policy as long as it has members. One that is new knows what the others have learned.
 */
export class Groups<Key> {
  /** One of the policies, to see which methods they have. */
  readonly like: Policy
  readonly #make: () => Policy
  readonly #holders = new Map<BackendId, Policy>()
  #groups = new Map<Key, Group<Key>>()
  #knowledge: Knowledge = nothingKnown
  #spare: Policy | undefined

  constructor(make: () => Policy) {
    this.#make = make
    this.like = make()
    this.#spare = this.like
  }

  /** Cold. The groups that have members, in the order in which their first members come. */
  rebuild(members: readonly Backend[], keyOf: (member: Backend) => Key): readonly Group<Key>[] {
    const before = this.#groups
    this.#groups = new Map()
    this.#holders.clear()
    for (const [key, group] of Map.groupBy(members, keyOf)) {
      const policy = before.get(key)?.policy ?? this.#another()
      policy.rebuild(group)
      for (const { id } of group) this.#holders.set(id, policy)
      this.#groups.set(key, { key, members: group, policy })
    }
    return [...this.#groups.values()]
  }

  /** Hot. Whose member this backend is. */
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
