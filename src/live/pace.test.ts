import assert from "node:assert/strict"
import { test } from "node:test"
import { demoRate, speedFor } from "./pace.ts"

test("a scenario is played as fast as the machine's cores allow, and not more than fifty times", () => {
  assert.equal(speedFor(0.001, 2), 50)
  assert.equal(speedFor(8, 2), 50)
  assert.equal(speedFor(30, 2), 13.3)
  assert.equal(speedFor(30, 4), 26.7)
})

test("the demonstration is loaded with six tenths of what it carries, and less on a small machine", () => {
  const backends = [{ capacity: { compute: 20, storage: 10 } }, { capacity: { compute: 20, storage: 1 } }]
  // Storage is scarcest: 11 · 50 units per second at 5.5 per request are 100 per second.
  assert.equal(demoRate(backends, 64), 60)
  assert.equal(demoRate([{ capacity: { compute: 2_000, storage: 2_000 } }], 2), 200)
  assert.equal(demoRate([{ capacity: { compute: 0, storage: 1 } }], 2), 1)
})
