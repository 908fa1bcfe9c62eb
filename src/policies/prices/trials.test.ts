import assert from "node:assert/strict"
import { test } from "node:test"
import { fleet, type FakeBackend } from "../../../test/support/backends.ts"
import { Trials } from "./trials.ts"

/** How many of these requests are trials, looked at after each. */
function tried(trials: Trials, requests: number): number[] {
  const found: number[] = []
  for (let n = 0; n < requests; n++) {
    const index = trials.next()
    if (index >= 0) {
      found.push(index)
      trials.begun(index)
    }
    trials.refresh()
  }
  return found
}

function made(members: readonly FakeBackend[], ...penalties: readonly number[]): Trials {
  const trials = new Trials()
  trials.rebuild(members, Float64Array.from(penalties))
  return trials
}

test("a member that fails gets one request in so many as its part of them over its penalty", () => {
  const four = fleet({}, {}, {}, {})
  assert.deepEqual(
    // It becomes due after 96 requests, and goes with the next.
    tried(made(four, 1, 16, 1, 1), 970),
    Array.from({ length: 10 }, () => 1),
  )
  const twelve = fleet(...Array.from({ length: 12 }, () => ({})))
  const found = tried(made(twelve, 16, 2, ...Array.from({ length: 10 }, () => 1)), 193 * 5)
  assert.equal(found.filter((index) => index === 0).length, 5)
  assert.ok(found.filter((index) => index === 1).length > 35, found.join(" "))
})

test("while something runs there no trial is made", () => {
  const members = fleet({}, {})
  const trials = made(members, 1, 16)
  members[1]!.load.inFlight = 1
  assert.deepEqual(tried(trials, 500), [])
  members[1]!.load.inFlight = 0
  assert.deepEqual(tried(trials, 1), [1])
})

test("turns are kept when members and penalties change, and are sooner with a lower penalty", () => {
  const members = fleet({}, {})
  const trials = made(members, 1, 16)
  tried(trials, 90)
  trials.rebuild(members.toReversed(), Float64Array.of(16, 1))
  assert.deepEqual(tried(trials, 7), [0])
  trials.rebuild(members.toReversed(), Float64Array.of(2, 1))
  assert.deepEqual(tried(trials, 13), [0])
  trials.rebuild(members, Float64Array.of(1, 1))
  assert.deepEqual(tried(trials, 1_000), [])
})

test("one trial a refresh", () => {
  const members = fleet({}, {})
  const trials = made(members, 1, 2)
  assert.deepEqual(tried(trials, 12), [])
  assert.equal(trials.next(), 1)
  trials.begun(1)
  for (let n = 0; n < 50; n++) assert.equal(trials.next(), -1)
})

test("with a penalty so low that prices give it requests again a member is rarely tried", () => {
  assert.deepEqual(tried(made(fleet({}, {}), 1, 1.9), 96), [])
  assert.deepEqual(tried(made(fleet({}, {}), 1, 1.9), 97), [1])
})
