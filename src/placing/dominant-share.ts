/**
 * The arithmetic of Dominant Resource Fairness: who has how much, who is next, and what everybody is due.
 *
 * DRF says who is served next, not where. A resource whose total is 0 counts for nobody, as in YARN.
 *
 * @see Ghodsi, Zaharia, Hindman, Konwinski, Shenker, Stoica, "Dominant Resource Fairness: Fair Allocation of Multiple
 * Resource Types", NSDI 2011.
 */
import type { ResourceVector } from "../core/resources.ts"

type Amounts = Readonly<ResourceVector>

/** The largest of used / total over all resources, 0 to 1; the one that attains it is dominant. Hot. O(R). */
export function dominantShare(used: Amounts, totals: Amounts): number {
  let share = 0
  for (let r = 0; r < totals.length; r++) {
    const total = totals[r]!
    if (total > 0 && used[r]! / total > share) share = used[r]! / total
  }
  return share
}

/** The sum of used / total over all resources: what asset fairness levels, for comparison. O(R). */
export function assetShare(used: Amounts, totals: Amounts): number {
  return used.reduce((sum, amount, r) => (totals[r]! > 0 ? sum + amount / totals[r]! : sum), 0)
}

/** Where somebody stands who is served from common resources. */
export interface Standing {
  readonly used: Amounts
  /** Twice the weight is due twice the share. > 0. */
  readonly weight: number
  /** Whoever has less of its dominant resource than this is served before all who have as much. */
  readonly minimum: Amounts
}

/**
 * Who is served first: negative for `a`, positive for `b`, 0 when nothing tells them apart. Cold.
 *
 * Who is needy, with less of its dominant resource than its minimum, goes first. Of two needy ones the one with the
 * lesser part of its minimum, of two others the one with the lesser weighted share; the dominant resource is
 * compared first and then the next largest share, down to the smallest. O(R log R).
 *
 * Prior art: the comparator of DominantResourceFairnessPolicy in Hadoop YARN's Fair Scheduler.
 */
export function compareStandings(a: Standing, b: Standing, totals: Amounts): number {
  const [one, other] = [ranked(a, totals), ranked(b, totals)]
  const [aIsNeedy, bIsNeedy] = [isNeedy(a, one), isNeedy(b, other)]
  if (aIsNeedy !== bIsNeedy) return aIsNeedy ? -1 : 1
  for (let rank = 0; rank < Math.min(one.length, other.length); rank++) {
    const left = aIsNeedy ? partOfMinimum(a, one[rank]!) : weightedShare(a, one[rank]!, totals)
    const right = aIsNeedy ? partOfMinimum(b, other[rank]!) : weightedShare(b, other[rank]!, totals)
    if (left !== right) return left < right ? -1 : 1
  }
  return 0
}

/** The resources that there are, by its share of them, the dominant one first. */
function ranked({ used }: Standing, totals: Amounts): number[] {
  return [...totals.keys()]
    .filter((r) => totals[r]! > 0)
    .toSorted((one, other) => used[other]! / totals[other]! - used[one]! / totals[one]!)
}

function isNeedy({ used, minimum }: Standing, resources: readonly number[]): boolean {
  const dominant = resources[0]
  return dominant !== undefined && used[dominant]! < minimum[dominant]!
}

/** 1 and more where it has its minimum; where it has none, infinitely much more. */
function partOfMinimum({ used, minimum }: Standing, resource: number): number {
  return minimum[resource]! > 0 ? used[resource]! / minimum[resource]! : Infinity
}

function weightedShare({ used, weight }: Standing, resource: number, totals: Amounts): number {
  return used[resource]! / totals[resource]! / weight
}

/** What somebody would take. */
export interface Claim {
  /** Of one task. */
  readonly demand: Amounts
  readonly weight: number
  /** The most tasks it has; may be Infinity. */
  readonly tasksMax: number
}

/**
 * How many tasks, with fractions, each of the claims is due of these totals: all shares rise together, each by its
 * weight, until a resource is used up. Whoever needs that, or has no more tasks, stays where it is; the others go
 * on. This is max-min fairness over `shareOf`; over the dominant share it is DRF, and with one resource plain max-min.
 *
 * A claim on what there is none of gets nothing, one that needs nothing gets all its tasks. Cold.
 * O((claims + R) · claims · R).
 */
