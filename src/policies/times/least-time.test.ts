import assert from "node:assert/strict"
import { test } from "node:test"
import { backend, fleet, outcome, request, type FakeBackend } from "../../../test/support/backends.ts"
import { order } from "../../../test/support/policies/picks.ts"
import { resourcesDefault } from "../../core/resources.ts"
import { seeded } from "../../core/rng.ts"
import { makePolicy, policySpec } from "../index.ts"
import { ExpectedTime } from "./expected-time.ts"
import type { Outcome, PickRequest, Policy } from "../policy.ts"

const at = (now: number): PickRequest => request([1, 1], () => true, undefined, { now })

interface Options {
  readonly lastByte?: boolean
  readonly inflight?: boolean
}

/** One idle backend, looked at afresh at 0. */
function alone({ lastByte = false, inflight = false }: Options = {}): [ExpectedTime, FakeBackend] {
  const load = new ExpectedTime(lastByte, inflight, 10)
  const member = backend()
  load.rebuild([member])
  if (!inflight) load.onBegun(member, at(0))
  return [load, member]
}

function responded(
  load: ExpectedTime,
  member: FakeBackend,
  firstByteMs: number,
  more?: Partial<Outcome>,
): void {
  load.onSettled(member, outcome({ firstByteMs, totalMs: firstByteMs, ...more }), 0)
}

test("times are rounded up to the next step of 20 ms, also from a step", () => {
  for (const [time, expected] of [
    [0, 20],
    [19.9, 20],
    [20, 40],
    [39, 40],
    [4_990, 5_000],
  ] as const) {
    const [load, member] = alone()
    responded(load, member, time)
    assert.equal(load.metric(member, at(0)), expected)
  }
})

test("above five seconds all are equally bad", () => {
  for (const time of [5_001, 60_000]) {
    const [load, member] = alone()
    responded(load, member, time)
    assert.equal(load.metric(member, at(0)), 5_000)
  }
  // Not above: one more step, as in the original.
  const [load, member] = alone()
  responded(load, member, 5_000)
  assert.equal(load.metric(member, at(0)), 5_020)
})

test("the first time counts as it is, later ones move the average by a twentieth", () => {
  const [load, member] = alone()
  responded(load, member, 100)
  assert.equal(load.metric(member, at(0)), 120)
  // 100 + (500 − 100)/20 = 120, and then 120 + (560 − 120)/20 = 142.
  responded(load, member, 500)
  assert.equal(load.metric(member, at(0)), 140)
  responded(load, member, 560)
  assert.equal(load.metric(member, at(0)), 160)
})

test("an average of 10 ms no longer falls, as whole milliseconds are kept; one above does, to 10", () => {
  const falling = (from: number): ExpectedTime => {
    const load = new ExpectedTime(false, false, 10)
    load.rebuild([member])
    load.onBegun(member, at(0))
    responded(load, member, from)
    for (let i = 0; i < 1_000; i++) responded(load, member, 0)
    return load
  }
  // Within a step the average does not show. A time of 211 shows it: it makes 20.05 of 10, which is a step
  // more, and 19.1 of 9.
  const member = backend()
  for (const from of [10, 640]) {
    const load = falling(from)
    responded(load, member, 211)
    assert.equal(load.metric(member, at(0)), 40, `from ${from}`)
  }
  const load = falling(9)
  responded(load, member, 211)
  assert.equal(load.metric(member, at(0)), 20)
})

test("attempts in flight multiply, with the one to come, and weight divides", () => {
  const load = new ExpectedTime(false, false, 10)
  const member = backend({ inFlight: 3, weight: 2 })
  load.rebuild([member])
  load.onBegun(member, at(0))
  responded(load, member, 90)
  assert.equal(load.metric(member, at(0)), (100 * 4) / 2)
})

test("the time is halved for each time-out since the last fresh look, until nothing is left", () => {
  const [load, member] = alone()
  responded(load, member, 100)
  const seen = [10_999, 11_000, 21_999, 22_000, 33_000, 1_000_000].map((now) => load.metric(member, at(now)))
  // 100, 50, 50, 25, 12, 0 in whole milliseconds, then the step.
  assert.deepEqual(seen, [120, 60, 60, 40, 20, 20])
})

test("a pick is a fresh look only once the time-out has passed: steady use is forgiven once in each", () => {
  const [load, member] = alone()
  responded(load, member, 100)
  const seen: number[] = []
  for (let now = 1_000; now <= 24_000; now += 1_000) {
    seen.push(load.metric(member, at(now)))
    load.onBegun(member, at(now))
  }
  assert.deepEqual(
    seen.flatMap((time, second) => (time === 60 ? [second + 1] : [])),
    [11, 22],
  )
  assert.ok(seen.every((time) => time === 60 || time === 120))
})

