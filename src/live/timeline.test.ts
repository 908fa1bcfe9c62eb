import assert from "node:assert/strict"
import { test } from "node:test"
import { readScenario } from "../sim/scenario/scenario-file.ts"
import { type Cue, timelineOf } from "./timeline.ts"

/** Backends a-1 to a-3, and what is written below them. */
function cuesOf(extra: string, lengthMs = 100_000, speed = 1): readonly Cue[] {
  return timelineOf(scenarioOf(extra), lengthMs, speed).cues
}

function scenarioOf(extra: string) {
  const text = `backends:
  a: {count: 3, capacity: {compute: 4, storage: 4}}
classes:
  page: {share: 1, demand: {compute: 1, storage: 1}}
${extra}`
  const scenario = readScenario({ file: "test.yaml", text })
  assert.ok(scenario.ok, JSON.stringify(scenario))
  return scenario.value
}

const shown = (cues: readonly Cue[]): string[] =>
  cues.map(({ atMs, backend, deed }) => `${atMs} ${backend} ${deed.kind}`)

test("without faults all backends are there and nothing happens", () => {
  const { present, cues } = timelineOf(scenarioOf(""), 1_000, 1)
  assert.deepEqual([present, cues], [["a-1", "a-2", "a-3"], []])
})

test("a crash kills, and its end starts again; at another speed both come sooner", () => {
  const fault = "faults: [{kind: crash, backend: a-2, at: 10s, for: 20s}]"
  assert.deepEqual(shown(cuesOf(fault)), ["10000 a-2 kill", "30000 a-2 start"])
  assert.deepEqual(shown(cuesOf(fault, 100_000, 4)), ["2500 a-2 kill", "7500 a-2 start"])
})

test("a backend that flaps is down for the first half of each period, until the fault or the run ends", () => {
  assert.deepEqual(shown(cuesOf("faults: [{kind: flapping, backend: a-1, at: 10s, every: 20s, for: 25s}]")), [
    "10000 a-1 kill",
    "20000 a-1 start",
    "30000 a-1 kill",
    "35000 a-1 start",
  ])
  const whole = cuesOf("faults: [{kind: flapping, backend: a-1, every: 20s}]", 45_000)
  assert.deepEqual(shown(whole), [
    "0 a-1 kill",
    "10000 a-1 start",
    "20000 a-1 kill",
    "30000 a-1 start",
    "40000 a-1 kill",
  ])
})

test("backends that join are started, those that leave drain", () => {
  const text = `backends:
  stays: {capacity: {compute: 4, storage: 4}}
  guest: {capacity: {compute: 4, storage: 4}, joins: 5s, leaves: 9s}
classes:
  page: {share: 1, demand: {compute: 1, storage: 1}}`
  const scenario = readScenario({ file: "test.yaml", text })
  assert.ok(scenario.ok)
  const { present, cues } = timelineOf(scenario.value, 60_000, 1)
  assert.deepEqual(present, ["stays-1"])
  assert.deepEqual(shown(cues), ["5000 guest-1 start", "9000 guest-1 retire"])
})

test("slow, with neighbours, lying, stale and failing are told, and taken back in the end", () => {
  const [begin, end, ...rest] = cuesOf("faults: [{kind: slow, backend: a-1, at: 1s, for: 1s, factor: 0.5}]")
  assert.deepEqual(rest, [])
  assert.ok(begin?.deed.kind === "tell" && end?.deed.kind === "tell")
  assert.deepEqual(begin.deed.condition.speeds, { compute: 0.5, storage: 0.5 })
  assert.deepEqual(end.deed.condition.speeds, { compute: 1, storage: 1 })

  const told = (fault: string): unknown => {
    const deed = cuesOf(`faults: [{backend: a-1, at: 1s, ${fault}}]`)[0]?.deed
    return deed?.kind === "tell" ? deed.condition : deed
  }
  const well = {
    speeds: { compute: 1, storage: 1 },
    taken: { compute: 0, storage: 0 },
    failing: 0,
    reportFactor: 1,
    reportsFrozen: false,
  }
  assert.deepEqual(told("kind: noisy-neighbour, resource: compute, part: 0.5"), {
    ...well,
    taken: { compute: 0.5, storage: 0 },
  })
  assert.deepEqual(told("kind: lying-reports, factor: 4"), { ...well, reportFactor: 4 })
  assert.deepEqual(told("kind: stale-reports"), { ...well, reportsFrozen: true })
  assert.deepEqual(told("kind: fast-failures, part: 0.25"), { ...well, failing: 0.25 })
})

test("a backend that stands still is frozen and thawed, and leaves only when it can hear of it", () => {
  assert.deepEqual(shown(cuesOf("faults: [{kind: slow, backend: a-1, at: 1s, for: 2s, factor: 0}]")), [
    "1000 a-1 freeze",
    "3000 a-1 thaw",
  ])
})

test("a backend that comes back is told what is still wrong with it", () => {
  const cues = cuesOf(`faults:
  - {kind: lying-reports, backend: a-1, factor: 4}
  - {kind: crash, backend: a-1, at: 10s, for: 5s}`)
  assert.deepEqual(shown(cues), ["0 a-1 tell", "10000 a-1 kill", "15000 a-1 start", "15000 a-1 tell"])
})

test("what would happen behind the end does not", () => {
  assert.deepEqual(cuesOf("faults: [{kind: crash, backend: a-1, at: 10s, for: 5s}]", 10_000), [])
})
