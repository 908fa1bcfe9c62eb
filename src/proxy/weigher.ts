/** Hot path: what one request needs. One per thread. Benchmark: bench/exchange.ts. */
import { fields } from "../core/http/fields.ts"
import type { MessageHead } from "../core/http/message-head.ts"
import type { RequestOrigin } from "../core/http/streams.ts"
import { parseDeclaredDemand, type SimulatedDemand } from "../learning/demand.ts"
import { demandOfSize } from "../learning/size-hint.ts"
import type { LoadTable } from "../placing/load-table.ts"
import type { ResourceTable } from "../core/resources.ts"
import type { DemandTrust } from "./demand-trust.ts"
import type { Demand } from "../placing/demand.ts"
import type { Placer } from "../placing/placer.ts"
import type { BackendPool } from "./backends/backend-pool.ts"
import type { Route } from "./route-table.ts"

export interface WeigherParts {
  readonly resources: ResourceTable
  readonly placer: Placer<BackendPool>
  readonly table: LoadTable
  readonly demandTrust: DemandTrust
  /** In simulation, where the demand of requests is drawn. */
  readonly simulated: SimulatedDemand | undefined
  /** In simulation, for each resource the start of the field line that tells the backend: `Compute: `. */
  readonly demandLines: readonly string[]
}

export class Weigher {
  /** The field lines that tell the backend the demand of the request that was weighed last; "" outside of simulation. */
  lines = ""
  readonly #parts: WeigherParts

  constructor(parts: WeigherParts) {
    this.#parts = parts
  }

  /** What a request on this route needs: what it declares, within what its client may declare, else what is usual. */
  weigh(head: MessageHead, hasBody: boolean, route: Route, origin: RequestOrigin): Demand {
    if (this.#parts.simulated !== undefined) return this.#draw(this.#parts.simulated)
    const field = head.find(fields["linebacker-demand"])
    if (field === -1) return this.#usual(head, hasBody, route)
    return this.#declared(head, field, route, origin) ?? this.#usual(head, hasBody, route)
  }

  #draw(simulated: SimulatedDemand): Demand {
    const { demandLines, placer, resources, table } = this.#parts
    const drawn = new Float64Array(resources.length)
    simulated.write(table.nextDraw(), drawn)
    this.lines = ""
    for (let r = 0; r < drawn.length; r++) this.lines += `${demandLines[r]}${drawn[r]}\r\n`
    return placer.demandOf(drawn)
  }

  /** Undefined where what the field says cannot be used. */
  #declared(head: MessageHead, field: number, route: Route, origin: RequestOrigin): Demand | undefined {
    const { demandTrust, placer, resources } = this.#parts
    const { bounds, demand } = route
    const declared = Float64Array.from(demand.vector)
    if (!parseDeclaredDemand(head.list(field), resources, declared)) return undefined
    if (bounds !== undefined && !demandTrust.trusts(origin.clientOf(head))) {
      for (let r = 0; r < declared.length; r++) {
        declared[r] = Math.min(Math.max(declared[r]!, bounds.least[r]!), bounds.most[r]!)
      }
    }
    return placer.demandOf(declared)
  }

  /** The route's demand, or what one of this length needs where that tells; no body is one of no length. */
  #usual(head: MessageHead, hasBody: boolean, { bySize, demand, group }: Route): Demand {
    const bytes = hasBody ? head.contentLength : 0
    if (bySize === undefined || bytes < 0) return demand
    const vector = new Float64Array(demand.vector.length)
    demandOfSize(demand.vector, bySize, bytes, vector)
    // As with the mean, what is only believed must not keep a request from all backends.
    for (let r = 0; r < vector.length; r++) vector[r] = Math.min(vector[r]!, group.roomMost[r]!)
    return this.#parts.placer.demandOf(vector)
  }
}
