// Rates and spaces beside each other, where requests wait for room: whole fleets, played. The luck is fixed, and the
// bounds are far from what is found.
import assert from "node:assert/strict"
import { readFileSync } from "node:fs"
import { test } from "node:test"
import { resourcesOf } from "../../../test/support/backends.ts"
import { exponentialOf, group, kind, scenario } from "../../../test/support/scenarios.ts"
import type { Knowledge } from "../../core/knowledge.ts"
import { plainPolicy } from "../../policies/index.ts"
import { Price } from "../../policies/prices/price.ts"
import { builtInUrl } from "../scenario/built-in.ts"
import { fluidBounds } from "../fluid.ts"
import { type PolicyFactory, type RunInput, runScenario } from "../run.ts"
import type { RequestClass, Scenario } from "../scenario/scenario.ts"
import { readScenario } from "../scenario/scenario-file.ts"

function work(share: number, seconds: number, room: number, holdMs: number): RequestClass {
  const demand = { r0: exponentialOf(seconds), r1: { kind: "constant", mean: room } } as const
  return kind([], { name: `of-${room}`, share, demand, holdMs: exponentialOf(holdMs) })
}

/** Four backends with much work and little room, four the other way round, one lane a request. */
function fleetFor(...classes: readonly RequestClass[]): Scenario {
  const backends = [
    group({ name: "wide", count: 4, capacity: { r0: 16, r1: 100 }, lane: { r0: 1 } }),
    group({ name: "deep", count: 4, capacity: { r0: 4, r1: 400 }, lane: { r0: 1 } }),
  ]
  return scenario({ resources: resourcesOf("rate", "space"), backends, classes })
}

/** The part of the requests that waits for room until its time is over. */
async function partLate(played: Scenario, policy: RunInput["policy"], load: number): Promise<number> {
  const { thetaStar } = await fluidBounds(played)
  const { failed, requests } = runScenario({ scenario: played, policy, load, thetaStar, seed: 1 })
  return (failed["queue_timeout"] ?? 0) / requests
}

const price = plainPolicy("price")

/** `price` that believes that requests take `factor` times as long as they do. */
function believing(factor: number): PolicyFactory {
  const scaled = (ms: number | undefined): number | undefined => (ms === undefined ? ms : ms * factor)
  return {
    name: `price, times ${factor}`,
    make: (context) => {
      const policy = new Price({ ...context, parameters: {} })
      const learn = policy.learn.bind(policy)
      policy.learn = (knowledge: Knowledge) => {
        const routes = knowledge.routes.map((route) => ({
          ...route,
          holdMs: scaled(route.holdMs),
          answerMs: scaled(route.answerMs),
        }))
        learn({ ...knowledge, routes })
      }
      return policy
    },
  }
}

test("rates and spaces have a common scale: at nine tenths of the bound no request gives up, with a wrong one many do", async () => {
  const workAndRoom = fleetFor(work(0.6, 1, 2, 200), work(0.4, 0.3, 20, 2_000))
  const mostlyRoom = fleetFor(work(0.5, 0.5, 10, 1_000), work(0.5, 0.05, 20, 1_000))
  assert.ok((await partLate(workAndRoom, price, 0.9)) < 0.001)
  assert.ok((await partLate(mostlyRoom, price, 0.9)) < 0.001)
  for (const factor of [1 / 30, 1 / 3, 3, 30]) {
    const part = await partLate(mostlyRoom, believing(factor), 0.9)
    assert.ok(part > 0.02, `with times ${factor} as long ${part}`)
  }
})

test("a fleet of language models carries a load under which policies that take any room lose their footing", async () => {
  const read = readScenario({ file: "llm.yaml", text: readFileSync(builtInUrl("llm"), "utf8") })
  assert.ok(read.ok)
  const knowledge = { ...read.value.knowledge, demand: "known" } as const
  const known: Scenario = { ...read.value, requests: 20_000, knowledge }
  const [ours, blind] = [
    await partLate(known, price, 0.78),
    await partLate(known, plainPolicy("least-connections"), 0.78),
  ]
  assert.ok(ours < 0.01, `${ours} of price`)
  assert.ok(blind > 0.03, `${blind} of least-connections`)
})

test("fast and slow backends are used up when there is one sort of request", async () => {
  // Three times faster, with as much room: each request takes three times as much of the room of a slow one.
  const backends = [
    group({ name: "fast", count: 4, capacity: { r0: 30, r1: 60 } }),
    group({ name: "slow", count: 4, capacity: { r0: 10, r1: 60 } }),
  ]
  const resources = resourcesOf("rate", "space")
  const one = scenario({ resources, backends, classes: [work(1, 1, 4, 1)] })
  assert.ok((await partLate(one, price, 0.88)) < 0.001)
})
