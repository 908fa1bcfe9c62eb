import assert from "node:assert/strict"
import { test } from "node:test"
import { lognormal } from "../../test/support/learning-fleet.ts"
import { seeded } from "../core/rng.ts"
import { RunningMean } from "./running-mean.ts"

test("heavy tails leave the mean without bias", () => {
  // Standard deviation 3, 20 runs of 20 000. The quick mean looks back over 400 samples: 3 / √(400 · 20) = 0.034; what
  // is cut off over 4 000. Four of the former are 0.14; without what was cut off the mean would be 0.86 (seen).
  let sum = 0
  for (let seed = 0; seed < 20; seed++) {
    const rng = seeded(seed)
    const mean = new RunningMean()
    for (let i = 0; i < 20_000; i++) mean.add(lognormal(rng, 3))
    sum += mean.value
  }
  assert.ok(Math.abs(sum / 20 - 1) < 0.1, `mean ${sum / 20}`)
})

test("one giant among many moves the mean by little", () => {
  const mean = new RunningMean()
  const rng = seeded(1)
  for (let i = 0; i < 2_000; i++) mean.add(0.5 + rng.next())
  const before = mean.value
  mean.add(100)
  // A plain mean that looks back over 400 would jump by 0.5.
  assert.ok(mean.value - before < 0.06, `moved by ${mean.value - before}`)
})

test("follows a change within a few hundred requests", () => {
  const mean = new RunningMean()
  for (let i = 0; i < 5_000; i++) mean.add(1)
  for (let i = 0; i < 600; i++) mean.add(4)
  // 1 - 0.995^600 = 95 % of the way.
  assert.ok(mean.value > 3.7 && mean.value < 4.3, `${mean.value}`)
})

test("the standard error is that of the mean, and the variation that of the requests", () => {
  const rng = seeded(1)
  const mean = new RunningMean()
  assert.equal(mean.standardError, NaN)
  for (let i = 0; i < 100; i++) mean.add(lognormal(rng, 0.5) * 10)
  assert.ok(Math.abs(mean.variation - 0.5) < 0.15, `${mean.variation}`)
  assert.ok(Math.abs(mean.standardError - 0.5) < 0.15, `${mean.standardError}`)

  const constant = new RunningMean()
  for (let i = 0; i < 100; i++) constant.add(0)
  assert.deepEqual([constant.value, constant.variation, constant.standardError], [0, 0, 0])
})
