import assert from "node:assert/strict"
import { test } from "node:test"
import { fleet, request, type Traits } from "../../../test/support/backends.ts"
import type { Backend } from "../../core/backend.ts"
import { seeded } from "../../core/rng.ts"
import { drawAtRandom } from "../tools/draw.ts"
import { RoundRobin } from "../turns/round-robin.ts"
import { tierDefault, Tiers, type TierSpec } from "./tiers.ts"

function tiers(spec: Partial<TierSpec> = {}): Tiers {
  return new Tiers(() => new RoundRobin(), { ...tierDefault, ...spec }, drawAtRandom(seeded(5)))
}

const of = (count: number, tier: number): Traits[] => Array.from({ length: count }, () => ({ tier }))

/** How many of 20_000 requests go to each tier. */
function shares(policy: Tiers, admits?: (backend: Backend) => boolean): number[] {
  const won = [0, 0, 0]
  for (let n = 0; n < 20_000; n++) won[policy.pick(request([1, 1], admits))!.tier]!++
  return won
}

/** Within 4σ of binomials with n = 20_000. */
function areShares(won: readonly number[], ...expected: readonly number[]): void {
  for (const [i, share] of expected.entries()) {
    const bound = 4 * Math.sqrt(20_000 * share * (1 - share))
    assert.ok(Math.abs(won[i]! - 20_000 * share) <= bound, `${won.join(" ")} is not ${expected.join(" ")}`)
  }
}

test("the first tier has everything while 1/1.4 of it is left", () => {
  const members = fleet(...of(10, 0), ...of(5, 1))
  const policy = tiers()
  policy.rebuild(members)
  areShares(shares(policy), 1, 0)
  policy.rebuild(members.slice(2))
  areShares(shares(policy), 1, 0)
})

test("with less of it, the next takes what the first cannot", () => {
  const members = fleet(...of(10, 0), ...of(5, 1), ...of(5, 2))
  const policy = tiers()
  policy.rebuild(members)
  policy.rebuild(members.slice(5))
  // Half of ten with 1.4: 0.7, and the second is whole.
  areShares(shares(policy), 0.7, 0.3, 0)
  // Two of ten and one of five: 0.28 each, the third has 0.44 of what it could.
  policy.rebuild([...members.slice(0, 2), ...members.slice(10, 11), ...members.slice(15)])
  areShares(shares(policy), 0.28, 0.28, 0.44)
  // All in need: 0.14, 0.28 and 0.28 share in proportion.
  policy.rebuild([members[0]!, members[10]!, members[15]!])
  areShares(shares(policy), 0.2, 0.4, 0.4)
})

test("a tier that is gone leaves everything to the next, and has it back", () => {
  const members = fleet(...of(3, 0), ...of(3, 4))
  const policy = tiers()
  policy.rebuild(members)
  policy.rebuild(members.slice(3))
  assert.equal(policy.pick(request())?.tier, 4)
  policy.rebuild(members.slice(2))
  // One of three with 1.4.
  let first = 0
  for (let n = 0; n < 20_000; n++) if (policy.pick(request())!.tier === 0) first++
  assert.ok(Math.abs(first - 20_000 * (1.4 / 3)) < 283, `${first}`)
})

test("a tier behind is used when no tier before it has an admitted member, and one before when the drawn one has none", () => {
  const members = fleet(...of(4, 0), ...of(2, 1))
  const policy = tiers()
  policy.rebuild(members)
  areShares(
    shares(policy, ({ tier }) => tier === 1),
    0,
    1,
  )
  policy.rebuild(members.slice(3))
  areShares(
    shares(policy, ({ tier }) => tier === 0),
    1,
    0,
  )
  assert.equal(policy.pick(request([1, 1], () => false)), undefined)
})

test("how many there were is forgotten after one to two memories", () => {
  const members = fleet(...of(10, 0), ...of(5, 1))
  const policy = tiers({ memoryMs: 1_000 })
  policy.tick(0)
  policy.rebuild(members)
  policy.tick(400)
  policy.rebuild(members.slice(5))
  for (const now of [999, 1_000, 1_999]) {
    policy.tick(now)
    areShares(shares(policy), 0.7, 0.3)
  }
  policy.tick(2_000)
  areShares(shares(policy), 1, 0)
})

test("how many there should be may be said, and is not forgotten", () => {
  const members = fleet(...of(5, 0), ...of(5, 1))
  const policy = tiers({ memoryMs: 1_000, membersPerTier: [10] })
  policy.rebuild(members)
  for (let now = 0; now < 10_000; now += 500) policy.tick(now)
  areShares(shares(policy), 0.7, 0.3)
})
