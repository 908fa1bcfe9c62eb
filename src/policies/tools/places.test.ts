import assert from "node:assert/strict"
import { test } from "node:test"
import { backends } from "../../../test/support/backends.ts"
import { carried, Places } from "./places.ts"

test("a member is found by its id, also by an object that is no longer the one", () => {
  const places = new Places()
  places.rebuild(backends(0, 0, 0))
  const others = backends(0, 0, 0)
  assert.deepEqual(
    others.map((one) => places.of(one)),
    [0, 1, 2],
  )
  assert.equal(places.of(backends(0, 0, 0, 0)[3]!), -1)
})

test("asked in any order, the result is the same", () => {
  const members = backends(0, 0, 0)
  const [a, b, c] = members
  const [, , , stranger] = backends(0, 0, 0, 0)
  const places = new Places()
  places.rebuild(members)
  const asked = [a!, b!, c!, c!, a!, c!, stranger!, a!, a!, b!, backends(0, 0, 0)[1]!, c!]
  assert.deepEqual(
    asked.map((one) => places.inOrder(one)),
    [0, 1, 2, 2, 0, 2, -1, 0, 0, 1, 1, 2],
  )
})

test("numbers follow their backends, leavers' are dropped and newcomers begin afresh", () => {
  const [a, b, c] = backends(0, 0, 0)
  const places = new Places()
  assert.deepEqual([...places.rebuild([a!, b!])], [-1, -1])
  const before = places.rebuild([c!, b!])
  assert.deepEqual([...before], [-1, 1])
  assert.deepEqual([...carried(Float64Array.of(1, 2), before, 9)], [9, 2])
  assert.deepEqual([...carried(Float64Array.of(1, 2, 3, 4), before, 9, 2)], [9, 9, 3, 4])
  assert.equal(places.of(a!), -1)
})
