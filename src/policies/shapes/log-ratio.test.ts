import assert from "node:assert/strict"
import { test } from "node:test"
import { fleet, ofCapacity, request, resourcesOf } from "../../../test/support/backends.ts"
import { mirrored, packed } from "../../../test/support/policies/packing.ts"
import { seeded } from "../../core/rng.ts"
import { logRatio, ratioError } from "./log-ratio.ts"
import type { Policy } from "../policy.ts"
import { Room } from "./room.ts"

const spaces = resourcesOf("space", "space")

function made(): Policy {
  return logRatio.make({ rng: seeded(1), resources: spaces, parameters: { horizonSeconds: 1 } })
}

function errors(capacities: readonly (readonly number[])[], demand: readonly number[]): number[] {
  const room = new Room(resourcesOf(...demand.map(() => "space" as const)), 1)
  const members = ofCapacity(...capacities)
  room.rebuild(members)
  const values = new Float64Array(members.length)
  ratioError(room)(members, Float64Array.from(demand), values)
  return [...values]
}

test("both servers of the papers' examples are filled by the users they are made for", () => {
  assert.deepEqual(packed(made(), mirrored.servers, mirrored.users), [
    [10, 0],
    [0, 10],
  ])
  assert.deepEqual(
    packed(
      made(),
      [
        [100, 30],
        [30, 100],
      ],
      [
        [5, 1],
        [1, 5],
      ],
    ),
    [
      [19, 2],
      [2, 19],
    ],
  )
})

test("for two resources the error is the seed's, |A − D| / max(A, D)", () => {
  for (let compute = 1; compute <= 10; compute++) {
    for (let storage = 1; storage <= 10; storage++) {
      const wanted = compute / storage
      const found = errors(
        [
          [20, 20],
          [20, 5],
          [20, 40],
        ],
        [compute, storage],
      )
      for (const [i, ratio] of [1, 4, 0.5].entries()) {
        const expected = Math.abs(ratio - wanted) / Math.max(ratio, wanted)
        assert.ok(Math.abs(found[i]! - expected) < 1e-12, `${compute}:${storage} on ${i}`)
      }
    }
  }
})

test("for three resources the error spans from the most to the least proportion that would be taken", () => {
  // Parts taken: 1/2, 1/4 and 1/8 of what is there.
  const [error] = errors([[2, 4, 8]], [1, 1, 1])
  assert.ok(Math.abs(error! - 0.75) < 1e-12)
})

test("a request that needs only one resource goes where the least of the other is wasted", () => {
  const policy = made()
  const members = fleet({ capacity: [9, 9] }, { capacity: [9, 2] }, { capacity: [9, 5] })
  policy.rebuild(members)
  assert.equal(policy.pick(request([1, 0])), members[1])
  // One that has nothing left of it is at the other end of infinity.
  assert.deepEqual(
    errors(
      [
        [9, 0],
        [9, 9],
      ],
      [1, 0],
    )[0],
    1,
  )
})

test("what is left counts, not what was registered", () => {
  const policy = made()
  const members = fleet({ capacity: [20, 20], reserved: [0, 15] }, { capacity: [20, 5], reserved: [15, 0] })
  policy.rebuild(members)
  assert.equal(policy.pick(request([4, 1])), members[0])
  assert.equal(policy.pick(request([1, 1])), members[1])
})