export function progressiveFilling(
  totals: Amounts,
  claims: readonly Claim[],
  shareOf: (used: Amounts, totals: Amounts) => number = dominantShare,
): Float64Array {
  const tasks = Float64Array.from(claims, ({ demand, tasksMax }) =>
    demand.some((d) => d > 0) ? 0 : tasksMax,
  )
  const left = Float64Array.from(totals)
  const needsLeft = ({ demand }: Claim): boolean => demand.every((amount, r) => amount === 0 || left[r]! > 0)
  /** Tasks for each unit by which all shares rise. */
  const speeds = claims.map(({ demand, weight }) => weight / shareOf(demand, totals))
  for (;;) {
    const rising = [...claims.keys()].filter(
      (i) => claims[i]!.demand.some((d) => d > 0) && tasks[i]! < claims[i]!.tasksMax && needsLeft(claims[i]!),
    )
    if (rising.length === 0) return tasks
    const rates = left.map((_, r) => rising.reduce((sum, i) => sum + speeds[i]! * claims[i]!.demand[r]!, 0))
    const untilFull = left.map((amount, r) => (rates[r]! > 0 ? amount / rates[r]! : Infinity))
    const untilDone = rising.map((i) => (claims[i]!.tasksMax - tasks[i]!) / speeds[i]!)
    const step = Math.min(...untilFull, ...untilDone)
    for (const [k, i] of rising.entries()) {
      tasks[i] = untilDone[k] === step ? claims[i]!.tasksMax : tasks[i]! + speeds[i]! * step
    }
    for (const [r, rate] of rates.entries()) {
      const rest = left[r]! - rate * step
      // What rounding leaves over is nothing, or the last steps would be endlessly small.
      left[r] = untilFull[r] === step || rest <= totals[r]! * 1e-12 ? 0 : rest
    }
  }
}

/** Prices are settled when nothing is asked for more than this beyond what there is. */
const settled = 1e-12
const roundsMax = 100_000

/**
 * How many tasks, with fractions, each would buy of these totals at market prices, had everybody an income by its
 * weight and nothing else: competitive equilibrium from equal incomes, for comparison. It makes the product of the
 * tasks the largest. A claim on what there is none of gets nothing, one that needs nothing gets no end of tasks.
 *
 * Prices rise and fall with what is asked for (Cover's algorithm, every round of which is nearer) until at most a part
 * of 10⁻¹² too much is, or for 100,000 rounds, which is seldom: where two resources are as good as equally short. There
 * is always enough for what comes out. Cold. O(rounds · claims · R).
 *
 * @see Varian, "Equity, Envy, and Efficiency", JET 9, 1974; Cover, "An Algorithm for Maximizing Expected Log Investment
 * Return", IEEE Trans. Information Theory 30(2), 1984.
 */
export function equalIncomes(
  totals: Amounts,
  claims: readonly Pick<Claim, "demand" | "weight">[],
): Float64Array {
  const tasks = Float64Array.from(claims, ({ demand }) => (demand.some((d) => d > 0) ? 0 : Infinity))
  const buyers = [...claims.keys()].filter(
    (i) => tasks[i] === 0 && claims[i]!.demand.every((amount, r) => amount === 0 || totals[r]! > 0),
  )
  const incomes = buyers.reduce((sum, i) => sum + claims[i]!.weight, 0)
  /** What all of a resource costs: together all that anybody has. */
  let worth = totals.map(() => incomes / totals.length)
  for (let round = 0; round < roundsMax; round++) {
    const asked = new Float64Array(totals.length)
    for (const i of buyers) {
      const { demand, weight } = claims[i]!
      const price = demand.reduce((sum, d, r) => (d > 0 ? sum + (d / totals[r]!) * worth[r]! : sum), 0)
      tasks[i] = weight / price
      for (const [r, d] of demand.entries()) if (d > 0) asked[r]! += (tasks[i] * d) / totals[r]!
    }
    const most = Math.max(...asked)
    for (const i of buyers) tasks[i]! /= most
    if (most <= 1 + settled) break
    worth = worth.map((cost, r) => cost * asked[r]!)
  }
  return tasks
}
