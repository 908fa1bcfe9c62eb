import type { BackendId } from "./backend.ts"
import type { ResourceVector } from "./resources.ts"

/** Everything that has been learned of requests and backends at one moment. Replaced, never changed. */
export interface Knowledge {
  /** Grows with every replacement. */
  readonly version: number
  /** By number of route. Route 0 is all requests that belong to no other; there is always one. */
  readonly routes: readonly RouteKnowledge[]
  /**
   * Corrected capacities of backends, from what they reported; only of those whose capacity has been corrected.
   * Resources of kind space are as registered.
   */
  readonly capacities: ReadonlyMap<BackendId, Readonly<ResourceVector>>
  /** What every policy should know of its backends' failing: 1 is none, 2 makes a backend look twice as loaded. */
  readonly penalties: ReadonlyMap<BackendId, number>
  /** Undefined until it has been computed for the first time, and where nothing is known to compute it from. */
  readonly mix: Mix | undefined
}

/** The largest penalty there is: of a backend that fails half of what it gets, or more. */
export const penaltyMax = 16

export interface RouteKnowledge {
  /** For people: `GET /users/*`, or the name of a rule; "" is route 0. */
  readonly name: string
  /** Mean demand of its requests. */
  readonly mean: Readonly<ResourceVector>
  /** Requests per second of late. */
  readonly rate: number
  /** False while the mean is only the prior. */
  readonly isLearned: boolean
  /**
   * By resource: whether the mean rests on what backends reported, of this route or of all requests, so that its unit is
   * theirs; else it is a guess in units of the prior. Absent: all of them where it is learned.
   */
  readonly isMeasured?: readonly boolean[] | undefined
  /** How long its requests took of late, from dispatch to end, in the mean: how long they hold space. Where known. */
  readonly holdMs?: number | undefined
  /**
   * Of that, from the first byte of the response on: the part that does not grow while other requests are worked on.
   * Where known.
   */
  readonly answerMs?: number | undefined
  /** How the length of a request's body tells its demand, where it does (learning/size-hint.ts). */
  readonly bySize?: SizeHint | undefined
}

/** demand = base + perByte · bytes, by resource; where the length tells nothing, base is NaN and perByte 0. */
export interface SizeHint {
  readonly base: Readonly<ResourceVector>
  readonly perByte: Readonly<ResourceVector>
}

/** For each route, which share of its requests should go to which backend. */
export interface Mix {
  readonly backends: readonly BackendId[]
  /** One row per route, one column per backend; every row sums to 1. */
  readonly shares: Float64Array
}

export const nothingKnown: Knowledge = {
  version: 0,
  routes: [],
  capacities: new Map(),
  penalties: new Map(),
  mix: undefined,
}
