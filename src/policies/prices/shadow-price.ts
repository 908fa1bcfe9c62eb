// Hot path. Benchmark: bench/choose.ts.
import type { Backend } from "../../core/backend.ts"
import type { Millis } from "../../core/clock.ts"
import type { Knowledge } from "../../core/knowledge.ts"
import type { Rng } from "../../core/rng.ts"
import { leastOf } from "../tools/least-of.ts"
import { carried, Places } from "../tools/places.ts"
import type { Parameter, PickRequest, Policy, PolicyContext, PolicyEntry } from "../policy.ts"
import { PriceList } from "./price-list.ts"

const kappa: Parameter = {
  summary: "Weight of the load that is there now, in seconds of backlog.",
  default: 1,
  min: 0,
  max: 1_000,
}

const gamma: Parameter = {
  summary: "Weight of the virtual queues, which remember what has been assigned in the last minute.",
  default: 0.02,
  min: 0,
  max: 1_000,
}

const targetUtilization: Parameter = {
  summary:
    "The part of its capacity at which a virtual queue drains; a backend that is assigned more becomes dearer.",
  default: 0.97,
  min: 0.01,
  max: 1,
}

/** The longest virtual queue, in seconds of work: after an overload it is forgotten within minutes, not hours. */
const shadowSecondsMax = 60

/**
 * The load that is there and a price that remembers:
 *
 *     κ · price + γ · Σ_r d_r / K̄_r · q_r     the least wins, ties at random
 *
 * The price is that of `price`, and so is K̄ (`PriceList`); with γ = 0 and κ > 0 this is that policy. q is a virtual
 * queue, one for each backend and resource of rate kind: every attempt adds the seconds of work it brings, d_r / C_r,
 * and they drain at `targetUtilization` seconds per second, whether the backend works as fast or not. So q is zero
 * wherever the long run of assignments is below the target and grows where it is above, by nothing but the balancer's
 * own bookkeeping: a price that moves slowly and knows the trend, where the load knows the moment. A space has no
 * virtual queue, as what is held there does not drain by the second.
 *
 * Virtual queues are in seconds, at most 60, and drain when they are next looked at. They stay with a backend when
 * membership changes; a newcomer's are empty. O(n·R) per pick.
 *
 * @see Stolyar, Tezcan, "Control of systems with flexible multi-server pools: a shadow routing approach", Queueing
 * Systems 66, 2010.
 */
export class ShadowPrice implements Policy {
  /** Its row in the table of policies. */
  static readonly entry = {
    summary:
      "As price, plus a price that rises while a backend is assigned more work than it can do in the long run.",
    make: (context) => new ShadowPrice(context),
    parameters: { kappa, gamma, targetUtilization },
    seesDemand: true,
  } as const satisfies PolicyEntry

  readonly name = "shadow-price"
  readonly #rng: Rng
  readonly #prices: PriceList
  readonly #isSpace: readonly boolean[]
  readonly #kappa: number
  readonly #gamma: number
  readonly #target: number
  readonly #places = new Places()
  #members: readonly Backend[] = []
  #values = new Float64Array(0)
  /** One row a member, one column a resource: the queue in seconds as it was at the time of its row. */
  #queues = new Float64Array(0)
  #times = new Float64Array(0)

  constructor(context: PolicyContext) {
    this.#rng = context.rng
    this.#prices = new PriceList(context.resources, context.rng)
    this.#isSpace = context.resources.map(({ kind }) => kind === "space")
    this.#kappa = context.parameters["kappa"]!
    this.#gamma = context.parameters["gamma"]!
    this.#target = context.parameters["targetUtilization"]!
  }

  rebuild(members: readonly Backend[]): void {
    const before = this.#places.rebuild(members)
    this.#queues = carried(this.#queues, before, 0, this.#isSpace.length)
    this.#times = carried(this.#times, before, 0)
    this.#members = members
    this.#prices.rebuild(members)
    this.#values = new Float64Array(members.length)
  }

  pick(request: PickRequest): Backend | undefined {
    const members = this.#members
    const values = this.#values
    const prices = this.#prices
    const count = this.#isSpace.length
    const tried = prices.trial(request)
    if (tried !== undefined) return tried
    prices.ask(request)
    for (let i = 0; i < members.length; i++) {
      if (!request.admits(members[i]!)) {
        values[i] = NaN
        continue
      }
      const drained = this.#drained(i, request.now)
      const present = prices.of(i)
      // 0 · Infinity would be NaN.
      let price = present === Infinity ? Infinity : this.#kappa * present
      for (let r = 0; r < count; r++) {
        const queue = this.#queues[i * count + r]! - drained
        if (queue > 0) price += prices.weightOf(r) * this.#gamma * queue
      }
      values[i] = price
    }
    return members[leastOf(values, members.length, this.#rng)]
  }

  learn(knowledge: Knowledge): void {
    this.#prices.learn(knowledge)
  }

  tick(): void {
    this.#prices.refresh()
  }

  onBegun(backend: Backend, request: PickRequest): void {
    const place = this.#places.of(backend)
    // It may have left between the choice and the attempt.
    if (place === -1) return
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
