// Hot path.
import type { Backend, BackendId } from "../../core/backend.ts"
import type { Millis } from "../../core/clock.ts"
import type { Knowledge } from "../../core/knowledge.ts"
import { passOn, type Told } from "./pass-on.ts"
import type { PickRequest, Policy } from "../policy.ts"

/**
 * Session affinity: the backend that the client is bound to, when it is a member and admitted; else the one that
 * the policy inside picks.
 *
 * The policy inside hears of every attempt, also of those that were bound, so what it counts stays right. O(1)
 * for a bound request.
 */
export class Binding implements Policy, Told {
  readonly name: string
  readonly #inner: Policy
  readonly #byId = new Map<BackendId, Backend>()
  onBegun?: NonNullable<Policy["onBegun"]>
  onSettled?: NonNullable<Policy["onSettled"]>
  onReport?: NonNullable<Policy["onReport"]>

  constructor(inner: Policy) {
    this.name = inner.name
    this.#inner = inner
    passOn(this, inner, () => inner)
  }

  rebuild(members: readonly Backend[]): void {
    this.#byId.clear()
    for (const member of members) this.#byId.set(member.id, member)
    this.#inner.rebuild(members)
  }

  pick(request: PickRequest): Backend | undefined {
    const { boundTo } = request
    if (boundTo !== undefined) {
      const bound = this.#byId.get(boundTo)
      if (bound !== undefined && request.admits(bound)) return bound
    }
    return this.#inner.pick(request)
  }

  learn(knowledge: Knowledge): void {
    this.#inner.learn?.(knowledge)
  }

  tick(now: Millis): void {
    this.#inner.tick?.(now)
  }
}
