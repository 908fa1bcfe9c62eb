// Hot path.
import type { Backend, BackendId, BackendLoad } from "../../core/backend.ts"
import type { Millis } from "../../core/clock.ts"
import { nothingKnown, type Knowledge, type Mix } from "../../core/knowledge.ts"
import type { ResourceTable, ResourceVector } from "../../core/resources.ts"
import type { Told } from "./pass-on.ts"
import type { PickRequest, Policy, Prober } from "../policy.ts"

/**
 * A policy to which some members look smaller than they are, by a factor for each.
 *
 * The factor multiplies the weight, the capacity of every resource that is a rate, and the backend's part of the mix,
 * so policies that compare backlogs or sample from the mix obey it as those that take weights do. Capacity of space is
 * what it is. Members with factor 1 are passed on as they are, the others as views of them; what picks and
 * tells sees only the members themselves. Nothing is allocated per pick.
 */
export class Scaled {
  readonly #inner: Policy
  readonly #resources: ResourceTable
  readonly #asked = new ScaledRequest()
  /** The members as the policy inside sees them. */
  readonly #seen = new Map<BackendId, Backend>()
  /** Of those that look smaller. */
  readonly #factors = new Map<BackendId, number>()
  #knowledge: Knowledge = nothingKnown

  constructor(inner: Policy, resources: ResourceTable) {
    this.#inner = inner
    this.#resources = resources
  }

  /** Gives the policy outside the methods that the one inside has, which hears only of members. */
  passOn(outer: Told): void {
    const inner = this.#inner
    const seen = this.#seen
    if (inner.onBegun !== undefined) {
      outer.onBegun = ({ id }, request) => {
        const backend = seen.get(id)
        this.#asked.of = request
        if (backend !== undefined) inner.onBegun!(backend, this.#asked)
      }
    }
    if (inner.onSettled !== undefined) {
      outer.onSettled = ({ id }, outcome, now) => {
        const backend = seen.get(id)
        if (backend !== undefined) inner.onSettled!(backend, outcome, now)
      }
    }
    if (inner.onReport !== undefined) {
      outer.onReport = ({ id }, report, now) => {
        const backend = seen.get(id)
        if (backend !== undefined) inner.onReport!(backend, report, now)
      }
    }
  }

  /** Whether any member looks smaller. */
  get isActive(): boolean {
    return this.#factors.size > 0
  }

  /** Cold. @param factorOf in (0, 1]. */
  rebuild(members: readonly Backend[], factorOf: (member: Backend) => number): void {
    const wasActive = this.isActive
    this.#seen.clear()
    this.#factors.clear()
    for (const member of members) {
      const factor = factorOf(member)
      if (factor < 1) this.#factors.set(member.id, factor)
      this.#seen.set(member.id, factor < 1 ? new ScaledBackend(member, factor, this.#resources) : member)
    }
    this.#inner.rebuild(this.isActive ? [...this.#seen.values()] : members)
    if ((wasActive || this.isActive) && this.#knowledge.mix !== undefined) this.learn(this.#knowledge)
  }

  pick(request: PickRequest): Backend | undefined {
    if (this.#factors.size === 0) return this.#inner.pick(request)
    this.#asked.of = request
    const picked = this.#inner.pick(this.#asked)
    return picked instanceof ScaledBackend ? originalOf(picked) : picked
  }

  /** Cold. */
  learn(knowledge: Knowledge): void {
    this.#knowledge = knowledge
    const { mix } = knowledge
    const seen = mix === undefined || !this.isActive ? knowledge : { ...knowledge, mix: this.#scaledMix(mix) }
    this.#inner.learn?.(seen)
  }

  #scaledMix({ backends, shares }: Mix): Mix {
    const factors = backends.map((id) => this.#factors.get(id) ?? 1)
    const width = backends.length
    const scaled = shares.map((share, i) => share * factors[i % width]!)
    for (let row = 0; row < scaled.length; row += width) {
      const shares = scaled.subarray(row, row + width)
      const sum = shares.reduce((total, share) => total + share, 0)
      if (sum > 0) for (let i = 0; i < width; i++) shares[i]! /= sum
    }
    return { backends, shares: scaled }
  }
}

/** A prober for a policy inside: asks the backends that are there, not the views of them. */
export function unscaled(prober: Prober): Prober {
  return { probe: (backend, respond) => prober.probe(originalOf(backend), respond) }
}

/** What it is a view of, through views of views. */
function originalOf(backend: Backend): Backend {
  return backend instanceof ScaledBackend ? originalOf(backend.original) : backend
}

class ScaledBackend implements Backend {
  readonly id: BackendId
  readonly capacity: Readonly<ResourceVector>
  readonly weight: number
  readonly zone: string | undefined
  readonly tier: number
  readonly eligibleSince: Millis
  readonly address: string
  readonly load: BackendLoad
  readonly original: Backend

  constructor(original: Backend, factor: number, resources: ResourceTable) {
    this.id = original.id
    this.capacity = original.capacity.map((amount, resource) =>
      resources[resource]!.kind === "rate" ? amount * factor : amount,
    )
    this.weight = original.weight * factor
    this.zone = original.zone
    this.tier = original.tier
    this.eligibleSince = original.eligibleSince
    this.address = original.address
    this.load = original.load
    this.original = original
  }
}

/** Another request, asked about views. One a policy: it is used up within one call. */
class ScaledRequest implements PickRequest {
  of: PickRequest = nothingAsked

  get now(): Millis {
    return this.of.now
  }

  get demand(): Readonly<ResourceVector> {
    return this.of.demand
  }

  get route(): number {
    return this.of.route
  }

  get affinityHash(): number | undefined {
    return this.of.affinityHash
  }

  get clientAddress(): Uint8Array | undefined {
    return this.of.clientAddress
  }

  get boundTo(): BackendId | undefined {
    return this.of.boundTo
  }

  admits(backend: Backend): boolean {
    return this.of.admits(originalOf(backend))
  }
}

const nothingAsked: PickRequest = {
  now: 0,
  demand: new Float64Array(0),
  route: 0,
  affinityHash: undefined,
  clientAddress: undefined,
  boundTo: undefined,
  admits: () => false,
}
