/**
 * Hot path: what a thread knows of each route, by its number: which backends serve it, what its requests need, what
 * they stick to. All of it is worked out when something has been learned or configured; a request costs one lookup.
 */
import type { RouteFinder, RouteList } from "../routing/routes.ts"
import { type Knowledge, nothingKnown, type RouteKnowledge, type SizeHint } from "../core/knowledge.ts"
import type { ResourceVector } from "../core/resources.ts"
import type { MessageHead } from "../core/http/message-head.ts"
import { believedDemand, type Demand } from "../placing/demand.ts"
import type { Group } from "../placing/group.ts"
import type { BackendPool } from "./backends/backend-pool.ts"
import type { Fleet } from "./fleet.ts"
import type { AffinityOptions } from "../config/config.ts"
import type { RouteOptions, RoutingOptions } from "./options.ts"

/** How many times less or more than what was measured a client may declare. */
const clampFactor = 8

/** By resource, never NaN, and `least` is never more than `most`. */
export interface DemandBounds {
  readonly least: Readonly<ResourceVector>
  readonly most: Readonly<ResourceVector>
}

/** One route, as requests on it are treated. Replaced, never changed. */
export interface Route {
  /** In `Knowledge.routes`; 0 is the rest. */
  readonly number: number
  readonly group: Group<BackendPool>
  /** Of a request that declares nothing: what its rule says, else what has been learned, else the default. */
  readonly demand: Demand
  /** How the length of a body tells its demand, where it does and no rule says what requests need. */
  readonly bySize: SizeHint | undefined
  /** What a client that is not trusted may declare, by resource; undefined: the route trusts all clients. */
  readonly bounds: DemandBounds | undefined
  /** Undefined: requests stick to nothing. */
  readonly affinity: AffinityOptions | undefined
}

export class RouteTable {
  readonly #fleet: Fleet
  readonly #finder: RouteFinder
  readonly #demandDefault: Readonly<ResourceVector>
  readonly #hostDefault: Uint8Array | undefined
  #routing: RoutingOptions
  #knowledge: Knowledge = nothingKnown
  #routes: readonly Route[] = []
  #listVersion = -1

  constructor(
    fleet: Fleet,
    finder: RouteFinder,
    demandDefault: Readonly<ResourceVector>,
    routing: RoutingOptions,
    hostDefault: Uint8Array | undefined,
  ) {
    this.#fleet = fleet
    this.#finder = finder
    this.#demandDefault = demandDefault
    this.#routing = routing
    this.#hostDefault = hostDefault
    this.#renew()
  }

  /** Hot: the route of a request. One that is known by name and not yet by its numbers counts as the rest. */
  of(head: MessageHead): Route {
    const { bytes, offsets, hostField } = head
    let hostStart = head.authorityStart
    let hostEnd = head.authorityEnd
    if (hostStart === hostEnd && hostField !== -1) {
      hostStart = offsets[hostField * 4 + 2]!
      hostEnd = offsets[hostField * 4 + 3]!
    }
    let hostBytes: Uint8Array = bytes
    if (hostStart === hostEnd && this.#hostDefault !== undefined) {
      hostBytes = this.#hostDefault
      hostStart = 0
      hostEnd = hostBytes.length
    }
    const { method, pathStart, pathEnd } = head
    return this.at(this.#finder.find(method, bytes, pathStart, pathEnd, hostStart, hostEnd, hostBytes))
  }

  /** Hot: the route of this number as it is treated now. */
  at(number: number): Route {
    return this.#routes[number] ?? this.#routes[0]!
  }

  /** Cold: other members, in the groups of the fleet already. */
  refit(): void {
    this.#renew()
  }

  /** Cold: other groups or rules. The groups of the fleet have been renewed before. */
  reroute(routing: RoutingOptions): void {
    this.#routing = routing
    this.#renew()
  }

  /** Cold: what has been learned, and which routes there are. */
  learn(knowledge: Knowledge, list: RouteList): void {
    this.#knowledge = knowledge
    // Lists are new far less often than knowledge, and a replaced finder has to see every target anew.
    if (list.version !== this.#listVersion) this.#finder.replace(list)
    this.#listVersion = list.version
    this.#renew()
  }

  #renew(): void {
    const { routes, affinity } = this.#routing
    const count = Math.max(1, routes.length + 1, this.#knowledge.routes.length)
    this.#routes = Array.from({ length: count }, (_, number) =>
      this.#make(number, number === 0 ? undefined : routes[number - 1], affinity),
    )
  }

  #make(number: number, rule: RouteOptions | undefined, affinityDefault: AffinityOptions): Route {
    const known = this.#knowledge.routes[number] ?? this.#knowledge.routes[0]
    const { placer } = this.#fleet
    const group = placer.groups[rule?.group ?? 0]!
    const demand = believedDemand(known, this.#demandDefault, group.roomMost).map((believed, r) => {
      const ruled = rule?.demand?.[r] ?? NaN
      return Number.isNaN(ruled) ? believed : ruled
    })
    const affinity = rule?.affinity ?? affinityDefault
    return {
      number,
      group,
      demand: placer.demandOf(demand),
      bySize: rule?.demand === undefined ? known?.bySize : undefined,
      bounds: rule?.isTrusted === true ? undefined : this.#boundsOf(demand, known),
      affinity: affinity.kind === "none" ? undefined : affinity,
    }
  }

  /**
   * Of a resource that backends have measured, an eighth to eight times what the route was seen to need; where it was
   * seen to need none, up to eight times what all requests need, or the default while that is none either. Of any other
   * resource no more than what is believed: nothing says in which unit a client counts, and one that names a large
   * number must not push all others off a backend. What a request does not name always stays as it is.
   */
  #boundsOf(usual: Readonly<ResourceVector>, known: RouteKnowledge | undefined): DemandBounds {
    const least = Float64Array.from(usual, (amount) => amount / clampFactor)
    const most = Float64Array.from(usual)
    for (let r = 0; r < usual.length; r++) {
      if (known === undefined || !(known.isMeasured?.[r] ?? known.isLearned)) continue
      const mean = known.mean[r]!
      const seen = mean > 0 ? mean : this.#knowledge.routes[0]!.mean[r]!
      least[r] = Math.min(usual[r]!, mean / clampFactor)
      most[r] = Math.max(usual[r]!, seen > 0 ? seen * clampFactor : this.#demandDefault[r]!)
    }
    return { least, most }
  }
}
