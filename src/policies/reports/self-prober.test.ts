import assert from "node:assert/strict"
import { test } from "node:test"
import { backends, outcome, type FakeBackend } from "../../../test/support/backends.ts"
import { seeded } from "../../core/rng.ts"
import { SelfProber } from "./self-prober.ts"

function response(prober: SelfProber, backend: FakeBackend, now = 0): [number, number] {
  const into = Float64Array.of(0, 0, now)
  prober.respond(backend, into)
  return [into[0]!, into[1]!]
}

/**
 * Attempts one after the other, each beside so many others and with this time to first byte; returns when all ended.
 */
function measured(
  prober: SelfProber,
  backend: FakeBackend,
  samples: readonly (readonly [others: number, ms: number])[],
  from = 0,
): number {
  let now = from
  for (const [others, ms] of samples) {
    backend.load.inFlight = others + 1
    prober.onBegun(backend, now)
    now += ms * 2
    backend.load.inFlight = others
    prober.onSettled(backend, outcome({ firstByteMs: ms, totalMs: ms * 2 }), now)
  }
  return now
}

test("for a backend that is not known the response is what is in flight, and no latency", () => {
  const prober = new SelfProber()
  const [a, b] = backends(3, 5) as [FakeBackend, FakeBackend]
  prober.rebuild([a])
  assert.deepEqual(response(prober, a), [3, 0])
  assert.deepEqual(response(prober, b), [5, 0])
})

test("the latency is the median of the times to first byte with about as many in flight", () => {
  const prober = new SelfProber()
  const [a] = backends(0) as [FakeBackend]
  prober.rebuild([a])
  const now = measured(prober, a, [
    [0, 10],
    [0, 14],
    [1, 11],
    [20, 90],
    [20, 100],
    [21, 200],
    [19, 80],
  ])
  a.load.inFlight = 0
  assert.deepEqual(response(prober, a, now), [0, 11])
  a.load.inFlight = 20
  assert.deepEqual(response(prober, a, now), [20, 95])
})

test("the company is that of an attempt's begin: the last of a crowd does not make an idle backend look slow", () => {
  const prober = new SelfProber()
  const [a] = backends(0) as [FakeBackend]
  prober.rebuild([a])
  let now = measured(prober, a, [
    [0, 10],
    [0, 10],
    [0, 10],
  ])
  for (let others = 0; others < 20; others++) {
    a.load.inFlight = others + 1
    prober.onBegun(a, now + others)
  }
  // One after the other they end, and the last ones leave a backend behind that has nothing to do.
  now += 20
  for (let left = 19; left >= 0; left--) {
    a.load.inFlight = left
    prober.onSettled(a, outcome({ firstByteMs: 500, totalMs: 500 + 20 - (20 - left) }), now + 500)
  }
  assert.deepEqual(response(prober, a, now + 500), [0, 10])
  a.load.inFlight = 18
  assert.deepEqual(response(prober, a, now + 500), [18, 500])
})

test("a tunnel that ends says nothing of how long a response takes now, and one that breaks is a failure", () => {
  const prober = new SelfProber()
  const [a] = backends(0) as [FakeBackend]
  prober.rebuild([a])
  for (let others = 0; others < 20; others++) {
    a.load.inFlight = others + 1
    prober.onBegun(a, others)
  }
  // Each took long to open, beside all the others. They end one after the other, a minute later.
  const tunnel = { status: 101, firstByteMs: 500, totalMs: 500 }
  for (let left = 19; left >= 0; left--) {
    a.load.inFlight = left
    prober.onSettled(a, outcome(tunnel), 60_000)
  }
  assert.deepEqual(response(prober, a, 60_000), [0, 0])
  prober.onSettled(a, outcome({ ...tunnel, result: "failure" }), 61_000)
  assert.deepEqual(response(prober, a, 61_000), [0, 5_000])
})

test("where too little is known those with less company stand in, and never those with more", () => {
  const prober = new SelfProber()
  const [a] = backends(0) as [FakeBackend]
  prober.rebuild([a])
  const now = measured(prober, a, [
    [20, 90],
    [20, 100],
    [21, 200],
    [19, 80],
    [4, 30],
  ])
  // None with about 40: those with 20 to 22, and not the one with 5.
  a.load.inFlight = 40
  assert.deepEqual(response(prober, a, now), [40, 95])
  // With 10 there is the one with 5; with none there is none.
  a.load.inFlight = 10
  assert.deepEqual(response(prober, a, now), [10, 30])
  a.load.inFlight = 0
  assert.deepEqual(response(prober, a, now), [0, 0])
})

