import assert from "node:assert/strict"
import { test } from "node:test"
import { VirtualClock } from "../../test/support/virtual-clock.ts"
import { Paced } from "./paced.ts"

test("what is asked for after a quiet time is done at once, and what follows is done once, a little later", async () => {
  const { paced, clock, done } = paces(100)
  paced.ask()
  assert.deepEqual(done, [0])
  for (let i = 0; i < 1_000; i++) paced.ask()
  await clock.run(99)
  assert.deepEqual(done, [0])
  await clock.run(100)
  assert.deepEqual(done, [0, 100])
  await clock.run(1_100)
  assert.deepEqual(done, [0, 100])
  paced.ask()
  assert.deepEqual(done, [0, 100, 1_100])
})

test("what is asked for while it is being done is done again", async () => {
  const { paced, clock, done } = paces(100, () => done.length < 3 && paced.ask())
  paced.ask()
  await clock.run(1_000)
  assert.deepEqual(done, [0, 100, 200])
})

test("what was put off is not done any more once it is closed", async () => {
  const { paced, clock, done } = paces(100)
  paced.ask()
  paced.ask()
  paced.close()
  paced.ask()
  await clock.run(1_000)
  assert.deepEqual(done, [0])
})

function paces(spacingMs: number, also: () => unknown = () => {}) {
  const clock = new VirtualClock()
  const done: number[] = []
  const act = (): void => {
    done.push(clock.now())
    also()
  }
  return { paced: new Paced(act, () => spacingMs, clock, clock), clock, done }
}