test("a failure is no time but a fresh look; what says nothing is neither", () => {
  const [load, member] = alone()
  responded(load, member, 100)
  load.onSettled(member, outcome({ result: "failure", status: 500, firstByteMs: 1, totalMs: 1 }), 9_000)
  load.onSettled(member, outcome({ result: "ignored", firstByteMs: 1, totalMs: 1 }), 15_000)
  assert.equal(load.metric(member, at(19_000)), 120)
  assert.equal(load.metric(member, at(20_000)), 60)
})

test("the first byte is measured, or the end when that is asked for", () => {
  const [first, one] = alone()
  responded(first, one, 30, { totalMs: 300 })
  assert.equal(first.metric(one, at(0)), 40)
  const [last, other] = alone({ lastByte: true })
  responded(last, other, 30, { totalMs: 300 })
  assert.equal(last.metric(other, at(0)), 320)
})

test("with inflight, what is unfinished for long counts before its response", () => {
  const [load, member] = alone({ inflight: true })
  load.onBegun(member, at(0))
  load.onBegun(member, at(500))
  // 1,000 and 500 ms old; the first look takes the average as it is.
  assert.equal(load.metric(member, at(1_000)), 760)
  // 800 ms later both are that much older: 750 + (1,550 − 750)/20 = 790.
  assert.equal(load.metric(member, at(1_800)), 800)
  // The older ends: the other is 1,300 ms old, and 790 + (1,300 − 790)/20 = 816.
  load.onSettled(member, outcome({ result: "failure", totalMs: 1_800 }), 1_800)
  assert.equal(load.metric(member, at(1_800)), 820)
  load.onSettled(member, outcome({ result: "failure", totalMs: 1_300 }), 1_800)
  assert.equal(load.metric(member, at(1_800)), 20)
  // An attempt that began before any was counted.
  load.onSettled(member, outcome({ result: "failure", totalMs: 9_000 }), 1_900)
  assert.equal(load.metric(member, at(1_900)), 20)
})

test("what is known stays with a backend, and a newcomer is expected to take one step", () => {
  const load = new ExpectedTime(false, false, 10)
  const [a, b] = fleet({}, {})
  load.rebuild([a!])
  load.onBegun(a!, at(0))
  responded(load, a!, 100)
  load.rebuild([b!, a!])
  assert.equal(load.metric(a!, at(0)), 120)
  assert.equal(load.metric(b!, at(0)), 20)
  load.rebuild([b!])
  responded(load, a!, 500)
  load.rebuild([a!, b!])
  assert.equal(load.metric(a!, at(0)), 20)
})

function made(parameters: Record<string, number> = {}): Policy {
  const spec = policySpec("least-time", parameters)
  assert.ok(spec.ok)
  return makePolicy(spec.value, { rng: seeded(1), resources: resourcesDefault })
}

test("backends of nearly equal speed share in weighted turns, and a slower one gets nothing until they are busy", () => {
  const members = fleet({ weight: 2 }, { weight: 2 }, { weight: 2 })
  const policy = made()
  policy.rebuild(members)
  for (const [i, time] of [41, 59, 90].entries()) {
    policy.onBegun!(members[i]!, at(0))
    policy.onSettled!(members[i]!, outcome({ firstByteMs: time }), 0)
  }
  assert.equal(order(policy, 6), "ababab")
  for (const { load } of members.slice(0, 2)) load.inFlight = 1
  // 60 · 2 against 100.
  assert.equal(order(policy, 1), "c")
})

test("the parameters reach it", () => {
  const [member, other] = fleet({}, { inFlight: 1 })
  const policy = made({ lastByte: 1, failTimeoutSeconds: 3 })
  policy.rebuild([member!, other!])
  for (const one of [member!, other!]) policy.onBegun!(one, at(0))
  // 240 against twice 60; after four seconds 120 against the same, if only the first is halved by then.
  policy.onSettled!(member!, outcome({ firstByteMs: 1, totalMs: 230 }), 0)
  policy.onSettled!(other!, outcome({ firstByteMs: 500, totalMs: 59 }), 0)
  assert.equal(policy.pick(at(3_000)), other)
  policy.onSettled!(other!, outcome({ result: "failure", status: 502 }), 4_000)
  other!.load.inFlight = 2
  assert.equal(policy.pick(at(4_000)), member)
})
