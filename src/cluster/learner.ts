/** Cold: one a balancer. What is known of requests and backends, from what they showed and what they said. */
import type { BackendId } from "../core/backend.ts"
import type { Millis } from "../core/clock.ts"
import type { Knowledge, Mix, RouteKnowledge } from "../core/knowledge.ts"
import type { LoadReport } from "../core/load-report.ts"
import { type NamedAmounts, type ResourceTable, type ResourceVector, vectorOf } from "../core/resources.ts"
import type { ObservationBatch } from "./observer.ts"
import { routeCount, type RouteList, routeName } from "./routes.ts"
import type { Member, Snapshot } from "./snapshot.ts"

/** What works out which part of a route's requests goes where (policies/mix-planner.ts). */
export interface Planner {
  plan(
    members: readonly { readonly id: BackendId; readonly capacity: Readonly<ResourceVector> }[],
    routes: readonly RouteKnowledge[],
  ): Mix | undefined
}

export interface LearnerOptions {
  readonly resources: ResourceTable
  /** What a request is believed to need before anything is known: `demand.default`. */
  readonly prior: Readonly<ResourceVector>
  readonly routes: () => RouteList
  readonly planner?: Planner | undefined
}

/** From what a route's mean demand is known, best first. */
export type DemandSource = "reported" | "utilization" | "service-time" | "prior"

/** What was learned, with how sure it is: for the API and the page. */
export interface LearnedView {
  readonly routes: readonly LearnedRoute[]
  readonly backends: readonly LearnedBackend[]
}

export interface LearnedRoute {
  readonly route: number
  readonly name: string
  readonly source: DemandSource
  /** Requests, costs or reports that it rests on. */
  readonly samples: number
  readonly rate: number
  readonly mean: NamedAmounts
  /** Of the mean. */
  readonly standardError: NamedAmounts
  /** Standard deviation of single requests over their mean; only where costs are reported. */
  readonly variation: NamedAmounts | undefined
  /** Demand by length of the body, where that explains it: amount at no bytes, and more for each byte. */
  readonly sizeHint: { readonly base: NamedAmounts; readonly perByte: NamedAmounts } | undefined
}

export interface LearnedBackend {
  readonly id: BackendId
  readonly registered: NamedAmounts
  readonly corrected: NamedAmounts
  readonly penalty: number
}

export class Learner {
  readonly #options: LearnerOptions
  #version = 0

  constructor(options: LearnerOptions) {
    this.#options = options
  }

  /** What a thread has seen, with the members that its slots meant. */
  ingest(_batch: ObservationBatch, _members: readonly Member[], _now: Millis): void {}

  /** What a backend said of itself other than on a response: with a renewal, or when it was asked. */
  report(_id: BackendId, _report: LoadReport, _now: Millis): void {}

  /** Everything that is known now. Call it about once a second. */
  learn(snapshot: Snapshot, _now: Millis): Knowledge {
    const { resources, routes, prior, planner } = this.#options
    const list = routes()
    const known: RouteKnowledge[] = []
    for (let route = 0; route < routeCount(list); route++) {
      known.push({ name: routeName(list, route), mean: prior, rate: 0, isLearned: false })
    }
    const members = snapshot.eligible.map((member) => ({
      id: member.id,
      capacity: capacityOf(resources, member),
    }))
    return {
      version: ++this.#version,
      routes: known,
      capacities: new Map(),
      penalties: new Map(),
      mix: planner?.plan(members, known),
    }
  }

  view(_now: Millis): LearnedView {
    return { routes: [], backends: [] }
  }
}

function capacityOf(resources: ResourceTable, member: Member): ResourceVector {
  const found = vectorOf(resources, member.capacity, 0)
  return found.ok ? found.value : new Float64Array(resources.length)
}
