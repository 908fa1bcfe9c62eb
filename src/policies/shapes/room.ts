// Hot path: read for every candidate in every pick of the policies that fit shapes. Benchmark: bench/choose.ts.
import type { Backend } from "../../core/backend.ts"
import type { ResourceTable, ResourceVector } from "../../core/resources.ts"
import type { Parameter } from "../policy.ts"

/** How far ahead room is counted for resources that drain. */
export const horizonSeconds: Parameter = {
  summary:
    "Seconds of work a backend may have before it counts as full in a resource of rate kind; a few times as long as a request takes.",
  default: 1,
  min: 0.001,
  max: 3600,
}

/**
 * What backends have left, in the sense of bin packing: the whole of a resource less what is reserved.
 *
 * The whole of a `space` is its capacity. A `rate` has no whole, as work may queue without bound; what counts here
 * is the work that is done within a horizon of so many seconds: capacity times horizon. So "left" is the work that
 * could be added and still be done by then, and a request fits when it would be done by then in every resource it
 * needs. With one kind of resource only, a longer horizon makes every backend look emptier and nothing else; with
 * both it says how many seconds of backlog are as bad as a full space.
 *
 * Totals are sums over the members, and are there to compare amounts of different resources without their units.
 * O(R) each; nothing allocated but in `rebuild`.
 */
export class Room {
  readonly resources: number
  /** The whole of each resource over all members. 0 where no member has it. */
  readonly totals: ResourceVector
  readonly #spans: Float64Array

  constructor(resources: ResourceTable, horizon: number) {
    this.resources = resources.length
    this.totals = new Float64Array(resources.length)
    this.#spans = Float64Array.from(resources, ({ kind }) => (kind === "rate" ? horizon : 1))
  }

  /** Cold. */
  rebuild(members: readonly Backend[]): void {
    for (let r = 0; r < this.resources; r++) {
      this.totals[r] = members.reduce((sum, member) => sum + this.whole(member, r), 0)
    }
  }

  /** All there is of a resource. */
  whole(backend: Backend, resource: number): number {
    return backend.capacity[resource]! * this.#spans[resource]!
  }

  /** What is not reserved of it, ≥ 0. */
  left(backend: Backend, resource: number): number {
    const left = this.whole(backend, resource) - backend.load.reserved(resource)
    return left > 0 ? left : 0
  }

  /** Whether there is enough left of everything that is needed. */
  fits(backend: Backend, demand: Readonly<ResourceVector>): boolean {
    for (let r = 0; r < this.resources; r++) {
      if (demand[r]! > this.left(backend, r)) return false
    }
    return true
  }

  /**
   * Writes, for every member whose value is not NaN, its dominant share once the demand is placed: the largest of
   * (W + d) / whole over all resources, those the request does not need as well. Above 1 where it does not fit,
   * Infinity where it needs what the backend does not have.
   */
  fullness(members: readonly Backend[], demand: Readonly<ResourceVector>, values: Float64Array): void {
    for (let i = 0; i < members.length; i++) {
      if (Number.isNaN(values[i])) continue
      const backend = members[i]!
      let fullest = 0
      for (let r = 0; r < this.resources; r++) {
        const used = backend.load.reserved(r) + demand[r]!
        // 0 / 0 is NaN: what a backend does not have and no request uses says nothing.
        if (used === 0) continue
        const share = used / this.whole(backend, r)
        if (share > fullest) fullest = share
      }
      values[i] = fullest
    }
  }
}
