import assert from "node:assert/strict"
import { test } from "node:test"
import type { BackendId } from "../core/backend.ts"
import { Departed } from "./departed.ts"

test("an incarnation is remembered for as long as it says, and no longer", () => {
  const departed = new Departed(1_000, 10)
  departed.add(id("a"), 7, 0)
  assert.equal(departed.incarnationOf(id("a"), 999), 7)
  assert.equal(departed.incarnationOf(id("a"), 1_000), undefined)
})

test("leaving again starts the time anew", () => {
  const departed = new Departed(1_000, 10)
  departed.add(id("a"), 7, 0)
  departed.add(id("a"), 8, 900)
  assert.equal(departed.incarnationOf(id("a"), 1_800), 8)
})

test("beyond its size it forgets who left first", () => {
  const departed = new Departed(1_000, 2)
  departed.add(id("a"), 1, 0)
  departed.add(id("b"), 1, 1)
  departed.add(id("a"), 2, 2)
  departed.add(id("c"), 1, 3)
  assert.equal(departed.incarnationOf(id("b"), 4), undefined)
  assert.equal(departed.incarnationOf(id("a"), 4), 2)
  assert.equal(departed.incarnationOf(id("c"), 4), 1)
})

function id(text: string): BackendId {
  return text as BackendId
}
