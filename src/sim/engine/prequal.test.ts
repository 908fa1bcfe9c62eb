// What the Prequal paper claims, in the regime for which it claims it: a score or more of requests at each backend.
import assert from "node:assert/strict"
import { test } from "node:test"
import { group, kind, scenario } from "../../../test/support/scenarios.ts"
import { plainPolicy } from "../../policies/index.ts"
import type { RunResult } from "../report/results.ts"
import { runScenario } from "../run.ts"
import type { Scenario } from "../scenario/scenario.ts"

/** Queries of 80 ms of one core each. */
const querySeconds = 0.08

/** Equal replicas with so many cores, of which a query can use one. */
function replicas(cores: number, faults: Scenario["faults"] = []): Scenario {
  return scenario({
    backends: [group({ name: "replica", count: 20, capacity: { r0: cores }, lane: { r0: 1 } })],
    classes: [kind([querySeconds])],
    faults,
    requests: 150_000,
  })
}

function run(
  rehearsed: Scenario,
  policy: "prequal" | "power-of-two" | "weighted-round-robin",
  rate: number,
): RunResult {
  return runScenario({
    scenario: rehearsed,
    policy: plainPolicy(policy),
    load: rate,
    thetaStar: 1,
    seed: 1,
  })
}

test("beyond what replicas were allotted weighted turns run into the time-out, and Prequal gets slower little by little", () => {
  // The paper's testbed in small (section 5.1 there): each replica is allotted 20 of the 50 cores of its machine and
  // may use what its neighbours leave. Six of the twenty have neighbours that leave no more than the 20.
  const rehearsed = replicas(
    50,
    [1, 2, 3, 4, 5, 6].map((n) => ({
      kind: "noisy-neighbour",
      backend: `replica-${n}`,
      atMs: 0,
      forMs: undefined,
      resource: "r0",
      part: 0.6,
    })),
  )
  const allotted = (20 * 20) / querySeconds
  const timeOutMs = 5_000

  const before = run(rehearsed, "weighted-round-robin", 0.93 * allotted)
  assert.ok(before.p999 < 1_000, `weighted turns at 0.93: ${before.p999}`)
  const after = run(rehearsed, "weighted-round-robin", 1.14 * allotted)
  assert.ok(after.p999 > timeOutMs, `weighted turns at 1.14: ${after.p999}`)

  // The slowest one in a thousand takes 80 ms · ln 1000 = 553 ms where none has to wait.
  const found = [0.7, 1.03, 1.27, 1.57, 1.74].map((part) => run(rehearsed, "prequal", part * allotted).p999)
  for (const [i, p999] of found.entries()) {
    assert.ok(p999 < 2 * 553, `${p999}`)
    assert.ok(i === 0 || p999 < 1.5 * found[i - 1]!, found.join(", "))
  }
})

test("many requests at each of equal backends: Prequal carries nearly all that there is", () => {
  // At 0.9 some 18 of the 20 cores are busy. Estimates from another load than that of the moment would pile requests up
  // on few backends, and keep them from those that have become idle.
  const rehearsed = replicas(20)
  const result = run(rehearsed, "prequal", (0.9 * 20 * 20) / querySeconds)
  assert.ok(result.isSteady)
  // p99 of an exponential time of 80 ms alone is 368 ms.
  assert.ok(result.p99 < 2 * 368, `${result.p99}`)
})

test("slow backends: Prequal keeps away from them where a choice by counts does not", () => {
  const slow = [1, 2, 3].map((n) => ({
    kind: "slow" as const,
    backend: `replica-${n}`,
    atMs: 0,
    forMs: undefined,
    factor: 0.1,
  }))
  const rehearsed = replicas(20, slow)
  const rate = (0.3 * 20 * 20) / querySeconds
  const byCount = run(rehearsed, "power-of-two", rate)
  const prequal = run(rehearsed, "prequal", rate)
  // p99 of an exponential time of 80 ms alone is 368 ms, and of one ten times as long 3.7 s.
  assert.ok(prequal.p99 < 1.1 * 368, `${prequal.p99}`)
  assert.ok(byCount.p99 > 1.5 * 368, `${byCount.p99}`)
})
