/**
 * Rehearsing: policies side by side on one scenario, in virtual time. This is what `linebacker/sim` exports.
 *
 * ```ts
 * const scenario = readScenario({ file: "mine.yaml", text })
 * if (scenario.ok) {
 *   const price = contestant("price", policies.price)
 *   if (price.ok) console.log((await rehearse({ scenario: scenario.value, policies: [price.value] })).runs)
 * }
 * ```
 */

import { parametersOf, type PolicyEntry } from "../policies/index.ts"
import { fail, ok, type Result } from "../core/result.ts"
import { capacityOf, oneMachineCapacity } from "./capacity.ts"
import { fluidBounds } from "./fluid.ts"
import type { Rehearsal, RehearsedPolicy } from "./report/rehearsal.ts"
import type { FleetCapacity, FluidBounds, RunResult } from "./report/results.ts"
import { type PolicyFactory, runScenario } from "./run.ts"
import type { Scenario } from "./scenario/scenario.ts"
import { unloadedP99 } from "./unloaded.ts"

export type { Rehearsal, RehearsedPolicy } from "./report/rehearsal.ts"
export type {
  CapacityResult,
  FleetCapacity,
  FluidBounds,
  PolicyCapacity,
  RunResult,
} from "./report/results.ts"
export type { Scenario } from "./scenario/scenario.ts"
export { type BuiltInName, builtInNames, builtInUrl } from "./scenario/built-in.ts"
export { reportFiles } from "./report/report.ts"
export { readScenario, writeScenario } from "./scenario/scenario-file.ts"

/** A policy that takes part. */
export interface Contestant extends PolicyFactory {
  readonly entry: PolicyEntry
}

/** What is rehearsed. */
export interface RehearsalPlan {
  readonly scenario: Scenario
  readonly policies: readonly Contestant[]
  /** Shares of θ*; the scenario's own when absent, none of them when empty. */
  readonly loads?: readonly number[] | undefined
  /** With how many seeds capacities are looked for; they are not looked for when absent. */
  readonly capacitySeeds?: number | undefined
  /** The scenario's own when absent. */
  readonly balancers?: number | undefined
  readonly requests?: number | undefined
  /** 1 when absent; the first of several. */
  readonly seed?: number | undefined
  /** Told before each run and after each probe for a capacity. */
  readonly watch?: ((progress: Progress) => void) | undefined
}

/** What is being run, of how much. */
export interface Progress {
  readonly done: number
  readonly total: number
  readonly policy: string
  readonly load: number
}

/** A bisection from 1 down to the resolution of capacities, 0.005. */
const probesOfCapacity = 8

/**
 * Runs every policy at every load, and finds their capacities where asked to. All see the same requests. The same plan
 * gives the same numbers. Blocks the thread while it runs; only the bounds are awaited.
 *
 * @throws Error when the scenario has no bound, since a class can be served nowhere or needs nothing; RangeError on
 * numbers outside of their bounds.
 */
export async function rehearse(plan: RehearsalPlan): Promise<Rehearsal> {
  const { scenario, policies, seed = 1, capacitySeeds } = plan
  const bounds = await fluidBounds(scenario)
  const balancers = plan.balancers ?? scenario.balancers
  const requests = plan.requests ?? scenario.requests
  const capacity = capacitySeeds === undefined ? undefined : capacitiesOf(plan, bounds, seed, capacitySeeds)
  return {
    scenario: { ...scenario, requests },
    bounds,
    unloadedP99: unloadedP99(scenario, bounds.shares),
    balancers,
    seed,
    policies: policies.map(({ name, entry }, style): RehearsedPolicy => {
      return { name, summary: entry.summary, seesDemand: entry.seesDemand, style }
    }),
    runs: runsOf(plan, bounds, { balancers, requests, seed }),
    capacity,
  }
}

function runsOf(
  { scenario, policies, loads = scenario.loads, watch }: RehearsalPlan,
  { thetaStar }: FluidBounds,
  numbers: { readonly balancers: number; readonly requests: number; readonly seed: number },
): RunResult[] {
  const total = policies.length * loads.length
  const results: RunResult[] = []
  for (const policy of policies) {
    for (const load of loads) {
      watch?.({ done: results.length, total, policy: policy.name, load })
      results.push(runScenario({ scenario, policy, load, thetaStar, ...numbers }))
    }
  }
  return results
}

function capacitiesOf(
  { scenario, policies, balancers, requests, watch }: RehearsalPlan,
  bounds: FluidBounds,
  firstSeed: number,
  seeds: number,
): FleetCapacity {
  const total = policies.length * seeds * probesOfCapacity
  let done = 0
  const onRun = (policy: string, _seed: number, load: number) =>
    watch?.({ done: ++done, total, policy, load })
  const luck = { scenario, bounds, requests, seeds, firstSeed }
  return { ...capacityOf({ ...luck, policies, balancers, onRun }), oneMachine: oneMachineCapacity(luck) }
}

/**
 * A row of the table of policies, or one of the user's own, ready to take part.
 *
 * @param given its parameters; it is named after those too, since one policy may take part with several values.
 * @returns what is wrong with a parameter, if anything is.
 */
export function contestant(
  name: string,
  entry: PolicyEntry,
  given: Readonly<Record<string, number>> = {},
): Result<Contestant, string> {
  const parameters = parametersOf(name, entry.parameters ?? {}, given)
  if (!parameters.ok) return fail(parameters.error.message)
  const written = Object.entries(given).map(([key, value]) => `${key}=${value}`)
  return ok({
    name: written.length === 0 ? name : `${name}(${written.join(",")})`,
    entry,
    make: (context) => entry.make({ ...context, parameters: parameters.value }),
  })
}
