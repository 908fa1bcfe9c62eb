import assert from "node:assert/strict"
import { test } from "node:test"
import { backends, fleet, request } from "../../../test/support/backends.ts"
import { order } from "../../../test/support/policies/picks.ts"
import { First } from "./first.ts"

test("everything goes to the one registered first, whatever it carries and weighs", () => {
  const policy = new First(0)
  policy.rebuild(fleet({ inFlight: 1_000, weight: 0.1 }, { weight: 9 }))
  assert.equal(order(policy, 100), "a".repeat(100))
})

test("a refused member is passed over", () => {
  const policy = new First(0)
  policy.rebuild(backends(0, 0, 0))
  assert.equal(
    order(policy, 3, ({ id }) => id !== "a"),
    "bbb",
  )
})

test("a full backend sends the rest to the next, and is used again when it has room", () => {
  const policy = new First(2)
  const members = backends(0, 0)
  policy.rebuild(members)
  const taken = Array.from({ length: 3 }, () => {
    const picked = policy.pick(request())!
    members.find((one) => one === picked)!.load.inFlight++
    return picked.id
  })
  assert.deepEqual(taken, ["a", "a", "b"])
  members[0]!.load.inFlight--
  assert.equal(order(policy, 1), "a")
})

test("when all are full none is picked: the request waits", () => {
  const policy = new First(2)
  policy.rebuild(backends(2, 3))
  assert.equal(order(policy, 1), "-")
})
