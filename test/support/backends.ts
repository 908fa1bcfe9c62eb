// Backends and requests for tests, said in a line. Nothing here has sockets, time or chance.
import { parseBackendId, type Backend, type BackendId, type BackendLoad } from "../../src/core/backend.ts"
import type { LoadReport } from "../../src/core/load-report.ts"
import type { ResourceKind, ResourceTable, ResourceVector } from "../../src/core/resources.ts"
import { resolutionDefault } from "../../src/core/resources.ts"
import type { Outcome, PickRequest } from "../../src/policies/policy.ts"

/** A load that a test sets by hand. */
export class FakeLoad implements BackendLoad {
  inFlight = 0
  readonly #reserved: ResourceVector

  constructor(resources: number) {
    this.#reserved = new Float64Array(resources)
  }

  reserved(resource: number): number {
    return this.#reserved[resource]!
  }

  /** One more attempt, which holds this demand. */
  hold(demand: Readonly<ResourceVector>): void {
    this.inFlight++
    for (const [resource, amount] of demand.entries()) this.#reserved[resource]! += amount
  }
}

export interface FakeBackend extends Backend {
  readonly load: FakeLoad
}

/** What a test cares about in a backend; the rest is 10 of two resources, weight 1 and nothing to do. */
export interface Traits {
  readonly id?: string
  readonly capacity?: readonly number[]
  readonly reserved?: readonly number[]
  readonly inFlight?: number
  readonly weight?: number
  readonly zone?: string
  readonly tier?: number
  readonly eligibleSince?: number
  readonly address?: string
}

export function backend(traits: Traits = {}): FakeBackend {
  const capacity = Float64Array.from(traits.capacity ?? [10, 10])
  const load = new FakeLoad(capacity.length)
  if (traits.reserved !== undefined) load.hold(Float64Array.from(traits.reserved))
  load.inFlight = traits.inFlight ?? 0
  const { id = "a", weight = 1, zone, tier = 0, eligibleSince = -Infinity } = traits
  const address = traits.address ?? `${id}.example:80`
  return { id: backendId(id), capacity, weight, zone, tier, eligibleSince, address, load }
}

/** One backend for each, named a, b, c, … in order. */
export function fleet(...traits: readonly Traits[]): FakeBackend[] {
  return traits.map((one, index) => backend({ id: letter(index), ...one }))
}

/** Backends that are told apart by their attempts in flight: `backends(1, 9)` is an idle one and a busy one. */
export function backends(...inFlight: readonly number[]): FakeBackend[] {
  return fleet(...inFlight.map((count) => ({ inFlight: count })))
}

/** Idle backends with these capacities, one amount a resource. */
export function ofCapacity(...capacities: readonly (readonly number[])[]): FakeBackend[] {
  return fleet(...capacities.map((capacity) => ({ capacity })))
}

/** Idle backends with these weights. */
export function ofWeight(...weights: readonly number[]): FakeBackend[] {
  return fleet(...weights.map((weight) => ({ weight })))
}

/** A request with this demand, 1 of two resources unless told, that admits every backend unless told. */
export function request(
  demand: readonly number[] = [1, 1],
  admits: (backend: Backend) => boolean = () => true,
  affinityHash?: number,
  more: Partial<PickRequest> = {},
): PickRequest {
  return {
    now: 0,
    demand: Float64Array.from(demand),
    route: 0,
    affinityHash,
    clientAddress: undefined,
    boundTo: undefined,
    admits,
    ...more,
  }
}

/** How an attempt went: a success with status 200 that took 10 ms unless told. */
export function outcome(more: Partial<Outcome> = {}): Outcome {
  return {
    result: "success",
    status: 200,
    firstByteMs: 10,
    totalMs: 10,
    retryAfterMs: NaN,
    route: 0,
    isExact: true,
    ...more,
  }
}

/** What a backend says of itself; nothing of what is not named. Utilization is one amount a resource. */
export function report(
  more: Partial<Omit<LoadReport, "utilization">> & { readonly utilization?: readonly number[] } = {},
): LoadReport {
  const { utilization = [NaN, NaN], ...others } = more
  return {
    requestCost: Float64Array.of(NaN, NaN),
    cpuUtilization: NaN,
    memUtilization: NaN,
    applicationUtilization: NaN,
    rpsFractional: NaN,
    eps: NaN,
    namedMetrics: new Map(),
    ...others,
    utilization: Float64Array.from(utilization),
  }
}

/** A table of resources named r0, r1, … of these kinds. */
export function resourcesOf(...kinds: readonly ResourceKind[]): ResourceTable {
  return kinds.map((kind, index) => ({ name: `r${index}`, kind, resolution: resolutionDefault }))
}

function backendId(text: string): BackendId {
  const id = parseBackendId(text)
  if (id === undefined) throw new Error(`not a backend id: ${text}`)
  return id
}

/** a to z, then a1, b1, …: short in failure messages. */
function letter(index: number): string {
  const round = Math.floor(index / 26)
  return String.fromCharCode(97 + (index % 26)) + (round === 0 ? "" : String(round))
}
