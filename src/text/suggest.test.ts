import assert from "node:assert/strict"
import { test } from "node:test"
import { didYouMean, suggest } from "./suggest.ts"

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
