import assert from "node:assert/strict"
import { readFileSync } from "node:fs"
import { test } from "node:test"
import { plainPolicy, type PolicyName } from "../../policies/index.ts"
import { type BuiltInName, builtInUrl } from "../scenario/built-in.ts"
import { fluidBounds } from "../fluid.ts"
import { meanOf } from "../scenario/mean-of.ts"
import type { RunResult } from "../report/results.ts"
import { runScenario } from "../run.ts"
import { readScenario } from "../scenario/scenario-file.ts"
import type { Scenario } from "../scenario/scenario.ts"

/** A built-in scenario in which nothing is known at first and backends tell this. */
function learned(name: BuiltInName, reports: Scenario["knowledge"]["reports"], perGroup?: number): Scenario {
  const read = readScenario({ file: name, text: readFileSync(builtInUrl(name), "utf8") })
  assert.ok(read.ok)
  const { value } = read
  return {
    ...value,
    backends: value.backends.map((group) => ({ ...group, count: perGroup ?? group.count })),
    knowledge: { ...value.knowledge, demand: "learned", reports, reportEveryMs: 1_000, reportDelayMs: 0 },
  }
}

async function run(
  scenario: Scenario,
  options: { policy?: PolicyName; load: number; requests: number; balancers?: number },
): Promise<RunResult> {
  const { thetaStar } = await fluidBounds(scenario)
  return runScenario({
    ...options,
    scenario,
    policy: plainPolicy(options.policy ?? "price"),
    thetaStar,
    seed: 1,
  })
}

/** The largest error of what was learned, each over what its class needs most of. */
function worstError(scenario: Scenario, result: RunResult): number {
  let worst = 0
  for (const [c, { learned: found }] of result.classes.entries()) {
    const { demand } = scenario.classes[c]!
    const truth = Object.entries(demand).map(([name, of]) => [name, meanOf(of)] as const)
    const most = Math.max(...truth.map(([, mean]) => mean))
    for (const [name, mean] of truth) worst = Math.max(worst, Math.abs((found?.[name] ?? 0) - mean) / most)
  }
  return worst
}

test("demand that only utilization tells is known after 2 000 requests, and still after two hours", async () => {
  // One backend of each kind: at 0.9 of the bound 10 requests per second, so 72 000 take two hours.
  const small = learned("three-types", "utilization", 1)
  for (const requests of [2_500, 10_000, 72_000]) {
    const result = await run(small, { load: 0.9, requests })
    const error = worstError(small, result)
    // At 2 500 requests of exponential sizes a mean is only known to 4 % itself, and told apart from two others to 15 %.
    assert.ok(error < (requests === 2_500 ? 0.3 : 0.2), `${error} after ${requests}`)
  }
})

test("it is known at any load, in any of the fleets", async () => {
  for (const name of ["three-types", "mild", "skewed", "equal"] as const) {
    for (const load of [0.3, 0.6, 0.9]) {
      const scenario = learned(name, "utilization")
      const error = worstError(scenario, await run(scenario, { load, requests: 30_000 }))
      // Where all backends are alike all get the same mix, and only chance tells the classes apart.
      assert.ok(error < (name === "equal" ? 0.5 : 0.25), `${name} at ${load}: ${error}`)
    }
  }
})

test("with it price carries nine tenths of the bound, far above what is possible without telling requests apart", async () => {
  const result = await run(learned("three-types", "utilization"), { load: 0.9, requests: 60_000 })
  const known = await run(
    {
      ...learned("three-types", "none"),
      knowledge: { demand: "known", reports: "none", reportEveryMs: 1_000, reportDelayMs: 0 },
    },
    { load: 0.9, requests: 60_000 },
  )
  assert.ok(result.isSteady && result.p99 < 1.15 * known.p99, `${result.p99}, ${known.p99}`)
})

test("eight balancers that see an eighth each, of a utilization of all, do no harm with what they make of it", async () => {
  const scenario = learned("three-types", "utilization")
  // At 0.8 it takes some minutes to be as good: an eighth of the requests says little, and a queue has grown by then.
  for (const [load, factor] of [
    [0.3, 1.1],
    [0.6, 1.1],
    [0.8, 2],
  ] as const) {
    const options = { load, requests: 60_000, balancers: 8 }
    const result = await run(scenario, options)
    const told = await run(learned("three-types", "costs"), options)
    assert.ok(result.isSteady && result.mean < factor * told.mean, `${load}: ${result.mean}, ${told.mean}`)
  }
})

test("where backends tell nothing price is no worse than least-connections", async () => {
  for (const name of ["three-types", "mild", "equal", "one-class"] as const) {
    const scenario = learned(name, "none")
    const { classBlindCeiling } = await fluidBounds(scenario)
    const options = { load: 0.9 * classBlindCeiling, requests: 30_000 }
    const price = await run(scenario, options)
    const least = await run(scenario, { ...options, policy: "least-connections" })
    assert.ok(price.isSteady, name)
    assert.ok(
      price.mean < 1.03 * least.mean && price.p99 < 1.05 * least.p99,
      `${name}: ${price.mean}, ${least.mean}`,
    )
  }
})

test("a backend that fails a third of its requests fast gets fewer than 1 in 100, one that fails all next to none", async () => {
  for (const part of [0.33, 1]) {
    const scenario: Scenario = {
      ...learned("three-types", "costs"),
      faults: [{ kind: "fast-failures", backend: "balanced-2", atMs: 0, forMs: undefined, part }],
    }
    for (const policy of ["price", "mix"] as const) {
      const { backends, failed, requests } = await run(scenario, { policy, load: 0.7, requests: 20_000 })
      const served = backends.find(({ id }) => id === "balanced-2")!.requests
      const errors = failed["backend_error"] ?? 0
      assert.ok(
        (served + errors) / requests < 0.01,
        `${policy}, ${part}: ${served} and ${errors} of ${requests}`,
      )
    }
  }
})
