import assert from "node:assert/strict"
import { test } from "node:test"
import { Recent } from "./recent.ts"

const counts = (entries: Readonly<Record<string, number>>) => new Map(Object.entries(entries))

test("what came is counted, and fades to 1/e in its time", () => {
  const recent = new Recent(10_000)
  recent.sample(counts({ a: 100 }), 0)
  assert.equal(recent.of("a"), 100)
  recent.sample(counts({ a: 100 }), 10_000)
  assert.ok(Math.abs(recent.of("a") - 100 / Math.E) < 1e-9)
  recent.sample(counts({ a: 150 }), 10_000)
  assert.ok(Math.abs(recent.of("a") - 100 / Math.E - 50) < 1e-9)
})

test("a count that begins anew goes on from there, and a name that is gone is forgotten", () => {
  const recent = new Recent(10_000)
  recent.sample(counts({ a: 100, b: 5 }), 0)
  recent.sample(counts({ a: 3 }), 0)
  assert.equal(recent.of("a"), 103)
  assert.equal(recent.of("b"), 0)
  assert.equal(recent.of("never"), 0)
})
