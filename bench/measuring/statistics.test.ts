import assert from "node:assert/strict"
import { test } from "node:test"
import { ratiosOf, spreadOf } from "./statistics.ts"

test("one disturbed round moves the maximum, not the median", () => {
  assert.deepEqual(spreadOf([10, 11, 10, 900, 11]), { median: 11, min: 10, max: 900 })
})

test("ratios are taken round by round: what slows a whole round down cancels", () => {
  // In the second round all took twice as long; the ratio of medians would be 1.5.
  assert.deepEqual(ratiosOf([20, 40], [10, 20]), { median: 2, min: 2, max: 2 })
})

test("rounds that one side lacks are left out", () => {
  assert.deepEqual(ratiosOf([10, 20, 99], [10, 10]), { median: 1.5, min: 1, max: 2 })
})
