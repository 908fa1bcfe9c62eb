// Hot path where there are rates and spaces: `ask` once per pick, `of` and `isTooDear` once per candidate.
import { type Backend, type BackendLoad, hasRoomFor } from "../../core/backend.ts"
import type { RouteKnowledge } from "../../core/knowledge.ts"
import type { ResourceTable, ResourceVector } from "../../core/resources.ts"
import type { HoldTimes } from "./hold-time.ts"

/**
 * A place may be so many times as dear to a request as the best there is. Measured on the built-in fleet of language
 * models: 1.5 to 2 carry the same, 1.2 keeps requests waiting for nothing, 3 keeps no request from any place.
 */
const dearMax = 2
/** Which route a place suits is asked of so many at most, each with this part of the requests in flight at least. */
const routesMax = 16
const partMin = 0.01

/**
 * What a request takes of each member that others could use, and where that is so much that it had better wait.
 *
 *     Σ_r  d_r / K̄_r · u_r      where for spaces u is 1 at most, and the term is multiplied by t / T
 *
 * with all letters as in `PriceList`. Its prices rise without bound as a space fills up, which keeps requests away from
 * the last of it. But when all spaces are nearly full and requests wait, that says nothing any more: what waits
 * would take whatever is free next. Then requests that need much of a rate come to backends that have little of it,
 * hold their space there for long, and the fleet carries less the more is asked of it, until the load has fallen far
 * below where that began. So here a full space is worth 1, and no place is taken that is more than twice as dear as the
 * best one, be there room at that now or not.
 *
 * The best one is sought among the members that admit the request or lack only room for it now; one that fails is not
 * it. So when no other would do, nothing is too dear, and a request that waits does so for room that requests in flight
 * will free.
 *
 * A place that suits no route better may be used by all: what it is to a request is compared with what it is to the
 * route that it suits best, both relative to their best places when all are used up alike. So fast and slow backends
 * with one sort of request are used up whole.
 *
 * Nothing is too dear while it is not known how long requests take, nor where all resources are of one kind.
 */
export class Suitability {
  readonly #resources: ResourceTable
  readonly #times: HoldTimes
  readonly #isSpace: readonly boolean[]
  readonly #count: number
  #members: readonly Backend[] = []
  #loads: readonly BackendLoad[] = []
  /** By member and resource: 1 / K. */
  #inverse = new Float64Array(0)
  /** By resource: 1 / K̄. */
  #inverseMean = new Float64Array(0)
  /** By member: how dear it is to the route that it suits best, over what is best for that. */
  #suited = new Float64Array(0)
  #demand: Readonly<ResourceVector> = new Float64Array(0)

  constructor(resources: ResourceTable, times: HoldTimes) {
    this.#resources = resources
    this.#times = times
    this.#count = resources.length
    this.#isSpace = resources.map(({ kind }) => kind === "space")
  }

  /** Whether anything can be too dear. */
  get isKnown(): boolean {
    return this.#times.meanSeconds !== undefined
  }

  /**
   * Cold, after `HoldTimes.prepare`. `inverse` and `inverseMean` are the price list's, and are read later.
   * O(members · resources) for each of 16 routes at most.
   */
  prepare(
    members: readonly Backend[],
    routes: readonly RouteKnowledge[],
    inverse: Float64Array<ArrayBuffer>,
    inverseMean: Float64Array<ArrayBuffer>,
  ): void {
    this.#members = members
    this.#loads = members.map(({ load }) => load)
    this.#inverse = inverse
    this.#inverseMean = inverseMean
    this.#suited = new Float64Array(members.length).fill(Infinity)
    if (this.isKnown) this.#suit(routes)
  }

  #suit(routes: readonly RouteKnowledge[]): void {
    const dear = new Float64Array(this.#members.length)
    const suited = this.#suited
    for (const route of busiestOf(routes)) {
      this.ask(route, routes[route]!.mean)
      let least = Infinity
      for (let i = 0; i < dear.length; i++) {
        dear[i] = this.#usedUp(i)
        least = Math.min(least, dear[i]!)
      }
      if (!(least > 0 && least < Infinity)) continue
      for (let i = 0; i < dear.length; i++) suited[i] = Math.min(suited[i]!, dear[i]! / least)
    }
  }

  /** What the following calls are about. */
  ask(route: number, demand: Readonly<ResourceVector>): void {
    this.#demand = demand
    this.#times.ask(route, demand)
  }

  /** How dear the member with this index is; Infinity when it could not serve the request if it were idle. */
  of(index: number): number {
    const load = this.#loads[index]!
    const { capacity } = this.#members[index]!
    const time = this.#times.of(index)
    let dear = 0
    for (let r = 0; r < this.#count; r++) {
      const amount = this.#demand[r]!
      if (amount === 0) continue
      const weight = amount * this.#inverseMean[r]!
      const u = (load.reserved(r) + amount / 2) * this.#inverse[index * this.#count + r]!
      if (!this.#isSpace[r]!) dear += weight * u
      else if (amount <= capacity[r]!) dear += weight * time * Math.min(1, u)
      else return Infinity
    }
    return dear
  }

  /** The same with all u at 1. */
  #usedUp(index: number): number {
    const { capacity } = this.#members[index]!
    const time = this.#times.of(index)
    let dear = 0
    for (let r = 0; r < this.#count; r++) {
      const amount = this.#demand[r]!
      if (amount === 0) continue
      if (capacity[r] === 0) return Infinity
      dear += amount * this.#inverseMean[r]! * (this.#isSpace[r]! ? time : 1)
    }
    return dear
  }

  /** Whether it lacks room for the request now. */
  isFull(index: number): boolean {
    return !hasRoomFor(this.#members[index]!, this.#demand, this.#resources)
  }

  /** Whether a request to which this member is so dear had better wait, where the best is `least`. */
  isTooDear(index: number, dear: number, least: number): boolean {
    return dear > dearMax * this.#suited[index]! * least
  }
}

/** Those with the most requests in flight, by Little's law: few routes make most of the load. */
function busiestOf(routes: readonly RouteKnowledge[]): number[] {
  const inFlight = routes.map(({ holdMs = NaN, isLearned, rate }) =>
    isLearned && rate * holdMs > 0 && rate * holdMs < Infinity ? rate * holdMs : 0,
  )
  const total = inFlight.reduce((sum, amount) => sum + amount, 0)
  return [...routes.keys()]
    .filter((route) => inFlight[route]! > 0 && inFlight[route]! >= partMin * total)
    .sort((a, b) => inFlight[b]! - inFlight[a]!)
    .slice(0, routesMax)
}
