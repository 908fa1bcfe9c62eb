import assert from "node:assert/strict"
import { test } from "node:test"
import { FakeBackendStream } from "../../test/support/fake-streams.ts"
import { Budget } from "./budget.ts"
import { RequestBody } from "./request-body.ts"

const piece = (bytes: number): Buffer => Buffer.alloc(bytes, "x")
const large = 20_000

function written({ told }: FakeBackendStream): number {
  return told.reduce((sum, line) => sum + line.slice("write ".length).length, 0)
}

test("a request without a body can always be sent again", () => {
  const body = new RequestBody(new Budget(0), 0)
  body.begin(false)
  assert.deepEqual([body.isWhole, body.isKept, body.isLeft, body.bytes], [true, false, false, 0])
})

test("what is kept is written from its beginning to each stream", () => {
  const body = new RequestBody(new Budget(0), 3 * large)
  body.begin(true)
  for (let i = 0; i < 3; i++) body.add(piece(large))
  for (const stream of [new FakeBackendStream({}), new FakeBackendStream({})]) {
    body.rewind()
    body.writeFirst(stream, false)
    assert.deepEqual([written(stream), body.isLeft, body.isWhole], [3 * large, false, true])
  }
})

test("a body that has ended is written only as fast as it is taken, and the beginning of one at once", () => {
  for (const hasEnded of [true, false]) {
    const body = new RequestBody(new Budget(0), 3 * large)
    body.begin(true)
    for (let i = 0; i < 3; i++) body.add(piece(large))
    const stream = new FakeBackendStream({})
    stream.isBehind = true
    body.writeFirst(stream, hasEnded)
    assert.deepEqual([stream.told.length, body.isLeft], hasEnded ? [1, true] : [3, false])
    stream.isBehind = false
    if (body.isLeft) body.writeOn(stream, hasEnded)
    assert.deepEqual([written(stream), body.isLeft], [3 * large, false])
  }
})

test("what is larger than may be kept is given up once a stream has it, and cannot be sent again", () => {
  const body = new RequestBody(new Budget(0), large)
  body.begin(true)
  body.add(piece(large))
  assert.ok(!body.isLarge)
  body.add(piece(1))
  assert.ok(body.isLarge && body.isWhole)
  body.writeFirst(new FakeBackendStream({}), false)
  assert.ok(!body.isWhole)
})

test("collected bytes come out of a budget that all bodies share, and go back when they are written or forgotten", () => {
  const budget = new Budget(100)
  const [one, other] = [new RequestBody(budget, 100), new RequestBody(budget, 100)]
  for (const body of [one, other]) {
    body.begin(true)
    body.add(piece(60))
  }
  assert.deepEqual([one.collect(), other.collect()], [true, false])
  one.writeFirst(new FakeBackendStream({}), true)
  assert.ok(other.collect())
  other.forget()
  assert.ok(budget.take(100))
})
