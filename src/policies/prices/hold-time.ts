// Hot path where there are rates and spaces: `ask` once a pick, `of` once a candidate.
import type { RouteKnowledge } from "../../core/knowledge.ts"
import type { ResourceTable, ResourceVector } from "../../core/resources.ts"

/** How long requests take in the mean, over all routes of which that is known; `undefined` when it is of none. */
export function meanHoldSeconds(routes: readonly RouteKnowledge[]): number | undefined {
  let time = 0
  let weight = 0
  for (const { rate, holdMs = NaN } of routes) {
    if (!(holdMs > 0 && holdMs < Infinity)) continue
    // A route without requests of late still knows more than nothing.
    const often = rate > 0 && rate < Infinity ? rate : 1e-9
    time += (often * holdMs) / 1_000
    weight += often
  }
  return weight === 0 ? undefined : time / weight
}

/**
 * So many times as long as the fastest member works for it may pass before the first byte; more is taken for waiting.
 */
const waitMax = 4

/**
 * How long a request holds its space on each of the members, over how long requests take in the mean.
 *
 * That is how long those of its route took of late, and what its work takes longer there than on the fastest member.
 * What they waited for others is left out, as well as that can be told: prices see load already, and a route that seems
 * to hold for longer the longer it waits would care less and less for what it waits for. So of the time before the
 * first byte no more counts than four times what its work takes at the full speed of the fastest member: one request
 * alone may not get all of that speed. Of a route whose time is not known it is the mean. 1 everywhere while no time is
 * known, and where the resources are of one kind: then all that counts is amounts.
 */
export class HoldTimes {
  readonly #rates: readonly number[]
  readonly #count: number
  #mean: number | undefined
  /** By route: over the mean. */
  #ofRoutes = new Float64Array(0)
  /** By member and resource: seconds more for a unit of work than on the fastest, over the mean; 0 for spaces. */
  #slowness = new Float64Array(0)
  #demand: Readonly<ResourceVector> = new Float64Array(0)
  readonly #asked = new Float64Array(1)

  constructor(resources: ResourceTable) {
    const rates = [...resources.keys()].filter((r) => resources[r]!.kind === "rate")
    this.#rates = rates.length < resources.length ? rates : []
    this.#count = resources.length
  }

  /** Mean seconds over all routes; undefined while no time is known, and where it does not matter. */
  get meanSeconds(): number | undefined {
    return this.#mean
  }

  /** Cold: what the members have, in their order, and what is known of routes. O(routes + members · resources). */
  prepare(capacities: readonly Readonly<ResourceVector>[], routes: readonly RouteKnowledge[]): void {
    const count = this.#count
    this.#mean = this.#rates.length === 0 ? undefined : meanHoldSeconds(routes)
    const mean = this.#mean
    if (mean === undefined) return
    const fastest = this.#rates.map((r) =>
      capacities.reduce((most, capacity) => Math.max(most, capacity[r]!), 0),
    )
    this.#ofRoutes = Float64Array.from(routes, (route) => {
      const seconds = unloadedSeconds(route, this.#rates, fastest)
      return seconds > 0 && seconds < Infinity ? seconds / mean : 1
    })
    this.#slowness = new Float64Array(capacities.length * count)
    for (const [i, r] of this.#rates.entries()) {
      for (const [index, capacity] of capacities.entries()) {
        this.#slowness[index * count + r] = (1 / capacity[r]! - 1 / fastest[i]!) / mean
      }
    }
  }

  /** What the following calls of `of` are about. `demand` is read by them. */
  ask(route: number, demand: Readonly<ResourceVector>): void {
    this.#demand = demand
    this.#asked[0] = route < this.#ofRoutes.length ? this.#ofRoutes[route]! : 1
  }

  /** At the member with this index; Infinity where it lacks a rate that is needed. */
  of(index: number): number {
    if (this.#mean === undefined) return 1
    const rates = this.#rates
    const demand = this.#demand
    let time = this.#asked[0]!
    for (let i = 0; i < rates.length; i++) {
      const amount = demand[rates[i]!]!
      // Skipped rather than multiplied: 0 · Infinity would be NaN.
      if (amount > 0) time += amount * this.#slowness[index * this.#count + rates[i]!]!
    }
    return time
  }
}

/** NaN where it is not known. */
function unloadedSeconds(
  { answerMs, holdMs = NaN, mean }: RouteKnowledge,
  rates: readonly number[],
  fastest: readonly number[],
): number {
  if (answerMs === undefined) return holdMs / 1_000
  const work = rates.reduce((sum, r, i) => sum + (mean[r]! > 0 ? mean[r]! / fastest[i]! : 0), 0)
  return answerMs / 1_000 + Math.min((holdMs - answerMs) / 1_000, waitMax * work)
}
