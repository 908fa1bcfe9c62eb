import { Aperture, type ApertureSpec } from "./aperture.ts"
import { Binding } from "./binding.ts"
import { affinityKey, type Draw, drawAtRandom, drawByKey } from "../tools/draw.ts"
import { clientKey } from "../hashes/ip-hash.ts"
import { makePolicy, policies, type PolicySpec } from "../index.ts"
import type { Policy, PolicyContext } from "../policy.ts"
import { unscaled } from "./scaled.ts"
import { SlowStart, type SlowStartSpec } from "./slow-start.ts"
import { Subset, type SubsetSpec } from "./subset.ts"
import { Tiers, type TierSpec } from "./tiers.ts"
import { ZonePreference, type ZoneSpec } from "./zone-preference.ts"

/** How to choose: a policy, and what is around it. Plain data: it travels between threads as it is. */
export interface ChoosingSpec {
  readonly policy: PolicySpec
  readonly slowStart?: SlowStartSpec | undefined
  /** Some of the members, the same for the same seed. */
  readonly subset?: SubsetSpec | undefined
  /** Some of the members, agreed on by all balancers; a choice besides `subset`. */
  readonly aperture?: ApertureSpec | undefined
  readonly zone?: ZoneSpec | undefined
  readonly tiers?: TierSpec | undefined
  /** Session affinity: `boundTo` comes before everything else. */
  readonly bind?: boolean | undefined
}

/**
 * Cold. The policy with what is around it, from the outside: binding, tiers, zones, subset, aperture, slow start. So each tier
 * looks at its own zones, and each zone has its own subset and its own policy. What is not asked for is not there
 * and costs nothing.
 *
 * The name is that of the policy inside. Chance is the given one; a policy that sticks has the zone and the tier of a
 * request drawn by its key, so that the same key stays where it is.
 *
 * @throws Error when the policy is unsuitable for the resources: ask first.
 */
export function makeChooser(spec: ChoosingSpec, context: Omit<PolicyContext, "parameters">): Policy {
  const { aperture, slowStart, subset, zone, tiers } = spec
  const { name } = spec.policy
  const keyOf = name === "ip-hash" ? clientKey : affinityKey
  const draw = (salt: number): Draw =>
    policies[name].sticks === true ? drawByKey(context.rng, salt, keyOf) : drawAtRandom(context.rng)

  const { resources, prober } = context
  const inside = { ...context, prober: prober === undefined ? undefined : unscaled(prober) }
  let make = (): Policy => makePolicy(spec.policy, inside)
  if (slowStart !== undefined && slowStart.windowMs > 0) {
    make = around(make, (inner) => new SlowStart(inner, resources, slowStart))
  }
  if (aperture !== undefined) make = around(make, (inner) => new Aperture(inner, resources, aperture))
  if (subset !== undefined) make = around(make, (inner) => new Subset(inner, subset))
  if (zone !== undefined) {
    const inside = make
    make = () => new ZonePreference(inside, zone, draw(1), draw(2))
  }
  if (tiers !== undefined) {
    const inside = make
    make = () => new Tiers(inside, tiers, draw(3))
  }
  if (spec.bind === true) make = around(make, (inner) => new Binding(inner))
  return make()
}

function around(make: () => Policy, wrap: (inner: Policy) => Policy): () => Policy {
  return () => wrap(make())
}
