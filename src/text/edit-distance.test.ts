import assert from "node:assert/strict"
import { test } from "node:test"
import * as fc from "fast-check"
import { editDistance } from "./edit-distance.ts"

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
