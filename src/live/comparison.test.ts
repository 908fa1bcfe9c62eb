import assert from "node:assert/strict"
import { test } from "node:test"
import {
  agrees,
  carriedOf,
  type ComparedRun,
  liveSide,
  meanSide,
  type Side,
  toleranceOf,
} from "./comparison.ts"
import { comparisonFiles } from "./comparison-page.ts"
import { comparisonText } from "./comparison-text.ts"
import { LoadRecorder } from "../load/recorder.ts"

const side = (ms: number): Side => ({
  requests: 1_000,
  failed: 0,
  mean: ms,
  p50: ms,
  p99: ms,
  p99Served: ms,
  shares: { page: { a: 1 } },
})

test("what is carried lies between the last load within the objective and the first beyond, on the logarithm", () => {
  const points = [
    { load: 0.5, p99: 1_000 },
    { load: 0.7, p99: 2_000 },
    { load: 0.9, p99: 8_000 },
  ]
  assert.deepEqual(carriedOf(points, 4_000), { share: 0.8, isOpen: false })
  assert.deepEqual(carriedOf(points, 2_000), { share: 0.7, isOpen: false })
  assert.deepEqual(carriedOf(points, 9_000), { share: 0.9, isOpen: true })
  assert.deepEqual(carriedOf(points, 900), { share: undefined, isOpen: false })
  // More than one in a hundred failed: nothing is known between the two.
  assert.deepEqual(carriedOf([points[0]!, { load: 0.7, p99: Infinity }], 4_000), {
    share: 0.5,
    isOpen: false,
  })
  // It comes back within: chance, or a queue that was not there long enough. The first beyond counts.
  assert.equal(carriedOf([...points, { load: 1, p99: 3_000 }], 4_000).share, 0.8)
})

test("the tolerance is the spread of chance, the delay of the way, and the width of the histograms' cells", () => {
  const same = [side(1_000), side(1_000), side(1_000)]
  // No spread: 2 ms of the way and two timers of 1.5 ms, four times as fast, and 1.6 % of a second.
  assert.ok(Math.abs(toleranceOf(same, 2, 2, 4).mean - (20 + 16)) < 1e-9)
  // A deviation of 100 ms over three runs: 4.032 · 100 · √(4/3) more.
  const spread = toleranceOf([side(900), side(1_000), side(1_100)], 2, 2, 4)
  assert.ok(Math.abs(spread.p99 - (36 + 4.032 * 100 * Math.sqrt(4 / 3))) < 1e-9)
})

test("a side that served nothing never agrees", () => {
  const run = {
    policy: "x",
    load: 0.5,
    live: side(NaN),
    simulated: side(10),
    tolerance: { mean: 1e9, p50: 1e9, p99: 1e9 },
    warnings: [],
  }
  assert.equal(agrees(run, "mean"), false)
  assert.equal(agrees({ ...run, live: side(10) }, "mean"), true)
})

test("a live run is read in the scenario's time, and its failures are slower than everything else", () => {
  const recorder = new LoadRecorder({ classes: 2, warmUpMs: 10, sliceMs: 1_000, failedFrom: 500 })
  for (let i = 0; i < 100; i++) {
    const kind = i % 2
    recorder.onSent(kind, i, 10, 0)
    // Nothing of the warm-up counts.
    recorder.onAnswer(kind, i, i, i + 5, 200, 10, kind === 0 ? "a-1" : "b-1")
  }
  recorder.onAnswer(0, 50, 50, 51, 503, 10, "a-1")
  const groups = new Map([
    ["a-1", "a"],
    ["b-1", "b"],
  ])
  const live = liveSide(recorder.dump(), ["x", "y"], (id) => groups.get(id), ["a", "b"], 4)
  assert.deepEqual([live.requests, live.failed], [91, 1])
  assert.ok(Math.abs(live.mean - 20) < 1e-9)
  assert.deepEqual(live.shares, { x: { a: 1, b: 0 }, y: { a: 0, b: 1 } })
  assert.equal(live.p99Served, Infinity)
})

test("several simulated runs are one by their means", () => {
  const mean = meanSide([side(10), { ...side(30), shares: { page: { a: 0.5 } }, failed: 2 }])
  assert.deepEqual([mean.p99, mean.failed, mean.shares], [20, 1, { page: { a: 0.75 } }])
})

test("text and page say both sides, and hold nothing from outside unescaped", () => {
  const run: ComparedRun = {
    policy: "price",
    load: 0.5,
    live: side(1_000),
    simulated: side(500),
    tolerance: { mean: 1, p50: 1, p99: 1 },
    warnings: ["too late"],
  }
  const comparison = {
    scenario: "<b>dozen</b>",
    summary: "It's <i>small</i>.",
    bounds: { thetaStar: 100, classBlindCeiling: 0.57, roundRobinCeiling: 0.57 },
    speed: 4,
    seed: 1,
    loads: [0.5],
    policies: ["price"],
    p99Max: 2_000,
    relayMs: { price: 1 },
    runs: [run],
    carried: {
      price: { live: carriedOf([{ load: 0.5, p99: 1_000 }], 2_000), simulated: carriedOf([], 2_000) },
    },
    remarks: ["<script>"],
    command: "linebacker spam",
  }
  const text = comparisonText(comparison)
  assert.match(text, /price {2}.*0\.5.*\*.*1 s.*500 ms/)
  assert.match(text, /above 0\.5/)
  assert.match(text, /Beware: price at 0\.5: too late/)
  const files = comparisonFiles(comparison)
  const page = files.get("report.html")!
  assert.doesNotMatch(page, /<script>|<b>dozen/)
  assert.match(page, /price, live/)
  assert.equal((JSON.parse(files.get("results.json")!) as typeof comparison).runs[0]!.live.p99, 1_000)
})
