import assert from "node:assert/strict"
import { test } from "node:test"
import { median } from "./median.ts"

test("the median is the middle value, whatever the order", () => {
  assert.equal(median([9, 1, 5]), 5)
})

test("the median of an even count lies between the two in the middle", () => {
  assert.equal(median([10, 1, 2, 3]), 2.5)
})

test("the median of nothing is no number", () => {
  assert.ok(Number.isNaN(median([])))
})
