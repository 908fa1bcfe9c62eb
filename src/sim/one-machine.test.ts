import assert from "node:assert/strict"
import { test } from "node:test"
import { group, kind, scenario, threeTypes } from "../../test/support/scenarios.ts"
import { plainPolicy } from "../policies/index.ts"
import { oneMachineCapacity } from "./capacity.ts"
import { fluidBounds } from "./fluid.ts"
import { runOneMachine } from "./one-machine.ts"
import { runScenario } from "./run.ts"
import type { Fault, Scenario } from "./scenario/scenario.ts"

const faults: readonly Fault[] = [
  { kind: "noisy-neighbour", backend: "b-1", atMs: 20_000, forMs: undefined, resource: "r0", part: 0.3 },
  { kind: "slow", backend: "b-1", atMs: 40_000, forMs: 10_000, factor: 0.5 },
]

/** One backend of four lanes, where requests of 10 ms of work come. */
const single = scenario({
  backends: [group({ capacity: { r0: 4 }, lane: { r0: 1 } })],
  classes: [kind([0.01])],
  requests: 40_000,
})

async function oneMachine(played: Scenario, load: number): Promise<ReturnType<typeof runOneMachine>> {
  const bounds = await fluidBounds(played)
  return runOneMachine({ scenario: played, bounds, load, requests: played.requests, seed: 1 })
}

for (const [name, played, load] of [
  ["calm", single, 0.9],
  ["in bursts", { ...single, arrivals: { kind: "bursty", onMs: 2_000, offMs: 2_000, factor: 1.5 } }, 0.8],
  ["disturbed", { ...single, faults }, 0.5],
] as const) {
  test(`a single backend is one machine, and fares as one: ${name}`, async () => {
    const { p99Served } = await oneMachine(played, load)
    const run = runScenario({
      scenario: played,
      policy: plainPolicy("round-robin"),
      load,
      thetaStar: 400,
      seed: 1,
    })
    // The same requests at the same times; quantiles are read from buckets of 0.8 %.
    assert.ok(Math.abs(p99Served / run.p99Served - 1) < 0.01, `${p99Served} and ${run.p99Served}`)
  })
}

test("where half of the machine comes only for a half of the time, three quarters are carried at most", async () => {
  const flapping: Fault = { kind: "flapping", backend: "b-1", atMs: 0, forMs: undefined, everyMs: 1_000 }
  const pair = { ...single, backends: [group({ count: 2, capacity: { r0: 2 }, lane: { r0: 1 } })] }
  const input = { bounds: await fluidBounds(pair), seeds: 2 }
  const whole = oneMachineCapacity({ ...input, scenario: pair })
  const halved = oneMachineCapacity({ ...input, scenario: { ...pair, faults: [flapping] } })

  assert.ok(whole.share > 0.7, `${whole.share}`)
  assert.ok(halved.share <= 0.76 && halved.share > 0.3, `${halved.share}`)
})

test("calm requests of three types leave a single machine near the bound, and their own mix does not matter to it", async () => {
  const { share } = oneMachineCapacity({
    scenario: threeTypes,
    bounds: await fluidBounds(threeTypes),
    seeds: 1,
  })
  assert.ok(share > 0.98, `${share}`)
})

test("a fleet that is gone for good ends no request", async () => {
  const gone: Fault = { kind: "crash", backend: "b-1", atMs: 1_000, forMs: undefined }
  const joinsLate = { ...single, warmUp: 0, backends: [group({ capacity: { r0: 4 }, joinsAtMs: 5_000 })] }

  assert.equal((await oneMachine({ ...single, faults: [gone] }, 0.5)).p99Served, Infinity)
  // A request that came in the first five seconds waited for it, and got through.
  const { p99Served } = await oneMachine(joinsLate, 0.5)
  assert.ok(p99Served > 1_000 && p99Served < Infinity, `${p99Served}`)
})
