import type { Backend } from "../../core/backend.ts"
import { xxhash32 } from "../../core/hash.ts"
import { KeyTablePolicy } from "./key-table.ts"
import { balanceFactorOf, balanceFactorParameter } from "./load-bound.ts"
import type { Parameter, Policy, PolicyContext, PolicyEntry } from "../policy.ts"
import { Ring, RingPoints, ringPointsMax } from "./ring.ts"

const ringHashParameters = {
  ringSize: {
    summary: "The least number of points on the ring. More make shares more even and rebuilding slower.",
    default: 1_024,
    min: 1,
    max: ringPointsMax / 2,
    isInteger: true,
  },
  balanceFactor: balanceFactorParameter,
} as const satisfies Record<string, Parameter>

/**
 * Consistent hashing on a ring: backends have points on it in proportion to their weight, and a key belongs to the
 * next point. See `KeyTablePolicy` for what happens when its owner is not admitted or at its bound.
 *
 * The lightest backend has as many points as make `ringSize` of all, rounded up; the others have theirs in proportion,
 * rounded, at least one; never more than about 2^20 in all. So a backend that comes takes keys from the others, and
 * besides shifts some between them, because each of those has a few points less; `ketama` has no such effect and more
 * points. A backend's points are hashes of its id, so it keeps its keys when it comes back at another address. With
 * p points its part of the keys has a relative standard deviation of about 1/√p.
 *
 * Prior art: Envoy's ring hash, and gRPC's (A42).
 */
export const ringHash = {
  summary: "The same backend for the same key, by a ring of points: a new backend moves few keys.",
  make({ rng, parameters }: PolicyContext): Policy {
    const size = parameters["ringSize"]!
    return new KeyTablePolicy("ring-hash", rng, balanceFactorOf(parameters), (members) =>
      ringOf(members, size),
    )
  },
  parameters: ringHashParameters,
  seesDemand: false,
  sticks: true,
} as const satisfies PolicyEntry

/** Cold. O(points · log points). */
function ringOf(members: readonly Backend[], size: number): Ring {
  const counts = pointCounts(members, size)
  const points = new RingPoints(counts.reduce((sum, count) => sum + count, 0))
  for (const [place, { id }] of members.entries()) {
    for (let i = 0; i < counts[place]!; i++) points.add(xxhash32(id, i), place)
  }
  return new Ring(points, true)
}

function pointCounts(members: readonly Backend[], size: number): readonly number[] {
  const weight = members.reduce((sum, member) => sum + member.weight, 0)
  const lightest = members.reduce((least, member) => Math.min(least, member.weight), Infinity) / weight
  const perWeight = Math.min(Math.ceil(lightest * size) / lightest, ringPointsMax) / weight
  return members.map((member) => Math.max(1, Math.round(member.weight * perWeight)))
}
