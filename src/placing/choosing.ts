/** Hot path: what is known of a request while a backend is chosen for it. Benchmark: bench/choose.ts. */
import { type Backend, type BackendId, hasRoomFor } from "../core/backend.ts"
import type { Millis } from "../core/clock.ts"
import type { ResourceTable, ResourceVector } from "../core/resources.ts"
import type { PickRequest } from "../policies/policy.ts"
import type { PlacedBackend } from "./attempts.ts"

/** How long a backend that refused a connection is passed over while another will do. */
export const avoidMs = 1_000

/** One for all requests of a thread: it is used up within one call of `Attempts.place`. */
export abstract class Choosing<B extends PlacedBackend> implements PickRequest {
  now: Millis = 0
  demand: Readonly<ResourceVector>
  route = 0
  affinityHash: number | undefined = undefined
  clientAddress: Uint8Array | undefined = undefined
  boundTo: BackendId | undefined = undefined
  /** The backend that the request goes to if it is admitted there, whatever the policy is. */
  preferred: B | undefined = undefined
  /** Some resource is a space, for which requests may have to wait. */
  readonly hasSpace: boolean
  readonly #resources: ResourceTable
  /** Backends that had no room when it came to reserving. */
  readonly #full: Backend[] = []
  #avoids = true
  #hasAvoided = false

  constructor(resources: ResourceTable, demand: Readonly<ResourceVector>) {
    this.#resources = resources
    this.hasSpace = resources.some(({ kind }) => kind === "space")
    this.demand = demand
  }

  /** Whether the request has been tried there. */
  abstract hasTried(backend: B): boolean

  /** Whether one more request can be sent there, whatever it needs. */
  abstract isOpen(backend: B): boolean

  admits(backend: Backend): boolean {
    if (this.hasTried(backend as B)) return false
    if (!this.isOpen(backend as B)) return false
    if (this.#full.length > 0 && this.#full.includes(backend)) return false
    if (this.hasSpace && !hasRoomFor(backend, this.demand, this.#resources)) return false
    if (!this.#avoids || (backend as B).avoidUntil <= this.now) return true
    this.#hasAvoided = true
    return false
  }

  /** Whether a backend of this choosing was refused for nothing but a refused connection of late. */
  get hasAvoided(): boolean {
    return this.#hasAvoided
  }

  /** Starts a choosing: nobody is known to be full, and `avoids` says whether refusals of late count. */
  begin(avoids: boolean): void {
    this.#avoids = avoids
    this.#hasAvoided = false
    if (this.#full.length > 0) this.#full.length = 0
  }

  /** False when it was known already: then whoever chose it does not listen to `admits`. */
  markFull(backend: Backend): boolean {
    if (this.#full.includes(backend)) return false
    this.#full.push(backend)
    return true
  }
}
