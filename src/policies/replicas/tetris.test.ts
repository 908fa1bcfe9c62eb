import assert from "node:assert/strict"
import { test } from "node:test"
import { fleet, request, resourcesOf } from "../../../test/support/backends.ts"
import { mirrored, packed } from "../../../test/support/policies/packing.ts"
import { seeded } from "../../core/rng.ts"
import type { Policy } from "../policy.ts"
import { tetris } from "./tetris.ts"

function made(): Policy {
  return tetris.make({
    rng: seeded(1),
    resources: resourcesOf("space", "space"),
    parameters: { horizonSeconds: 1 },
  })
}

/** The dot product by each server's own capacity, as one machine would compare tasks. */
function byOwnCapacity(): Policy {
  let members: Parameters<Policy["rebuild"]>[0] = []
  return {
    name: "by-own-capacity",
    rebuild: (now) => (members = now),
    pick: (asked) =>
      members
        .filter((member) => asked.admits(member))
        .map((member) => {
          const parts = Array.from(member.capacity, (all, r) => {
            return (asked.demand[r]! / all) * ((all - member.load.reserved(r)) / all)
          })
          return { member, product: parts.reduce((sum, part) => sum + part, 0) }
        })
        .toSorted((a, b) => b.product - a.product)[0]?.member,
  }
}

test("measured by the fleet's totals a demand goes to the server that has what it needs", () => {
  const { servers, users } = mirrored
  assert.deepEqual(packed(made(), servers, users), [
    [10, 0],
    [0, 10],
  ])
  // Measured by each server's own capacity all goes to the wrong one.
  assert.deepEqual(packed(byOwnCapacity(), servers, users), [
    [0, 2],
    [2, 0],
  ])
})

test("of two holes of one shape the larger wins, whatever the capacities", () => {
  const policy = made()
  const members = fleet({ capacity: [90, 90], reserved: [85, 85] }, { capacity: [6, 6] })
  policy.rebuild(members)
  assert.equal(policy.pick(request([1, 1])), members[1])
})
