import assert from "node:assert/strict"
import { test } from "node:test"
import type { ErrorCode } from "../core/errors.ts"
import { WaitingQueue, type Waiting } from "./waiting-queue.ts"

/** Waits for `fits` to become true, and remembers how it went. */
class Request implements Waiting {
  fits = false
  givenUp: ErrorCode | undefined

  retryQueued(): boolean {
    return this.fits
  }

  giveUpQueued(code: ErrorCode): void {
    this.givenUp = code
  }
}

test("room goes to whoever has waited longest, and nobody passes one that does not fit", () => {
  const queue = new WaitingQueue(10)
  const [large, small] = [new Request(), new Request()]
  queue.push(large, 1_000)
  queue.push(small, 1_000)
  small.fits = true
  queue.serve(0)
  assert.equal(queue.length, 2)
  large.fits = true
  queue.serve(0)
  assert.equal(queue.length, 0)
})

test("who has waited for too long is given up, and those behind it get their turn", () => {
  const queue = new WaitingQueue(10)
  const [late, next] = [new Request(), new Request()]
  queue.push(late, 100)
  queue.push(next, 200)
  next.fits = true
  queue.serve(100)
  assert.equal(late.givenUp, "queue_timeout")
  assert.equal(next.givenUp, undefined)
  assert.equal(queue.length, 0)
})

test("whoever leaves makes place, also from within another's turn, and nobody else is forgotten", () => {
  const queue = new WaitingQueue(3)
  const [gone, last] = [new Request(), new Request()]
  const first: Waiting = {
    retryQueued() {
      queue.remove(gone)
      return true
    },
    giveUpQueued() {},
  }
  for (const waiting of [first, gone, last]) queue.push(waiting, 100)
  queue.serve(0)
  assert.equal(queue.length, 1)
  queue.serve(100)
  assert.deepEqual([gone.givenUp, last.givenUp], [undefined, "queue_timeout"])
})

test("a full queue takes nobody", () => {
  const queue = new WaitingQueue(1)
  assert.equal(queue.push(new Request(), 1), true)
  assert.equal(queue.push(new Request(), 1), false)
})

test("giving up empties the queue with the reason", () => {
  const queue = new WaitingQueue(2)
  const requests = [new Request(), new Request()]
  for (const request of requests) queue.push(request, 1)
  queue.giveUp("shutting_down")
  assert.deepEqual(
    requests.map((request) => request.givenUp),
    ["shutting_down", "shutting_down"],
  )
  assert.equal(queue.length, 0)
})
