// Hot path.
import type { Backend } from "../../core/backend.ts"
import type { Millis } from "../../core/clock.ts"
import type { Knowledge } from "../../core/knowledge.ts"
import type { ResourceTable } from "../../core/resources.ts"
import type { Told } from "./pass-on.ts"
import type { PickRequest, Policy } from "../policy.ts"
import { Scaled } from "./scaled.ts"

/** How backends warm up. Plain data. */
export interface SlowStartSpec {
  /** How long a backend warms up, from when it may be chosen; 0 is not at all. */
  readonly windowMs: Millis
  /** The exponent's inverse, > 0: 1 grows linearly, 2 steeply at first, 0.5 steeply at last. */
  readonly aggression: number
  /** The least factor, in (0, 1]: what a backend begins with. */
  readonly minShare: number
}

/** There is none unless the configuration says how long it lasts. */
export const slowStartDefault: SlowStartSpec = { windowMs: 0, aggression: 1, minShare: 0.1 }

/** In how many steps a backend warms up. Each is a rebuild of the policy inside, for all that warm up together. */
const steps = 20

/**
 * A backend that has just become eligible looks smaller than it is to the policy inside, and grows: by the factor
 * max(minShare, (t / window)^(1 / aggression)), t being the time since `eligibleSince`. See `Scaled` for what the
 * factor does.
 *
 * A backend that was eligible from the start (−Infinity) never warms up. When all members warm up together, their
 * proportions are as ever and the factor does nothing.
 *
 * Time comes with `tick`, which rebuilds the policy inside at most `steps` times per window, and only while a
 * backend warms up. Before the first `tick` it is the time at which the last of the members became eligible. While none
 * warms up, members and requests are passed on as they are.
 *
 * Prior art: Envoy's slow start mode, which changes weights.
 */
export class SlowStart implements Policy, Told {
  readonly name: string
  readonly #inner: Policy
  readonly #scaled: Scaled
  readonly #spec: SlowStartSpec
  #members: readonly Backend[] = []
  #now: Millis = -Infinity
  #nextStepAt: Millis = -Infinity
  onBegun?: NonNullable<Policy["onBegun"]>
  onSettled?: NonNullable<Policy["onSettled"]>
  onReport?: NonNullable<Policy["onReport"]>

  constructor(inner: Policy, resources: ResourceTable, spec: SlowStartSpec) {
    this.name = inner.name
    this.#inner = inner
    this.#scaled = new Scaled(inner, resources)
    this.#spec = spec
    this.#scaled.passOn(this)
  }

  rebuild(members: readonly Backend[]): void {
    this.#members = members
    // No member is eligible since later than now: this is what is known of time before the first tick.
    for (const { eligibleSince } of members) this.#now = Math.max(this.#now, eligibleSince)
    this.#step()
  }

  pick(request: PickRequest): Backend | undefined {
    return this.#scaled.pick(request)
  }

  learn(knowledge: Knowledge): void {
    this.#scaled.learn(knowledge)
  }

  tick(now: Millis): void {
    this.#now = now
    if (this.#scaled.isActive && now >= this.#nextStepAt) this.#step()
    this.#inner.tick?.(now)
  }

  /** Cold: looks at the age of every member anew. */
  #step(): void {
    this.#scaled.rebuild(this.#members, this.#factorOf)
    this.#nextStepAt = this.#now + this.#spec.windowMs / steps
  }

  readonly #factorOf = ({ eligibleSince }: Backend): number => {
    const { windowMs, aggression, minShare } = this.#spec
    const age = this.#now - eligibleSince
    // Without any time, −Infinity − −Infinity is no age at all.
    if (eligibleSince === -Infinity || age >= windowMs) return 1
    return Math.max(minShare, (Math.max(0, age) / windowMs) ** (1 / aggression))
  }
}
