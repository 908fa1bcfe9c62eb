import assert from "node:assert/strict"
import { test } from "node:test"
import { LostBackends } from "./lost-backends.ts"

const members = (
  ...entries: readonly (readonly [string, "serving" | "suspect" | "ejected" | "draining"])[]
) => entries.map(([id, state]) => ({ id, state }))

test("a backend that goes while it is suspect or ejected is lost, until it comes back", () => {
  const lost = new LostBackends()
  lost.follow(members(["a", "serving"], ["b", "suspect"], ["c", "ejected"]), 0)
  lost.follow(members(["a", "serving"]), 1_000)
  assert.deepEqual(lost.ids, ["c", "b"])
  lost.follow(members(["a", "serving"], ["b", "serving"]), 2_000)
  assert.deepEqual(lost.ids, ["c"])
})

test("a backend that leaves in order is not lost", () => {
  const lost = new LostBackends()
  lost.follow(members(["a", "serving"], ["b", "draining"]), 0)
  lost.follow([], 1_000)
  assert.deepEqual(lost.ids, [])
})

test("it is forgotten after ten minutes, and the oldest when there are too many", () => {
  const lost = new LostBackends()
  lost.follow(members(["a", "suspect"]), 0)
  lost.follow([], 1_000)
  lost.follow([], 601_000)
  assert.deepEqual(lost.ids, ["a"])
  lost.follow([], 601_001)
  assert.deepEqual(lost.ids, [])

  lost.follow(
    Array.from({ length: 1_500 }, (_, i) => ({ id: `b${i}`, state: "suspect" as const })),
    0,
  )
  lost.follow([], 1)
  assert.equal(lost.ids.length, 1_000)
  assert.equal(lost.ids[0], "b1499")
})
