import assert from "node:assert/strict"
import { test } from "node:test"
import { Descriptors } from "./descriptors.ts"

test("threads share what there is, and the last part of it is for backends", () => {
  const one = Descriptors.create(2)
  const other = new Descriptors(one.shape, 1)
  assert.ok(one.hasRoomForClient && one.hasRoomForBackend)
  one.limit(4, 3)
  one.take()
  other.take()
  assert.ok(one.hasRoomForClient && other.hasRoomForClient)
  other.take()
  assert.deepEqual([one.open, one.hasRoomForClient, one.hasRoomForBackend], [3, false, true])
  one.take()
  assert.deepEqual([other.hasRoomForClient, other.hasRoomForBackend], [false, false])
  one.give()
  assert.deepEqual([other.hasRoomForClient, other.hasRoomForBackend], [false, true])
})

test("what a thread had is given back when it has exited, and only that", () => {
  const main = Descriptors.create(2)
  const [one, other] = [new Descriptors(main.shape, 0), new Descriptors(main.shape, 1)]
  for (let i = 0; i < 3; i++) one.take()
  other.take()
  main.giveAll(0)
  assert.equal(main.open, 1)
  main.giveAll(0)
  assert.equal(main.open, 1)
  // Its successor on the same lane begins with none.
  one.take()
  main.giveAll(0)
  assert.equal(main.open, 1)
})
