import assert from "node:assert/strict"
import { test } from "node:test"
import type { BackendId } from "../core/backend.ts"
import { LostBackends } from "./lost-backends.ts"

test("the last that has gone comes first, until it comes back", () => {
  const lost = new LostBackends()
  for (const [at, id] of ["a", "b", "c"].entries()) lost.add(id as BackendId, at)
  lost.add("a" as BackendId, 3)
  assert.deepEqual(lost.ids(4), ["a", "c", "b"])
  lost.delete("c" as BackendId)
  assert.deepEqual(lost.ids(5), ["a", "b"])
})

test("a lost backend is forgotten after ten minutes, and the oldest when there are too many", () => {
  const lost = new LostBackends()
  lost.add("a" as BackendId, 1_000)
  assert.deepEqual(lost.ids(601_000), ["a"])
  assert.deepEqual(lost.ids(601_001), [])

  for (let i = 0; i < 1_500; i++) lost.add(`b${i}` as BackendId, 0)
  const ids = lost.ids(0)
  assert.equal(ids.length, 1_000)
  assert.equal(ids[0], "b1499")
})
