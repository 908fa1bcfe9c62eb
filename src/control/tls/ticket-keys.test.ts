import assert from "node:assert/strict"
import { test } from "node:test"
import { HandTimers } from "../../../test/support/hand-timers.ts"
import { TicketKeys } from "./ticket-keys.ts"

const numbers = (all: readonly Uint8Array[]): number[] => all.map((key) => key[0]!)

function keys(rotationMs: number, sessionMs: number) {
  const timers = new HandTimers()
  let made = 0
  const changes: number[][] = []
  const ticketKeys = new TicketKeys({
    newKey: () => new Uint8Array(48).fill(++made),
    rotationMs,
    sessionMs,
    timers,
    onChange: (all) => changes.push(numbers(all)),
  })
  const advance = (ms: number): void => timers.advance(ms)
  return { ticketKeys, timers, advance, changes, current: () => numbers(ticketKeys.keys) }
}

test("a key is for new tickets until the next comes, and taken while its tickets last", () => {
  const { advance, current, changes } = keys(1_000, 300)
  assert.deepEqual(current(), [1])
  advance(999)
  assert.deepEqual(current(), [1])
  advance(1)
  assert.deepEqual(current(), [2, 1])
  advance(300)
  assert.deepEqual(current(), [2])
  advance(700)
  assert.deepEqual(current(), [3, 2])
  assert.deepEqual(changes, [[2, 1], [2], [3, 2]])
})

test("when tickets last as long as a key, there is always the one before", () => {
  const { advance, current } = keys(1_000, 1_000)
  advance(1_000)
  for (let n = 2; n < 6; n++) {
    assert.deepEqual(current(), [n, n - 1])
    advance(1_000)
  }
})

test("closed, it waits for nothing", () => {
  const { ticketKeys, timers, advance, changes } = keys(1_000, 300)
  advance(1_000)
  ticketKeys.close()
  assert.equal(timers.pending, 0)
  advance(5_000)
  assert.equal(changes.length, 1)
})
