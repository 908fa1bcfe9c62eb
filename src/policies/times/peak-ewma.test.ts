import assert from "node:assert/strict"
import { test } from "node:test"
import { backend, backends, outcome, request } from "../../../test/support/backends.ts"
import { order, unlikely, wins } from "../../../test/support/policies/picks.ts"
import { resourcesDefault } from "../../core/resources.ts"
import { seeded } from "../../core/rng.ts"
import { makePolicy, policySpec } from "../index.ts"
import { PeakEwma } from "./peak-ewma.ts"
import type { PickRequest, Policy } from "../policy.ts"

const at = (now: number): PickRequest => request([1, 1], () => true, undefined, { now })

function near(actual: number, expected: number): void {
  assert.ok(Math.abs(actual - expected) <= 1e-9 * Math.abs(expected), `${actual} is not ${expected}`)
}

function made(parameters: Record<string, number> = {}): Policy {
  const spec = policySpec("peak-ewma", parameters)
  assert.ok(spec.ok)
  return makePolicy(spec.value, { rng: seeded(1), resources: resourcesDefault })
}

test("a time above the estimate is the estimate at once", () => {
  const member = backend()
  const load = new PeakEwma(10_000, 0)
  load.rebuild([member])
  for (const time of [10, 200, 3_000]) {
    load.observe(member, time, 0)
    assert.equal(load.metric(member, at(0)), time)
  }
})

test("a time below it pulls it down by how long ago the last one was", () => {
  const member = backend()
  const load = new PeakEwma(10_000, 0)
  load.rebuild([member])
  load.observe(member, 1_000, 0)
  load.observe(member, 100, 0)
  assert.equal(load.metric(member, at(0)), 1_000)
  load.observe(member, 100, 5_000)
  const keep = Math.exp(-0.5)
  near(load.metric(member, at(5_000)), 1_000 * keep + 100 * (1 - keep))
})

test("it decays when nothing is heard: to 1/e in each decay time", () => {
  const member = backend()
  const load = new PeakEwma(10_000, 0)
  load.rebuild([member])
  load.observe(member, 1_000, 0)
  near(load.metric(member, at(10_000)), 1_000 / Math.E)
})

test("reading counts as a time of nothing: a backend that is looked at often sinks below its own times, then is lifted", () => {
  // 100 ms each second. Unread, every time equals the estimate. Read just before, a time has no weight left,
  // so the estimate sinks by e^−0.1 per second, and the next time, which is above it, lifts it to 100 again.
  const member = backend()
  const load = new PeakEwma(10_000, 0)
  load.rebuild([member])
  load.observe(member, 100, 0)
  for (let now = 1_000; now <= 5_000; now += 1_000) {
    near(load.metric(member, at(now)), 100 * Math.exp(-0.1))
    load.observe(member, 100, now)
    near(load.metric(member, at(now)), 100)
  }
  // Times of 50 cannot hold it: each look takes its whole interval away from them.
  load.observe(member, 50, 6_000)
  const before = load.metric(member, at(7_000))
  load.observe(member, 50, 7_000)
  near(load.metric(member, at(7_000)), before)
})

test("attempts in flight multiply, with the one to come", () => {
  const member = backend({ inFlight: 3 })
  const load = new PeakEwma(10_000, 0)
  load.rebuild([member])
  load.observe(member, 25, 0)
  assert.equal(load.metric(member, at(0)), 100)
})

test("without a first response an idle backend costs nothing and a busy one more than any other", () => {
  const [fresh, slow] = backends(0, 9)
  const policy = made()
  policy.rebuild([fresh!, slow!])
  policy.onSettled!(slow!, outcome({ totalMs: 60_000 }), 0)
  assert.equal(order(policy, 100), "a".repeat(100))
  fresh!.load.inFlight = 1
  assert.equal(order(policy, 100), "b".repeat(100))
})

test("with a default, a backend costs that before its first answer, decaying from the first look", () => {
  const member = backend({ inFlight: 1 })
  const load = new PeakEwma(10_000, 30)
  load.rebuild([member])
  assert.equal(load.metric(member, at(500_000)), 60)
  near(load.metric(member, at(505_000)), 60 * Math.exp(-0.5))
})

test("an attempt lasts until its end and whatever it says: failing fast looks like being fast", () => {
  const [good, bad] = backends(0, 0)
  const policy = made()
  policy.rebuild([good!, bad!])
  policy.onSettled!(good!, outcome({ firstByteMs: 1, totalMs: 50 }), 0)
  policy.onSettled!(bad!, outcome({ result: "failure", status: 0, firstByteMs: NaN, totalMs: 2 }), 0)
  assert.equal(order(policy, 100), "b".repeat(100))
})

test("an attempt that says nothing is not counted", () => {
  const members = backends(0, 0)
  const policy = made()
  policy.rebuild(members)
  policy.onSettled!(members[0]!, outcome({ result: "ignored", totalMs: 5_000 }), 0)
  assert.equal(unlikely(wins(policy, members, 10_000), [1 / 2, 1 / 2]), "")
})

test("of three, only the two faster are picked when drawn against the slower", () => {
  const members = backends(0, 0, 0)
  const policy = made()
  policy.rebuild(members)
  for (const [i, time] of [10, 20, 30].entries())
    policy.onSettled!(members[i]!, outcome({ totalMs: time }), 0)
  assert.equal(unlikely(wins(policy, members, 30_000), [2 / 3, 1 / 3, 0]), "")
})

test("estimates stay with their backends, and leavers' are dropped", () => {
  const [a, b] = backends(0, 0)
  const load = new PeakEwma(10_000, 0)
  load.rebuild([a!, b!])
  load.observe(a!, 10, 0)
  load.observe(b!, 20, 0)
  load.rebuild([b!])
  load.observe(a!, 99, 0)
  assert.equal(load.metric(b!, at(0)), 20)
  load.rebuild([a!, b!])
  assert.equal(load.metric(a!, at(0)), 0)
})
