import assert from "node:assert/strict"
import { test } from "node:test"
import { dominantShare } from "./dominant-share.ts"

const v = (...amounts: number[]): Float64Array => Float64Array.from(amounts)

test("the dominant share is the largest, and a resource of which there is none counts for nothing", () => {
  assert.equal(dominantShare(v(3, 1), v(9, 18)), 1 / 3)
  assert.equal(dominantShare(v(1, 4), v(9, 18)), 4 / 18)
  assert.equal(dominantShare(v(5, 1), v(0, 10)), 0.1)
  assert.equal(dominantShare(v(5, 1), v(0, 0)), 0)
})

test("in the example of the DRF paper three tasks of A and two of B have two thirds each", () => {
  assert.equal(dominantShare(v(3, 12), v(9, 18)), 2 / 3)
  assert.equal(dominantShare(v(6, 2), v(9, 18)), 2 / 3)
})
