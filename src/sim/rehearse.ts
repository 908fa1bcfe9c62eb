/** Cold: runs policies side by side on one scenario. */

import { capacityOf } from "./capacity.ts"
import type { CapacityResult, FluidBounds, RunResult } from "./results.ts"
import { type PolicyFactory, runScenario } from "./run.ts"
import type { Scenario } from "./scenario.ts"

/** What is run: each policy at each load. */
export interface RunPlan {
  readonly scenario: Scenario
  readonly bounds: FluidBounds
  readonly policies: readonly PolicyFactory[]
  readonly loads: readonly number[]
  readonly balancers: number
  readonly seed: number
  readonly requests: number
}

/** What is about to be run, of how much. */
export interface Progress {
  readonly done: number
  readonly total: number
  readonly policy: string
  readonly load: number
}

/**
 * Runs a plan, policy by policy, each from its lowest load to its highest. All see the same requests.
 *
 * @param watch told before each run; it must not throw.
 * @throws as `runScenario`.
 */
export function runAll(plan: RunPlan, watch: (progress: Progress) => void): RunResult[] {
  const { policies, loads, bounds, ...input } = plan
  const { thetaStar } = bounds
  const total = policies.length * loads.length
  const results: RunResult[] = []
  for (const policy of policies) {
    for (const load of loads) {
      watch({ done: results.length, total, policy: policy.name, load })
      results.push(runScenario({ ...input, policy, load, thetaStar }))
    }
  }
  return results
}

/** What capacities are looked for. */
export interface CapacityPlan extends Omit<RunPlan, "loads"> {
  readonly seeds: number
}

/** As `capacityOf`, told of each probe of the bisection before the next. */
export function findCapacities(plan: CapacityPlan, watch: (progress: Progress) => void): CapacityResult {
  const { seed, seeds, policies } = plan
  // Halving from 1 to the resolution of 0.005 takes eight probes.
  const total = policies.length * seeds * 8
  let done = 0
  return capacityOf({
    scenario: plan.scenario,
    bounds: plan.bounds,
    policies,
    balancers: plan.balancers,
    requests: plan.requests,
    seeds,
    firstSeed: seed,
    onRun: (policy, _seed, load) => watch({ done: ++done, total, policy, load }),
  })
}
