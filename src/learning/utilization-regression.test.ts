import assert from "node:assert/strict"
import { test } from "node:test"
import { resourcesOf } from "../../test/support/backends.ts"
import { seeded } from "../core/rng.ts"
import { regressionRoutesMax, type ServedInterval, UtilizationRegression } from "./utilization-regression.ts"

/** One second of a backend with capacity 100 on which so many requests of each route were served. */
function second(utilization: number, ...served: readonly number[]): ServedInterval {
  const counts = Float64Array.from(served)
  return {
    seconds: 1,
    utilization: Float64Array.of(utilization),
    isQuiet: false,
    others: 0,
    span: 10,
    usualUtilization: Float64Array.of(utilization),
    served: { averaged: [counts], usual: counts },
    held: undefined,
  }
}

function add(regression: UtilizationRegression, interval: ServedInterval, capacity = [100]): void {
  regression.add(interval, Float64Array.from(capacity))
}

/** Seconds in which `demand` is used exactly, with counts drawn by lot. */
function fitted(seconds: number, demand: readonly number[], background = 0): UtilizationRegression {
  const rng = seeded(1)
  const regression = new UtilizationRegression(resourcesOf("rate"), 1)
  for (let i = 0; i < seconds; i++) {
    const served = demand.map(() => rng.below(20))
    const work = served.reduce((sum, count, route) => sum + count * demand[route]!, 0)
    add(regression, second(background + work / 100, ...served))
    if (i % 2 === 0) add(regression, { ...second(background, ...demand.map(() => 0)), isQuiet: true })
  }
  regression.solve()
  return regression
}

test("finds the demands that explain the utilization", () => {
  const demand = [1, 2, 0.25]
  const regression = fitted(60, demand)
  for (const [route, expected] of demand.entries()) {
    const found = regression.mean(0, route)
    assert.ok(Math.abs(found - expected) < 0.02 * expected + 0.01, `route ${route}: ${found}`)
  }
})

test("what uses a backend beside the requests becomes no demand, once there have been quiet seconds", () => {
  const regression = fitted(200, [1, 2], 0.2)
  assert.ok(Math.abs(regression.background(0) - 0.2) < 0.03, `background ${regression.background(0)}`)
  assert.ok(Math.abs(regression.mean(0, 1) - 2) < 0.15, `demand ${regression.mean(0, 1)}`)
})

test("a demand of nothing is found as nothing, and none is below it", () => {
  const regression = fitted(100, [2, 0, 1])
  assert.ok(regression.mean(0, 1) >= 0 && regression.mean(0, 1) < 0.02, `${regression.mean(0, 1)}`)
})

test("routes that never come apart share their work and are unsure of it", () => {
  const rng = seeded(1)
  const together = new UtilizationRegression(resourcesOf("rate"), 1)
  for (let i = 0; i < 100; i++) {
    const count = rng.below(20)
    const other = rng.below(20)
    // Noise of 2 %, so that there is something to be unsure of.
    const noise = (rng.next() - 0.5) * 0.04
    add(together, second((count * (1 + 3) + other * 2) / 100 + noise, count, count, other))
  }
  together.solve()
  const [a, b] = [together.mean(0, 0), together.mean(0, 1)]
  assert.ok(Math.abs(a - b) < 0.1 && Math.abs(a + b - 4) < 0.3, `${a} and ${b}`)
  const errors = together.standardErrors(0, 3)
  assert.ok(errors[0]! > 10 * errors[2]!, `${errors[0]} against ${errors[2]}`)
  assert.ok(errors[0]! > 0.4, `${errors[0]}`)
})

test("the averaging that fits is found", () => {
  const rng = seeded(1)
  const regression = new UtilizationRegression(resourcesOf("rate"), 2)
  let before = [0, 0]
  for (let i = 0; i < 100; i++) {
    const now = [rng.below(20), rng.below(20)]
    // Reports are of the second before, which is the second way.
    const utilization = (before[0]! * 1 + before[1]! * 3) / 100
    add(regression, {
      ...second(utilization, 10, 10),
      served: {
        averaged: [Float64Array.from(now), Float64Array.from(before)],
        usual: Float64Array.of(10, 10),
      },
    })
    before = now
  }
  // Each call tries one more.
  regression.solve()
  regression.solve()
  assert.ok(Math.abs(regression.mean(0, 1) / regression.mean(0, 0) - 3) < 0.1)
})

test("follows when a demand changes, since what is old counts less", () => {
  const regression = fitted(300, [1, 1])
  regression.forget(1_800)
  const rng = seeded(2)
  for (let i = 0; i < 60; i++) {
    const [a, b] = [rng.below(20), rng.below(20)]
    add(regression, second((a + 4 * b) / 100, a, b))
  }
  regression.solve()
  assert.ok(Math.abs(regression.mean(0, 1) - 4) < 0.4, `${regression.mean(0, 1)}`)
})

