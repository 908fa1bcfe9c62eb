import assert from "node:assert/strict"
import { test } from "node:test"
import { kind, scenario } from "../../../test/support/scenarios.ts"
import { ArrivalProcess } from "./arrivals.ts"
import type { Arrivals, TracedRequest } from "../scenario/scenario.ts"

function times(arrivals: Arrivals, rate: number, count: number, seed = 1): number[] {
  const process = new ArrivalProcess(scenario({ arrivals }), rate, seed)
  return Array.from({ length: count }, () => {
    process.next()
    return process.at
  })
}

test("Poisson arrivals come at the rate that was asked for, with gaps as varied as their mean", () => {
  // 100_000 gaps: 4σ of the mean is 4/√n = 1.3 % of it; of the second moment 2m², whose σ is √20/√n: 5.7 % of m².
  const found = times({ kind: "poisson" }, 50, 100_000)
  const gaps = found.map((at, i) => at - (found[i - 1] ?? 0))
  const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length
  const second = gaps.reduce((sum, gap) => sum + gap * gap, 0) / gaps.length

  assert.ok(Math.abs(mean - 20) < 0.26, `mean ${mean}`)
  assert.ok(Math.abs(second / 400 - 2) < 0.057, `second moment ${second / 400}`)
})

test("bursts come at their own rate, and all in all the mean is kept", () => {
  // On for 1 s, off for 3 s on average, in bursts 3 times the mean rate: off 1/3 of it. Windows of 10 ms hold 0.1
  // arrivals on average; correlated counts: the index of dispersion of counts over long times is
  // 1 + 2·variance of the rate·(correlation time)/rate = 1 + 2·(rate·(8/3)²·3/16)·0.75 s = 21 at 10 per second: so 4σ
  // of 200_000 arrivals is 4·√(21·200_000) = 8_200.
  const arrivals: Arrivals = { kind: "bursty", onMs: 1_000, offMs: 3_000, factor: 3 }
  const found = times(arrivals, 10, 200_000)
  const expected = (found.at(-1)! / 1_000) * 10
  assert.ok(Math.abs(expected - 200_000) < 8_200, `${expected} expected`)

  // Bursts show: 3/4 of the arrivals come in bursts, at 30 per second, the others at 10/3, so the next is less than
  // 10 ms away for 0.75·(1 − e^−0.3) + 0.25·(1 − e^−0.033) = 0.203 of them; without bursts it would be for 0.095. Where
  // a phase ends within those 10 ms (1 in 100) it is not quite so, and chance makes 4·√(21·0.203·0.8/n) = 0.017.
  const near = found.filter((at, i) => i > 0 && at - found[i - 1]! < 10).length / found.length
  assert.ok(Math.abs(near - 0.203) < 0.02, `${near} are near`)
})

test("the tide follows its sine and keeps the mean rate", () => {
  // Ten whole periods, depth 0.8: the first half of each holds 1/2 + depth/π of the arrivals. n = 40_000 at 4σ of the
  // binomial is 4·√(n·0.25) = 400; of the count of Poisson arrivals in fixed time 4·√n = 800.
  const found = times({ kind: "diurnal", periodMs: 400_000, depth: 0.8, mixFlip: false }, 10, 50_000)
  const within = found.filter((at) => at < 4_000_000)
  const flood = within.filter((at) => at % 400_000 < 200_000).length

  assert.ok(Math.abs(within.length - 40_000) < 800, `${within.length} arrivals`)
  assert.ok(Math.abs(flood - within.length * (0.5 + 0.8 / Math.PI)) < 400, `${flood} at the flood`)
  assert.ok(found.every((at, i) => i === 0 || at >= found[i - 1]!))
})

test("at the ebb the first and the last class change places", () => {
  const classes = [kind([1], { name: "a", share: 0.9 }), kind([1], { name: "b", share: 0.1 })]
  const arrivals: Arrivals = { kind: "diurnal", periodMs: 1_000, depth: 0, mixFlip: true }
  const process = new ArrivalProcess(scenario({ arrivals, classes }), 1_000, 1)
  const counts = { flood: [0, 0], ebb: [0, 0] }
  for (let i = 0; i < 20_000; i++) {
    process.next()
    counts[process.at % 1_000 < 500 ? "flood" : "ebb"][process.class]!++
  }
  // About 10_000 each, of which 9 in 10: 4σ is 4·√(10_000·0.09) = 120.
  const [a, b] = counts.flood
  const [c, d] = counts.ebb
  assert.ok(Math.abs(a! - 0.9 * (a! + b!)) < 120, `${a} of ${a! + b!}`)
  assert.ok(Math.abs(c! - 0.1 * (c! + d!)) < 120, `${c} of ${c! + d!}`)
})

function tracedAt(atMs: number): TracedRequest {
  return { atMs, class: 0, demand: [atMs + 1], holdMs: 2 * atMs }
}

test("a trace is played as it was recorded, at the rate that was asked for, again and again", () => {
  const arrivals: Arrivals = { kind: "trace", requests: [100, 101, 104].map(tracedAt) }
  // Three requests in 4 ms and a mean gap of 2 ms: half a request per millisecond. At 250 per second all is twice as
  // slow.
  const process = new ArrivalProcess(scenario({ arrivals }), 250, 1)
  const played = Array.from({ length: 5 }, () => {
    process.next()
    return [process.at, process.work[0], process.holdMs]
  })

  assert.deepEqual(played, [
    [0, 101, 200],
    [2, 102, 202],
    [8, 105, 208],
    [12, 101, 200],
    [14, 102, 202],
  ])
})

test("another rate changes nothing but the scale of time, and another seed everything", () => {
  const [slow, fast] = [times({ kind: "poisson" }, 10, 1_000), times({ kind: "poisson" }, 20, 1_000)]
  for (const [i, at] of slow.entries()) assert.ok(Math.abs(at - 2 * fast[i]!) <= 1e-9 * at)

  assert.notEqual(times({ kind: "poisson" }, 10, 1, 2)[0], slow[0])
  const classes = [kind([1], { share: 0.5 }), kind([2], { name: "b", share: 0.5 })]
  const [a, b] = [10, 20].map((rate) => {
    const process = new ArrivalProcess(scenario({ classes }), rate, 3)
    return Array.from({ length: 500 }, () => {
      process.next()
      return [process.class, process.work[0]]
    })
  })
  assert.deepEqual(a, b)
})

test("arrivals that make no sense are refused", () => {
  const wrong: readonly Arrivals[] = [
    { kind: "bursty", onMs: 1, offMs: 1, factor: 2.1 },
    { kind: "bursty", onMs: 0, offMs: 1, factor: 1 },
    { kind: "diurnal", periodMs: 0, depth: 0, mixFlip: false },
    { kind: "diurnal", periodMs: 1, depth: 1.1, mixFlip: false },
    { kind: "trace", requests: [{ atMs: 0, class: 0, demand: [1], holdMs: 0 }] },
  ]
  for (const arrivals of wrong) assert.throws(() => times(arrivals, 1, 1), RangeError)
  assert.throws(() => times({ kind: "poisson" }, Infinity, 1), RangeError)
})
