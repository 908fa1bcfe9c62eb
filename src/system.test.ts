import assert from "node:assert/strict"
import { test } from "node:test"
import { processStartedAt, systemClock, systemRng, systemTimers, wallClock } from "./system.ts"

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

test("two sources of chance differ", () => {
  // Equal by chance once in 2^47: that many seeds there are.
  const [one, other] = [systemRng(), systemRng()]

  assert.notDeepEqual([one.next(), one.next()], [other.next(), other.next()])
})

test("the process started before now, on the wall clock", () => {
  assert.ok(Number.isInteger(processStartedAt))
  assert.ok(processStartedAt <= wallClock())
})
