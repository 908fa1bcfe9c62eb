import assert from "node:assert/strict"
import { test } from "node:test"
import { parseBackendId } from "../core/backend.ts"
import { Penalties, penaltyMax } from "./penalties.ts"

const [a, b] = [parseBackendId("a")!, parseBackendId("b")!]

test("a third of many failing makes a backend five times as dear, for what fails is seen by somebody", () => {
  const penalties = new Penalties()
  penalties.add(a, 1_000, 500, 0)
  penalties.add(b, 1_000, 0, 0)
  const found = penalties.learn(0)
  assert.ok(Math.abs(found.get(a)! - 1.5 ** 4) < 0.1, `${found.get(a)}`)
  assert.equal(found.get(b), undefined)
})

test("one failure among few says little, and all failing is bounded", () => {
  const penalties = new Penalties()
  penalties.add(a, 0, 1, 0)
  penalties.add(b, 0, 1e6, 0)
  const found = penalties.learn(0)
  assert.ok(found.get(a)! < 1.5)
  assert.equal(found.get(b), penaltyMax)
})

test("goes back to none with the seconds", () => {
  const penalties = new Penalties()
  penalties.add(a, 0, 100, 0)
  const penaltyAt = (now: number) => penalties.learn(now).get(a) ?? 1
  const [soon, later] = [penaltyAt(1_000), penaltyAt(40_000)]
  assert.ok(soon > 10 && later < soon && later > 1, `${soon}, ${later}`)
  assert.equal(penaltyAt(120_000), 1)
})

test("small changes are not published", () => {
  const penalties = new Penalties()
  penalties.add(a, 900, 300, 0)
  const first = penalties.learn(0).get(a)
  penalties.add(a, 900, 303, 1)
  assert.equal(penalties.learn(1).get(a), first)
})

test("who has left is forgotten", () => {
  const penalties = new Penalties()
  penalties.add(a, 0, 100, 0)
  penalties.retain((id) => id !== a)
  assert.equal(penalties.learn(0).size, 0)
})
