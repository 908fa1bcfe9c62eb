/**
 * One balancer before the simulated fleet: the placer of production with one group of all backends. It knows what it has
 * sent itself, and nothing that others have.
 *
 * What only the product has of placing: connections and descriptors that run out; clients that leave, so that an attempt
 * is `ignored`; tunnels; Retry-After; cookies and credentials that bind a client to a backend; rules and bodies that say
 * what a request needs; a coarse clock. What only the simulator has: policies that ask backends (`Prober`), and reports
 * that policies hear of without a response. All else is the placer's, and test/relay/one-placing.test.ts compares it.
 */
import type { BackendId } from "../../core/backend.ts"
import type { Millis } from "../../core/clock.ts"
import type { Knowledge } from "../../core/knowledge.ts"
import type { ResourceTable, ResourceVector } from "../../core/resources.ts"
import type { Member, Snapshot } from "../../membership/snapshot.ts"
import { believedDemand, type Demand } from "../../placing/demand.ts"
import type { Group } from "../../placing/group.ts"
import { LoadTable } from "../../placing/load-table.ts"
import type { Placed, Site, Sites } from "../../placing/placed-backend.ts"
import type { PlacingLimits } from "../../placing/limits.ts"
import { type AttemptObserver, Placer } from "../../placing/placer.ts"
import type { Policy } from "../../policies/policy.ts"

/**
 * What hangs on a backend here: one process of a simulated backend. A restart makes another one of it, as it makes another
 * pool in the product. Connections are not simulated: there is room for any number, and none to close.
 */
export class SimulatedProcess implements Site {
  /** Number of its backend in the fleet. */
  readonly index: number
  readonly hasRoom = true

  constructor(index: number) {
    this.index = index
  }

  closeIdle(): void {}
  retire(): void {}
}

export interface SimulatedBalancerOptions {
  readonly resources: ResourceTable
  readonly slots: number
  readonly policy: Policy
  /** A member's number in the fleet by its id. */
  readonly indexOf: ReadonlyMap<BackendId, number>
  /** What is taken for the demand of requests while nothing is known. */
  readonly prior: Readonly<ResourceVector>
  /** Numbers of routes, from 0 on. */
  readonly routes: number
  readonly limits: PlacingLimits
  /** How long a request may wait for room. */
  readonly queueMs: Millis
  readonly observer: AttemptObserver | undefined
}

export class SimulatedBalancer implements Sites<SimulatedProcess> {
  readonly table: LoadTable
  readonly placer: Placer<SimulatedProcess>
  readonly group: Group<SimulatedProcess>
  readonly #options: SimulatedBalancerOptions
  /** By route. Replaced, never changed: attempts hold on to them. */
  #demands: readonly Demand[] = []

  constructor(options: SimulatedBalancerOptions) {
    const { limits, observer, policy, queueMs, resources, slots } = options
    this.#options = options
    this.table = LoadTable.create(resources, slots, 1)
    this.placer = new Placer({
      resources,
      table: this.table,
      worker: 0,
      sites: this,
      observer,
      limits,
      waitsUntil: (now) => now + queueMs,
      // A run begins with its members: there is no start to bridge.
      firstUntil: -Infinity,
      // The engine serves the queue when it has recorded the request that has ended.
      onSettled: () => {},
    })
    // Virtual time is exact and costs nothing.
    this.group = this.placer.makeGroup("", { match: undefined, policy, isExact: true })
    this.placer.regroup([this.group])
    this.#renewDemands()
  }

  /** Cold: takes a new membership. */
  apply(snapshot: Snapshot, now: Millis): void {
    this.placer.apply(snapshot, now)
    this.#renewDemands()
  }

  /** Cold: takes what was learned. */
  learn(knowledge: Knowledge): void {
    this.placer.learn(knowledge)
    this.#renewDemands()
  }

  /** What a request of this route is taken to need. No rule says it here, and no request has a body whose length tells. */
  demandOf(route: number): Demand {
    return this.#demands[route]!
  }

  siteOf(member: Member, before: Placed<SimulatedProcess> | undefined): SimulatedProcess {
    return before?.member.generation === member.generation
      ? before.backend.site
      : new SimulatedProcess(this.#options.indexOf.get(member.id)!)
  }

  makeRoom(): boolean {
    return false
  }

  #renewDemands(): void {
    const { prior, routes } = this.#options
    const known = this.placer.knowledge.routes
    this.#demands = Array.from({ length: routes }, (_, route) =>
      this.placer.demandOf(believedDemand(known[route] ?? known[0], prior, this.group.roomMost)),
    )
  }
}
