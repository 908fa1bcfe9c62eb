import assert from "node:assert/strict"
import { test } from "node:test"
import {
  backends,
  fleet,
  ofWeight,
  outcome,
  request,
  type FakeBackend,
} from "../../../test/support/backends.ts"
import { order } from "../../../test/support/policies/picks.ts"
import { LeastConnectionsHaproxy } from "./least-connections-haproxy.ts"
import { LeastInTurns } from "../counts/least-in-turns.ts"
import { inFlight } from "../counts/load-metrics.ts"

test("an idle backend is used before any busy one, however light it is", () => {
  const policy = new LeastConnectionsHaproxy()
  policy.rebuild(fleet({ weight: 100, inFlight: 1 }, { weight: 0.1 }))
  assert.equal(order(policy, 10), "b".repeat(10))
})

test("what is compared is the load after the pick, where others compare the load before", () => {
  // After: 4/4 against 2/1.5. Before: 3/4 against 1/1.5.
  const members = fleet({ weight: 4, inFlight: 3 }, { weight: 1.5, inFlight: 1 })
  const policy = new LeastConnectionsHaproxy()
  policy.rebuild(members)
  assert.equal(order(policy, 10), "a".repeat(10))
  const other = new LeastInTurns("least-connections", inFlight)
  other.rebuild(members)
  assert.equal(order(other, 10), "b".repeat(10))
})

test("the tied take turns", () => {
  const policy = new LeastConnectionsHaproxy()
  policy.rebuild(backends(0, 0, 1, 0))
  assert.equal(order(policy, 7), "abdabda")
})

test("a backend that has just become idle again is behind those that have been for longer", () => {
  const members = backends(0, 0, 0)
  const policy = new LeastConnectionsHaproxy()
  policy.rebuild(members)
  assert.equal(order(policy, 2), "ab")
  policy.onSettled(members[1]!, outcome())
  policy.onSettled(members[0]!, outcome())
  assert.equal(order(policy, 3), "cba")
})

test("turns stay with a backend through a change of membership, and a newcomer is last", () => {
  const [a, b, c] = backends(0, 0, 0)
  const policy = new LeastConnectionsHaproxy()
  policy.rebuild([a!, b!])
  assert.equal(order(policy, 3), "aba")
  policy.rebuild([c!, a!, b!])
  assert.equal(order(policy, 3), "bca")
})

test("held attempts settle near weight, after one each", () => {
  // Sends each to the least (n + 1)/w, so no two differ by more than the load of one: 700 over weights 4, 2,
  // 1.
  const members = ofWeight(4, 2, 1)
  const policy = new LeastConnectionsHaproxy()
  policy.rebuild(members)
  for (let i = 0; i < 700; i++) (policy.pick(request()) as FakeBackend).load.inFlight++
  for (const [i, share] of [400, 200, 100].entries()) {
    const { inFlight } = members[i]!.load
    assert.ok(Math.abs(inFlight - share) <= 2, `${members[i]!.id} holds ${inFlight}`)
  }
})
