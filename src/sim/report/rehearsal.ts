import type { Millis } from "../../core/clock.ts"
import type { Scenario } from "../scenario/scenario.ts"
import type { FleetCapacity, FluidBounds, RunResult } from "./results.ts"

/** Policies side by side on one scenario: what a report shows and `results.json` holds. Plain data. */
export interface Rehearsal {
  readonly scenario: Scenario
  readonly bounds: FluidBounds
  /** What p99 is measured against: that of requests that are alone. */
  readonly unloadedP99: Millis
  readonly balancers: number
  readonly seed: number
  /** Names in the order in which they were asked for; those of which there are results. */
  readonly policies: readonly RehearsedPolicy[]
  readonly runs: readonly RunResult[]
  /** Where it was looked for: the largest load within the objective. */
  readonly capacity: FleetCapacity | undefined
}

/** Where a rehearsal comes from: what a report says so that it can be repeated. */
export interface Provenance {
  /** Figures are the same again only with the same. */
  readonly versions: { readonly linebacker: string; readonly node: string }
  /** The command line that yields it again. */
  readonly command: string
  /** Policies that could not take part, and why. */
  readonly excluded: readonly { readonly policy: string; readonly reason: string }[]
}

/** One policy of a rehearsal, and what it reached. */
export interface RehearsedPolicy {
  readonly name: string
  readonly summary: string
  /** Whether its choice depends on what a request needs: those without pass no class-blind ceiling. */
  readonly seesDemand: boolean
  /** Which style its lines have. */
  readonly style: number
}
