/** A scenario played with real processes beside the same scenario in the simulator: plain data, and how to judge it. */
import type { Millis } from "../core/clock.ts"
import { objectiveFactor } from "../sim/capacity.ts"
import type { FluidBounds, RunResult } from "../sim/report/results.ts"
import { average, varianceOf } from "../sim/sample.ts"
import { Histogram } from "../metrics/histogram.ts"
import type { Records } from "../load/recorder.ts"

/** What one side measured at one load, times in the scenario's milliseconds. */
export interface Side {
  /** Counted requests, and those of them that failed. */
  readonly requests: number
  readonly failed: number
  readonly mean: Millis
  readonly p50: Millis
  readonly p99: Millis
  /** `p99` where the failed count as slower than all others. */
  readonly p99Served: Millis
  /** By class, which part of its responses came from each group of backends. */
  readonly shares: Readonly<Record<string, Readonly<Record<string, number>>>>
}

export const compared = ["mean", "p50", "p99"] as const
export type Compared = (typeof compared)[number]

export interface ComparedRun {
  readonly policy: string
  /** As a share of θ*. */
  readonly load: number
  readonly live: Side
  /** The mean of several simulated runs. */
  readonly simulated: Side
  /** By how much live and simulated may differ, ms. See `toleranceOf`. */
  readonly tolerance: Readonly<Record<Compared, Millis>>
  /** Why the live figures may say more about this machine than about the policy. */
  readonly warnings: readonly string[]
}

/** The largest load within the objective, between the loads that were run. */
export interface Carried {
  /** As a share of θ*; undefined when no load was within it. */
  readonly share: number | undefined
  /** Whether even the largest load was within it, so that the share is a lower bound. */
  readonly isOpen: boolean
}

export interface Comparison {
  readonly scenario: string
  readonly summary: string
  readonly bounds: Pick<FluidBounds, "thetaStar" | "classBlindCeiling" | "roundRobinCeiling">
  /** Scenario seconds in a real one. */
  readonly speed: number
  readonly seed: number
  readonly loads: readonly number[]
  readonly policies: readonly string[]
  /** Twice the unloaded p99: what p99 may be. */
  readonly p99Max: Millis
  /** What live adds to a request that needs nothing, real milliseconds, by policy. */
  readonly relayMs: Readonly<Record<string, Millis>>
  readonly runs: readonly ComparedRun[]
  readonly carried: Readonly<Record<string, { readonly live: Carried; readonly simulated: Carried }>>
  /** What of the scenario could not be played as it is written. */
  readonly remarks: readonly string[]
  readonly command: string
}

/** How many simulated runs stand beside a live one. */
export const twins = 6
/** Student's t of 5 degrees of freedom, two-sided 99 %. */
const student99 = 4.032
/** Node.js rounds a timer up to whole milliseconds, half a one on average, and is up to one late. */
const timerMs = 1.5

/**
 * By how much a live figure may differ from the simulated mean.
 *
 * Chance: both sides see the same arrivals and sizes, so what is left are the draws of the policy, and that a
 * millisecond more or less sends a request elsewhere and all that follow with it. The twins differ in just that
 * (another seed for the policy, arrivals stretched by up to a thousandth), so their deviation s is that of a live run,
 * and the live run lies within t·s·√(1 + 1/n) of their mean in 99 of 100 cases (Student's t, n − 1 degrees of freedom).
 *
 * Delay: a live request also crosses sockets and waits for timers. `relayMs` is measured with requests that need
 * nothing; each of its stages ends by a timer. Real milliseconds weigh `speed` times as much in the scenario.
 *
 * Resolution: both histograms together are off by 0.8 % each.
 */
export function toleranceOf(
  simulated: readonly Side[],
  relayMs: Millis,
  stages: number,
  speed: number,
): Record<Compared, Millis> {
  const delay = (relayMs + stages * timerMs) * speed
  const of = (key: Compared): Millis => {
    const values = simulated.map((side) => side[key])
    return (
      student99 * Math.sqrt(varianceOf(values) * (1 + 1 / values.length)) + delay + 0.016 * average(values)
    )
  }
  return { mean: of("mean"), p50: of("p50"), p99: of("p99") }
}

/** Whether what was measured lies within the tolerance. A side that served nothing never agrees. */
export function agrees({ live, simulated, tolerance }: ComparedRun, key: Compared): boolean {
  return Math.abs(live[key] - simulated[key]) <= tolerance[key]
}

/** Of a simulated run. */
export function simulatedSide(run: RunResult): Side {
  const { completed, requests, mean, p50, p99, p99Served, classes } = run
  return {
    requests,
    failed: requests - completed,
    mean,
    p50,
    p99,
    p99Served,
    shares: Object.fromEntries(classes.map(({ name, shares }) => [name, shares])),
  }
}

/** Of a live run, its times stretched to the scenario's. */
export function liveSide(
  records: Records,
  classes: readonly string[],
  groupOf: (backend: string) => string | undefined,
  groups: readonly string[],
  speed: number,
): Side {
  const latency = Histogram.from(records.fromIntended)
  const failed = Object.values(records.errors).reduce((sum, count) => sum + count, 0)
  const shares: Record<string, Record<string, number>> = {}
  for (const [index, name] of classes.entries()) {
    const row: Record<string, number> = Object.fromEntries(groups.map((group) => [group, 0]))
    const answered = Math.max(1, records.classes[index]!.answered)
    for (const [backend, counts] of Object.entries(records.backends)) {
      const group = groupOf(backend)
      if (group !== undefined) row[group]! += counts[index]! / answered
    }
    shares[name] = row
  }
  return {
    requests: latency.count + failed,
    failed,
    mean: latency.mean * speed,
    p50: latency.quantile(0.5) * speed,
    p99: latency.quantile(0.99) * speed,
    p99Served: latency.quantile(0.99, failed) * speed,
    shares,
  }
}

/** The mean of several simulated runs of one load: of each number by itself. */
export function meanSide(sides: readonly Side[]): Side {
  const [first] = sides
  const of = (read: (side: Side) => number): number => average(sides.map(read))
  return {
    requests: of((side) => side.requests),
    failed: of((side) => side.failed),
    mean: of((side) => side.mean),
    p50: of((side) => side.p50),
    p99: of((side) => side.p99),
    p99Served: of((side) => side.p99Served),
    shares: Object.fromEntries(
      Object.entries(first!.shares).map(([name, row]) => [
        name,
        Object.fromEntries(
          Object.keys(row).map((group) => [group, of((side) => side.shares[name]![group]!)]),
        ),
      ]),
    ),
  }
}

/**
 * The largest load at which p99 (the failed counted as slower than all others) is within `p99Max`. Up to the first load
 * that is not, it grows in a straight line of its logarithm from one load to the next; the same rule for both sides.
 *
 * @param points in order of load.
 */
export function carriedOf(
  points: readonly { readonly load: number; readonly p99: Millis }[],
  p99Max: Millis,
): Carried {
  const first = points.findIndex(({ p99 }) => !(p99 <= p99Max))
  if (first === -1) return { share: points.at(-1)?.load, isOpen: true }
  const [before, after] = [points[first - 1], points[first]!]
  if (before === undefined) return { share: undefined, isOpen: false }
  // Where nothing is known of the end, the last load that was within it is what is known.
  if (!(after.p99 < Infinity)) return { share: before.load, isOpen: false }
  const part = Math.log(p99Max / before.p99) / Math.log(after.p99 / before.p99)
  return { share: before.load + part * (after.load - before.load), isOpen: false }
}

export const objective: number = objectiveFactor
