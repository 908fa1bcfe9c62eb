import assert from "node:assert/strict"
import { test } from "node:test"
import { fleet, request, resourcesOf } from "../../../test/support/backends.ts"
import { seeded } from "../../core/rng.ts"
import { cosine } from "./cosine.ts"

const spaces = resourcesOf("space", "space")

test("the larger cosine wins, in shares of the totals", () => {
  const policy = cosine.make({ rng: seeded(1), resources: spaces, parameters: { horizonSeconds: 1 } })
  // Of totals (10, 100) the demand is (0.1, 0.1). Its cosines with (0.3, 0.4), (0.7, 0) and (0, 0.6): 0.99, 0.71, 0.71.
  const even = fleet({ capacity: [3, 40] }, { capacity: [7, 0] }, { capacity: [0, 60] })
  policy.rebuild(even)
  assert.equal(policy.pick(request([1, 10])), even[0])

  // Of totals (10, 10) it is (0.1, 0.05). Its cosines with (0.3, 0.4), (0.6, 0.1) and (0.1, 0.5): 0.894, 0.956, 0.614.
  const uneven = fleet({ capacity: [3, 4] }, { capacity: [6, 1] }, { capacity: [1, 5] })
  policy.rebuild(uneven)
  assert.equal(policy.pick(request([1, 0.5])), uneven[1])
  assert.equal(policy.pick(request([1, 0.5], (one) => one !== uneven[1])), uneven[0])
})

test("the room counts and not the capacity, its direction and not its length", () => {
  const policy = cosine.make({ rng: seeded(1), resources: spaces, parameters: { horizonSeconds: 1 } })
  const members = fleet({ capacity: [20, 20], reserved: [16, 18] }, { capacity: [20, 20] })
  policy.rebuild(members)
  assert.equal(policy.pick(request([2, 1])), members[0])
  assert.equal(policy.pick(request([1, 1])), members[1])
})
