/** What a rehearsal yields: plain data, the same for people, programs and plots. */
import type { Millis } from "../../core/clock.ts"
import type { NamedAmounts } from "../../core/resources.ts"

/** The bounds of a scenario that follow from its numbers alone. */
export interface FluidBounds {
  /** θ*: the most requests per second that any policy can carry, by linear program. */
  readonly thetaStar: number
  /** What no policy can pass if its choice does not see the kind of request, as a share of θ*. */
  readonly classBlindCeiling: number
  /** The same for equal turns, whatever a backend's size. */
  readonly roundRobinCeiling: number
  /** Where the classes' requests go at θ*: one row per class, one column per group of backends, rows sum to 1. */
  readonly shares: readonly (readonly number[])[]
  /**
   * By group of backends and resource: what one more unit of capacity per second would add to θ*, requests per second.
   */
  readonly prices: readonly NamedAmounts[]
}

/** One policy at one load with one seed. */
export interface RunResult {
  readonly policy: string
  readonly balancers: number
  readonly seed: number
  /** As a share of θ*. */
  readonly load: number
  /** Counted: arrived after the warm-up. */
  readonly requests: number
  readonly completed: number
  /** Ended with an error, by what: see `Failure`. */
  readonly failed: Readonly<Record<string, number>>
  /** Latency of the completed from arrival to end. */
  readonly mean: Millis
  readonly p50: Millis
  readonly p90: Millis
  readonly p99: Millis
  readonly p999: Millis
  readonly max: Millis
  /** Latency over what the request would have taken alone, mean over requests. */
  readonly slowdown: number
  /** By resource: over the whole fleet, the part of its capacity that worked (rates) or was held (spaces), 0 to 1. */
  readonly utilization: NamedAmounts
  /** Jain's index of the dominant utilizations of the backends, 1/n to 1; 1 when none did anything. */
  readonly fairness: number
  readonly backends: readonly BackendResult[]
  readonly classes: readonly ClassResult[]
  /** Attempts over requests: above 1 by retries. */
  readonly attempts: number
  /** Requests that waited because no backend had room. */
  readonly queued: number
  /** `p99` where the failed count as slower than all others: Infinity when more than 1 in 100 has failed. */
  readonly p99Served: Millis
  /**
   * How many more requests were in the system at the end than half way, over the arrivals between: near 0 when the
   * load is carried, else about the part of the load that is too much.
   */
  readonly growth: number
  /** Whether that growth is small enough to be chance. */
  readonly isSteady: boolean
}

export interface BackendResult {
  readonly id: string
  readonly group: string
  readonly requests: number
  readonly utilization: NamedAmounts
}

export interface ClassResult {
  readonly name: string
  readonly requests: number
  readonly mean: Millis
  readonly p50: Millis
  readonly p99: Millis
  /** Which part of its requests each group of backends got, by name of group. */
  readonly shares: Readonly<Record<string, number>>
  /** Demand as learned at the end of the run by the first balancer, when any was. */
  readonly learned: NamedAmounts | undefined
}

/** The largest load within the objective: p99 at most twice the unloaded p99. */
export interface CapacityResult {
  readonly scenario: string
  readonly thetaStar: number
  readonly classBlindCeiling: number
  readonly balancers: number
  readonly policies: Readonly<Record<string, PolicyCapacity>>
}

/** The largest load that a policy carries within the objective, as a share of θ*. */
export interface PolicyCapacity {
  /** Of θ*; the mean over the seeds. */
  readonly share: number
  /** 95 % confidence interval of that mean over the seeds. */
  readonly low: number
  readonly high: number
  readonly bySeed: readonly number[]
}

/** Beside what policies carry, what the fleet would as one machine (`runOneMachine`). */
export interface FleetCapacity extends CapacityResult {
  readonly oneMachine: PolicyCapacity
}
