import assert from "node:assert/strict"
import { test } from "node:test"
import { seeded } from "../../core/rng.ts"
import { leastOf } from "./least-of.ts"

test("finds the least, passes over NaN, and looks no further than it was told", () => {
  assert.equal(leastOf(Float64Array.of(3, NaN, 1, 2, 0), 4, seeded(1)), 2)
  assert.equal(leastOf(Float64Array.of(NaN, -1), 2, seeded(1)), 1)
})

test("there is none where there is no value, and Infinity is one", () => {
  assert.equal(leastOf(Float64Array.of(NaN, NaN), 2, seeded(1)), -1)
  assert.equal(leastOf(new Float64Array(0), 0, seeded(1)), -1)
  assert.equal(leastOf(Float64Array.of(NaN, Infinity), 2, seeded(1)), 1)
})

test("each of the tied is as likely as the others", () => {
  // Binomial with n = 9,000 and p = 1/3: σ is 44.7, and 4σ 179.
  for (const value of [7, Infinity]) {
    const rng = seeded(3)
    const values = Float64Array.of(value, NaN, value, value)
    const wins = [0, 0, 0, 0]
    for (let i = 0; i < 9_000; i++) wins[leastOf(values, 4, rng)]!++
    for (const place of [0, 2, 3])
      assert.ok(Math.abs(wins[place]! - 3_000) <= 179, `${place}: ${wins[place]}`)
  }
})
