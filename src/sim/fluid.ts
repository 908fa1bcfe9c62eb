/**
 * What a fleet can carry at most, whichever policy balances it: the fluid bound θ*, and the ceilings of policies that
 * do not look at requests.
 *
 * Requests are taken as streams that can be split at will. Per group of backends and resource, work may not arrive
 * faster than the group can do it, and what is held (Little's law: arrivals times time held) may not pass what there
 * is to hold. The largest total rate with the scenario's mix of classes is a linear program with one variable for each
 * class and group. No policy is stable above its optimum. The bound says nothing about delay.
 */
import { namedOf, type NamedAmounts, type ResourceTable } from "../core/resources.ts"
import { type FluidProblem, solveFluid } from "./fluid-program.ts"
import type { FluidBounds } from "./report/results.ts"
import { meanOf } from "./scenario/mean-of.ts"
import type { BackendGroup, Scenario } from "./scenario/scenario.ts"

/**
 * The bounds of a scenario. Every group counts, whenever it joins or leaves, with what it really has; faults do not.
 * The mix is the mean one, also where it changes with time. A request holds its space for the time that its work
 * takes at the speed of its lanes, one resource after the other, and its hold.
 *
 * @throws Error when a class can be served nowhere, or when the requests need nothing and there is no bound.
 */
export async function fluidBounds(scenario: Scenario): Promise<FluidBounds> {
  const problem = fluidProblem(scenario)
  const { thetaStar, shares, prices } = await solveFluid(problem)
  const blind = blindRates(problem)
  const { counts } = problem
  const total = counts.reduce((sum, count) => sum + count, 0)
  const smallest = Math.min(...blind.filter((_, group) => counts[group]! > 0))
  return {
    thetaStar,
    classBlindCeiling: blind.reduce((sum, rate, group) => sum + counts[group]! * rate, 0) / thetaStar,
    roundRobinCeiling: (total * smallest) / thetaStar,
    shares,
    prices: prices.map((price): NamedAmounts => namedOf(scenario.resources, Float64Array.from(price))),
  }
}

/** Means of everything: of the classes as they are described, or of the recorded requests where those are played. */
function fluidProblem(scenario: Scenario): FluidProblem {
  const { resources, backends, classes, arrivals } = scenario
  const capacity = backends.map((group) =>
    resources.map(({ name }) => (group.actual ?? group.capacity)[name] ?? group.capacity[name] ?? 0),
  )
  const counts = backends.map((group) => group.count)
  const names = classes.map((each) => each.name)
  if (arrivals.kind !== "trace") {
    const parts = classes.map((each) => each.share)
    const use = classes.map((each) => {
      const amounts = resources.map(({ name }) => meanOf(each.demand[name]))
      return backends.map((group) => useOf(resources, group, amounts, meanOf(each.holdMs)))
    })
    return { names, parts, counts, capacity, use }
  }
  // Amount and time held go together in a recorded request, so it is the products that are averaged.
  const often = classes.map(() => 0)
  const use = classes.map(() => backends.map(() => resources.map(() => 0)))
  for (const { class: index, demand, holdMs } of arrivals.requests) {
    often[index]!++
    for (const [g, group] of backends.entries()) {
      for (const [r, amount] of useOf(resources, group, demand, holdMs).entries())
        use[index]![g]![r]! += amount
    }
  }
  return {
    names,
    parts: often.map((count) => count / arrivals.requests.length),
    counts,
    capacity,
    use: use.map((groups, index) =>
      groups.map((sums) => sums.map((sum) => sum / Math.max(1, often[index]!))),
    ),
  }
}

/** What one such request per second takes of a backend of this group, on average. */
export function useOf(
  resources: ResourceTable,
  group: BackendGroup,
  amounts: ArrayLike<number>,
  holdMs: number,
): number[] {
  let heldSeconds = holdMs / 1_000
  for (const [r, { name, kind }] of resources.entries()) {
    const work = amounts[r] ?? 0
    if (kind === "rate" && work > 0) heldSeconds += work / (group.lane[name] ?? group.capacity[name] ?? 0)
  }
  return resources.map(({ kind }, r) => {
    const amount = amounts[r] ?? 0
    return kind === "rate" || amount === 0 ? amount : amount * heldSeconds
  })
}

/** By group: requests per second that one backend can take when it gets the mix of all. */
function blindRates({ parts, capacity, use }: FluidProblem): number[] {
  return capacity.map((amounts, g) =>
    amounts.reduce((least, amount, r) => {
      const mean = parts.reduce((sum, part, c) => sum + part * use[c]![g]![r]!, 0)
      return mean > 0 ? Math.min(least, amount / mean) : least
    }, Infinity),
  )
}
