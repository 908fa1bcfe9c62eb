import assert from "node:assert/strict"
import { test } from "node:test"
import { fleet, request, resourcesOf } from "../../test/support/backends.ts"
import { packed } from "../../test/support/packing.ts"
import { seeded } from "../core/rng.ts"
import type { Policy } from "./policy.ts"
import { tetris } from "./tetris.ts"

function made(): Policy {
  return tetris({
    rng: seeded(1),
    resources: resourcesOf("space", "space"),
    parameters: { horizonSeconds: 1 },
  })
}

test("measured by the fleet's totals a demand goes to the server that has what it needs", () => {
  // Measured by each server's own capacity this puts two and two tasks, all on the wrong server.
  const counts = packed(
    made(),
    [
      [2, 12],
      [12, 2],
    ],
    [
      [0.2, 1],
      [1, 0.2],
    ],
  )
  assert.deepEqual(counts, [
    [10, 0],
    [0, 10],
  ])
})

test("of two holes of one shape the larger wins, whatever the capacities", () => {
  const policy = made()
  const members = fleet({ capacity: [90, 90], reserved: [85, 85] }, { capacity: [6, 6] })
  policy.rebuild(members)
  assert.equal(policy.pick(request([1, 1])), members[1])
})
