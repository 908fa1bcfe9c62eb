import assert from "node:assert/strict"
import { test } from "node:test"
import * as fc from "fast-check"
import { didYouMean, editDistance, suggest } from "./suggest.ts"

test("counts edits, a swap of neighbours as one", () => {
  const cases: readonly (readonly [string, string, number])[] = [
    ["", "", 0],
    ["", "abc", 3],
    ["interval", "interval", 0],
    ["intervall", "interval", 1],
    ["intreval", "interval", 1],
    ["kitten", "sitting", 3],
  ]
  for (const [from, to, edits] of cases) assert.equal(editDistance(from, to), edits, `${from} → ${to}`)
})

test("is a symmetric distance, zero only between equal words", () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 12 }), fc.string({ maxLength: 12 }), (a, b) => {
      const edits = editDistance(a, b)
      assert.equal(edits, editDistance(b, a))
      assert.equal(edits === 0, a === b)
      assert.ok(edits <= Math.max(a.length, b.length))
    }),
  )
})

test("suggests the nearest candidate, and none when all are far", () => {
  const keys = ["interval", "timeout", "fall", "rise"]
  assert.equal(suggest("intervall", keys), "interval")
  assert.equal(suggest("TimeOut", keys), "timeout")
  assert.equal(suggest("colour", keys), undefined)
  assert.equal(suggest("interval".repeat(100), keys), undefined)
  assert.equal(didYouMean("fal", keys), '; did you mean "fall"?')
  assert.equal(didYouMean("colour", keys), "")
})

test("knows what other products call a thing, whatever its punctuation, where that thing is known", () => {
  const policies = ["auto", "price", "least-connections", "round-robin", "power-of-two", "ip-hash"]
  for (const [foreign, ours] of [
    ["leastconn", "least-connections"],
    ["least_conn", "least-connections"],
    ["LEAST_REQUEST", "least-connections"],
    ["rr", "round-robin"],
    ["p2c", "power-of-two"],
    ["ip_hash", "ip-hash"],
    ["source", "ip-hash"],
  ] as const) {
    assert.equal(suggest(foreign, policies), ours)
  }
  assert.equal(suggest("upstreams", ["pools", "routes"]), "pools")
  assert.equal(suggest("upstreams", ["routes"]), undefined)
  assert.equal(didYouMean("--balance", ["--policy", "--workers"]), '; did you mean "--policy"?')
})
