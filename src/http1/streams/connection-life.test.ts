import assert from "node:assert/strict"
import { test } from "node:test"
import { exchangeWorld } from "../../../test/support/exchange-world.ts"
import type { RelayChange } from "../../../test/support/relay.ts"
import { VirtualClock } from "../../../test/support/virtual-clock.ts"
import { ConnectionLife } from "./connection-life.ts"

function life(change: RelayChange) {
  const { owner, deadlines } = exchangeWorld(new VirtualClock(), change)
  return { life: new ConnectionLife(owner), deadlines }
}

test("it carries at most so many requests, and at least four fifths of them", () => {
  const { life: one } = life({ limits: { requestsPerBackendConnectionMax: 100 } })
  let carried = 0
  for (; one.hasRequests; carried++) one.take()
  assert.ok(carried >= 80 && carried <= 100, `${carried}`)
  assert.ok(one.isSpent)
})

test("it is spent when it has lived for its time, and never where that is 0", () => {
  const [mortal, eternal] = [10_000, 0].map((backendAgeMs) => life({ timeouts: { backendAgeMs } }))
  mortal!.deadlines.sweep(7_000)
  assert.ok(!mortal!.life.isSpent)
  for (const { deadlines } of [mortal!, eternal!]) deadlines.sweep(11_000)
  assert.deepEqual([mortal!.life.isSpent, eternal!.life.isSpent], [true, false])
})

test("it is idle for a second less than its backend lets it be, and not at all where that is too short", () => {
  const { life: one, deadlines } = life({ timeouts: { backendIdleMs: 60_000, backendAgeMs: 0 } })
  const until = (seconds: number): number => {
    one.hint(seconds)
    return one.idleUntil(false)
  }
  assert.deepEqual([until(-1), until(5)], [deadlines.after(60_000), deadlines.after(4_000)])
  assert.equal(until(90), deadlines.after(60_000))
  assert.ok(one.mayIdle)
  one.hint(1)
  assert.ok(!one.mayIdle)
})

test("no connection is idle beyond its time but one that a client has to itself", () => {
  const { life: one, deadlines } = life({ timeouts: { backendIdleMs: 60_000, backendAgeMs: 10_000 } })
  one.hint(-1)
  assert.ok(one.idleUntil(false) <= deadlines.after(10_000))
  assert.equal(one.idleUntil(true), deadlines.after(60_000))
})
