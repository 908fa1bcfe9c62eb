import assert from "node:assert/strict"
import { test } from "node:test"
import { lookMs, Pulses, Stillness } from "./pulses.ts"

test("a thread that beats does not stand still, and one that does not is seen to", () => {
  const pulses = Pulses.create(2)
  const theirs = new Pulses(pulses.shape)
  const [lively, dead] = [new Stillness(0, 0), new Stillness(0, 0)]
  for (let now = lookMs; now <= 10 * lookMs; now += lookMs) {
    theirs.beat(0)
    assert.equal(lively.look(pulses.read(0), now), 0)
    assert.equal(dead.look(pulses.read(1), now), now)
  }
})

test("standing still begins anew with each beat", () => {
  const stillness = new Stillness(7, 0)
  assert.equal(stillness.look(7, 250), 250)
  assert.equal(stillness.look(8, 500), 0)
  assert.equal(stillness.look(8, 750), 250)
})

test("a look that comes late blames no thread for the time in which the looking thread stood still itself", () => {
  const stillness = new Stillness(0, 0)
  assert.equal(stillness.look(0, lookMs), lookMs)
  // The machine was suspended for an hour.
  assert.equal(stillness.look(0, 3_600_000), 2 * lookMs)
  assert.equal(stillness.look(1, 3_600_000 + lookMs), 0)
})
