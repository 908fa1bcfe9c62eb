import assert from "node:assert/strict"
import { test } from "node:test"
import { backend, backends, outcome, request, type FakeBackend } from "../../../test/support/backends.ts"
import { order, unlikely, wins } from "../../../test/support/policies/picks.ts"
import type { LoadReport } from "../../core/load-report.ts"
import { resourcesDefault } from "../../core/resources.ts"
import { seeded } from "../../core/rng.ts"
import { CubicScore } from "./cubic-score.ts"
import { makePolicy, policySpec } from "../index.ts"
import type { Policy } from "../policy.ts"

function made(parameters: Record<string, number> = {}): Policy {
  const spec = policySpec("c3", parameters)
  assert.ok(spec.ok)
  return makePolicy(spec.value, { rng: seeded(1), resources: resourcesDefault })
}

function report(namedMetrics: Record<string, number>): LoadReport {
  const nothing = Float64Array.of(NaN, NaN)
  return {
    requestCost: nothing,
    utilization: nothing,
    cpuUtilization: NaN,
    memUtilization: NaN,
    applicationUtilization: NaN,
    rpsFractional: NaN,
    eps: NaN,
    namedMetrics: new Map(Object.entries(namedMetrics)),
  }
}

test("without reports the score is the response time times the cube of the queue", () => {
  const load = new CubicScore(1, 1)
  const member = backend({ inFlight: 2 })
  load.rebuild([member])
  load.onSettled(member, outcome({ firstByteMs: 10 }))
  assert.equal(load.metric(member, request()), 27 * 10)
})

test("with reports it is waiting plus service times the cube of both queues", () => {
  const load = new CubicScore(1, 1)
  const member = backend({ inFlight: 1 })
  load.rebuild([member])
  load.onReport(member, report({ service_time_ms: 4, queue: 3 }))
  load.onSettled(member, outcome({ firstByteMs: 10 }))
  assert.equal(load.metric(member, request()), 10 - 4 + 5 ** 3 * 4)
})

test("each attempt in flight stands for one of every client", () => {
  const load = new CubicScore(1, 8)
  const member = backend({ inFlight: 1 })
  load.rebuild([member])
  load.onSettled(member, outcome({ firstByteMs: 2 }))
  assert.equal(load.metric(member, request()), 9 ** 3 * 2)
})

test("a new sample weighs 0.9, and averages start at nothing", () => {
  const load = new CubicScore(0.9, 1)
  const member = backend()
  load.rebuild([member])
  load.onSettled(member, outcome({ firstByteMs: 100 }))
  assert.equal(load.metric(member, request()), 90)
  load.onSettled(member, outcome({ firstByteMs: 10 }))
  assert.equal(Math.round(load.metric(member, request())), 18)
})

test("a slow backend is given a shorter queue, by the cube root of how slow it is", () => {
  // 27 times slower. Held attempts: the fast one has (q/3)³ = 1 when both score alike, so it carries 3 to 1.
  const members = backends(0, 0)
  const policy = made()
  policy.rebuild(members)
  policy.onSettled!(members[0]!, outcome({ firstByteMs: 10 }), 0)
  policy.onSettled!(members[1]!, outcome({ firstByteMs: 270 }), 0)
  for (let i = 0; i < 398; i++) (policy.pick(request()) as FakeBackend).load.inFlight++
  // q counts the one to come: (x + 1) = 3(y + 1) and x + y = 398 give y = 99.
  assert.ok(Math.abs(members[1]!.load.inFlight - 99) <= 1, `the slow one holds ${members[1]!.load.inFlight}`)
})

test("nothing is known of a backend before its first response: it costs nothing, and the unknown share at random", () => {
  const members = backends(0, 1_000, 0)
  const policy = made()
  policy.rebuild(members)
  policy.onSettled!(members[0]!, outcome({ firstByteMs: 1 }), 0)
  assert.equal(unlikely(wins(policy, members, 10_000), [0, 1 / 2, 1 / 2]), "")
})

test("only successes count, and reports that make no sense do not", () => {
  const load = new CubicScore(1, 1)
  const member = backend()
  load.rebuild([member])
  load.onSettled(member, outcome({ firstByteMs: 10 }))
  load.onSettled(member, outcome({ result: "failure", firstByteMs: 1 }))
  load.onSettled(member, outcome({ result: "ignored", firstByteMs: 1 }))
  load.onReport(member, report({ service_time_ms: NaN, queue: -1, other: 5 }))
  assert.equal(load.metric(member, request()), 10)
})

test("reports reach it through the policy, and what is known stays with a backend", () => {
  const [a, b] = backends(0, 0)
  const policy = made({ gain: 1 })
  policy.rebuild([a!, b!])
  for (const one of [a!, b!]) policy.onSettled!(one, outcome({ firstByteMs: 10 }), 0)
  policy.onReport!(a!, report({ queue: 4 }), 0)
  assert.equal(order(policy, 50), "b".repeat(50))
  policy.rebuild([b!, a!])
  assert.equal(order(policy, 50), "b".repeat(50))
  policy.rebuild([b!])
  policy.rebuild([b!, a!])
  assert.equal(order(policy, 50), "a".repeat(50))
})
