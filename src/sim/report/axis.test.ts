import assert from "node:assert/strict"
import { test } from "node:test"
import { ticks } from "./axis.ts"

test("ticks are round numbers within the bounds", () => {
  assert.deepEqual(ticks({ min: 0.48, max: 1.02, scale: "linear" }), [0.5, 0.6, 0.7, 0.8, 0.9, 1])
  assert.deepEqual(ticks({ min: 0, max: 1, scale: "linear" }), [0, 0.2, 0.4, 0.6, 0.8, 1])
  assert.deepEqual(ticks({ min: 3, max: 180, scale: "log" }), [5, 10, 20, 50, 100])
  assert.deepEqual(ticks({ min: 0.5, max: 90_000, scale: "log" }), [1, 10, 100, 1_000, 10_000])
})
