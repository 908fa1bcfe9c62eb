import assert from "node:assert/strict"
import { test } from "node:test"
import { fleet, request, resourcesOf } from "../../../test/support/backends.ts"
import { mirrored, packed } from "../../../test/support/policies/packing.ts"
import { seeded } from "../../core/rng.ts"
import { drfhBestFit } from "./drfh-best-fit.ts"
import type { Policy } from "../policy.ts"

function bestFit(resources = 2): Policy {
  const kinds = Array.from({ length: resources }, () => "space" as const)
  const parameters = { horizonSeconds: 1 }
  return drfhBestFit.make({ rng: seeded(1), resources: resourcesOf(...kinds), parameters })
}

/** What the papers compare with: the first server where the task fits. */
function firstFit(): Policy {
  let members: Parameters<Policy["rebuild"]>[0] = []
  return {
    name: "first-fit",
    rebuild: (now) => (members = now),
    pick: (asked) => members.find((member) => asked.admits(member)),
  }
}

test("the two servers of the paper take ten tasks of each user, where first fit takes six", () => {
  const { servers, users } = mirrored
  assert.deepEqual(packed(bestFit(), servers, users), [
    [10, 0],
    [0, 10],
  ])
  const counts = packed(firstFit(), servers, users).map((row) => row[0]! + row[1]!)
  assert.deepEqual(counts, [6, 6])
})

test("two servers that nearly mirror each other take 42 tasks, where first fit takes 20", () => {
  const servers = [
    [100, 30],
    [30, 100],
  ]
  const users = [
    [5, 1],
    [1, 5],
  ]
  assert.deepEqual(packed(bestFit(), servers, users), [
    [19, 2],
    [2, 19],
  ])
  assert.deepEqual(packed(firstFit(), servers, users), [
    [5, 5],
    [5, 5],
  ])
})

/** The place of the backend that is picked. */
function picked(capacities: readonly (readonly number[])[], demand: readonly number[]): number {
  const members = fleet(...capacities.map((capacity) => ({ capacity })))
  const policy = bestFit(demand.length)
  policy.rebuild(members)
  return members.indexOf(policy.pick(request(demand)) as (typeof members)[number])
}

test("the least difference of proportions wins", () => {
  // Totals are (12, 12). H is |2 − 1| for (6, 6), |2 − 2.5| for (2, 5) and |2 − 0.25| for (4, 1).
  assert.equal(
    picked(
      [
        [6, 6],
        [2, 5],
        [4, 1],
      ],
      [0.5, 1],
    ),
    1,
  )
})

test("where the first resource is not needed the next one that is takes its place", () => {
  // By the second: third over second is 1 wanted, 4 and 1.5 offered; first over second is 0 wanted.
  assert.equal(
    picked(
      [
        [0, 2, 8],
        [0, 4, 6],
      ],
      [0, 1, 1],
    ),
    1,
  )
  assert.equal(
    picked(
      [
        [8, 4, 4],
        [1, 4, 4],
      ],
      [0, 1, 1],
    ),
    1,
  )
})

test("a server without any of the first resource left is no candidate for a request that needs it, and NaN is no value", () => {
  assert.equal(
    picked(
      [
        [0, 9],
        [1, 90],
      ],
      [1, 1],
    ),
    1,
  )
  assert.equal(
    picked(
      [
        [0, 9],
        [5, 5],
      ],
      [0, 1],
    ),
    0,
  )
})
