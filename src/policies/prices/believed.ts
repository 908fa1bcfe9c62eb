// Cold.
import type { BackendId } from "../../core/backend.ts"
import type { ResourceVector } from "../../core/resources.ts"

/** What members are taken for, given how they fail. By member, in their order. */
export interface Believed {
  /** Over the least of them all, so that it is 1 for all where all fail alike. */
  readonly penalties: Float64Array
  /** Whether some penalty is above 1. */
  readonly hasPenalties: boolean
  /** Of those that fail, no more than the penalty leaves them. */
  readonly capacities: readonly Readonly<ResourceVector>[]
  readonly weights: Float64Array
  /** Those that the others are compared with: they hardly fail, or no more than all do. */
  readonly isGood: readonly boolean[]
}

interface BelievedMember {
  readonly id: BackendId
  readonly capacity: Readonly<ResourceVector>
  readonly weight?: number | undefined
}

/** With this penalty or less, over the least one, a member is one that others are compared with. */
const goodMax = 1.25
/** From this penalty on, over the least one, a member counts as no larger than a good one has it on average. */
export const averageFrom = 2

/**
 * What a failing member announces of itself must not outweigh its penalty: the size of one that fails shrinks towards
 * the mean of those that do not, K̄ · (K / K̄)^s with s from 1 without a penalty to 0 at twice the least penalty. So
 * however large it says that it is, from there on it is an average one with a penalty. What is smaller than the mean
 * stays as it is, and so does what none of the good ones has. O(members · resources).
 */
export function believedOf(
  members: readonly BelievedMember[],
  penalties: ReadonlyMap<BackendId, number>,
): Believed {
  const absolute = Float64Array.from(members, ({ id }) => Math.max(1, penalties.get(id) ?? 1))
  const least = absolute.reduce((min, penalty) => Math.min(min, penalty), Infinity)
  const relative = absolute.map((penalty) => penalty / least)
  const hasPenalties = relative.some((penalty) => penalty > 1)
  const isGood = Array.from(relative, (penalty) => penalty <= goodMax)
  const weights = Float64Array.from(members, ({ weight = 1 }) => weight)
  const capacities = members.map(({ capacity }) => capacity)
  if (!hasPenalties) return { penalties: relative, hasPenalties, capacities, weights, isGood }

  const good = members.filter((_, i) => isGood[i])
  const meanOf = (amountOf: (member: BelievedMember) => number): number => {
    const amounts = good.map(amountOf).filter((amount) => amount > 0)
    return amounts.reduce((sum, amount) => sum + amount, 0) / amounts.length
  }
  const means = Float64Array.from(capacities[0]!, (_, r) => meanOf(({ capacity }) => capacity[r]!))
  const meanWeight = meanOf(({ weight = 1 }) => weight)
  return {
    penalties: relative,
    hasPenalties,
    capacities: capacities.map((capacity, i) =>
      relative[i] === 1 ? capacity : capacity.map((amount, r) => shrunk(amount, means[r]!, relative[i]!)),
    ),
    weights: weights.map((weight, i) => shrunk(weight, meanWeight, relative[i]!)),
    isGood,
  }
}

/** The mean is NaN where no good one has any. */
function shrunk(amount: number, mean: number, penalty: number): number {
  if (penalty === 1 || !(amount > mean)) return amount
  const kept = Math.max(0, 1 - Math.log(penalty) / Math.log(averageFrom))
  return mean * (amount / mean) ** kept
}
