/** Hot path: what is known of a request while a backend is chosen for it. Benchmark: bench/choose.ts. */
import { type Backend, type BackendId, hasRoomFor } from "../core/backend.ts"
import type { Millis } from "../core/clock.ts"
import type { ResourceTable, ResourceVector } from "../core/resources.ts"
import type { PickRequest } from "../policies/policy.ts"
import type { PlacedBackend, Site } from "./placed-backend.ts"
import type { Placement } from "./placement.ts"

/** One per placer: it is used up within one call of `Placer.place`. */
export class Choosing<S extends Site> implements PickRequest {
  now: Millis = 0
  route = 0
  demand: Readonly<ResourceVector>

  // ── what the request sticks to; written by its owner ──
  affinityHash: number | undefined = undefined
  clientAddress: Uint8Array | undefined = undefined
  boundTo: BackendId | undefined = undefined
  /** The backend that the request goes to if it is admitted there, whatever the policy is. */
  preferred: PlacedBackend<S> | undefined = undefined

  /** Some resource is a space, for which requests may have to wait. */
  readonly hasSpace: boolean
  readonly #resources: ResourceTable
  #placement: Placement<S> | undefined
  /** Backends that had no room when it came to reserving. */
  readonly #full: Backend[] = []
  #avoids = true
  #hasAvoided = false

  constructor(resources: ResourceTable) {
    this.#resources = resources
    this.hasSpace = resources.some(({ kind }) => kind === "space")
    this.demand = new Float64Array(resources.length)
  }

  /** The request that is to be placed now. */
  begin(placement: Placement<S>, now: Millis): void {
    this.now = now
    this.route = placement.route
    this.demand = placement.demand.vector
    this.#placement = placement
    placement.owner.stick(this)
  }

  admits(backend: Backend): boolean {
    const placed = backend as PlacedBackend<S>
    if (this.#placement!.hasTried(placed) || !placed.site.hasRoom) return false
    if (this.#full.length > 0 && this.#full.includes(backend)) return false
    if (this.hasSpace && !hasRoomFor(backend, this.demand, this.#resources)) return false
    if (!this.#avoids || placed.avoidUntil <= this.now) return true
    this.#hasAvoided = true
    return false
  }

  /** Whether a backend was refused for nothing but a refused connection of late, since `look`. */
  get hasAvoided(): boolean {
    return this.#hasAvoided
  }

  /** Starts to look: no backend is known to be full, and `avoids` says whether refused connections of late count. */
  look(avoids: boolean): void {
    this.#avoids = avoids
    this.#hasAvoided = false
    if (this.#full.length > 0) this.#full.length = 0
  }

  /** False when it was known already: then the policy that chose it does not listen to `admits`. */
  markFull(backend: Backend): boolean {
    if (this.#full.includes(backend)) return false
    this.#full.push(backend)
    return true
  }
}
