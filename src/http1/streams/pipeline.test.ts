import assert from "node:assert/strict"
import { test } from "node:test"
import type { BackendEvents } from "../../core/http/streams.ts"
import { IgnoredResponse, Pipeline } from "./pipeline.ts"

function exchange(isHead = false): BackendEvents {
  return new IgnoredResponse({ isHead, takesChunks: true } as BackendEvents)
}

test("requests are gathered up to a depth, and taken in one and in order", () => {
  const pipeline = new Pipeline()
  assert.ok(!pipeline.isGathering && !pipeline.hasRoom(8))
  pipeline.gather()
  for (const text of ["one ", "two"]) pipeline.add(Buffer.from(text))
  assert.deepEqual([pipeline.hasRoom(3), pipeline.hasRoom(2)], [true, false])
  assert.equal(pipeline.takeGathered()?.toString(), "one two")
  assert.deepEqual([pipeline.isGathering, pipeline.takeGathered()], [false, undefined])
})

test("exchanges follow in the order in which they came, until none is left", () => {
  const pipeline = new Pipeline()
  const [one, two] = [exchange(), exchange()]
  pipeline.follow(one)
  pipeline.follow(two)
  assert.deepEqual([pipeline.next() === one, pipeline.hasFollowers], [true, true])
  assert.deepEqual(
    [pipeline.next() === two, pipeline.hasFollowers, pipeline.next()],
    [true, false, undefined],
  )
})

test("the place of an exchange whose client has gone is kept, and the response is read as its own would be", () => {
  const pipeline = new Pipeline()
  const [one, two] = [exchange(true), exchange()]
  pipeline.follow(one)
  pipeline.follow(two)
  assert.deepEqual([pipeline.ignore(exchange()), pipeline.ignore(one)], [false, true])
  const ignored = pipeline.next()!
  assert.ok(ignored !== one && ignored instanceof IgnoredResponse && ignored.isHead)
  assert.equal(pipeline.next(), two)
})

test("all that follow are taken at once, and wait no more", () => {
  const pipeline = new Pipeline()
  assert.deepEqual(pipeline.takeFollowers(), [])
  const one = exchange()
  pipeline.follow(one)
  assert.deepEqual(pipeline.takeFollowers(), [one])
  assert.ok(!pipeline.hasFollowers)
})
