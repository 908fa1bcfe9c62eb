import assert from "node:assert/strict"
import { test } from "node:test"
import { fleet, request, resourcesOf } from "../../../test/support/backends.ts"
import type { Backend } from "../../core/backend.ts"
import type { ResourceTable } from "../../core/resources.ts"
import { seeded } from "../../core/rng.ts"
import { balancedAllocation } from "./balanced-allocation.ts"

/** The backends from the one that suits best to the one that suits least. */
function ranking(resources: ResourceTable, members: readonly Backend[], demand: readonly number[]): number[] {
  const policy = balancedAllocation.make({ rng: seeded(1), resources, parameters: { horizonSeconds: 2 } })
  policy.rebuild(members)
  const left = new Set<Backend>(members)
  return members.map(() => {
    const picked = policy.pick(request(demand, (one) => left.has(one)))!
    left.delete(picked)
    return members.indexOf(picked)
  })
}

test("for two resources the difference of the fractions decides, after placement", () => {
  const members = fleet(
    { capacity: [10, 5], reserved: [4, 0] },
    { capacity: [10, 5], reserved: [1, 1] },
    { capacity: [10, 5], reserved: [8, 5] },
  )
  // 5/10 against 2/10; 2/10 against 3/10; 9/10 against 7/10.
  assert.deepEqual(ranking(resourcesOf("space", "rate"), members, [1, 2]), [1, 2, 0])
})

test("of three fractions it is the standard deviation of all", () => {
  const resources = resourcesOf("space", "space", "space")
  // (0.1, 0.35, 0.6): 0.204. (0.1, 0.1, 0.55): 0.212, though its fractions are less far apart. (0.35, 0.1, 0.5): 0.165.
  const members = fleet(
    { capacity: [10, 10, 10], reserved: [0, 2.5, 5] },
    { capacity: [10, 10, 10], reserved: [0, 0, 4.5] },
    { capacity: [10, 10, 10], reserved: [2.5, 0, 4] },
  )
  assert.deepEqual(ranking(resources, members, [1, 1, 1]), [2, 0, 1])
})

test("the backend that is left in balance wins, however full", () => {
  const resources = resourcesOf("space", "space")
  const policy = balancedAllocation.make({ rng: seeded(1), resources, parameters: { horizonSeconds: 1 } })
  const members = fleet({}, { reserved: [4, 7] }, { reserved: [2, 0] })
  policy.rebuild(members)
  assert.equal(policy.pick(request([3, 0])), members[1])
  assert.equal(policy.pick(request([0, 2])), members[2])
})
