import assert from "node:assert/strict"
import { test } from "node:test"
import { ofCapacity, resourcesOf } from "../../test/support/backends.ts"
import type { ErrorCode } from "../core/errors.ts"
import { WaitingQueue, type Waiting } from "./waiting-queue.ts"

/** Waits for `fits` to become true, and remembers how it went. */
class Request implements Waiting {
  readonly clientKey: string
  fits = false
  givenUp: ErrorCode | undefined

  constructor(clientKey = "") {
    this.clientKey = clientKey
  }

  retryQueued(): boolean {
    return this.fits
  }

  giveUpQueued(code: ErrorCode): void {
    this.givenUp = code
  }
}

test("of one route room goes to whoever has waited longest, and nobody passes one that does not fit", () => {
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

test("of two routes the one that holds less is next, and passes one of the other that does not fit", () => {
  const resources = resourcesOf("space")
  const queue = new WaitingQueue(10, resources)
  queue.rebuild(ofCapacity([10]))
  const order: string[] = []
  const asking = (name: string, fits: boolean): Waiting => ({
    clientKey: name,
    retryQueued() {
      order.push(name)
      return fits
    },
    giveUpQueued() {},
  })
  queue.begun(0, Float64Array.of(5))
  queue.begun(1, Float64Array.of(6))
  queue.push(asking("b", true), 1_000, 1, Float64Array.of(1))
  queue.push(asking("a", false), 1_000, 0, Float64Array.of(4))
  queue.serve(0)
  assert.deepEqual(order, ["a", "b"])
  assert.equal(queue.length, 1)
  // A newcomer is asked without the one that was refused; one behind that is not.
  queue.push(asking("c", true), 1_000, 2, Float64Array.of(1))
  queue.push(asking("a2", true), 1_000, 0, Float64Array.of(1))
  queue.serveNew()
  assert.deepEqual(order, ["a", "b", "c"])
  queue.ended(1, Float64Array.of(6))
  queue.serve(0)
  assert.deepEqual(order, ["a", "b", "c", "a"])
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
    clientKey: "",
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

test("a client that is answered at once and waits again, for its next request, keeps the place and time of that one", () => {
  const queue = new WaitingQueue(10)
  let asked = 0
  const givenUp: ErrorCode[] = []
  const client: Waiting = {
    clientKey: "",
    retryQueued() {
      // The first request is answered with an error; the next one begins in that moment, and finds no room.
      if (++asked > 1) return false
      queue.push(client, 2_000)
      queue.serveNew()
      return true
    },
    giveUpQueued(code) {
      givenUp.push(code)
    },
  }
  queue.push(client, 1_000)
  queue.serve(0)
  assert.equal(asked, 2, "each request was asked once")
  assert.equal(queue.length, 1)
  queue.serve(1_500)
  assert.deepEqual(givenUp, [])
  queue.remove(client)
  assert.equal(queue.length, 0)
})

test("in a full queue the client with most places gives up its last to one that has fewer", () => {
  const queue = new WaitingQueue(4)
  const greedy = Array.from({ length: 5 }, () => new Request("greedy"))
  for (const [i, request] of greedy.entries()) assert.equal(queue.push(request, 1_000), i < 4)
  const others = ["a", "b"].map((key) => new Request(key))
  for (const other of others) assert.ok(queue.push(other, 1_000))
  assert.deepEqual(
    greedy.map(({ givenUp }) => givenUp),
    [undefined, undefined, "queue_full", "queue_full", undefined],
  )
  // Each of the three has one or two now: none would be better off.
  assert.ok(!queue.push(new Request("a"), 1_000))
  assert.ok(!queue.push(new Request("greedy"), 1_000))
  assert.ok(queue.push(new Request("c"), 1_000))
  assert.equal(greedy[1]!.givenUp, "queue_full")
  assert.ok(!queue.push(new Request("d"), 1_000))
  assert.equal(queue.length, 4)
})
