import assert from "node:assert/strict"
import { test } from "node:test"
import { fleet, request } from "../../../test/support/backends.ts"
import type { Backend } from "../../core/backend.ts"
import { seeded } from "../../core/rng.ts"
import { KeyTablePolicy } from "./key-table.ts"

/** A table in which key k begins at the k-th member, counted; remembers how often it was built. */
function counted() {
  const builds: string[] = []
  const policy = new KeyTablePolicy("counted", seeded(1), 0, (members) => {
    builds.push(members.map(({ id }) => id).join(""))
    return { owners: Int32Array.from(members.keys()), at: (key) => key % members.length }
  })
  return { policy, builds }
}

test("the table is built when a member comes, goes, moves, changes places or weight, and else is kept", () => {
  const { policy, builds } = counted()
  const [a, b, c] = fleet({}, {}, {})
  policy.rebuild([a!, b!])
  policy.rebuild(fleet({ capacity: [1, 2] }, { capacity: [3, 4], inFlight: 7 }))
  assert.deepEqual(builds, ["ab"])
  for (const members of [
    [a!, b!, c!],
    [b!, c!],
    [c!, b!],
  ])
    policy.rebuild(members)
  assert.deepEqual(builds, ["ab", "abc", "bc", "cb"])
  policy.rebuild(fleet({ id: "c", weight: 2 }, { id: "b" }))
  policy.rebuild(fleet({ id: "c", weight: 2 }, { id: "b", address: "b.example:81" }))
  assert.equal(builds.length, 6)
  policy.rebuild([])
  policy.rebuild([a!])
  assert.equal(builds.length, 7, "of no members there is nothing to build")
})

test("with a table that is kept, the new objects are picked", () => {
  const { policy } = counted()
  policy.rebuild(fleet({}, {}))
  const renewed = fleet({ capacity: [1, 2] }, {})
  policy.rebuild(renewed)
  assert.deepEqual(
    [0, 1].map((key) => policy.pick(request([1, 1], undefined, key))),
    renewed,
  )
})

test("a refused key goes to the next owner, round the end, and far beyond to any admitted member", () => {
  const { policy } = counted()
  const members = fleet(...Array.from({ length: 500 }, () => ({})))
  policy.rebuild(members)
  const pick = (key: number, admits: (one: Backend) => boolean) =>
    members.indexOf(policy.pick(request([1, 1], admits, key)) as (typeof members)[number])
  assert.equal(
    pick(7, (one) => one !== members[7]),
    8,
  )
  assert.equal(
    pick(499, (one) => one !== members[499]),
    0,
  )
  assert.equal(
    pick(7, (one) => one === members[6]),
    6,
  )
  assert.equal(
    pick(7, () => false),
    -1,
  )
})
