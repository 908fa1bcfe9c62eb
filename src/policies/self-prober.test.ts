import assert from "node:assert/strict"
import { test } from "node:test"
import { backends, outcome, type FakeBackend } from "../../test/support/backends.ts"
import { SelfProber } from "./self-prober.ts"

function answer(prober: SelfProber, backend: FakeBackend, now = 0): [number, number] {
  const into = new Float64Array(2)
  prober.answer(backend, now, into)
  return [into[0]!, into[1]!]
}

/** Attempts that took so long with so many others in flight. */
function measured(
  prober: SelfProber,
  backend: FakeBackend,
  samples: readonly (readonly [others: number, ms: number])[],
  now = 0,
): void {
  for (const [others, ms] of samples) {
    backend.load.inFlight = others
    prober.onSettled(backend, outcome({ firstByteMs: ms, totalMs: ms * 10 }), now)
  }
}

test("who is not known is answered for with what is in flight and no latency", () => {
  const prober = new SelfProber()
  const [a, b] = backends(3, 5) as [FakeBackend, FakeBackend]
  prober.rebuild([a])
  assert.deepEqual(answer(prober, a), [3, 0])
  assert.deepEqual(answer(prober, b), [5, 0])
})

test("the latency is the median of the times to first byte with about as many in flight", () => {
  const prober = new SelfProber()
  const [a] = backends(0) as [FakeBackend]
  prober.rebuild([a])
  measured(prober, a, [
    [0, 10],
    [0, 14],
    [1, 11],
    [20, 90],
    [20, 100],
    [21, 200],
    [19, 80],
  ])
  a.load.inFlight = 0
  assert.deepEqual(answer(prober, a), [0, 11])
  a.load.inFlight = 20
  assert.deepEqual(answer(prober, a), [20, 95])
  // None with about 40: the three nearest, of 90, 100 and 200 ms.
  a.load.inFlight = 40
  assert.deepEqual(answer(prober, a), [40, 100])
})

test("what was measured more than ten seconds ago is forgotten, and so is all but the last 32", () => {
  const prober = new SelfProber()
  const [a] = backends(0) as [FakeBackend]
  prober.rebuild([a])
  measured(prober, a, [[0, 50]], 1_000)
  assert.equal(answer(prober, a, 11_000)[1], 50)
  assert.equal(answer(prober, a, 11_001)[1], 0)
  measured(
    prober,
    a,
    Array.from({ length: 20 }, () => [0, 500] as const),
    12_000,
  )
  measured(
    prober,
    a,
    Array.from({ length: 32 }, () => [0, 7] as const),
    12_000,
  )
  assert.equal(answer(prober, a, 12_000)[1], 7)
})

test("a failure is slow, however fast it came, and an ignored attempt says nothing", () => {
  const prober = new SelfProber()
  const [a] = backends(0) as [FakeBackend]
  prober.rebuild([a])
  prober.onSettled(a, outcome({ result: "ignored", firstByteMs: 1 }), 0)
  assert.equal(answer(prober, a)[1], 0)
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
    assert.equal(answer(fresh, a)[1], expected)
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
  assert.deepEqual([answer(prober, b)[1], answer(prober, c)[1]], [30, 0])
})
