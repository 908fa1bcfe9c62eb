// Hot path.
import type { Backend } from "../../core/backend.ts"
import type { Millis } from "../../core/clock.ts"
import type { Knowledge } from "../../core/knowledge.ts"
import type { ResourceTable } from "../../core/resources.ts"
import { firstAdmitted } from "../tools/first-admitted.ts"
import { hashOrder } from "./hash-order.ts"
import type { Told } from "./pass-on.ts"
import type { PickRequest, Policy } from "../policy.ts"
import { Scaled } from "./scaled.ts"

/** Which part of the members this balancer uses, among others that do the same. Plain data. */
export interface ApertureSpec {
  /** The least number of members used, ≥ 1. */
  readonly size: number
  /** How many balancers there are, ≥ 1. */
  readonly balancers: number
  /** Which of them this is, from 0 to balancers − 1. */
  readonly balancer: number
}

export const apertureSizeDefault = 12

/**
 * Uses a window of the members, which the balancers agree on without talking to each other, so that together they use
 * every backend alike and no balancer needs a connection to all.
 *
 * The members are arcs of equal length on a ring, in an order that a hash of their ids decides, and so are the
 * balancers. A balancer's window begins where its arc does and is as many whole balancers' arcs long as cover `size`
 * members. Since every balancer's window is the same whole number of arcs, every point of the ring is in that many
 * windows: a backend that is half in a window counts half in it (see `Scaled`), and in all of them together as much as
 * any other. That holds as far as all balancers see the same members and take about the same number of requests.
 *
 * When no member of the window is admitted, the next admitted one on the ring is picked. A member that comes or goes
 * shifts every window by less than one arc.
 *
 * Prior art: Finagle's deterministic aperture.
 */
export class Aperture implements Policy, Told {
  readonly name: string
  readonly #inner: Policy
  readonly #scaled: Scaled
  readonly #spec: ApertureSpec
  /** Those outside the window, from its end on. */
  #rest: readonly Backend[] = []
  onBegun?: NonNullable<Policy["onBegun"]>
  onSettled?: NonNullable<Policy["onSettled"]>
  onReport?: NonNullable<Policy["onReport"]>

  constructor(inner: Policy, resources: ResourceTable, spec: ApertureSpec) {
    this.name = inner.name
    this.#inner = inner
    this.#scaled = new Scaled(inner, resources)
    this.#spec = spec
    this.#scaled.passOn(this)
  }

  rebuild(members: readonly Backend[]): void {
    const ring = hashOrder(members)
    const count = ring.length
    // In arcs of members: where the window begins, and how long it is.
    const { size, balancers, balancer } = this.#spec
    const begin = (balancer * count) / balancers
    const length =
      count === 0 ? 0 : Math.min(count, Math.ceil((size * balancers) / count) * (count / balancers))

    const parts = new Map<Backend, number>()
    const first = Math.floor(begin)
    for (let at = first; at < begin + length - 1e-9; at++) {
      const part = Math.min(at + 1, begin + length) - Math.max(at, begin)
      const member = ring[at % count]!
      // The window of one that has the whole ring ends in the arc that it begins in.
      parts.set(member, Math.min(1, (parts.get(member) ?? 0) + part))
    }
    this.#rest = [...ring.slice(first), ...ring.slice(0, first)].filter((member) => !parts.has(member))
    const used = members.filter((member) => parts.has(member))
    this.#scaled.rebuild(used, (member) => wholeIfNear(parts.get(member)!))
  }

  pick(request: PickRequest): Backend | undefined {
    return this.#scaled.pick(request) ?? firstAdmitted(this.#rest, 0, request)
  }

  learn(knowledge: Knowledge): void {
    this.#scaled.learn(knowledge)
  }

  tick(now: Millis): void {
    this.#inner.tick?.(now)
  }
}

/** What only rounding keeps from being whole is whole. */
function wholeIfNear(part: number): number {
  return part > 1 - 1e-9 ? 1 : part
}
