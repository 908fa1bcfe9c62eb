import assert from "node:assert/strict"
import { test } from "node:test"
import { backendView, stateView } from "../../test/support/state-views.ts"
import type { BackendView } from "../control/state-view.ts"
import {
  amount,
  announceCommand,
  checkWords,
  count,
  duration,
  fillOf,
  leaseWords,
  percent,
  pressure,
  proportion,
  ratio,
  scales,
  demandWords,
  sourceWords,
} from "./words.ts"

/** With plain spaces: those that keep a number and its unit together are for the eye. */
function plain(text: string): string {
  return text.replaceAll("\u00a0", " ")
}

function backend(
  id: string,
  state: BackendView["state"] = "serving",
  reason = "its lease is fresh and its checks pass",
  capacity: BackendView["capacity"] = { compute: 20, storage: 13 },
): BackendView {
  return backendView(id, { state, reason, capacity, reserved: {}, total: {} })
}

test("numbers have about three digits, counts have all", () => {
  assert.deepEqual([0, 0.256, 1.5, 9.994, 9.996, 12.34, 99.94, 99.96, 12_345.6].map(amount), [
    "0",
    "0.26",
    "1.5",
    "9.99",
    "10",
    "12.3",
    "99.9",
    "100",
    "12,346",
  ])
  assert.equal(amount(1.234e9), "1.23B")
  assert.equal(count(12_345_678), "12,345,678")
})

test("a share that is something is never shown as nothing", () => {
  assert.deepEqual(
    [0, 0.001, 0.6249, 1, 1.5].map((share) => plain(percent(share))),
    ["0 %", "< 1 %", "62 %", "100 %", "150 %"],
  )
})

test("durations are told in their two largest units", () => {
  const cases: readonly (readonly [ms: number, words: string])[] = [
    [-5, "0.0 s"],
    [7_240, "7.2 s"],
    [9_960, "10 s"],
    [59_400, "59 s"],
    [59_600, "1 min 0 s"],
    [185_000, "3 min 5 s"],
    [11_520_000, "3 h 12 min"],
    [356_400_000, "4 d 3 h"],
  ]
  for (const [ms, words] of cases) assert.equal(plain(duration(ms)), words)
})

test("a part of a bar is between nothing and all of it", () => {
  assert.equal(proportion(5, 20), 0.25)
  assert.equal(proportion(30, 20), 1)
  assert.equal(proportion(-1, 20), 0)
  assert.equal(proportion(1, 0), 0)
})

test("what goes beyond the capacity is a second lap", () => {
  assert.deepEqual(fillOf(10, 20), { held: 0.5, over: 0 })
  assert.deepEqual(fillOf(20, 20), { held: 1, over: 0 })
  assert.deepEqual(fillOf(30, 20), { held: 1, over: 0.5 })
  assert.deepEqual(fillOf(90, 20), { held: 1, over: 1 })
})

test("work over capacity is seconds of backlog, room over capacity a share held", () => {
  assert.equal(plain(pressure("rate", 34, 20)), "1.7 s of backlog")
  assert.equal(plain(pressure("rate", 0.01, 20)), "< 0.01 s of backlog")
  assert.equal(pressure("rate", 0, 20), "idle")
  assert.equal(plain(pressure("space", 12, 20)), "60 % held")
  assert.equal(pressure("space", 0, 20), "empty")
  assert.equal(pressure("rate", 0, 0), "none here")
  assert.equal(pressure("rate", 1, 0), "without capacity")
})

test("a ratio has its 1 on the smaller side", () => {
  assert.equal(ratio(20, 13), "1.54 : 1")
  assert.equal(ratio(8, 26), "1 : 3.25")
  assert.equal(ratio(5, 5), "1 : 1")
  assert.equal(ratio(5, 0), "1 : 0")
  assert.equal(ratio(0, 5), "0 : 1")
  assert.equal(ratio(0, 0), "")
})

test("the scale of a resource is the largest amount of it, whichever backend has it", () => {
  const state = stateView([
    backend("a", "serving", "", { compute: 20, storage: 13 }),
    backend("b", "serving", "", { compute: 8, storage: 26 }),
    backend("c", "ejected", "", { compute: 1 }),
  ])
  assert.deepEqual(
    [...scales(state, ({ capacity }) => capacity)],
    [
      ["compute", 20],
      ["storage", 26],
    ],
  )
})

test("the command names the resources and an address that can be reached from where the page is", () => {
  const here = announceCommand(stateView([]), "balancer.example")
  assert.match(here, /^curl -X PUT http:\/\/127\.0\.0\.1:9797\/v1\/backends\/alpha /)
  assert.match(here, /-d '\{"address":":8080","capacity":\{"compute":20,"storage":13\}\}'$/)

  for (const registration of [":9797", "0.0.0.0:9797", "[::]:9797", "*:9797"]) {
    const listeners = { traffic: "", registration, admin: "" }
    const command = announceCommand(stateView([], { listeners }), "balancer.example")
    assert.match(command, /http:\/\/balancer\.example:9797\//, registration)
  }
})

test("a quote in a resource's name does not end the command's", () => {
  const resources = [{ name: "it's", kind: "rate" }] as const
  assert.ok(announceCommand(stateView([], { resources }), "h").includes(String.raw`"it'\''s":20`))
})

test("a lease says what is left of it, or what keeps it", () => {
  const lease = backend("a").lease
  assert.equal(plain(leaseWords(lease, 7_240)), "lease 7.2 s of 10 s")
  assert.equal(leaseWords(lease, 0), "lease has ended")
  assert.equal(leaseWords(lease, undefined), "lease without an end")
  assert.equal(leaseWords({ ...lease, keptBy: "ping-acks" }, undefined), "kept by ping-acks")
})

test("a check says when it was, and why it failed", () => {
  const check = { lastPassed: true, lastAgoMs: 100, lastError: undefined }
  assert.equal(plain(checkWords(check, 1_300)), "check passed 1.3 s ago")
  const failed = { lastPassed: false, lastAgoMs: 100, lastError: "connection refused" }
  assert.equal(plain(checkWords(failed, 1_300)), "check failed 1.3 s ago: connection refused")
  assert.equal(checkWords({ ...check, lastPassed: undefined }, undefined), "not checked yet")
})

test("a demand is said with its standard error where there is one, and with where it is from", () => {
  const known = { resource: "compute", samples: 9, variation: null, bySize: null }
  const learned = { ...known, source: "utilization", mean: 0.9249, standardError: 0.1 } as const
  assert.equal(demandWords(learned), "0.92\u00a0±\u00a00.1")
  assert.equal(sourceWords(learned), "from utilization")
  const prior = { ...known, source: "prior", mean: 1, standardError: null } as const
  assert.equal(demandWords(prior), "1")
  assert.equal(sourceWords(prior), "not known yet")
})
