// Hot path. Benchmark: bench/choose.ts.
import type { Backend } from "../../core/backend.ts"
import type { Millis } from "../../core/clock.ts"
import type { LoadReport } from "../../core/load-report.ts"
import type { LoadMetric, Outcome, PickRequest, Policy } from "../policy.ts"

/**
 * A load metric that remembers how attempts went. What it remembers is its thread's own, kept by id through
 * changes of membership; what is in flight it reads from the backend, over all threads.
 */
export interface LearnedLoad {
  /** Hot. Of a backend that is a member. */
  readonly metric: LoadMetric
  /** Cold. */
  rebuild(members: readonly Backend[]): void
  onBegun?(backend: Backend, request: PickRequest): void
  onSettled(backend: Backend, outcome: Outcome, now: Millis): void
  onReport?(backend: Backend, report: LoadReport): void
}

/** Any chooser by a learned load: tells the load what it must know. `chooser` has been given its metric. */
export class ByLearnedLoad implements Policy {
  readonly name: string
  readonly #chooser: Policy
  readonly #load: LearnedLoad
  readonly onBegun?: (backend: Backend, request: PickRequest) => void
  readonly onReport?: (backend: Backend, report: LoadReport) => void

  constructor(chooser: Policy, load: LearnedLoad) {
    this.name = chooser.name
    this.#chooser = chooser
    this.#load = load
    // Only where the load listens, so that nothing is measured in vain for the others.
    if (load.onBegun !== undefined) this.onBegun = (backend, request) => load.onBegun!(backend, request)
    if (load.onReport !== undefined) this.onReport = (backend, report) => load.onReport!(backend, report)
  }

  rebuild(members: readonly Backend[]): void {
    this.#load.rebuild(members)
    this.#chooser.rebuild(members)
  }

  pick(request: PickRequest): Backend | undefined {
    return this.#chooser.pick(request)
  }

  onSettled(backend: Backend, outcome: Outcome, now: Millis): void {
    this.#load.onSettled(backend, outcome, now)
  }
}
