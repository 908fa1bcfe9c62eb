import assert from "node:assert/strict"
import { test } from "node:test"
import { group, kind, scenario, threeTypes, threeTypesThetaStar } from "../../test/support/scenarios.ts"
import { plainPolicy } from "../policies/index.ts"
import type { RunResult } from "./results.ts"
import { runScenario } from "./run.ts"

const roundRobin = plainPolicy("round-robin")

test("the same input gives the same result to the bit, another seed another", () => {
  const input = {
    scenario: threeTypes,
    policy: plainPolicy("price"),
    load: 0.9,
    thetaStar: threeTypesThetaStar,
    balancers: 3,
    requests: 5_000,
  }
  const once = JSON.stringify(runScenario({ ...input, seed: 7 }))

  assert.equal(JSON.stringify(runScenario({ ...input, seed: 7 })), once)
  assert.notEqual(JSON.stringify(runScenario({ ...input, seed: 8 })), once)
})

test("every request ends exactly once, and the mean number in the system is rate times mean time (Little)", () => {
  // One backend, half loaded: utilization 0.5 and a mean time of 2 s. The time of a request in M/M/1-PS has a
  // standard deviation of about 2.4 s, and neighbours are correlated over about 4 requests: over 36_000 counted ones 4σ
  // of the mean is 4 · 2.4 · √(2 · 4 / 36_000) = 0.14 s; of the utilization it is about 4 · √(2 · 0.5 / 36_000) = 0.02.
  const result = runScenario({
    scenario: scenario(),
    policy: roundRobin,
    load: 0.5,
    thetaStar: 1,
    seed: 1,
    requests: 40_000,
  })

  assert.equal(result.requests, 36_000)
  assert.equal(result.completed, 36_000)
  assert.ok(Math.abs(result.mean - 2_000) < 140, `mean ${result.mean}`)
  assert.ok(Math.abs(result.utilization["r0"]! - 0.5) < 0.02, `utilization ${result.utilization["r0"]}`)
})

test("price carries 0.97 of the bound on three types of backend, and a policy that is blind to classes does not", () => {
  assert.ok(Math.abs(threeTypesAt("price", 0.97).growth) < 0.01)
  assert.ok(threeTypesAt("least-connections", 0.62).growth > 0.02)
})

function threeTypesAt(policy: "price" | "least-connections", load: number): RunResult {
  return runScenario({
    scenario: threeTypes,
    policy: plainPolicy(policy),
    load,
    thetaStar: threeTypesThetaStar,
    seed: 1,
  })
}

test("numbers that make no sense are refused", () => {
  const input = { scenario: scenario(), policy: roundRobin, load: 0.5, thetaStar: 1, seed: 1 }
  assert.throws(() => runScenario({ ...input, balancers: 17 }), /17 balancers/)
  assert.throws(() => runScenario({ ...input, load: 0 }), /load is 0/)
  assert.throws(() => runScenario({ ...input, requests: 0 }), /0 requests/)
  const lane = scenario({ backends: [group({ capacity: { r0: 1 }, lane: { r0: 0 } })] })
  assert.throws(() => runScenario({ ...input, scenario: lane }), /lane is 0/)
  const shape = scenario({ classes: [kind([1], { demand: { r0: { kind: "pareto", mean: 1, shape: 1 } } })] })
  assert.throws(() => runScenario({ ...input, scenario: shape }), /shape is 1/)
})
