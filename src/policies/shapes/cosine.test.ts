import assert from "node:assert/strict"
import { test } from "node:test"
import { fleet, request, resourcesOf } from "../../../test/support/backends.ts"
import { seeded } from "../../core/rng.ts"
import { angle, cosine } from "./cosine.ts"
import { Room } from "./room.ts"

const spaces = resourcesOf("space", "space")

test("the value is one less the cosine of the angle, in shares of the totals", () => {
  const room = new Room(spaces, 1)
  const members = fleet({ capacity: [3, 4] }, { capacity: [7, 0] }, { capacity: [0, 6] }, {})
  // Totals (10, 10), but for the last, which is left out.
  room.rebuild(members.slice(0, 3))
  const values = Float64Array.of(0, 0, 0, NaN)
  angle(room)(members, Float64Array.of(1, 0), values)
  const expected = [1 - 3 / 5, 0, 1, NaN]
  for (const [i, value] of values.entries()) {
    assert.ok(
      Number.isNaN(expected[i]) ? Number.isNaN(value) : Math.abs(value - expected[i]!) < 1e-12,
      `${i}`,
    )
  }
})

test("the room counts and not the capacity, its direction and not its length", () => {
  const policy = cosine({ rng: seeded(1), resources: spaces, parameters: { horizonSeconds: 1 } })
  const members = fleet({ capacity: [20, 20], reserved: [16, 18] }, { capacity: [20, 20] })
  policy.rebuild(members)
  assert.equal(policy.pick(request([2, 1])), members[0])
  assert.equal(policy.pick(request([1, 1])), members[1])
})
