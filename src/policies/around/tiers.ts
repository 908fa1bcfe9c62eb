// Hot path.
import type { Backend } from "../../core/backend.ts"
import type { Millis } from "../../core/clock.ts"
import type { Knowledge } from "../../core/knowledge.ts"
import { drawLimits, drawn, type Draw } from "../tools/draw.ts"
import { type Subgroup, Groups } from "./groups.ts"
import { passOn, type Told } from "./pass-on.ts"
import type { PickRequest, Policy } from "../policy.ts"

/** When the tiers behind are used. Plain data. */
export interface TierSpec {
  /**
   * How much more than its part a member can carry, ≥ 1: with 1.4, a tier suffices until less than 1/1.4 of it is left.
   */
  readonly overprovisioning: number
  /** How long a tier is remembered to have had more members, at least; at most it is twice that. */
  readonly memoryMs: Millis
  /** How many members a tier has when all is well, by tier. Those not named are known by memory alone. */
  readonly membersPerTier?: readonly number[] | undefined
}

export const tierDefault: TierSpec = { overprovisioning: 1.4, memoryMs: 600_000 }

/**
 * Members of the first tier (the least `tier`) alone while enough of them are left; when not, the next tiers take
 * the rest.
 *
 * With h_p = min(1, overprovisioning · members now / members when all is well), the first tier takes h_0 of the
 * requests, the second min(h_1, 1 − h_0) and so on; when all of them together make less than 1, they share in
 * proportion. A tier behind is also used when no member of the tiers before it is admitted; after that
 * all tiers are tried in order.
 *
 * A policy sees only the eligible members. How many there are when all is well is what `membersPerTier` says, or the
 * most seen in the last `memoryMs` (kept in two halves, so that it is forgotten between one and two times that later),
 * whichever is more. So a backend that has died keeps counting for that long although its lease has ended; so does one
 * that was taken away on purpose, and after a tier was made smaller by more than the overprovisioning covers, some
 * requests go to the next tier for so long. Time comes with `tick`.
 *
 * Each tier has a policy of its own. O(tiers) besides what that costs.
 *
 * Prior art: Envoy's priority levels, whose panic mode is not taken over: which members are eligible is decided
 * elsewhere.
 */
export class Tiers implements Policy, Told {
  readonly name: string
  readonly #groups: Groups<number>
  readonly #spec: TierSpec
  readonly #draw: Draw
  #tiers: readonly Subgroup<number>[] = []
  #limits: Int32Array = new Int32Array(0)
  /** The most members seen, by tier: in this half of the memory and in the one before. */
  #most = new Map<number, number>()
  #mostBefore = new Map<number, number>()
  #halfUntil: Millis = -Infinity
  onBegun?: NonNullable<Policy["onBegun"]>
  onSettled?: NonNullable<Policy["onSettled"]>
  onReport?: NonNullable<Policy["onReport"]>

  constructor(make: () => Policy, spec: TierSpec, draw: Draw) {
    this.#groups = new Groups(make)
    this.#spec = spec
    this.#draw = draw
    this.name = this.#groups.like.name
    passOn(this, this.#groups.like, this.#groups.holderOf)
  }

  rebuild(members: readonly Backend[]): void {
    this.#tiers = this.#groups.rebuild(members, ({ tier }) => tier).toSorted((a, b) => a.key - b.key)
    this.#remember()
    this.#share()
  }

  pick(request: PickRequest): Backend | undefined {
    const tiers = this.#tiers
    const count = tiers.length
    if (count === 0) return undefined
    if (count === 1) return tiers[0]!.policy.pick(request)
    const first = drawn(this.#limits, this.#draw(request))
    const picked = tiers[first]!.policy.pick(request)
    if (picked !== undefined) return picked
    for (let i = 0; i < count; i++) {
      const found = i === first ? undefined : tiers[i]!.policy.pick(request)
      if (found !== undefined) return found
    }
    return undefined
  }

  learn(knowledge: Knowledge): void {
    this.#groups.learn(knowledge)
  }

  tick(now: Millis): void {
    if (this.#halfUntil === -Infinity) this.#halfUntil = now + this.#spec.memoryMs
    if (now >= this.#halfUntil) {
      this.#halfUntil = now + this.#spec.memoryMs
      this.#mostBefore = this.#most
      this.#most = new Map()
      this.#remember()
      this.#share()
    }
    this.#groups.tick(now)
  }

  #remember(): void {
    for (const { key, members } of this.#tiers) {
      this.#most.set(key, Math.max(this.#most.get(key) ?? 0, members.length))
    }
  }

  #share(): void {
    let left = 1
    const shares = this.#tiers.map(({ key, members }) => {
      const health = Math.min(1, (this.#spec.overprovisioning * members.length) / this.#whenWell(key))
      const share = Math.min(health, left)
      left -= share
      return share
    })
    this.#limits = drawLimits(shares)
  }

  /** At least as many as there are now: `remember` has seen them. */
  #whenWell(tier: number): number {
    const said = this.#spec.membersPerTier?.[tier] ?? 0
    return Math.max(said, this.#most.get(tier) ?? 0, this.#mostBefore.get(tier) ?? 0)
  }
}
