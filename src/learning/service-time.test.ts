import assert from "node:assert/strict"
import { test } from "node:test"
import { ServiceTimes } from "./service-time.ts"

test("what all routes wait in line is no part of their time", () => {
  const times = new ServiceTimes()
  for (let i = 0; i < 100; i++) {
    times.add(1, 10, 10 * (10 + 30), 10, 0)
    times.add(2, 10, 10 * (40 + 30), 40, 0)
  }
  assert.ok(Math.abs(times.of(2) / times.of(1) - 4) < 0.01)
})

test("where requests share, ratios are those of the means", () => {
  const times = new ServiceTimes()
  for (let i = 0; i < 100; i++) {
    times.add(1, 10, 10 * 10 * 3, 10, 0)
    times.add(2, 10, 10 * 100 * 3, 100, 0)
  }
  // 10 and 280 of 30 and 300: the shortest route is told by its least time.
  assert.ok(Math.abs(times.of(1) - 10) < 0.1)
  assert.ok(Math.abs(times.of(2) - 280) < 0.1)
})

test("a few requests say nothing", () => {
  const times = new ServiceTimes()
  times.add(1, 19, 190, 5, 0)
  assert.equal(times.of(1), NaN)
  assert.equal(times.of(2), NaN)
  assert.equal(times.samples(1), 19)
  assert.deepEqual([times.meanMs(1), times.meanMs(2)], [10, undefined])
})

test("where no time is exact, what a route needs follows its mean, also down", () => {
  const times = new ServiceTimes()
  times.add(1, 100, 100 * 500, Infinity, 0)
  times.add(2, 100, 100 * 50, Infinity, 0)
  assert.deepEqual([times.of(1), times.of(2)], [500, 50])
  for (let i = 0; i < 1_000; i++) times.add(1, 10, 10 * 100, Infinity, 0)
  assert.ok(Math.abs(times.of(1) - 100) < 1)
})
