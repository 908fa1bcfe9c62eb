import assert from "node:assert/strict"
import { test } from "node:test"
import { jain } from "./jain.ts"

test("equal parts have index 1, however large they are", () => {
  assert.equal(jain([3, 3, 3, 3]), 1)
  assert.equal(jain([0.25]), 1)
})

test("the index is the part of all sharers that share, where these share evenly", () => {
  assert.equal(jain([8, 0, 0, 0]), 1 / 4)
  assert.equal(jain([8, 8, 0, 0]), 1 / 2)
  // (1 + 2 + 3)² / (3 · 14).
  assert.equal(jain([1, 2, 3]), 36 / 42)
})

test("where there is nothing no sharer is favoured", () => {
  assert.equal(jain([]), undefined)
  assert.equal(jain([0, 0]), undefined)
})
