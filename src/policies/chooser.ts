import { Binding } from "./binding.ts"
import { affinityKey, type Draw, drawAtRandom, drawByKey } from "./draw.ts"
import { clientKey } from "./ip-hash.ts"
import { makePolicy, policies, type PolicySpec } from "./index.ts"
import type { Policy, PolicyContext } from "./policy.ts"
import { SlowStart, unwarmed, type SlowStartSpec } from "./slow-start.ts"
import { Subset, type SubsetSpec } from "./subset.ts"
import { Tiers, type TierSpec } from "./tiers.ts"
import { ZonePreference, type ZoneSpec } from "./zone-preference.ts"

/** How to choose: a policy, and what is around it. Plain data: it travels between threads as it is. */
export interface ChoosingSpec {
  readonly policy: PolicySpec
  readonly slowStart?: SlowStartSpec | undefined
  readonly subset?: SubsetSpec | undefined
  readonly zone?: ZoneSpec | undefined
  readonly tiers?: TierSpec | undefined
  /** Session affinity: `boundTo` comes before everything else. */
  readonly bind?: boolean | undefined
}

/**
 * Cold. The policy with what is around it, from the outside: binding, tiers, zones, subset, slow start. So each tier
 * looks at its own zones, and each zone has its own subset and its own policy. What is not asked for is not there
 * and costs nothing.
 *
 * The name is that of the policy inside. Chance is the given one; a policy that sticks has the zone and the tier of a
 * request drawn by its key, so that the same key stays where it is.
 *
 * @throws Error when the policy is unsuitable for the resources: ask first.
 */
export function makeChooser(spec: ChoosingSpec, context: Omit<PolicyContext, "parameters">): Policy {
  const { slowStart, subset, zone, tiers } = spec
  const { name } = spec.policy
  const keyOf = name === "ip-hash" ? clientKey : affinityKey
  const draw = (salt: number): Draw =>
    policies[name].sticks === true ? drawByKey(context.rng, salt, keyOf) : drawAtRandom(context.rng)

  let make = (): Policy => makePolicy(spec.policy, context)
  if (slowStart !== undefined && slowStart.windowMs > 0) {
    const prober = context.prober === undefined ? undefined : unwarmed(context.prober)
    const inside = { ...context, prober }
    make = () => new SlowStart(makePolicy(spec.policy, inside), context.resources, slowStart)
  }
  if (subset !== undefined) make = around(make, (inner) => new Subset(inner, subset))
  if (zone !== undefined) {
    const inner = make
    make = () => new ZonePreference(inner, zone, draw(1), draw(2))
  }
  if (tiers !== undefined) {
    const inner = make
    make = () => new Tiers(inner, tiers, draw(3))
  }
  if (spec.bind === true) make = around(make, (inner) => new Binding(inner))
  return make()
}

function around(make: () => Policy, wrap: (inner: Policy) => Policy): () => Policy {
  return () => wrap(make())
}
