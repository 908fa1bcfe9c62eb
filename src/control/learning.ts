/**
 * Learning, as the control plane runs it: what the threads have seen goes in, and once per second what is known goes
 * out to them. Cold.
 */
import { Learner, type LearnedView, type Planner } from "../learning/learner.ts"
import { RouteBook, type RouteRule, type UnknownRoute } from "../routing/routes.ts"
import type { Member, Snapshot } from "../membership/snapshot.ts"
import type { BackendId } from "../core/backend.ts"
import type { Millis } from "../core/clock.ts"
import type { LoadReport } from "../core/load-report.ts"
import type { ResourceTable, ResourceVector } from "../core/resources.ts"
import type { Observed } from "../proxy/data-plane.ts"
import type { Learned } from "../proxy/threads/messages.ts"

/** How often what is known is renewed. */
export const learnMs = 1_000

export interface LearningOptions {
  readonly resources: ResourceTable
  /** What a request is believed to need before anything is known. */
  readonly prior: Readonly<ResourceVector>
  readonly rules: readonly RouteRule[]
  /** Routes that are learned beside the rules. */
  readonly routesMax: number
  readonly planner?: Planner | undefined
}

export class Learning {
  readonly #book: RouteBook
  readonly #learner: Learner
  /** Templates of no route, from all threads, since the last second. */
  #unknown: UnknownRoute[] = []
  #learned: Learned
  #view: LearnedView | undefined

  constructor({ resources, prior, rules, routesMax, planner }: LearningOptions, snapshot: Snapshot) {
    this.#book = new RouteBook(rules, routesMax)
    this.#learner = new Learner({ resources, prior, planner, routes: () => this.#book.list })
    this.#learned = this.#gathered(snapshot, 0)
  }

  /** What is known, and which routes there are. */
  get learned(): Learned {
    return this.#learned
  }

  /** What a thread has seen, with the members that the slots in it mean. */
  observed({ batch, unknown }: Observed, members: readonly Member[], now: Millis): void {
    this.#unknown.push(...unknown)
    if (batch !== undefined) this.#learner.ingest(batch, members, now)
  }

  /** A backend said of itself how it is, other than on a response. */
  reported(id: BackendId, report: LoadReport, now: Millis): void {
    this.#learner.report(id, report, now)
  }

  /** To be called each `learnMs`. */
  learn(snapshot: Snapshot, now: Millis): Learned {
    this.#book.adopt(this.#unknown)
    this.#unknown = []
    this.#learned = this.#gathered(snapshot, now)
    return this.#learned
  }

  /**
   * For the API and the page: what was known at the last `learn`, and how well. Worked out when it is asked for first.
   */
  view(now: Millis): LearnedView {
    this.#view ??= this.#learner.view(now)
    return this.#view
  }

  #gathered(snapshot: Snapshot, now: Millis): Learned {
    this.#view = undefined
    return { knowledge: this.#learner.learn(snapshot, now), routes: this.#book.list }
  }
}
