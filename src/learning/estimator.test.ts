import assert from "node:assert/strict"
import { test } from "node:test"
import { seeded } from "../core/rng.ts"
import { CostEstimator } from "./estimator.ts"
import { demandOfSize } from "./size-hint.ts"

const priorWeight = 20

test("the prior counts as twenty requests and then gives way", () => {
  const costs = new CostEstimator(1)
  assert.equal(costs.mean(0, 5), 5)
  for (let i = 0; i < priorWeight; i++) costs.add(Float64Array.of(0, 1), 0)
  assert.equal(costs.mean(0, 5), 3)
  for (let i = 0; i < 1_000; i++) costs.add(Float64Array.of(0, 1), 0)
  assert.ok(Math.abs(costs.mean(0, 5) - 1) < 0.08)
})

test("what is not reported is not counted", () => {
  const costs = new CostEstimator(2)
  costs.add(Float64Array.of(0, NaN, 2), 0)
  costs.add(Float64Array.of(0, -1, Infinity), 0)
  assert.deepEqual([costs.samples(0), costs.samples(1)], [0, 1])
  assert.equal(costs.observed(0), NaN)
})

test("a length that tells the cost becomes a hint, for the resources that it tells of", () => {
  const rng = seeded(1)
  const costs = new CostEstimator(2)
  for (let i = 0; i < 300; i++) {
    const bytes = rng.below(10_000)
    costs.add(Float64Array.of(bytes, 2 + bytes / 1_000 + rng.next(), rng.next()), 0)
  }
  const hint = costs.sizeHint()!
  assert.ok(Math.abs(hint.perByte[0]! - 0.001) < 0.00005, `${hint.perByte[0]}`)
  assert.ok(Math.abs(hint.base[0]! - 2.5) < 0.2, `${hint.base[0]}`)
  assert.equal(hint.perByte[1], 0)

  const mean = Float64Array.of(7.5, 0.5)
  const demand = new Float64Array(2)
  demandOfSize(mean, hint, 8_000, demand)
  assert.ok(Math.abs(demand[0]! - 10.5) < 0.5)
  assert.equal(demand[1], 0.5)
})

test("a length that tells little is no hint, nor is one after a few requests", () => {
  const rng = seeded(1)
  const little = new CostEstimator(1)
  // The length explains 1 / (1 + 12) of the variance: 1 against noise of 12.
  for (let i = 0; i < 1_000; i++) little.add(Float64Array.of(rng.next(), rng.next() * 3.46 + rng.next()), 0)
  assert.equal(little.sizeHint(), undefined)
  const few = new CostEstimator(1)
  for (let i = 0; i < 49; i++) few.add(Float64Array.of(i, i), 0)
  assert.equal(few.sizeHint(), undefined)
  const same = new CostEstimator(1)
  for (let i = 0; i < 100; i++) same.add(Float64Array.of(500, i), 0)
  assert.equal(same.sizeHint(), undefined)
  const less = new CostEstimator(1)
  for (let i = 0; i < 100; i++) less.add(Float64Array.of(i, 100 - i), 0)
  assert.equal(less.sizeHint(), undefined, "a longer body that costs less is an accident")
})

test("a hint stays near the mean, and an unknown length gets the mean", () => {
  const hint = { base: Float64Array.of(0), perByte: Float64Array.of(1) }
  const into = new Float64Array(1)
  for (const [bytes, expected] of [
    [1e9, 80],
    [0, 1.25],
    [20, 20],
    [-1, 10],
    [NaN, 10],
  ] as const) {
    demandOfSize(Float64Array.of(10), hint, bytes, into)
    assert.equal(into[0], expected, `${bytes} bytes`)
  }
  demandOfSize(Float64Array.of(10), undefined, 20, into)
  assert.equal(into[0], 10)
})
