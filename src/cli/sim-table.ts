/** What `sim` prints for people. */

import { aligned } from "../text/aligned.ts"
import { amount, count, duration, percent } from "../text/human.ts"
import type { Rehearsal } from "../sim/report/rehearsal.ts"
import type { FleetCapacity, RunResult } from "../sim/report/results.ts"

export function headText({ scenario, bounds, balancers, seed }: Rehearsal): string {
  const backends = scenario.backends.reduce((sum, group) => sum + group.count, 0)
  return `${scenario.name}: ${scenario.summary}
θ* is ${amount(bounds.thetaStar)} requests per second, the class-blind ceiling ${bounds.classBlindCeiling.toFixed(2)} of it
${backends} backends, ${balancers === 1 ? "one balancer" : `${balancers} balancers`}, ${count(scenario.requests)} requests per run, seed ${seed}
`
}

/** One table per load, policies in the order of their p99. */
export function runsText({ runs, scenario }: Rehearsal): string {
  const resources = scenario.resources.map(({ name }) => name)
  const loads = [...new Set(runs.map(({ load }) => load))].sort((a, b) => a - b)
  const head = ["mean", "p50", "p99", "p99.9", "slowdown", ...resources, "lost"]
  return loads
    .map((load) => {
      const of = runs.filter((run) => run.load === load).sort((a, b) => a.p99 - b.p99)
      const rows = of.map((run) => rowOf(run, resources))
      return `\n${aligned([[`load ${load} of θ*`, ...head], ...rows])}`
    })
    .join("")
}

function rowOf(run: RunResult, resources: readonly string[]): string[] {
  const { policy, mean, p50, p99, p999, slowdown, utilization, requests, completed } = run
  const times = [mean, p50, p99, p999].map(duration)
  const used = resources.map((name) => percent(utilization[name] ?? 0))
  return [policy, ...times, slowdown.toFixed(2), ...used, count(requests - completed)]
}

export function capacityText({ oneMachine, policies }: FleetCapacity): string {
  const sorted = Object.entries(policies).sort(([, a], [, b]) => b.share - a.share)
  const rows = [["(all backends as one machine)", oneMachine] as const, ...sorted].map(
    ([name, { share, low, high }]) => [name, share.toFixed(3), `${low.toFixed(3)} to ${high.toFixed(3)}`],
  )
  const table = aligned([["", "share", "95 % interval"], ...rows])
  return `\nLargest load with p99 within twice the unloaded one, as a share of θ*:\n\n${table}`
}
