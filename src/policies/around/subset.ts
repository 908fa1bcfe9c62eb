// Hot path.
import type { Backend, BackendId } from "../../core/backend.ts"
import type { Millis } from "../../core/clock.ts"
import type { Knowledge } from "../../core/knowledge.ts"
import { firstAdmitted } from "../tools/first-admitted.ts"
import { hashOrder } from "./hash-order.ts"
import { passOn, type Told } from "./pass-on.ts"
import type { PickRequest, Policy } from "../policy.ts"

/** How many of the members one balancer uses. Plain data. */
export interface SubsetSpec {
  /** The number of members used, ≥ 1. */
  readonly size: number
  /** What tells balancers apart: those with the same seed use the same members. uint32. */
  readonly seed: number
}

/**
 * Uses `size` of the members and leaves the rest alone, so that many balancers and many backends do not need a
 * connection for every pair of them.
 *
 * The members have an order that the seed and their ids alone decide, and the first `size` of it are used. So a
 * member that comes or goes replaces at most one of the others, and balancers with different seeds use subsets that are
 * independent of each other: a backend is used by about size/members of them, with the spread of a binomial.
 * When no member of the subset is admitted, the next admitted one in the order is picked; the policy inside is not
 * told of it as one of its own. O(1) besides the policy inside; O(members) when that finds none.
 *
 * Prior art: gRPC's random subsetting (A68), which has no way out of its subset.
 */
export class Subset implements Policy, Told {
  readonly name: string
  readonly #inner: Policy
  readonly #spec: SubsetSpec
  readonly #used = new Set<BackendId>()
  /** In the seed's order. */
  #rest: readonly Backend[] = []
  onBegun?: NonNullable<Policy["onBegun"]>
  onSettled?: NonNullable<Policy["onSettled"]>
  onReport?: NonNullable<Policy["onReport"]>

  constructor(inner: Policy, spec: SubsetSpec) {
    this.name = inner.name
    this.#inner = inner
    this.#spec = spec
    passOn(this, inner, ({ id }) => (this.#used.has(id) ? inner : undefined))
  }

  rebuild(members: readonly Backend[]): void {
    const { size, seed } = this.#spec
    const order = hashOrder(members, seed)
    this.#used.clear()
    for (const { id } of order.slice(0, size)) this.#used.add(id)
    this.#rest = order.slice(size)
    // In order of registration, as the policy inside expects it.
    this.#inner.rebuild(members.filter(({ id }) => this.#used.has(id)))
  }

  pick(request: PickRequest): Backend | undefined {
    return this.#inner.pick(request) ?? firstAdmitted(this.#rest, 0, request)
  }

  learn(knowledge: Knowledge): void {
    this.#inner.learn?.(knowledge)
  }

  tick(now: Millis): void {
    this.#inner.tick?.(now)
  }
}
