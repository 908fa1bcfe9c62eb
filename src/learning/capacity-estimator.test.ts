import assert from "node:assert/strict"
import { test } from "node:test"
import { resourcesOf } from "../../test/support/backends.ts"
import { parseBackendId } from "../core/backend.ts"
import { seeded } from "../core/rng.ts"
import { CapacityEstimator } from "./capacity-estimator.ts"

const correctionMax = 1.5
const correctionMin = 0.25

const ids = ["a", "b", "c", "d"].map((name) => parseBackendId(name)!)
const registered = Float64Array.of(100)

/** Lets seconds pass in which each backend does 50 units of work; `speed` is what it really has over what it says. */
function pass(
  estimator: CapacityEstimator,
  from: number,
  seconds: number,
  speed: (backend: number) => number,
  fleet = 4,
  unit = 1,
): void {
  for (let s = 1; s <= seconds; s++) {
    const now = from + s * 1_000
    for (let j = 0; j < fleet; j++) {
      const utilization = Float64Array.of(Math.min(1, 0.5 / speed(j)))
      const second = {
        seconds: 1,
        utilization,
        requests: 1_000,
        reported: Float64Array.of(1),
        work: Float64Array.of(50 * unit),
      }
      estimator.add(ids[j]!, second, registered, now)
    }
    estimator.learn(now)
  }
}

test("a backend that is busier than the others with the same work has less than it says", () => {
  const estimator = new CapacityEstimator(resourcesOf("rate"))
  pass(estimator, 0, 60, (j) => (j === 0 ? 0.6 : 1))
  const [factor] = estimator.correctionOf(ids[0]!)!
  assert.ok(Math.abs(factor! - 0.6) < 0.04, `${factor}`)
  for (const id of ids.slice(1)) assert.equal(estimator.correctionOf(id), undefined)
})

test("a factor that is common to all changes nothing", () => {
  const estimator = new CapacityEstimator(resourcesOf("rate"))
  pass(estimator, 0, 60, (j) => (j === 0 ? 0.6 : 1), 4, 50)
  assert.ok(Math.abs(estimator.correctionOf(ids[0]!)![0]! - 0.6) < 0.04)
  assert.equal(estimator.correctionOf(ids[1]!), undefined)
})

test("a backend alone is never corrected", () => {
  const estimator = new CapacityEstimator(resourcesOf("rate"))
  pass(estimator, 0, 60, () => 0.6, 1)
  assert.equal(estimator.correctionOf(ids[0]!), undefined)
})

test("goes down within ten seconds, and up within a minute but not within five", () => {
  const estimator = new CapacityEstimator(resourcesOf("rate"))
  const of = (): number => estimator.correctionOf(ids[0]!)?.[0] ?? 1
  pass(estimator, 0, 30, () => 1)
  pass(estimator, 30_000, 10, (j) => (j === 0 ? 0.5 : 1))
  assert.ok(of() < 0.65, `${of()} after 10 s`)
  pass(estimator, 40_000, 20, (j) => (j === 0 ? 0.5 : 1))
  pass(estimator, 60_000, 5, () => 1)
  assert.ok(of() < 0.75, `${of()} 5 s after it is back`)
  pass(estimator, 65_000, 55, () => 1)
  assert.ok(of() > 0.93, `${of()} a minute after it is back`)
})

test("stays within its bounds, whatever is reported", () => {
  const estimator = new CapacityEstimator(resourcesOf("rate"))
  pass(estimator, 0, 200, (j) => [0.01, 100, 1, 1][j]!)
  const [low] = estimator.correctionOf(ids[0]!)!
  // A utilization of 0.5 / 100 is too near to nothing to divide by, so this one is left alone.
  assert.equal(estimator.correctionOf(ids[1]!), undefined)
  assert.ok(low! >= correctionMin)
  const second = new CapacityEstimator(resourcesOf("rate"))
  pass(second, 0, 200, (j) => [5, 1, 1, 1][j]!)
  const [high] = second.correctionOf(ids[0]!)!
  assert.ok(high! > 1.4 && high! <= correctionMax, `${high}`)
})

test("for ten seconds after the first report nothing is corrected", () => {
  const estimator = new CapacityEstimator(resourcesOf("rate"))
  pass(estimator, 0, 10, (j) => (j === 0 ? 0.5 : 1))
  assert.equal(estimator.correctionOf(ids[0]!), undefined)
  pass(estimator, 10_000, 5, (j) => (j === 0 ? 0.5 : 1))
  assert.notEqual(estimator.correctionOf(ids[0]!), undefined)
})

test("three minutes after the last report the capacity is as registered again", () => {
  const estimator = new CapacityEstimator(resourcesOf("rate"))
  pass(estimator, 0, 60, (j) => (j === 0 ? 0.5 : 1))
  estimator.learn(60_000 + 180_000)
  assert.notEqual(estimator.correctionOf(ids[0]!), undefined)
  estimator.learn(60_000 + 180_001)
  assert.equal(estimator.correctionOf(ids[0]!), undefined)
})

test("spaces are as registered", () => {
  const estimator = new CapacityEstimator(resourcesOf("space"))
  pass(estimator, 0, 60, (j) => (j === 0 ? 0.5 : 1))
  assert.equal(estimator.correctionOf(ids[0]!), undefined)
})

test("noise in equal backends makes few corrections, and small ones", () => {
  const rng = seeded(1)
  const estimator = new CapacityEstimator(resourcesOf("rate"))
  let published = 0
  let worst = 0
  for (let s = 0; s < 200; s++) {
    // Work of 1 000 requests with variation 1 is 3 % off in one second of three.
    pass(estimator, s * 1_000, 1, () => 1 + 0.06 * (rng.next() - 0.5))
    for (const id of ids) {
      const factor = estimator.correctionOf(id)?.[0]
      if (factor === undefined) continue
      published++
      worst = Math.max(worst, Math.abs(factor - 1))
    }
  }
  assert.ok(published < 40, `${published} of 800`)
  assert.ok(worst < 0.08, `${worst}`)
})

test("a backend that has left is forgotten", () => {
  const estimator = new CapacityEstimator(resourcesOf("rate"))
  pass(estimator, 0, 60, (j) => (j === 0 ? 0.5 : 1))
  estimator.retain((id) => id !== ids[0])
  assert.equal(estimator.correctionOf(ids[0]!), undefined)
})
