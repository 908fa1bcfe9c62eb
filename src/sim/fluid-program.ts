/** The linear program behind the fluid bound, and its solution. The solver is loaded when it is needed first. */
import type { Highs } from "highs"

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
  /** One row per class, one column per group, rows sum to 1. */
  readonly shares: readonly (readonly number[])[]
  /** By group and resource: what θ* gains by one more unit of the group's capacity. */
  readonly prices: readonly (readonly number[])[]
}

let loading: Promise<Highs> | undefined

/**
 * Solves the linear program exactly, to about nine digits.
 *
 * Rows and θ are scaled to the order of 1 first, so bytes may stand beside CPU seconds. A class without requests goes
 * where it is cheapest.
 *
 * @throws Error when a class can be served nowhere, or when the requests need nothing and there is no bound.
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
