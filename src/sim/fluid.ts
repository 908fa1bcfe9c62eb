/**
 * What a fleet can carry at most, whichever policy balances it: the fluid bound θ*, and the ceilings of policies that
 * do not look at requests.
 *
 * Requests are taken as streams that can be split at will. Per group of backends and resource, work may not arrive
 * faster than the group can do it, and what is held (Little's law: arrivals times time held) may not pass what there
 * is to hold. The largest total rate with the scenario's mix of classes is a linear program with one variable for each
 * class and group. No policy is stable above its optimum. The bound says nothing about delay.
 */
import type { Highs } from "highs"
import { namedOf, type NamedAmounts, type ResourceTable } from "../core/resources.ts"
import type { FluidBounds } from "./report/results.ts"
import { meanOf } from "./scenario/mean-of.ts"
import type { BackendGroup, Scenario } from "./scenario/scenario.ts"

/** The linear program in numbers: all that the bounds depend on. */
export interface FluidProblem {
  /** The classes', for messages. */
  readonly names: readonly string[]
  /** Each class's part of the requests; they sum to 1. */
  readonly parts: readonly number[]
  /** How many backends each group has. */
  readonly counts: readonly number[]
  /** By group and resource: what one backend has. */
  readonly capacity: readonly (readonly number[])[]
  /** By class, group and resource: what one request per second takes of the capacity there. */
  readonly use: readonly (readonly (readonly number[])[])[]
}

export interface FluidSolution {
  readonly thetaStar: number
  /** One row a class, one column a group, rows sum to 1. */
  readonly shares: readonly (readonly number[])[]
  /** By group and resource: what θ* gains by one more unit of the group's capacity. */
  readonly prices: readonly (readonly number[])[]
}

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

let loading: Promise<Highs> | undefined

/**
 * Solves the linear program exactly, to about nine digits.
 *
 * Rows and θ are scaled to the order of 1 first, so bytes may stand beside CPU seconds. A class without requests goes
 * where it is cheapest.
 *
 * @throws Error as `fluidBounds` does.
 */
export async function solveFluid(problem: FluidProblem): Promise<FluidSolution> {
  const { names, parts, counts, capacity, use } = problem
  const of = (g: number, r: number): number => counts[g]! * capacity[g]![r]!
  const canServe = (c: number, g: number): boolean =>
    counts[g]! > 0 && use[c]![g]!.every((amount, r) => amount === 0 || (amount < Infinity && of(g, r) > 0))
  const served = parts.map((part, c) => ({
    c,
    part,
    groups: counts.flatMap((_, g) => (canServe(c, g) ? [g] : [])),
  }))
  const asked = served.filter(({ part }) => part > 0)
  for (const { c, groups } of asked)
    if (groups.length === 0) throw new Error(`no backend can serve "${names[c]}"`)
  const scale = scaleOf(problem, asked)

  const mix = asked.map(
    ({ c, part, groups }) => ` mix${c}: ${groups.map((g) => `x${c}_${g}`).join(" + ")} - ${part} theta = 0`,
  )
  const rows = capacity.flatMap((amounts, g) =>
    amounts.flatMap((_, r) => {
      const terms = asked.flatMap(({ c, groups }) => {
        const amount = (use[c]![g]![r]! * scale) / of(g, r)
        return amount > 0 && groups.includes(g) ? [`${amount} x${c}_${g}`] : []
      })
      return terms.length === 0 ? [] : [` cap${g}_${r}: ${terms.join(" + ")} <= 1`]
    }),
  )
  if (rows.length === 0) throw new Error("requests that need nothing have no bound")
  const text = ["Maximize", " all: theta", "Subject To", ...mix, ...rows, "End", ""].join("\n")

  loading ??= loadHighs()
  const solution = (await loading).solve(text, { output_flag: false })
  if (solution.Status !== "Optimal") throw new Error(`the linear program is ${solution.Status}: ${text}`)
  const primal = (name: string): number => {
    const column = solution.Columns[name]
    return column !== undefined && "Primal" in column ? Math.max(0, column.Primal) : 0
  }
  const dualOf = new Map(
    solution.Rows.flatMap((row) => ("Dual" in row ? [[row.Name, Math.abs(row.Dual)] as const] : [])),
  )
  const prices = capacity.map((amounts, g) =>
    amounts.map((_, r) => ((dualOf.get(`cap${g}_${r}`) ?? 0) * scale) / (of(g, r) || 1)),
  )
  return {
    thetaStar: primal("theta") * scale,
    prices,
    shares: served.map(({ c, part, groups }) => {
      const flows = counts.map((_, g) => (groups.includes(g) ? primal(`x${c}_${g}`) : 0))
      const sum = flows.reduce((a, b) => a + b, 0)
      if (part > 0 && sum > 0) return flows.map((flow) => flow / sum)
      const costs = counts.map((_, g) =>
        groups.includes(g)
          ? use[c]![g]!.reduce((cost, amount, r) => cost + amount * prices[g]![r]!, 0)
          : Infinity,
      )
      const cheapest = costs.indexOf(Math.min(...costs))
      return counts.map((_, g) => (g === cheapest ? 1 : 0))
    }),
  }
}

/** A rate of the order of θ*: what could be carried if every resource were one pool. It is never below θ*. */
function scaleOf(
  { capacity, counts, use }: FluidProblem,
  asked: readonly { readonly c: number; readonly part: number; readonly groups: readonly number[] }[],
): number {
  const resources = capacity[0]?.length ?? 0
  let least = Infinity
  for (let r = 0; r < resources; r++) {
    const total = capacity.reduce((sum, amounts, g) => sum + counts[g]! * amounts[r]!, 0)
    const needed = asked.reduce(
      (sum, { c, part, groups }) => sum + part * Math.min(...groups.map((g) => use[c]![g]![r]!)),
      0,
    )
    if (needed > 0) least = Math.min(least, total / needed)
  }
  return least === Infinity ? 1 : least
}

/** The solver is three megabytes of code, which a program that solves nothing does without. */
async function loadHighs(): Promise<Highs> {
  const { default: load } = await import("highs")
  // The package's types describe its CommonJS form, in which the loader is one level deeper than where it is.
  return (load as unknown as (typeof load)["default"])()
}
