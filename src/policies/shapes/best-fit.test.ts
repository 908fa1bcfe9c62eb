import assert from "node:assert/strict"
import { test } from "node:test"
import { fleet, request, resourcesOf, type Traits } from "../../../test/support/backends.ts"
import { seeded } from "../../core/rng.ts"
import { makePolicy, policySpec, type PolicyName } from "../index.ts"

const names: readonly PolicyName[] = [
  "drfh-best-fit",
  "log-ratio",
  "cosine",
  "tetris",
  "balanced-allocation",
  "ratio-then-share",
]

/** The place of the backend that is picked when what is held is a space. */
function picked(name: PolicyName, traits: readonly Traits[], demand: readonly number[]): number {
  const members = fleet(...traits)
  const spec = policySpec(name)
  assert.ok(spec.ok)
  const policy = makePolicy(spec.value, { rng: seeded(1), resources: resourcesOf("space", "space") })
  policy.rebuild(members)
  return members.indexOf(policy.pick(request(demand)) as (typeof members)[number])
}

for (const name of names) {
  test(`${name}: a backend where the request fits wins over one of its shape where it does not`, () => {
    const traits = [{ capacity: [1, 2] }, { capacity: [50, 3] }, { capacity: [4, 8], reserved: [3, 6] }]
    assert.equal(picked(name, traits, [1.5, 3]), 1)
    assert.equal(picked(name, traits.toReversed(), [1.5, 3]), 1)
  })

  test(`${name}: where the request fits nowhere, the one that would be the least full is picked`, () => {
    // Shares after placement: 1.5, 1.2 and 2.
    const traits = [{ capacity: [2, 2] }, { capacity: [5, 2.5], reserved: [1, 0] }, { capacity: [1.5, 1.5] }]
    assert.equal(picked(name, traits, [1, 3]), 1)
    // A backend without the resource is the last resort, and one all the same.
    assert.equal(picked(name, [{ capacity: [9, 0] }, { capacity: [0.1, 0.1] }], [1, 1]), 1)
    assert.equal(picked(name, [{ capacity: [9, 0] }], [1, 1]), 0)
  })

  test(`${name}: a request that needs nothing, or what no backend has, is placed all the same`, () => {
    assert.ok(picked(name, [{ capacity: [9, 0] }, { capacity: [0, 9] }], [0, 0]) >= 0)
    assert.ok(picked(name, [{ capacity: [9, 0] }, { capacity: [8, 0] }], [1, 0]) >= 0)
    assert.ok(picked(name, [{ capacity: [9, 0] }, { capacity: [8, 0] }], [0, 1]) >= 0)
  })

  test(`${name}: other units of a resource change no choice`, () => {
    // Powers of two, so that all is exact.
    const rng = seeded(5)
    const amount = (max: number): number => rng.below(max) + 1
    for (let i = 0; i < 300; i++) {
      const traits = Array.from({ length: 4 }, () => ({
        capacity: [amount(40), amount(40)],
        reserved: [amount(10) - 1, amount(10) - 1],
      }))
      const scaled = traits.map(({ capacity, reserved }) => ({
        capacity: [capacity[0]!, capacity[1]! * 1024],
        reserved: [reserved[0]!, reserved[1]! * 1024],
      }))
      const demand = [amount(5), amount(5)]
      assert.equal(picked(name, scaled, [demand[0]!, demand[1]! * 1024]), picked(name, traits, demand))
    }
  })
}

test("the horizon decides when a backlog counts as full", () => {
  // Of the right shape, but with three seconds of work on it; idle, but of the other shape.
  const members = fleet({ capacity: [2, 4], reserved: [6, 12] }, { capacity: [4, 2] })
  for (const [horizonSeconds, place] of [
    [1, 1],
    [10, 0],
  ] as const) {
    const spec = policySpec("drfh-best-fit", { horizonSeconds })
    assert.ok(spec.ok)
    const policy = makePolicy(spec.value, { rng: seeded(1), resources: resourcesOf("rate", "rate") })
    policy.rebuild(members)
    assert.equal(policy.pick(request([1, 2])), members[place])
  }
})
