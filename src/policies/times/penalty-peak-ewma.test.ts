import assert from "node:assert/strict"
import { test } from "node:test"
import { backends, outcome, request } from "../../../test/support/backends.ts"
import { resourcesDefault } from "../../core/resources.ts"
import { seeded } from "../../core/rng.ts"
import { makePolicy, policySpec } from "../index.ts"
import type { Outcome, Policy } from "../policy.ts"

function made(parameters: Record<string, number> = {}): Policy {
  const spec = policySpec("penalty-peak-ewma", parameters)
  assert.ok(spec.ok)
  return makePolicy(spec.value, { rng: seeded(1), resources: resourcesDefault })
}

/** What an idle backend costs after this: found by holding it against one of known time. */
function costs(how: Partial<Outcome>, parameters: Record<string, number> = {}): number {
  let low = 0
  let high = 1e6
  while (high - low > 0.01) {
    const middle = (low + high) / 2
    const [measured, known] = backends(0, 0)
    const policy = made({ defaultRttMs: 0, ...parameters })
    policy.rebuild([measured!, known!])
    policy.onSettled!(measured!, outcome(how), 0)
    policy.onSettled!(known!, outcome({ firstByteMs: middle }), 0)
    if (policy.pick(request()) === known) low = middle
    else high = middle
  }
  return Math.round(low)
}

const failed = (status: number, retryAfterMs = NaN): Partial<Outcome> => ({
  result: status === 429 ? "success" : "failure",
  status,
  firstByteMs: 1,
  totalMs: 1,
  retryAfterMs,
})

test("a response counts by its first byte", () => {
  assert.equal(costs({ firstByteMs: 40, totalMs: 900 }), 40)
})

test("429, 503 and other 5xx count as five seconds, other statuses as they are", () => {
  for (const status of [429, 500, 502, 503, 504]) assert.equal(costs(failed(status)), 5_000, `${status}`)
  for (const status of [200, 304, 400, 404]) assert.equal(costs({ status, firstByteMs: 3 }), 3, `${status}`)
})

test("Retry-After counts between the penalty and five minutes, of 429 and 503 only", () => {
  for (const status of [429, 503]) {
    assert.equal(costs(failed(status, 1_000)), 5_000)
    assert.equal(costs(failed(status, 60_000)), 60_000)
    assert.equal(costs(failed(status, 3_600_000)), 300_000)
  }
  assert.equal(costs(failed(500, 60_000)), 5_000)
})

test("an attempt without a response counts as long as it lasted; one whose client left does not count", () => {
  assert.equal(costs({ result: "failure", status: 0, firstByteMs: NaN, totalMs: 700 }), 700)
  assert.equal(costs({ result: "ignored", status: 0, firstByteMs: NaN, totalMs: 700 }), 0)
})

test("the penalty and its limit are parameters", () => {
  const parameters = { penaltyMs: 100, retryAfterMaxMs: 2_000 }
  assert.equal(costs(failed(500), parameters), 100)
  assert.equal(costs(failed(503, 60_000), parameters), 2_000)
  // The penalty is the floor, also of a limit below it.
  assert.equal(costs(failed(503, 60_000), { penaltyMs: 100, retryAfterMaxMs: 50 }), 100)
})

test("a backend without a first response counts as 30 ms", () => {
  const [known, fresh] = backends(0, 0)
  for (const [time, expected] of [
    [29, known],
    [31, fresh],
  ] as const) {
    const policy = made()
    policy.rebuild([known!, fresh!])
    // Two peaks: the default is where the estimate starts.
    policy.onSettled!(known!, outcome({ firstByteMs: Math.max(time, 30.5) }), 0)
    policy.onSettled!(known!, outcome({ firstByteMs: 0 }), time === 29 ? 10_000 : 0)
    assert.equal(policy.pick(request()), expected)
  }
})

test("a backend that has failed is forgiven as the penalty decays", () => {
  // Both respond in 50 ms; one fails once. It is back when 5,000·e^(−t/10 s) has fallen to the other's, which
  // is renewed each second: after 10·ln(100) = 46 s.
  const [good, bad] = backends(0, 0)
  const policy = made()
  policy.rebuild([good!, bad!])
  policy.onSettled!(bad!, outcome(failed(503)), 0)
  let back = 0
  for (let now = 0; back === 0; now += 1_000) {
    policy.onSettled!(good!, outcome({ firstByteMs: 50 }), now)
    if (policy.pick(request([1, 1], () => true, undefined, { now })) === bad) back = now
  }
  assert.ok(back > 46_000 && back <= 48_000, `back after ${back} ms`)
})
