import assert from "node:assert/strict"
import { test } from "node:test"
import { backend, backends, fleet, ofWeight, outcome, request } from "../../../test/support/backends.ts"
import { order } from "../../../test/support/policies/picks.ts"
import { leastTimeTraefik } from "./least-time-traefik.ts"
import { MeanTime } from "./mean-time.ts"

test("the mean is of the last hundred times, in whole milliseconds", () => {
  const load = new MeanTime()
  const member = backend()
  load.rebuild([member])
  load.onSettled(member, outcome({ firstByteMs: 400.9 }))
  load.onSettled(member, outcome({ firstByteMs: 200 }))
  assert.equal(load.metric(member, request()), 300)
  for (let i = 0; i < 98; i++) load.onSettled(member, outcome({ firstByteMs: 100 }))
  assert.equal(load.metric(member, request()), 104)
  load.onSettled(member, outcome({ firstByteMs: 100 }))
  load.onSettled(member, outcome({ firstByteMs: 100 }))
  assert.equal(load.metric(member, request()), 100)
})

test("attempts in flight multiply, with the one to come, and weight divides", () => {
  const load = new MeanTime()
  const member = backend({ inFlight: 3, weight: 2 })
  load.rebuild([member])
  load.onSettled(member, outcome({ firstByteMs: 50 }))
  assert.equal(load.metric(member, request()), 100)
})

test("a new backend takes all traffic until its first response, however much it holds", () => {
  const [known, fresh] = backends(0, 1_000)
  const policy = leastTimeTraefik.make()
  policy.rebuild([known!, fresh!])
  policy.onSettled!(known!, outcome({ firstByteMs: 1 }), 0)
  assert.equal(order(policy, 100), "b".repeat(100))
  policy.onSettled!(fresh!, outcome({ firstByteMs: 1 }), 0)
  assert.equal(order(policy, 100), "a".repeat(100))
})

test("failing fast looks like being fast; no response is no time", () => {
  const [good, bad] = backends(0, 0)
  const policy = leastTimeTraefik.make()
  policy.rebuild([good!, bad!])
  policy.onSettled!(good!, outcome({ firstByteMs: 50 }), 0)
  policy.onSettled!(bad!, outcome({ firstByteMs: 60 }), 0)
  for (let i = 0; i < 10; i++) {
    policy.onSettled!(bad!, outcome({ result: "failure", status: 0, firstByteMs: NaN, totalMs: 1 }), 0)
  }
  assert.equal(order(policy, 1), "a")
  for (let i = 0; i < 10; i++) {
    policy.onSettled!(bad!, outcome({ result: "failure", status: 500, firstByteMs: 1 }), 0)
  }
  assert.equal(order(policy, 1), "b")
})

test("the tied take turns by weight and deadline", () => {
  const policy = leastTimeTraefik.make()
  policy.rebuild(ofWeight(2, 1))
  assert.equal(order(policy, 10), "aaabaabaab")
})

test("times stay with a backend, and leavers' are dropped", () => {
  const [a, b] = fleet({}, {})
  const load = new MeanTime()
  load.rebuild([a!, b!])
  load.onSettled(a!, outcome({ firstByteMs: 10 }))
  load.onSettled(b!, outcome({ firstByteMs: 70 }))
  load.rebuild([b!])
  load.onSettled(a!, outcome({ firstByteMs: 10 }))
  assert.equal(load.metric(b!, request()), 70)
  load.rebuild([a!, b!])
  assert.equal(load.metric(a!, request()), 0)
  for (let i = 0; i < 99; i++) load.onSettled(b!, outcome({ firstByteMs: 70 }))
  load.onSettled(b!, outcome({ firstByteMs: 170 }))
  assert.equal(load.metric(b!, request()), 71)
})
