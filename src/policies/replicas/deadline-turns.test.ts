import assert from "node:assert/strict"
import { test } from "node:test"
import { ofWeight } from "../../../test/support/backends.ts"
import { DeadlineTurns } from "./deadline-turns.ts"

function taken(turns: DeadlineTurns, candidates: readonly number[], count: number): string {
  const places = Int32Array.from(candidates)
  return Array.from({ length: count }, () => turns.next(places, places.length)).join("")
}

test("turns go by weight, the earlier of equal deadlines first", () => {
  // The heavy one is due at ½, the light one a period later, at 1½.
  const turns = new DeadlineTurns()
  turns.rebuild(ofWeight(2, 1))
  assert.equal(taken(turns, [0, 1], 10), "0001001001")
})

test("a backend that was no candidate takes the turns it missed when it is one again", () => {
  const turns = new DeadlineTurns()
  turns.rebuild(ofWeight(1, 1))
  assert.equal(taken(turns, [0], 3), "000")
  assert.equal(taken(turns, [0, 1], 6), "110101")
})

test("deadlines stay with their backends, and a newcomer is due after all others", () => {
  const [a, b, c] = ofWeight(1, 1, 1)
  const turns = new DeadlineTurns()
  turns.rebuild([a!, b!])
  assert.equal(taken(turns, [0, 1], 3), "001")
  turns.rebuild([c!, b!, a!])
  // b is due at 3, a at 3 as well, c at 4.
  assert.equal(taken(turns, [0, 1, 2], 5), "12012")
})
