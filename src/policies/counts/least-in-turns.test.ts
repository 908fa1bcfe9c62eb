import assert from "node:assert/strict"
import { test } from "node:test"
import { backends, fleet, ofWeight, request, type FakeBackend } from "../../../test/support/backends.ts"
import { LeastInTurns } from "./least-in-turns.ts"
import { inFlight } from "./load-metrics.ts"

const leastConnections = (): LeastInTurns => new LeastInTurns("least-connections", inFlight)

function turns(policy: LeastInTurns, count: number): string {
  return Array.from({ length: count }, () => policy.pick(request())?.id ?? "-").join("")
}

test("the fewest attempts in flight win, always", () => {
  const policy = leastConnections()
  policy.rebuild(backends(3, 1, 2))
  assert.equal(turns(policy, 100), "b".repeat(100))
})

test("twice the weight may carry twice as many", () => {
  const policy = leastConnections()
  policy.rebuild(fleet({ inFlight: 3, weight: 2 }, { inFlight: 2, weight: 1 }))
  assert.equal(turns(policy, 3), "aaa")
  policy.rebuild(fleet({ inFlight: 5, weight: 2 }, { inFlight: 2, weight: 1 }))
  assert.equal(turns(policy, 3), "bbb")
})

test("an idle fleet is served in smooth weighted turns", () => {
  const policy = leastConnections()
  policy.rebuild(ofWeight(5, 1, 1))
  assert.equal(turns(policy, 7), "aabacaa")
})

test("only the tied have turns", () => {
  const policy = leastConnections()
  policy.rebuild(backends(1, 0, 0, 1))
  assert.equal(turns(policy, 6), "bcbcbc")
})

test("equal loads per weight are tied although their counts differ", () => {
  const policy = leastConnections()
  policy.rebuild(fleet({ inFlight: 3, weight: 3 }, { inFlight: 1, weight: 1 }))
  assert.equal(turns(policy, 8), "aabaaaba")
})

test("held attempts settle in proportion to weight", () => {
  // Each pick goes to a least in-flight per weight, so no backend is ever more than one attempt ahead of its
  // weight's share: after 700 the weights 4, 2, 1 hold exactly 400, 200, 100.
  const members = ofWeight(4, 2, 1)
  const policy = leastConnections()
  policy.rebuild(members)
  for (let i = 0; i < 700; i++) {
    const picked = policy.pick(request()) as FakeBackend
    picked.load.hold(Float64Array.of(1, 1))
  }
  assert.deepEqual(
    members.map(({ load }) => load.inFlight),
    [400, 200, 100],
  )
})
