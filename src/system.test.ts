import assert from "node:assert/strict"
import { test } from "node:test"
import {
  httpDate,
  isoTime,
  processStartedAt,
  secretBytes,
  systemClock,
  systemRng,
  systemTimers,
  wallClock,
} from "./system.ts"

test("a timer never fires early, whatever the fraction of a millisecond", async () => {
  const start = systemClock.now()
  await new Promise<void>((resolve) => systemTimers.set(1.2, resolve))

  // The event loop's own clock counts whole milliseconds, so one may be missing at the start.
  assert.ok(systemClock.now() - start >= 1)
})

test("a wish taken back is not fulfilled, and taking back what is done does nothing", async () => {
  let calls = 0
  systemTimers.set(0, () => calls++)()
  const cancel = await new Promise<() => void>((resolve) => {
    const cancel = systemTimers.set(1, () => resolve(cancel))
  })
  cancel()

  assert.equal(calls, 0)
})

test("a wish for longer than timers can wait is not fulfilled at once", async () => {
  let fired = false
  const cancel = systemTimers.set(1e12, () => (fired = true), { unref: true })
  await new Promise<void>((resolve) => systemTimers.set(3, resolve))
  cancel()

  assert.equal(fired, false)
})

test("what is called again and again is called until that ends", async () => {
  let calls = 0
  await new Promise<void>((resolve) => {
    const end = systemTimers.every(1, () => {
      if (++calls < 3) return
      end()
      resolve()
    })
  })
  await new Promise<void>((resolve) => systemTimers.set(5, resolve))

  assert.equal(calls, 3)
})

test("what is called soon is called once, in another turn", async () => {
  const calls: string[] = []
  await new Promise<void>((resolve) => {
    systemTimers.soon(() => {
      calls.push("soon")
      resolve()
    })
    calls.push("before")
    queueMicrotask(() => calls.push("this turn"))
  })

  assert.deepEqual(calls, ["before", "this turn", "soon"])
})

test("two sources of chance differ", () => {
  // Equal by chance once in 2^47: that many seeds there are.
  const [one, other] = [systemRng(), systemRng()]

  assert.notDeepEqual([one.next(), one.next()], [other.next(), other.next()])
})

test("secrets are as long as they are asked for, and differ", () => {
  const [one, other] = [secretBytes(32), secretBytes(32)]
  assert.equal(one.length, 32)
  assert.notDeepEqual(one, other)
})

test("the wall clock is written as HTTP and as ISO 8601 have it", () => {
  assert.match(httpDate(), /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/)
  assert.ok(Math.abs(Date.parse(httpDate()) - wallClock()) < 60_000)
  assert.match(isoTime(), /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$/)
})

test("the process started before now, on the wall clock", () => {
  assert.ok(Number.isInteger(processStartedAt))
  assert.ok(processStartedAt <= wallClock())
})
