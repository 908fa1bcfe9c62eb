import assert from "node:assert/strict"
import { execFileSync } from "node:child_process"
import { join } from "node:path"
import { test } from "node:test"
import { group, kind, scenario, threeTypes, threeTypesThetaStar } from "../../test/support/scenarios.ts"
import { plainPolicy } from "../policies/index.ts"
import { meanOf } from "./scenario/mean-of.ts"
import type { RunResult } from "./report/results.ts"
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

test("another process comes to the same result", () => {
  const program = `
    import { runScenario } from "./src/sim/run.ts"
    import { plainPolicy } from "./src/policies/index.ts"
    import { threeTypes, threeTypesThetaStar as thetaStar } from "./test/support/scenarios.ts"
    const policy = plainPolicy("price")
    console.log(JSON.stringify(runScenario({ scenario: threeTypes, policy, load: 0.9, thetaStar, seed: 3, requests: 5_000 })))`
  const found = execFileSync(process.execPath, ["--input-type=module-typescript", "--eval", program], {
    cwd: join(import.meta.dirname, "../.."),
    encoding: "utf8",
  })
  const here = runScenario({
    scenario: threeTypes,
    policy: plainPolicy("price"),
    load: 0.9,
    thetaStar: threeTypesThetaStar,
    seed: 3,
    requests: 5_000,
  })
  assert.equal(found.trim(), JSON.stringify(here))
})

test("requests are the same, whichever policy and load: only their times differ", () => {
  const counts = (["price", "least-connections"] as const).map((name) =>
    threeTypesAt(name, name === "price" ? 0.3 : 0.5).classes.map(({ requests }) => requests),
  )
  assert.deepEqual(counts[0], counts[1])
})

test("where the load is too much the number in the system grows by what is too much", () => {
  // The ceiling is 0.571 of θ*: at 0.62 a part of 0.08 stays.
  const { growth, isSteady } = threeTypesAt("least-connections", 0.62)
  assert.ok(!isSteady && growth > 0.03 && growth < 0.13, `${growth}`)
  const carried = threeTypesAt("price", 0.95)
  assert.ok(carried.isSteady && Math.abs(carried.growth) < 0.01, `${carried.growth}`)
})

test("demand that backends report is learned from nothing, by each of several balancers, and does as well as the truth", () => {
  const learning = { demand: "learned", reports: "costs", reportEveryMs: 1_000, reportDelayMs: 0 } as const
  const common = {
    policy: plainPolicy("price"),
    load: 0.9,
    thetaStar: threeTypesThetaStar,
    balancers: 4,
    seed: 1,
  }
  const learned = runScenario({ ...common, scenario: { ...threeTypes, knowledge: learning } })
  const known = runScenario({ ...common, scenario: threeTypes })

  // Estimates forget with a gain of 0.005, so of exponential costs their deviation is √(0.005 / 2) = 5 %: 4σ is 20 %.
  const truth = threeTypes.classes.map(({ demand }) => Object.values(demand).map(meanOf))
  for (const [c, { learned: found }] of learned.classes.entries()) {
    for (const [r, mean] of truth[c]!.entries()) {
      const estimate = found![`r${r}`]!
      assert.ok(Math.abs(estimate - mean) < 0.2 * mean, `${estimate} is not ${mean}`)
    }
  }
  assert.equal(known.classes[0]!.learned, undefined)
  assert.ok(learned.isSteady && Math.abs(learned.p99 / known.p99 - 1) < 0.1, `${learned.p99}, ${known.p99}`)
})

test("one that is given up early says so", () => {
  const given = { scenario: threeTypes, policy: plainPolicy("least-connections"), load: 0.9, seed: 1 }
  const result = runScenario({ ...given, thetaStar: threeTypesThetaStar, hopeless: { p99Max: 9_000 } })
  assert.ok(result.requests < 50_000 && !result.isSteady)
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
