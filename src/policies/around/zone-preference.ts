// Hot path.
import type { Backend } from "../../core/backend.ts"
import type { Millis } from "../../core/clock.ts"
import type { Knowledge } from "../../core/knowledge.ts"
import { drawLimits, drawn, type Draw } from "../tools/draw.ts"
import { type Subgroup, Groups } from "./groups.ts"
import { passOn, type Told } from "./pass-on.ts"
import type { PickRequest, Policy } from "../policy.ts"

/** Which zone comes first. Plain data. */
export interface ZoneSpec {
  /** The zone this balancer is in. */
  readonly local: string
  /** With fewer members than this, zones are not looked at. */
  readonly membersMin: number
  /** Which part of all requests arrives in which zone, in any unit; without it, the same in every zone with members. */
  readonly origins?: Readonly<Record<string, number>> | undefined
}

export const zoneMembersMinDefault = 6

/**
 * Members of the balancer's own zone first, as far as that is fair to them; the rest spills over to zones that
 * have more capacity than requests.
 *
 * With c_z the part of all capacity that is in zone z (the mean over resources of its part of each) and o_z the
 * part of all requests that arrives there: a local request stays with probability min(1, c/o) of its own zone, and
 * goes to another zone z in proportion to max(0, c_z − o_z). So every zone carries what its capacity is of the
 * whole, and no more crosses zones than has to, if balancers in all zones do the same. Members without a zone are
 * a zone where nothing arrives.
 *
 * When no member of the zone that was drawn is admitted, the local zone is tried, then the others, beginning with one
 * drawn by capacity. Zones are not looked at, and all members are one group, when the local zone has no members, when
 * there is no other zone, or when there are fewer than `membersMin` members.
 *
 * Each zone has a policy of its own. O(zones) besides what that costs.
 *
 * Prior art: Envoy's zone aware routing, which counts hosts and knows from its own cluster what arrives where.
 */
export class ZonePreference implements Policy, Told {
  readonly name: string
  readonly #groups: Groups<string | undefined>
  readonly #spec: ZoneSpec
  readonly #draw: Draw
  readonly #drawOther: Draw
  /** The local zone first; only one group when zones are not looked at. */
  #zones: readonly Subgroup<string | undefined>[] = []
  #limits: Int32Array = new Int32Array(0)
  /** By capacity alone; nothing for the local zone. */
  #otherLimits: Int32Array = new Int32Array(0)
  onBegun?: NonNullable<Policy["onBegun"]>
  onSettled?: NonNullable<Policy["onSettled"]>
  onReport?: NonNullable<Policy["onReport"]>

  constructor(make: () => Policy, spec: ZoneSpec, draw: Draw, drawOther: Draw) {
    this.#groups = new Groups(make)
    this.#spec = spec
    this.#draw = draw
    this.#drawOther = drawOther
    this.name = this.#groups.like.name
    passOn(this, this.#groups.like, this.#groups.holderOf)
  }

  rebuild(members: readonly Backend[]): void {
    const { local, membersMin } = this.#spec
    const isLocal = ({ zone }: Backend): boolean => zone === local
    const matter = members.length >= membersMin && members.some(isLocal) && !members.every(isLocal)
    // When they do not matter, the policy of the local zone has all members.
    const zones = this.#groups.rebuild(members, ({ zone }) => (matter ? zone : local))
    this.#zones = zones.toSorted((a, b) => Number(b.key === local) - Number(a.key === local))

    const capacity = capacityShares(this.#zones)
    const origin = this.#originShares()
    const stays = origin[0]! > 0 ? Math.min(1, capacity[0]! / origin[0]!) : 1
    const spare = capacity.map((share, i) => (i === 0 ? 0 : Math.max(0, share - origin[i]!)))
    const allSpare = spare.reduce((sum, one) => sum + one, 0)
    this.#limits = drawLimits(
      // Rounding may leave no spare capacity for the part that does not stay; then all of it stays.
      spare.map((one, i) => (i === 0 ? (allSpare > 0 ? stays : 1) : ((1 - stays) * one) / (allSpare || 1))),
    )
    this.#otherLimits = drawLimits(capacity.map((share, i) => (i === 0 ? 0 : share)))
  }

  pick(request: PickRequest): Backend | undefined {
    const zones = this.#zones
    const count = zones.length
    if (count === 0) return undefined
    if (count === 1) return zones[0]!.policy.pick(request)
    const first = drawn(this.#limits, this.#draw(request))
    const picked = zones[first]!.policy.pick(request)
    if (picked !== undefined) return picked
    if (first !== 0) {
      const local = zones[0]!.policy.pick(request)
      if (local !== undefined) return local
    }
    let other = drawn(this.#otherLimits, this.#drawOther(request))
    for (let i = 1; i < count; i++) {
      const found = other === first ? undefined : zones[other]!.policy.pick(request)
      if (found !== undefined) return found
      other = other === count - 1 ? 1 : other + 1
    }
    return undefined
  }

  learn(knowledge: Knowledge): void {
    this.#groups.learn(knowledge)
  }

  tick(now: Millis): void {
    this.#groups.tick(now)
  }

  #originShares(): number[] {
    const { origins } = this.#spec
    const arrives = this.#zones.map(({ key }) =>
      key === undefined ? 0 : (origins?.[key] ?? (origins ? 0 : 1)),
    )
    const sum = arrives.reduce((total, one) => total + one, 0)
    return arrives.map((one) => (sum > 0 ? one / sum : 0))
  }
}

/** Each group's part of all capacity: the mean over the resources that any member has. Adds up to 1. */
function capacityShares(groups: readonly Subgroup<unknown>[]): number[] {
  const shares = groups.map(() => 0)
  const resources = groups[0]?.members[0]?.capacity.length ?? 0
  let counted = 0
  for (let r = 0; r < resources; r++) {
    const amounts = groups.map(({ members }) => members.reduce((sum, { capacity }) => sum + capacity[r]!, 0))
    const all = amounts.reduce((sum, amount) => sum + amount, 0)
    if (all === 0) continue
    counted++
    for (const [i, amount] of amounts.entries()) shares[i]! += amount / all
  }
  return shares.map((share) => (counted === 0 ? 1 / groups.length : share / counted))
}