interface Ended {
  readonly at: number
  readonly company: number
  readonly ms: number
}

/** What is known of late of a backend with so many in flight, told from a list of all attempts that have ended. */
function plainAnswer(ended: readonly Ended[], inFlight: number, now: number): number {
  const company = inFlight + 1
  const reach = Math.max(1, company / 4)
  const known = ended.slice(-32).filter((one) => now - one.at <= 10_000 && one.company <= company + reach)
  if (known.length === 0) return 0
  let near: readonly Ended[] = []
  for (let below = reach; near.length < Math.min(3, known.length); below *= 2) {
    near = known.filter((one) => one.company >= company - below)
  }
  const sorted = near.map(({ ms }) => ms).sort((x, y) => x - y)
  return (sorted.at((sorted.length - 1) / 2)! + sorted.at(sorted.length / 2)!) / 2
}

test("says what a plain list of all attempts says", () => {
  const rng = seeded(7)
  const prober = new SelfProber()
  const [a] = backends(0) as [FakeBackend]
  prober.rebuild([a])
  const running: { readonly begunAt: number; readonly company: number }[] = []
  const ended: Ended[] = []
  let now = 0
  let responses = 0
  for (let step = 0; step < 20_000; step++) {
    // Now and then nothing happens for so long that everything is forgotten.
    now += rng.below(500) === 0 ? 20_000 : 1 + rng.below(200)
    const what = rng.below(3)
    // Up to seven in flight every change is remembered.
    if (what === 0 && running.length < 7) {
      running.push({ begunAt: now, company: running.length + 1 })
      a.load.inFlight = running.length
      prober.onBegun(a, now)
    } else if (what === 1 && running.length > 0) {
      const [one] = running.splice(rng.below(Math.min(2, running.length)), 1)
      const ms = now - one!.begunAt
      ended.push({ at: now, company: one!.company, ms })
      a.load.inFlight = running.length
      prober.onSettled(a, outcome({ firstByteMs: ms, totalMs: ms }), now)
    } else {
      const expected = [running.length, plainAnswer(ended, running.length, now)]
      assert.deepEqual(response(prober, a, now), expected, `step ${step}`)
      if (expected[1]! > 0) responses++
    }
  }
  assert.ok(responses > 5_000)
})

test("what was measured more than ten seconds ago is forgotten, and so is all but the last 32", () => {
  const prober = new SelfProber()
  const [a] = backends(0) as [FakeBackend]
  prober.rebuild([a])
  measured(prober, a, [[0, 50]], 900)
  assert.equal(response(prober, a, 11_000)[1], 50)
  assert.equal(response(prober, a, 11_001)[1], 0)
  const slow = Array.from({ length: 20 }, () => [0, 500] as const)
  const fast = Array.from({ length: 32 }, () => [0, 7] as const)
  const now = measured(prober, a, fast, measured(prober, a, slow, 12_000))
  assert.equal(response(prober, a, now)[1], 7)
})

test("a failure is slow, however fast it came, and an ignored attempt says nothing", () => {
  const prober = new SelfProber()
  const [a] = backends(0) as [FakeBackend]
  prober.rebuild([a])
  prober.onSettled(a, outcome({ result: "ignored", firstByteMs: 1 }), 0)
  assert.equal(response(prober, a)[1], 0)
  for (const [given, expected] of [
    [{ firstByteMs: 2 }, 5_000],
    [{ firstByteMs: NaN, totalMs: 3 }, 5_000],
    [{ firstByteMs: NaN, totalMs: 9_000 }, 9_000],
    [{ firstByteMs: 2, retryAfterMs: 20_000 }, 20_000],
    [{ firstByteMs: 2, retryAfterMs: 86_400_000 }, 300_000],
  ] as const) {
    const fresh = new SelfProber()
    fresh.rebuild([a])
    fresh.onSettled(a, outcome({ result: "failure", ...given }), 0)
    assert.equal(response(fresh, a)[1], expected)
  }
})

test("what was measured stays with its backend when others come and go", () => {
  const prober = new SelfProber()
  const [a, b, c] = backends(0, 0, 0) as [FakeBackend, FakeBackend, FakeBackend]
  prober.rebuild([a, b])
  measured(prober, b, [[0, 30]])
  prober.rebuild([c, b])
  measured(prober, a, [[0, 99]])
  b.load.inFlight = 0
  assert.deepEqual([response(prober, b, 60)[1], response(prober, c, 60)[1]], [30, 0])
})
