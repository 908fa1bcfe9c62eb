import assert from "node:assert/strict"
import { test } from "node:test"
import * as fc from "fast-check"
import { fleet, request, resourcesOf } from "../../../test/support/backends.ts"
import type { ResourceTable } from "../../core/resources.ts"
import { seeded } from "../../core/rng.ts"
import { MinMax } from "./min-max.ts"

function picked(
  members: ReturnType<typeof fleet>,
  demand: readonly number[],
  resources: ResourceTable = resourcesOf("rate", "rate"),
  horizonSeconds = 1,
): number {
  const policy = new MinMax({ rng: seeded(1), resources, parameters: { horizonSeconds } })
  policy.rebuild(members)
  return members.indexOf(policy.pick(request(demand)) as (typeof members)[number])
}

test("the fullest resource after placement decides, also one that the request does not need", () => {
  const members = fleet({ capacity: [10, 10], reserved: [0, 6] }, { capacity: [4, 10], reserved: [0, 5] })
  assert.equal(picked(members, [1, 0]), 1)
  assert.equal(picked(members, [3, 0]), 0)
})

test("no other backend of the fleet would end up less full than the one picked", () => {
  const amounts = fc.tuple(fc.nat(50), fc.nat(50))
  const capacity = fc.tuple(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 50 }))
  const list = fc.array(fc.record({ capacity, reserved: amounts }), { minLength: 1, maxLength: 8 })
  fc.assert(
    fc.property(list, amounts, (traits, demand) => {
      const fullest = traits.map(({ capacity, reserved }) =>
        Math.max(...demand.map((amount, r) => (reserved[r]! + amount) / capacity[r]!)),
      )
      assert.equal(fullest[picked(fleet(...traits), demand)], Math.min(...fullest))
    }),
    { seed: 1, numRuns: 300 },
  )
})

test("the horizon says how much backlog is as bad as a full space", () => {
  // Two seconds of backlog on one, three quarters of the memory on the other.
  const members = fleet({ capacity: [1, 4], reserved: [2, 0] }, { capacity: [1, 4], reserved: [0, 3] })
  const resources = resourcesOf("rate", "space")
  assert.equal(picked(members, [0, 0], resources, 2), 1)
  assert.equal(picked(members, [0, 0], resources, 4), 0)
})
