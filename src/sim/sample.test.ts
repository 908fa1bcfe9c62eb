import assert from "node:assert/strict"
import { test } from "node:test"
import { average, varianceOf, interval95 } from "./sample.ts"

test("the variance is that of the population the values were drawn from, not of the values alone", () => {
  // Squared distances from 5: 9 + 1 + 1 + 1 + 0 + 0 + 4 + 16 = 32, over 7.
  const values = [2, 4, 4, 4, 5, 5, 7, 9]
  assert.equal(average(values), 5)
  assert.equal(varianceOf(values), 32 / 7)
})

test("the interval is Student's", () => {
  assert.deepEqual(interval95([0.5]), { mean: 0.5, halfWidth: Infinity })
  // Mean 2, deviation 1, three values: 4.303 · 1 / √3.
  const { halfWidth, mean } = interval95([1, 2, 3])
  assert.equal(mean, 2)
  assert.ok(Math.abs(halfWidth - 4.303 / Math.sqrt(3)) < 1e-12)
})
