/** Which backends are alike but for their size: what makes a mix over thousands of them cheap. Pure and cold. */
import type { ResourceVector } from "../../core/resources.ts"

export interface Kinds {
  readonly count: number
  /** By member: its kind. */
  readonly of: Int32Array
  /** By member: its part of its kind, which the parts of a kind sum up to 1. */
  readonly part: Float64Array
  /** By kind and resource: what all its members have together. */
  readonly capacity: Float64Array
  /** By kind: its part of the fleet, the mean over the resources. */
  readonly size: Float64Array
}

/** How far apart two shapes may be and still be one, as the natural logarithm of a ratio. */
const exactly = 1e-6
const roughly = 0.01

/**
 * Groups members whose capacities are in the same proportions. When that makes more than `kindsMax` kinds, ratios are
 * rounded to 1 %, 2 %, 4 % and so on until it does not; a resource that is not there is always told from one that is.
 * A kind's members get parts of it by size, so that all are loaded alike.
 *
 * O(members · resources), a few times over. The kinds are numbered in order of their first member.
 */
export function kindsOf(
  members: readonly { readonly capacity: Readonly<ResourceVector> }[],
  resources: number,
  kindsMax: number,
): Kinds {
  const totals = new Float64Array(resources)
  for (const { capacity } of members) for (let r = 0; r < resources; r++) totals[r]! += capacity[r]!
  const of = new Int32Array(members.length)
  let count = Infinity
  for (let step = exactly; count > kindsMax; step = Math.max(roughly, step * 2)) {
    const known = new Map<string, number>()
    for (const [member, { capacity }] of members.entries()) {
      const shape = shapeOf(capacity, totals, step)
      const kind = known.get(shape) ?? known.size
      known.set(shape, kind)
      of[member] = kind
      // There is always a way to have fewer; this rounding was too fine.
      if (known.size > kindsMax && step < coarsest) break
    }
    count = known.size
    if (step >= coarsest) break
  }

  const capacity = new Float64Array(count * resources)
  const size = new Float64Array(count)
  const part = new Float64Array(members.length)
  for (const [member, one] of members.entries()) {
    const kind = of[member]!
    let room = 0
    for (let r = 0; r < resources; r++) {
      const amount = one.capacity[r]!
      capacity[kind * resources + r]! += amount
      if (totals[r]! > 0) room += amount / totals[r]! / resources
    }
    part[member] = room
    size[kind]! += room
  }
  for (const [member, kind] of of.entries()) part[member] = size[kind]! > 0 ? part[member]! / size[kind]! : 0
  return { count, of, part, capacity, size }
}

/** At this step every ratio that occurs is one: what is left is which resources are there. */
const coarsest = 1_000

/** The capacities' proportions, rounded. */
function shapeOf(capacity: Readonly<ResourceVector>, totals: Float64Array, step: number): string {
  let first = NaN
  let shape = ""
  for (let r = 0; r < totals.length; r++) {
    const amount = capacity[r]!
    if (amount === 0) {
      shape += "-,"
      continue
    }
    const logarithm = Math.log(amount / totals[r]!)
    if (Number.isNaN(first)) first = logarithm
    shape += `${Math.round((logarithm - first) / step)},`
  }
  return shape
}
