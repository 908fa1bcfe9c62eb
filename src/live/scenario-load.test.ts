import assert from "node:assert/strict"
import { readFileSync } from "node:fs"
import { test } from "node:test"
import { ArrivalProcess } from "../sim/engine/arrivals.ts"
import { builtInUrl, type BuiltInName } from "../sim/scenario/built-in.ts"
import { readScenario } from "../sim/scenario/scenario-file.ts"
import type { Scenario } from "../sim/scenario/scenario.ts"
import { ListedRequests } from "../load/requests.ts"
import { scenarioLoad } from "./scenario-load.ts"

function builtIn(name: BuiltInName): Scenario {
  const scenario = readScenario({ file: `${name}.yaml`, text: readFileSync(builtInUrl(name), "utf8") })
  assert.ok(scenario.ok)
  return scenario.value
}

/** The head of the n-th request, from 0 on. */
function headOf(scenario: Scenario, n: number, speed = 4): string {
  const { classes, list } = scenarioLoad({ scenario, rate: 50, requests: 20, seed: 7, speed })
  const source = new ListedRequests(list, classes, "h", 0, 1)
  for (let i = 0; i <= n; i++) source.draw()
  return source.bytes().toString("latin1")
}

test("requests are the simulator's, one for one, at times that pass as much faster as the speed says", () => {
  const scenario = builtIn("dozen")
  const { classes, list } = scenarioLoad({ scenario, rate: 50, requests: 500, seed: 7, speed: 4 })
  const arrivals = new ArrivalProcess(scenario, 50, 7)
  for (let i = 0; i < 500; i++) {
    arrivals.next()
    assert.equal(list.atMs[i], arrivals.at / 4)
    assert.equal(list.kinds[i], arrivals.class)
    assert.deepEqual([...list.amounts.subarray(i * 3, i * 3 + 2)], [...arrivals.work])
  }
  assert.deepEqual(list.names, ["Compute", "Storage", "Hold"])
  assert.deepEqual(
    classes.map(({ path }) => path),
    ["/render", "/report", "/page"],
  )
})

test("what counts begins with the first request behind the warm-up, and ends behind the last", () => {
  const scenario = { ...builtIn("dozen"), warmUp: 0.25 }
  const { list, warmUpMs, durationMs } = scenarioLoad({
    scenario,
    rate: 50,
    requests: 100,
    seed: 7,
    speed: 4,
  })
  assert.equal(warmUpMs, list.atMs[25])
  assert.ok(durationMs > list.atMs[99]! && durationMs < list.atMs[99]! + 2)
})

test("a request carries its work, and what it holds where it holds something", () => {
  assert.match(
    headOf(builtIn("dozen"), 3),
    /^GET \/(render|report|page) HTTP\/1\.1\r\n[^]*\r\nCompute: [0-9.]+\r\nStorage: [0-9.]+\r\n\r\n$/,
  )
  assert.match(
    headOf(builtIn("llm"), 3),
    /\r\nPrefill: [0-9.]+\r\nKv-Cache: [0-9.]+\r\nHold: [0-9.]+\r\n\r\n$/,
  )
})

test("demand is declared as the scenario says: by each request itself, by its class's mean, or not at all", () => {
  const dozen = builtIn("dozen")
  assert.doesNotMatch(headOf(dozen, 0), /Linebacker-Demand/)

  const known: Scenario = { ...dozen, knowledge: { ...dozen.knowledge, demand: "known" } }
  const { classes } = scenarioLoad({ scenario: known, rate: 50, requests: 1, seed: 7, speed: 4 })
  assert.deepEqual(classes[0]!.fields, [["Linebacker-Demand", "compute=1, storage=0.1"]])

  const declared: Scenario = { ...dozen, knowledge: { ...dozen.knowledge, demand: "declared" } }
  const head = headOf(declared, 4)
  const [, compute] = /\r\nCompute: ([0-9.]+)/.exec(head)!
  const [, said] = /\r\nLinebacker-Demand: compute=([0-9.]+), storage=/.exec(head)!
  // Three digits behind the point, and no error was asked for.
  assert.ok(Math.abs(Number(compute) - Number(said)) <= 0.0005 + 1e-9)
})
