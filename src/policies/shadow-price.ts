// Hot path. Benchmark: bench/choose.ts.
import type { Backend, BackendId } from "../core/backend.ts"
import type { Millis } from "../core/clock.ts"
import { leastOf } from "./least-of.ts"
import type { Parameter, PickRequest, Policy, PolicyContext } from "./policy.ts"

export const kappa: Parameter = {
  summary: "Weight of the load that is there now, in seconds of backlog.",
  default: 1,
  min: 0,
  max: 1_000,
}

export const gamma: Parameter = {
  summary: "Weight of the virtual queues, which remember what has been assigned of late.",
  default: 0.02,
  min: 0,
  max: 1_000,
}

export const targetUtilization: Parameter = {
  summary: "The part of its capacity at which a virtual queue drains; who is assigned more becomes dearer.",
  default: 0.97,
  min: 0.01,
  max: 1,
}

/** The longest virtual queue, in seconds of work: after an overload it is forgotten within minutes, not hours. */
const shadowSecondsMax = 60

/**
 * The load that is there and a price that remembers:
 *
 *     Σ_r d_r · (κ · φ_r((W_r + d_r / 2) / C_r) + γ · q_r)     the least wins, ties at random
 *
 * κ's part is the price of `price`; with γ = 0 this is that policy. q is a virtual queue, one for each backend and
 * resource of rate kind: every attempt adds the seconds of work it brings, d_r / C_r, and they drain at
 * `targetUtilization` seconds a second, whether the backend works as fast or not. So q is zero wherever the long run
 * of assignments is below the target and grows where it is above, by nothing but the balancer's own bookkeeping: a
 * price that moves slowly and knows the trend, where the load knows the moment. A space has no virtual queue, as what
 * is held there does not drain by the second.
 *
 * Virtual queues are in seconds, at most 60, and drain when they are next looked at. They stay with a backend when
 * membership changes; a newcomer's are empty. O(n·R) per pick.
 *
 * @see Stolyar, Tezcan, "Control of systems with flexible multi-server pools: a shadow routing approach", Queueing
 * Systems 66, 2010.
 */
export class ShadowPrice implements Policy {
  readonly name = "shadow-price"
  readonly #context: PolicyContext
  readonly #isSpace: readonly boolean[]
  readonly #kappa: number
  readonly #gamma: number
  readonly #target: number
  readonly #places = new Map<BackendId, number>()
  #members: readonly Backend[] = []
  #values = new Float64Array(0)
  /** One row a member, one column a resource: the queue in seconds as it was at the time of its row. */
  #queues = new Float64Array(0)
  #times = new Float64Array(0)

  constructor(context: PolicyContext) {
    this.#context = context
    this.#isSpace = context.resources.map(({ kind }) => kind === "space")
    this.#kappa = context.parameters["kappa"]!
    this.#gamma = context.parameters["gamma"]!
    this.#target = context.parameters["targetUtilization"]!
  }

  rebuild(members: readonly Backend[]): void {
    const count = this.#isSpace.length
    const queues = new Float64Array(members.length * count)
    const times = new Float64Array(members.length)
    for (const [place, { id }] of members.entries()) {
      const before = this.#places.get(id)
      if (before === undefined) continue
      queues.set(this.#queues.subarray(before * count, (before + 1) * count), place * count)
      times[place] = this.#times[before]!
    }
    this.#members = members
    this.#values = new Float64Array(members.length)
    this.#queues = queues
    this.#times = times
    this.#places.clear()
    for (const [place, { id }] of members.entries()) this.#places.set(id, place)
  }

  pick(request: PickRequest): Backend | undefined {
    const members = this.#members
    const values = this.#values
    const isSpace = this.#isSpace
    const count = isSpace.length
    const { demand, now } = request
    for (let i = 0; i < members.length; i++) {
      const backend = members[i]!
      if (!request.admits(backend)) {
        values[i] = NaN
        continue
      }
      const drained = this.#drained(i, now)
      let price = 0
      for (let r = 0; r < count; r++) {
        const amount = demand[r]!
        // Skipped rather than multiplied: 0 · Infinity would be NaN.
        if (amount === 0) continue
        const midway = (backend.load.reserved(r) + amount / 2) / backend.capacity[r]!
        if (!isSpace[r]) {
          const queue = this.#queues[i * count + r]! - drained
          price += amount * (this.#kappa * midway + (queue > 0 ? this.#gamma * queue : 0))
        } else if (midway < 1) price += (this.#kappa * amount * midway) / (1 - midway)
        else price = Infinity
      }
      values[i] = price
    }
    return members[leastOf(values, members.length, this.#context.rng)]
  }

  onBegun(backend: Backend, request: PickRequest): void {
    const place = this.#places.get(backend.id)
    // It may have left between the choice and the attempt.
    if (place === undefined) return
    const count = this.#isSpace.length
    const drained = this.#drained(place, request.now)
    for (let r = 0; r < count; r++) {
      const capacity = backend.capacity[r]!
      if (this.#isSpace[r] || capacity === 0) continue
      const queue = Math.max(0, this.#queues[place * count + r]! - drained)
      this.#queues[place * count + r] = Math.min(shadowSecondsMax, queue + request.demand[r]! / capacity)
    }
    this.#times[place] = request.now
  }

  /** Seconds of work that have left the queues of this member since they were written. */
  #drained(place: number, now: Millis): number {
    return (this.#target * Math.max(0, now - this.#times[place]!)) / 1_000
  }
}
