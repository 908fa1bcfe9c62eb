// Hot path.
import type { Backend, BackendId, BackendLoad } from "../core/backend.ts"
import type { Millis } from "../core/clock.ts"
import type { Knowledge } from "../core/knowledge.ts"
import type { ResourceTable, ResourceVector } from "../core/resources.ts"
import type { Told } from "./pass-on.ts"
import type { PickRequest, Policy, Prober } from "./policy.ts"

/** How backends warm up. Plain data. */
export interface SlowStartSpec {
  /** How long a backend warms up, from when it may be chosen; 0 is not at all. */
  readonly windowMs: Millis
  /** The exponent's inverse, > 0: 1 grows linearly, 2 steeply at first, 0.5 steeply at last. */
  readonly aggression: number
  /** The least factor, in (0, 1]: what a backend begins with. */
  readonly minShare: number
}

export const slowStartDefault: SlowStartSpec = { windowMs: 10_000, aggression: 1, minShare: 0.1 }

/** In how many steps a backend warms up. Each is a rebuild of the policy inside, for all who warm up together. */
const steps = 20

/**
 * A backend that has just become eligible looks smaller than it is to the policy inside, and grows: by the factor
 * max(minShare, (t / window)^(1 / aggression)), t being the time since `eligibleSince`.
 *
 * The factor multiplies the weight, and the capacity of every resource that is a rate, so policies that compare
 * backlogs obey it as those that take weights do. Capacity of space is what it is: it does not warm up. Who was
 * eligible from the start (−Infinity) never warms up. When all members warm up together, their proportions are
 * as ever and the factor does nothing.
 *
 * Time comes with `tick`, which rebuilds the policy inside at most `steps` times a window, and only while somebody
 * warms up. Before the first `tick` it is the time at which the last of the members became eligible. While nobody
 * warms up, the members and the requests are passed on as they are; else those who do are passed on as views.
 *
 * Prior art: Envoy's slow start mode, which changes weights.
 */
export class SlowStart implements Policy, Told {
  readonly name: string
  readonly #inner: Policy
  readonly #resources: ResourceTable
  readonly #spec: SlowStartSpec
  readonly #asked = new WarmRequest()
  readonly #views = new Map<BackendId, WarmBackend>()
  #members: readonly Backend[] = []
  #now: Millis = -Infinity
  #nextStepAt: Millis = -Infinity
  onBegun?: NonNullable<Policy["onBegun"]>
  onSettled?: NonNullable<Policy["onSettled"]>
  onReport?: NonNullable<Policy["onReport"]>

  constructor(inner: Policy, resources: ResourceTable, spec: SlowStartSpec) {
    this.name = inner.name
    this.#inner = inner
    this.#resources = resources
    this.#spec = spec
    if (inner.onBegun !== undefined) {
      this.onBegun = (backend, request) => {
        this.#asked.of = request
        inner.onBegun!(this.#viewOf(backend), this.#asked)
      }
    }
    if (inner.onSettled !== undefined) {
      this.onSettled = (backend, outcome, now) => inner.onSettled!(this.#viewOf(backend), outcome, now)
    }
    if (inner.onReport !== undefined) {
      this.onReport = (backend, report, now) => inner.onReport!(this.#viewOf(backend), report, now)
    }
  }

  rebuild(members: readonly Backend[]): void {
    this.#members = members
    // Nobody is eligible since later than now: this is what is known of time before the first tick.
    for (const { eligibleSince } of members) this.#now = Math.max(this.#now, eligibleSince)
    this.#step()
  }

  pick(request: PickRequest): Backend | undefined {
    if (this.#views.size === 0) return this.#inner.pick(request)
    this.#asked.of = request
    const picked = this.#inner.pick(this.#asked)
    return picked instanceof WarmBackend ? picked.original : picked
  }

  learn(knowledge: Knowledge): void {
    this.#inner.learn?.(knowledge)
  }

  tick(now: Millis): void {
    this.#now = now
    if (this.#views.size > 0 && now >= this.#nextStepAt) this.#step()
    this.#inner.tick?.(now)
  }

  /** Cold: looks at everybody's age anew. */
  #step(): void {
    this.#views.clear()
    const seen = this.#members.map((member) => {
      const factor = this.#factorOf(member)
      if (factor >= 1) return member
      const view = new WarmBackend(member, factor, this.#resources)
      this.#views.set(member.id, view)
      return view
    })
    this.#nextStepAt = this.#now + this.#spec.windowMs / steps
    this.#inner.rebuild(this.#views.size === 0 ? this.#members : seen)
  }

  #factorOf({ eligibleSince }: Backend): number {
    const { windowMs, aggression, minShare } = this.#spec
    const age = this.#now - eligibleSince
    // Without any time or with a clock that lags, −Infinity − −Infinity is no age at all.
    if (eligibleSince === -Infinity || age >= windowMs) return 1
    return Math.max(minShare, (Math.max(0, age) / windowMs) ** (1 / aggression))
  }

  #viewOf(backend: Backend): Backend {
    return this.#views.get(backend.id) ?? backend
  }
}

/** A prober for a policy inside `SlowStart`: asks the backends that are there, not the views of them. */
export function unwarmed(prober: Prober): Prober {
  return { probe: (backend, answer) => prober.probe(originalOf(backend), answer) }
}

function originalOf(backend: Backend): Backend {
  return backend instanceof WarmBackend ? backend.original : backend
}

class WarmBackend implements Backend {
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
class WarmRequest implements PickRequest {
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
    return this.of.admits(backend instanceof WarmBackend ? backend.original : backend)
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
