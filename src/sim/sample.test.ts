import assert from "node:assert/strict"
import { test } from "node:test"
import { average, varianceOf } from "./sample.ts"

test("the variance is that of the population the values were drawn from, not of the values alone", () => {
  // Squared distances from 5: 9 + 1 + 1 + 1 + 0 + 0 + 4 + 16 = 32, over 7.
  const values = [2, 4, 4, 4, 5, 5, 7, 9]
  assert.equal(average(values), 5)
  assert.equal(varianceOf(values), 32 / 7)
})
