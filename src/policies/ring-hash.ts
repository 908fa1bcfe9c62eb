import type { Backend } from "../core/backend.ts"
import { xxhash32 } from "../core/hash.ts"
import { KeyTablePolicy } from "./key-table.ts"
import { balanceFactorOf, balanceFactorParameter } from "./load-bound.ts"
import type { Parameter, Policy, PolicyContext } from "./policy.ts"
import { Ring, RingPoints, ringPointsMax } from "./ring.ts"

export const ringHashParameters = {
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
 * A backend has weight times k points, rounded, at least one; k is the least power of two with which there are
 * `ringSize` of them. So a backend that comes changes nobody else's points unless it changes k, which happens when the
 * sum of weights passes a power of two: then everybody has half as many. A backend's points are hashes of its id, so it
 * keeps its keys when it comes back at another address. With p points a backend's part of the keys has a
 * relative standard deviation of about 1/√p.
 *
 * Prior art: Envoy's and gRPC's ring hash (A42), where k is what gives the lightest a whole number of points, so
 * each newcomer moves some points of all.
 */
export function ringHash({ rng, parameters }: PolicyContext): Policy {
  const size = parameters["ringSize"]!
  return new KeyTablePolicy("ring-hash", rng, balanceFactorOf(parameters), (members) => ringOf(members, size))
}

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
  const perWeight = 2 ** Math.ceil(Math.log2(size / weight))
  return members.map((member) => Math.max(1, Math.round(member.weight * perWeight)))
}
