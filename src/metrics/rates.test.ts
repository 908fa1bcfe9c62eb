import assert from "node:assert/strict"
import { test } from "node:test"
import { Rates } from "./rates.ts"

test("a rate is what has come since the oldest sample that is kept, per second", () => {
  const rates = new Rates()
  assert.equal(rates.of("a"), 0)
  for (let second = 0; second < 10; second++) rates.sample(new Map([["a", second * second]]), second * 1_000)
  // The last four samples were taken at 6, 7, 8 and 9 s.
  assert.equal(rates.of("a"), (81 - 36) / 3)
})

test("a name that came later is measured from its first sample, one that has gone is 0", () => {
  const rates = new Rates()
  rates.sample(new Map([["gone", 5]]), 0)
  rates.sample(new Map([["new", 10]]), 1_000)
  rates.sample(new Map([["new", 30]]), 3_000)
  assert.equal(rates.of("new"), 10)
  assert.equal(rates.of("gone"), 0)
})
