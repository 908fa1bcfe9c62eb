import assert from "node:assert/strict"
import { test } from "node:test"
import * as fc from "fast-check"
import { seeded } from "../core/rng.ts"
import { Histogram } from "./histogram.ts"

function histogramOf(values: Iterable<number>): Histogram {
  const histogram = new Histogram()
  for (const value of values) histogram.record(value)
  return histogram
}

/** The nearest rank of a sorted list. */
function exactQuantile(sorted: readonly number[], part: number): number {
  return sorted[Math.max(1, Math.ceil(part * sorted.length)) - 1]!
}

test("a quantile is within half a percent of the exact one, from microseconds to a quarter of an hour", () => {
  const rng = seeded(1)
  // Uniform in the logarithm from 10 µs to 10^6 ms, so that every power of two is met.
  const values = Array.from({ length: 50_000 }, () => 10 ** (-2 + 8 * rng.next()))
  const histogram = histogramOf(values)
  const sorted = values.toSorted((a, b) => a - b)
  for (const part of [0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 0.9999, 1]) {
    const exact = exactQuantile(sorted, part)
    // Half a cell: 1/256 of the value, and half the smallest cell where values are small.
    const tolerance = exact / 256 + 1 / 2_048
    assert.ok(
      Math.abs(histogram.quantile(part) - exact) <= tolerance,
      `${part}: ${histogram.quantile(part)} for ${exact}`,
    )
  }
})

test("count, mean, deviation, least and greatest are exact", () => {
  const histogram = histogramOf([1, 2, 3, 4])
  assert.deepEqual(
    [histogram.count, histogram.mean, histogram.deviation, histogram.min, histogram.max],
    [4, 2.5, Math.sqrt(1.25), 1, 4],
  )
})

test("an empty one knows nothing", () => {
  const histogram = new Histogram()
  assert.deepEqual(
    [
      histogram.count,
      histogram.mean,
      histogram.deviation,
      histogram.min,
      histogram.max,
      histogram.quantile(0.5),
    ],
    [0, NaN, NaN, NaN, NaN, NaN],
  )
  assert.ok(Number.isNaN(histogram.partUpTo(1)))
})

test("one value is every quantile of itself", () => {
  const histogram = histogramOf([17.3])
  for (const part of [0, 0.5, 0.9999, 1]) assert.equal(histogram.quantile(part), 17.3)
})

test("what is negative counts as nothing, what is no number not at all, what is huge in the last cell", () => {
  const histogram = histogramOf([-5, NaN, 1e300])
  assert.equal(histogram.count, 2)
  assert.equal(histogram.min, 0)
  assert.equal(histogram.quantile(1), 1e300)
})

test("quantiles never fall as the part grows, and never leave what was recorded", () => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ min: 0, max: 1e9, noNaN: true }), { minLength: 1, maxLength: 200 }),
      fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 2, maxLength: 20 }),
      (values, parts) => {
        const histogram = histogramOf(values)
        let before = -Infinity
        for (const part of parts.toSorted((a, b) => a - b)) {
          const value = histogram.quantile(part)
          assert.ok(value >= before && value >= histogram.min && value <= histogram.max)
          before = value
        }
      },
    ),
    { seed: 1, numRuns: 500 },
  )
})

test("two halves add up to the whole, also by way of another thread", () => {
  const rng = seeded(2)
  const values = Array.from({ length: 2_000 }, () => rng.next() * 1_000)
  const whole = histogramOf(values)
  const sum = histogramOf(values.slice(0, 700))
  sum.add(Histogram.from(structuredClone(histogramOf(values.slice(700)).dump())))
  assert.deepEqual(sum.dump().used, whole.dump().used)
  assert.equal(sum.count, whole.count)
  assert.equal(sum.max, whole.max)
  assert.ok(Math.abs(sum.mean - whole.mean) < 1e-9)
})

test("clearing forgets everything", () => {
  const histogram = histogramOf([1, 2, 3])
  histogram.clear()
  assert.deepEqual(histogram.dump(), new Histogram().dump())
})

test("which part is at most a value is known to the width of a cell", () => {
  const histogram = histogramOf(Array.from({ length: 1_000 }, (_, n) => n))
  assert.ok(Math.abs(histogram.partUpTo(499) - 0.5) <= 0.004)
  assert.equal(histogram.partUpTo(1e6), 1)
})
