import assert from "node:assert/strict"
import { test } from "node:test"
import * as fc from "fast-check"
import { fleet, ofCapacity, request, resourcesOf, type FakeBackend } from "../../../test/support/backends.ts"
import { seeded } from "../../core/rng.ts"
import { Price } from "./price.ts"
import { ShadowPrice } from "./shadow-price.ts"

const rates = resourcesOf("rate", "rate")

function made(parameters: Readonly<Record<string, number>> = {}, resources = rates): ShadowPrice {
  const given = { kappa: 1, gamma: 0.02, targetUtilization: 0.97, ...parameters }
  return new ShadowPrice({ rng: seeded(1), resources, parameters: given })
}

test("without virtual queues it is the price policy", () => {
  const amounts = fc.tuple(fc.nat(50), fc.nat(50))
  const capacity = fc.tuple(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 50 }))
  const list = fc.array(fc.record({ capacity, reserved: amounts }), { minLength: 1, maxLength: 8 })
  const kinds = fc.constantFrom(rates, resourcesOf("rate", "space"))
  fc.assert(
    fc.property(kinds, list, amounts, (resources, traits, demand) => {
      const members = fleet(...traits)
      const policies = [
        made({ gamma: 0 }, resources),
        new Price({ rng: seeded(1), resources, parameters: {} }),
      ]
      const [one, other] = policies.map((policy) => {
        policy.rebuild(members)
        return policy.pick(request(demand))
      })
      assert.equal(one, other)
    }),
    { seed: 1, numRuns: 300 },
  )
})

test("a backend that has been assigned more of late is dearer, though all is done again", () => {
  const policy = made()
  const members = ofCapacity([10, 10], [10, 10])
  policy.rebuild(members)
  const asked = request([1, 1])
  policy.onBegun(members[0]!, asked)
  for (let i = 0; i < 20; i++) assert.equal(policy.pick(asked), members[1])
})

test("a virtual queue drains at the target, second by second", () => {
  // 3 units on a capacity of 2 are 1.5 s of work; at a target of 0.5 they are gone after 3 s.
  const policy = made({ targetUtilization: 0.5, gamma: 1 })
  const members = ofCapacity([2, 2], [2, 2])
  policy.rebuild(members)
  policy.onBegun(members[0]!, request([3, 0], undefined, undefined, { now: 1_000 }))
  const at = (now: number): Set<unknown> => {
    const asked = request([1, 0], undefined, undefined, { now })
    return new Set(Array.from({ length: 40 }, () => policy.pick(asked)))
  }
  assert.equal(at(3_990).size, 1)
  assert.equal(at(4_000).size, 2)
  // The other resource has no queue of its own yet.
  const other = request([0, 1], undefined, undefined, { now: 1_000 })
  assert.equal(new Set(Array.from({ length: 40 }, () => policy.pick(other))).size, 2)
})

test("assignments above the target add up, and below it they do not", () => {
  for (const [perSecond, isDearer] of [
    [8, false],
    [10, true],
  ] as const) {
    // A request of 1 on a capacity of 10, so many per second for 100 s; the target is 9.
    const policy = made({ targetUtilization: 0.9, gamma: 1 })
    const members = ofCapacity([10, 10], [10, 10])
    policy.rebuild(members)
    for (let i = 0; i < perSecond * 100; i++) {
      policy.onBegun(members[0]!, request([1, 1], undefined, undefined, { now: (i * 1_000) / perSecond }))
    }
    // Five seconds later the queue of a single request would be gone, and one of 100 s · (1 − 0.9) is not.
    const asked = request([1, 1], undefined, undefined, { now: 105_000 })
    const found = new Set(Array.from({ length: 40 }, () => policy.pick(asked)))
    assert.equal(found.has(members[0]), !isDearer, `${perSecond} per second`)
  }
})

test("a virtual queue is never longer than a minute", () => {
  const policy = made({ targetUtilization: 1, gamma: 1 })
  const members = ofCapacity([1, 1], [1, 1])
  policy.rebuild(members)
  policy.onBegun(members[0]!, request([1_000, 0]))
  const found = (now: number): Set<unknown> => {
    const asked = request([1, 0], undefined, undefined, { now })
    return new Set(Array.from({ length: 40 }, () => policy.pick(asked)))
  }
  assert.equal(found(59_999).size, 1)
  assert.equal(found(60_000).size, 2)
})

test("virtual queues stay with their backends when others come and go", () => {
  const policy = made()
  const [a, b, c] = fleet({}, {}, {}) as [FakeBackend, FakeBackend, FakeBackend]
  policy.rebuild([a, b])
  policy.onBegun(a, request())
  policy.rebuild([c, b, a])
  const found = new Set(Array.from({ length: 60 }, () => policy.pick(request())))
  assert.deepEqual(found, new Set([b, c]))
  // One that has left is no trouble, and comes back with an empty queue.
  policy.rebuild([b, c])
  policy.onBegun(a, request())
  policy.rebuild([a, b, c])
  assert.equal(new Set(Array.from({ length: 60 }, () => policy.pick(request()))).size, 3)
})

test("a backend that lacks what is needed is found when there is no other, also where the load has no price", () => {
  const policy = made({ kappa: 0 })
  const members = ofCapacity([0, 4])
  policy.rebuild(members)
  assert.equal(policy.pick(request([1, 1])), members[0])
})
