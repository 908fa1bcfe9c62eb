import assert from "node:assert/strict"
import { test } from "node:test"
import { fleet, request, resourcesOf } from "../../../test/support/backends.ts"
import { seeded } from "../../core/rng.ts"
import { balancedAllocation, imbalance } from "./balanced-allocation.ts"
import { Room } from "../shapes/room.ts"

test("for two resources the value is half the difference of the fractions, after placement", () => {
  const room = new Room(resourcesOf("space", "rate"), 2)
  const members = fleet(
    { capacity: [10, 5], reserved: [4, 0] },
    { capacity: [10, 5], reserved: [1, 1] },
    { capacity: [10, 0], reserved: [5, 0] },
    { capacity: [10, 5], reserved: [9, 90] },
  )
  const values = new Float64Array(4)
  imbalance(room)(members, Float64Array.of(1, 2), values)
  // 5/10 against 2/10; 2/10 against 3/10; one resource alone; 10/10 against 92/10, which counts as 1.
  const expected = [0.15, 0.05, 0, 0]
  for (const [i, value] of values.entries())
    assert.ok(Math.abs(value - expected[i]!) < 1e-12, `${i}: ${value}`)
})

test("of three fractions it is the standard deviation of all", () => {
  const room = new Room(resourcesOf("space", "space", "space"), 1)
  const values = new Float64Array(1)
  imbalance(room)(fleet({ capacity: [10, 10, 10] }), Float64Array.of(1, 2, 6), values)
  // Mean 0.3, squares 0.04 + 0.01 + 0.09, over 3.
  assert.ok(Math.abs(values[0]! - Math.sqrt(0.14 / 3)) < 1e-12)
})

test("the backend that is left in balance wins, however full", () => {
  const resources = resourcesOf("space", "space")
  const policy = balancedAllocation({ rng: seeded(1), resources, parameters: { horizonSeconds: 1 } })
  const members = fleet({}, { reserved: [4, 7] }, { reserved: [2, 0] })
  policy.rebuild(members)
  assert.equal(policy.pick(request([3, 0])), members[1])
  assert.equal(policy.pick(request([0, 2])), members[2])
})
