import assert from "node:assert/strict"
import { test } from "node:test"
import * as fc from "fast-check"
import { LatencyHistogram } from "./latency-histogram.ts"

test("a quantile is within 1 % of the counted time with that rank", () => {
  const magnitudes = fc
    .tuple(fc.double({ min: 1, max: 10, noNaN: true }), fc.integer({ min: -5, max: 10 }))
    .map(([digits, exponent]) => digits * 10 ** exponent)
  const shares = fc.double({ min: 0, max: 1, noNaN: true })
  fc.assert(
    fc.property(
      fc.array(magnitudes, { minLength: 1, maxLength: 300, size: "max" }),
      shares,
      (times, share) => {
        const histogram = new LatencyHistogram()
        for (const ms of times) histogram.add(ms)
        const sorted = times.toSorted((a, b) => a - b)
        const exact = sorted[Math.max(1, Math.ceil(share * sorted.length)) - 1]!

        const found = histogram.quantile(share)
        assert.ok(Math.abs(found - exact) <= 0.01 * exact, `${found} is not ${exact}`)
      },
    ),
  )
})

test("mean, maximum and count are exact, and nothing counted is zero", () => {
  const histogram = new LatencyHistogram()
  assert.deepEqual([histogram.mean, histogram.max, histogram.quantile(0.99)], [0, 0, 0])
  for (const ms of [0, 1, 2, 9]) histogram.add(ms)

  assert.deepEqual([histogram.mean, histogram.max, histogram.count], [3, 9, 4])
})

test("the largest quantile is the maximum, and those that are beyond count as endless", () => {
  const histogram = new LatencyHistogram()
  for (let i = 0; i < 99; i++) histogram.add(5)
  histogram.add(1_000)

  assert.ok(Math.abs(histogram.quantile(1) - 1_000) <= 10)
  assert.ok(histogram.quantile(0.99, 1) <= 1_000)
  assert.equal(histogram.quantile(0.99, 2), Infinity)
})
