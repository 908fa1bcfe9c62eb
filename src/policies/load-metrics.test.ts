import assert from "node:assert/strict"
import { test } from "node:test"
import * as fc from "fast-check"
import { backend, request, resourcesOf } from "../../test/support/backends.ts"
import { resolutionDefault } from "../core/resources.ts"
import { inFlight, resourcePrice } from "./load-metrics.ts"

test("in flight counts per unit of weight", () => {
  assert.equal(inFlight(backend({ inFlight: 6, weight: 4 }), request()), 1.5)
  assert.equal(inFlight(backend({ weight: 0.1 }), request()), 0)
})

test("a rate is priced by its backlog half way through the placing", () => {
  const price = resourcePrice(resourcesOf("rate"))
  // 4 · (10 + 2) / 8
  assert.equal(price(backend({ capacity: [8], reserved: [10] }), request([4])), 6)
})

test("a space is priced by the fraction held over the fraction free", () => {
  const price = resourcePrice(resourcesOf("space"))
  // The fraction is (4 + 2) / 8 = 3/4, so 4 · (3/4) / (1/4).
  assert.equal(price(backend({ capacity: [8], reserved: [4] }), request([4])), 12)
})

test("a space is Infinity from full on", () => {
  const price = resourcePrice(resourcesOf("space"))
  assert.equal(price(backend({ capacity: [8], reserved: [6] }), request([4])), Infinity)
  assert.equal(price(backend({ capacity: [8], reserved: [60] }), request([4])), Infinity)
})

test("the price of a request is the sum over what it needs", () => {
  const price = resourcePrice(resourcesOf("rate", "space", "rate"))
  // 2 · (3 + 1) / 4 = 2, then 4 · 1/3 · 3/2 = 2 for the third held, and 1 · 0.5 / 10.
  const target = backend({ capacity: [4, 12, 10], reserved: [3, 2, 0] })
  assert.equal(price(target, request([2, 4, 1])), 2 + 2 + 0.05)
})

test("what a backend lacks costs Infinity when it is needed and nothing when it is not", () => {
  for (const kind of ["rate", "space"] as const) {
    const price = resourcePrice(resourcesOf(kind, "rate"))
    const lacking = backend({ capacity: [0, 10] })
    assert.equal(price(lacking, request([1, 1])), Infinity)
    assert.equal(price(lacking, request([0, 2])), 0.2)
  }
})

test("a price is a number from 0 to Infinity, never NaN, and never falls when load is added", () => {
  // Amounts as the load table has them: whole multiples of its resolution.
  const amount = fc.oneof(fc.constant(0), fc.nat(2 ** 30)).map((units) => units * resolutionDefault)
  const amounts = fc.array(amount, { minLength: 3, maxLength: 3 })
  const price = resourcePrice(resourcesOf("rate", "space", "rate"))
  fc.assert(
    fc.property(amounts, amounts, amounts, amounts, (capacity, reserved, demand, added) => {
      const target = backend({ capacity, reserved })
      const before = price(target, request(demand))
      target.load.hold(Float64Array.from(added))
      assert.ok(before >= 0 && price(target, request(demand)) >= before)
    }),
    { seed: 1, numRuns: 2_000 },
  )
})
