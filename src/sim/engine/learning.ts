/**
 * What the simulated balancers know of requests and backends: learned by the observer and the learner of production,
 * one of each a balancer, or known from the start.
 */
import { Learner } from "../../learning/learner.ts"
import { Observer } from "../../learning/observer.ts"
import type { RouteList } from "../../routing/routes.ts"
import type { Snapshot } from "../../membership/snapshot.ts"
import type { BackendId } from "../../core/backend.ts"
import type { Millis } from "../../core/clock.ts"
import { type Knowledge, type Mix, nothingKnown, type RouteKnowledge } from "../../core/knowledge.ts"
import type { LoadReport } from "../../core/load-report.ts"
import type { ResourceTable, ResourceVector } from "../../core/resources.ts"
import { MixPlanner } from "../../learning/planner/mix-planner.ts"
import { aloneMsOn, backendsOf } from "./fleet.ts"
import { meanOf } from "../scenario/mean-of.ts"
import type { Scenario } from "../scenario/scenario.ts"

/** What a request is believed to need of each resource before anything is known. */
const priorAmount = 1

export function priorOf(resources: ResourceTable): ResourceVector {
  return new Float64Array(resources.length).fill(priorAmount)
}

/** What one balancer learns. */
export class BalancerLearning {
  /** Hot: told of every attempt. */
  readonly observer: Observer
  readonly #learner: Learner
  readonly #planner: LazyPlanner

  constructor({ classes, resources }: Scenario, slots: number) {
    // Every class is a rule of its own: route 0 is the rest, of which there is none.
    const rules = classes.map(({ name }) => ({ name, method: undefined, host: undefined, path: `/${name}` }))
    const routes: RouteList = { version: 1, rules, learned: [] }
    this.observer = new Observer(resources, slots)
    this.#planner = new LazyPlanner(resources)
    this.#learner = new Learner({ resources, prior: priorOf(resources), routes: () => routes })
  }

  /** Cold: takes what was observed to the learner. Before `snapshot` is replaced: the rows are those of its members. */
  flush(snapshot: Snapshot, now: Millis): void {
    const batch = this.observer.take(now)
    if (batch !== undefined) this.#learner.ingest(batch, snapshot.members, now)
  }

  /** Cold: a backend has said how busy it is. */
  report(id: BackendId, report: LoadReport, now: Millis): void {
    this.#learner.report(id, report, now)
  }

  /** Cold: all that is known now. */
  learn(snapshot: Snapshot, now: Millis): Knowledge {
    this.flush(snapshot, now)
    return this.#planner.around(this.#learner.learn(snapshot, now), snapshot)
  }
}

/**
 * The truth about the classes, as if it had been learned: means, rates and how long they hold their space, all as they
 * would be were each request alone. Nothing of backends.
 */
export class Known {
  readonly #planners: readonly LazyPlanner[]
  readonly #routes: readonly RouteKnowledge[]
  #version = 0

  /** @param rate requests per second of one balancer. */
  constructor(scenario: Scenario, rate: number, balancers: number) {
    this.#planners = Array.from({ length: balancers }, () => new LazyPlanner(scenario.resources))
    this.#routes = knownRoutes(scenario, rate / balancers)
  }

  /** What balancer `index` knows with these members. */
  with(snapshot: Snapshot, index: number): Knowledge {
    const knowledge = { ...nothingKnown, version: ++this.#version, routes: this.#routes }
    return this.#planners[index]!.around(knowledge, snapshot)
  }
}

/** Plans the mix when a policy asks for it: that costs more than all the rest of a run whose policy does not use it. */
class LazyPlanner {
  readonly #resources: ResourceTable
  readonly #planner: MixPlanner

  constructor(resources: ResourceTable) {
    this.#resources = resources
    this.#planner = new MixPlanner(resources)
  }

  around(knowledge: Knowledge, { eligible }: Snapshot): Knowledge {
    const planner = this.#planner
    const resources = this.#resources
    let isPlanned = false
    let planned: Mix | undefined
    return {
      ...knowledge,
      get mix(): Mix | undefined {
        if (isPlanned) return planned
        isPlanned = true
        const members = eligible.map((member) => ({
          id: member.id,
          capacity:
            knowledge.capacities.get(member.id) ??
            Float64Array.from(resources, ({ name }) => member.capacity[name] ?? 0),
          penalty: knowledge.penalties.get(member.id),
        }))
        planned = planner.plan(members, knowledge.routes)
        return planned
      },
    }
  }
}

interface Means {
  readonly share: number
  readonly demand: ResourceVector
  readonly holdMs: Millis
}

/** Route 0 and one per class. */
function knownRoutes(scenario: Scenario, rate: number): RouteKnowledge[] {
  const { classes, resources } = scenario
  const backends = backendsOf(scenario)
  const means = classes.map((_, index) => meansOf(scenario, index))
  const overall = new Float64Array(resources.length)
  for (const { demand, share } of means)
    for (let r = 0; r < overall.length; r++) overall[r]! += share * demand[r]!
  return [
    { name: "", mean: overall, rate: 0, isLearned: true },
    ...means.map(({ demand, holdMs, share }, c): RouteKnowledge => {
      const aloneMs = Math.min(...backends.map((backend) => aloneMsOn(backend, demand, holdMs)))
      return {
        name: classes[c]!.name,
        mean: demand,
        rate: rate * share,
        isLearned: true,
        holdMs: aloneMs,
        answerMs: holdMs,
      }
    }),
  ]
}

/** Of one class: as it is described, or of its recorded requests where those are played. */
function meansOf({ arrivals, classes, resources }: Scenario, index: number): Means {
  if (arrivals.kind !== "trace") {
    const { demand, holdMs, share } = classes[index]!
    return {
      share,
      demand: Float64Array.from(resources, ({ name }) =>
        demand[name] === undefined ? 0 : meanOf(demand[name]),
      ),
      holdMs: holdMs === undefined ? 0 : meanOf(holdMs),
    }
  }
  const demand = new Float64Array(resources.length)
  let holdMs = 0
  let count = 0
  for (const request of arrivals.requests) {
    if (request.class !== index) continue
    count++
    holdMs += request.holdMs
    for (let r = 0; r < demand.length; r++) demand[r]! += request.demand[r]!
  }
  const of = Math.max(1, count)
  return {
    share: count / arrivals.requests.length,
    demand: demand.map((sum) => sum / of),
    holdMs: holdMs / of,
  }
}