test("knows nothing of routes and resources that were not seen, and nothing at all at first", () => {
  const regression = new UtilizationRegression(resourcesOf("rate", "rate"), 1)
  regression.solve()
  assert.equal(regression.mean(0, 0), NaN)
  assert.equal(regression.overall(0), NaN)
  add(regression, { ...second(0.5, 5), utilization: Float64Array.of(NaN, 0.3) }, [100, 0])
  regression.solve()
  assert.equal(regression.intervals(0), 0)
  assert.equal(regression.intervals(1), 0, "a backend that has none of a resource tells nothing of it")
  assert.deepEqual([...regression.standardErrors(0, 1)], [NaN])
})

test("routes beyond the bound are route 0 together", () => {
  const regression = new UtilizationRegression(resourcesOf("rate"), 1)
  const rng = seeded(1)
  for (let i = 0; i < 50; i++) {
    const served = new Float64Array(regressionRoutesMax + 10)
    served[regressionRoutesMax + 5] = rng.below(20)
    served[1] = rng.below(20)
    add(regression, second((served[regressionRoutesMax + 5]! * 2 + served[1]) / 100, ...served))
  }
  regression.solve()
  assert.ok(Math.abs(regression.mean(0, 0) - 2) < 0.1)
  assert.equal(regression.mean(0, regressionRoutesMax + 5), regression.mean(0, 0))
})

test("idle seconds make no demand", () => {
  const regression = new UtilizationRegression(resourcesOf("rate"), 1)
  for (let i = 0; i < 20; i++) add(regression, second(0, 0, 0))
  regression.solve()
  assert.equal(regression.mean(0, 1), NaN)
  assert.equal(regression.overall(0), NaN)
})

test("a space is held by the requests in flight, not used up by those served", () => {
  const rng = seeded(1)
  const regression = new UtilizationRegression(resourcesOf("space"), 1)
  for (let i = 0; i < 60; i++) {
    const held = Float64Array.of(rng.below(10), rng.below(10))
    const utilization = Float64Array.of((held[0]! * 2 + held[1]! * 5) / 100)
    const served = Float64Array.of(rng.below(50), rng.below(50))
    add(regression, {
      ...second(utilization[0]!),
      served: { averaged: [served], usual: served },
      held: { averaged: [held], usual: held },
    })
  }
  regression.solve()
  assert.ok(Math.abs(regression.mean(0, 0) - 2) < 0.1 && Math.abs(regression.mean(0, 1) - 5) < 0.2)
})

test("work of others is counted as theirs, and what comes and goes from here tells the routes apart", () => {
  // Seven requests of others for each of ours, which are of other kinds than ours: only a third as much of route 0.
  const rng = seeded(3)
  const regression = new UtilizationRegression(resourcesOf("rate"), 1)
  const demand = [1, 3]
  for (let i = 0; i < 2_000; i++) {
    const served = Float64Array.of(rng.below(5), rng.below(5))
    const theirs = 7 * 4 * (0.25 * demand[0]! + 0.75 * demand[1]!) + 8 * (rng.next() - 0.5)
    const utilization = (served[0]! * demand[0]! + served[1]! * demand[1]! + theirs) / 100
    add(regression, {
      ...second(utilization),
      others: 7,
      span: 100,
      usualUtilization: Float64Array.of(0.78),
      served: { averaged: [served], usual: Float64Array.of(2, 2) },
    })
  }
  regression.solve()
  const [a, b] = [regression.mean(0, 0), regression.mean(0, 1)]
  assert.ok(b / a > 2.2 && b / a < 3.8, `${a}, ${b}`)
  // Together it is what was used, over all requests: 78 for 32.
  assert.ok(Math.abs(regression.overall(0) - 78 / 32) < 0.05, `${regression.overall(0)}`)
})

test("a steady load leaves no background, however roughly counts of requests tell the work", () => {
  const rng = seeded(4)
  const regression = new UtilizationRegression(resourcesOf("rate"), 1)
  for (let i = 0; i < 5_000; i++) {
    regression.forget(1)
    // Counted and served differ by a quarter, as where requests last from one second into the next.
    const counts = [20 + rng.below(11) - 5, 20 + rng.below(11) - 5]
    const work = [20 + rng.below(3) - 1, 20 + rng.below(3) - 1]
    add(regression, second((work[0]! + 3 * work[1]!) / 100, ...counts))
    if (i % 100 === 0) regression.solve()
  }
  regression.solve()
  assert.equal(regression.background(0), 0)
  const sum = regression.mean(0, 0) + regression.mean(0, 1)
  assert.ok(Math.abs(sum - 4) < 0.2, `${sum}`)
})
