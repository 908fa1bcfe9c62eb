import assert from "node:assert/strict"
import { test } from "node:test"
import { HandTimers } from "../../test/support/hand-timers.ts"
import { Bugs } from "./bugs.ts"

function make(): { bugs: Bugs; lines: string[]; clock: { at: number } } {
  const lines: string[] = []
  const clock = { at: 0 }
  return { bugs: new Bugs((line) => lines.push(line), { now: () => clock.at }), lines, clock }
}

function broken(message: string): never {
  throw new Error(message)
}

test("what works is passed on, and what throws is said with its stack and ends nothing", () => {
  const { bugs, lines } = make()
  assert.equal(
    bugs.guard("the learner", () => 7),
    7,
  )
  assert.equal(
    bugs.guard("the learner", () => broken("no members")),
    undefined,
  )
  assert.equal(bugs.count, 1)
  assert.equal(lines.length, 1)
  assert.match(lines[0]!, /^a bug in the learner; the balancer goes on: Error: no members\n {4}at broken /)
})

test("a bug that happens each second is said once per minute, with how often it has happened", () => {
  const { bugs, lines, clock } = make()
  for (let second = 0; second <= 60; second++) {
    clock.at = second * 1_000
    // What differs each time makes no other bug of it.
    bugs.guard("the learner", () => broken(`at ${clock.at}`))
  }
  assert.equal(bugs.count, 61)
  assert.equal(lines.length, 2)
  assert.match(lines[1]!, /^a bug in the learner, 59 times more since it was last said; .* Error: at 60000\n/)
})

test("another place is another bug, and there is an end to how many are told apart", () => {
  const { bugs, lines } = make()
  for (let i = 0; i < 1_000; i++) bugs.report(`place ${i}`, "no stack")
  assert.equal(bugs.count, 1_000)
  assert.equal(lines.length, 65)
})

test("anything may be thrown, and the log may fail", () => {
  const { bugs, lines } = make()
  bugs.report("a", undefined)
  bugs.report("b", Object.create(null))
  bugs.report("c", { toString: () => broken("twice") })
  assert.deepEqual(lines, [
    "a bug in a; the balancer goes on: undefined",
    "a bug in b; the balancer goes on: something that cannot be shown",
    "a bug in c; the balancer goes on: something that cannot be shown",
  ])
  new Bugs(() => broken("the disk is full"), { now: () => 0 }).report("d", "x")
})

test("timers with a guard call what they should, and survive it", () => {
  const { bugs, lines } = make()
  const hand = new HandTimers()
  const timers = bugs.timers("the stream", hand)
  let calls = 0
  timers.set(10, () => broken("first"))
  timers.set(20, () => calls++)
  const cancel = timers.set(30, () => calls++)
  cancel()
  hand.advance(100)
  assert.equal(calls, 1)
  assert.match(lines[0]!, /a bug in the stream/)
})
