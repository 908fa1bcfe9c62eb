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

test("a quantile is within 1 in 128 of the value with that rank, from a nanosecond to thirty years of milliseconds", () => {
  const magnitudes = fc
    .tuple(fc.double({ min: 1, max: 10, noNaN: true }), fc.integer({ min: -6, max: 11 }))
    .map(([digits, exponent]) => digits * 10 ** exponent)
  const parts = fc.double({ min: 0, max: 1, noNaN: true })
  fc.assert(
    fc.property(
      fc.array(magnitudes, { minLength: 1, maxLength: 300, size: "max" }),
      parts,
      (values, part) => {
        const exact = exactQuantile(
          values.toSorted((a, b) => a - b),
          part,
        )
        const found = histogramOf(values).quantile(part)
        assert.ok(Math.abs(found - exact) <= exact / 128, `${found} is not ${exact}`)
      },
    ),
    { seed: 1 },
  )
})

test("values of one cell count as evenly spread over it", () => {
  // From 128 to 256 a cell is 1 wide. A hundred in the cell from 200 on: the n-th stands for 200 + (n − 1/2) / 100.
  const histogram = histogramOf([...Array.from({ length: 99 }, () => 200), 200.999])
  assert.equal(histogram.quantile(0.25), 200.245)
  assert.equal(histogram.quantile(0.75), 200.745)
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
})

test("one value is every quantile of itself", () => {
  const histogram = histogramOf([17.3])
  for (const part of [0, 0.5, 0.9999, 1]) assert.equal(histogram.quantile(part), 17.3)
})

test("what is negative counts as nothing, what is no number not at all, what is huge in the last cell", () => {
  const histogram = histogramOf([-5, NaN, 1e300])
  assert.deepEqual([histogram.count, histogram.min, histogram.max], [2, 0, 1e300])
  assert.ok(histogram.quantile(0.5) < 1e-6)
  assert.ok(histogram.quantile(1) > 2 ** 39)
})

test("those beyond count as greater than all: where the rank falls among them there is no end", () => {
  const histogram = histogramOf([...Array.from({ length: 99 }, () => 5), 1_000])
  assert.ok(histogram.quantile(0.99, 1) <= 1_000)
  assert.equal(histogram.quantile(0.99, 2), Infinity)
  assert.equal(new Histogram().quantile(0.5, 1), Infinity)
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
