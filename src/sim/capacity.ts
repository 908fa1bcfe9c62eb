/** Cold: the largest load that a policy carries within the objective, found by bisection over runs. */
import type { Millis } from "../core/clock.ts"
import type { PolicySpec } from "../policies/index.ts"
import type { CapacityResult, FluidBounds, PolicyCapacity } from "./report/results.ts"
import { runOneMachine } from "./one-machine.ts"
import { type PolicyFactory, runScenario } from "./run.ts"
import { interval95 } from "./sample.ts"
import type { Scenario } from "./scenario/scenario.ts"
import { unloadedP99 } from "./unloaded.ts"

/** p99 may be at most so many times the unloaded one. */
export const objectiveFactor = 2

export interface CapacityInput {
  readonly scenario: Scenario
  readonly bounds: Pick<FluidBounds, "thetaStar" | "classBlindCeiling"> & Partial<Pick<FluidBounds, "shares">>
  readonly policies: readonly (PolicySpec | PolicyFactory)[]
  /** The scenario's own when absent. */
  readonly balancers?: number | undefined
  /** How many seeds; 5 when absent. The first has seed 1, or `firstSeed`. */
  readonly seeds?: number | undefined
  readonly firstSeed?: number | undefined
  /** The share is off by at most this; 0.005 when absent. */
  readonly resolution?: number | undefined
  readonly requests?: number | undefined
  /** Called after each run, to show progress. */
  readonly onRun?: ((policy: string, seed: number, load: number, passes: boolean) => void) | undefined
}

/**
 * For each policy the largest load, as a share of θ*, at which p99 stays within the objective, with a 95 % interval
 * over the seeds (Student's t). A seed sees the same requests at every load and with every policy.
 *
 * A run passes when the 99th percentile of its latencies is at most twice the unloaded one, where a failed request
 * counts as one that never ended, and when it has reached a steady state: a queue that still grows would pass no
 * longer run. Shares are sought from 0 to 1, since no policy carries more than θ* for long. With one seed the interval
 * is all of that. The cost is log2(1 / resolution) runs per seed and policy; a run that cannot pass any more ends
 * early.
 *
 * @throws RangeError as `runScenario`; Error when requests cannot be served at all where they are meant to be.
 */
export function capacityOf(input: CapacityInput): CapacityResult {
  const { bounds, policies, scenario } = input
  const p99Max = objectiveFactor * unloadedP99(scenario, bounds.shares)
  if (!(p99Max < Infinity))
    throw new Error(`requests of ${scenario.name} find no backend that can serve them`)
  return {
    scenario: scenario.name,
    thetaStar: bounds.thetaStar,
    classBlindCeiling: bounds.classBlindCeiling,
    balancers: input.balancers ?? scenario.balancers,
    policies: Object.fromEntries(
      policies.map((policy) => [policy.name, policyCapacity(input, policy, p99Max)]),
    ),
  }
}

function policyCapacity(
  input: CapacityInput,
  policy: PolicySpec | PolicyFactory,
  p99Max: Millis,
): PolicyCapacity {
  const { balancers, bounds, onRun, requests, scenario } = input
  const { thetaStar } = bounds
  return overSeeds(input, (seed, load) => {
    const hopeless = { p99Max }
    const run = runScenario({ scenario, policy, load, thetaStar, seed, balancers, requests, hopeless })
    const passes = run.p99Served <= p99Max && run.isSteady
    onRun?.(policy.name, seed, load, passes)
    return passes
  })
}

/** What all backends together would carry as one machine, by the same objective. */
export function oneMachineCapacity(
  input: Omit<CapacityInput, "bounds" | "policies" | "balancers" | "onRun"> & {
    readonly bounds: FluidBounds
  },
): PolicyCapacity {
  const { bounds, scenario } = input
  const { requests = scenario.requests } = input
  const p99Max = objectiveFactor * unloadedP99(scenario, bounds.shares)
  return overSeeds(input, (seed, load) => {
    const { isSteady, p99Served } = runOneMachine({ scenario, bounds, load, requests, seed })
    return p99Served <= p99Max && isSteady
  })
}

/** For each seed the largest load at which a run passes, by bisection. */
function overSeeds(
  { firstSeed = 1, resolution = 0.005, seeds = 5 }: Pick<CapacityInput, "firstSeed" | "resolution" | "seeds">,
  passes: (seed: number, load: number) => boolean,
): PolicyCapacity {
  const bySeed = Array.from({ length: seeds }, (_, index) => {
    let low = 0
    let high = 1
    while (high - low > resolution) {
      const load = (low + high) / 2
      if (passes(firstSeed + index, load)) low = load
      else high = load
    }
    return low
  })
  const { mean, halfWidth } = interval95(bySeed)
  return { share: mean, low: Math.max(0, mean - halfWidth), high: Math.min(1, mean + halfWidth), bySeed }
}
