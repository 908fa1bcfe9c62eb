import assert from "node:assert/strict"
import { EventEmitter } from "node:events"
import type { Socket } from "node:net"
import { test } from "node:test"
import { HandTimers } from "../../test/support/hand-timers.ts"
import { race } from "./race.ts"

const attemptDelayMs = 250

test("a slow first address is not given up when the next begins, and takes all others with it when it wins", () => {
  const run = racing("a", "b", "c")
  assert.deepEqual(run.begun, ["a"])
  run.timers.advance(attemptDelayMs - 1)
  assert.deepEqual(run.begun, ["a"])
  run.timers.advance(1)
  assert.deepEqual(run.begun, ["a", "b"])
  run.connect("a")
  assert.deepEqual(run.won, ["a"])
  assert.deepEqual(run.open(), ["a"])
  assert.equal(run.timers.pending, 0)
  run.connect("b")
  assert.deepEqual(run.won, ["a"], "the second comes too late")
})

test("an address that fails makes room for the next at once, and those that are slow go on", () => {
  const run = racing("a", "b", "c")
  run.timers.advance(attemptDelayMs)
  run.fail("b", "ECONNREFUSED")
  assert.deepEqual(run.begun, ["a", "b", "c"])
  run.fail("c", "ECONNREFUSED")
  assert.deepEqual(run.lost, [])
  run.connect("a")
  assert.deepEqual([run.won, run.open()], [["a"], ["a"]])
})

test("when all have failed it is said once, with what says something of the other side", () => {
  const run = racing("fd00::1", "10.0.0.1", "10.0.0.2")
  run.fail("fd00::1", "ENETUNREACH")
  run.fail("10.0.0.1", "ECONNREFUSED")
  run.fail("10.0.0.2", "EHOSTUNREACH")
  assert.deepEqual([run.lost, run.won], [["ECONNREFUSED"], []])
  const local = racing("fd00::1")
  local.fail("fd00::1", "ENETUNREACH")
  assert.deepEqual(local.lost, ["ENETUNREACH"])
})

test("a race that is called off leaves no socket and no timer, and says nothing", () => {
  const run = racing("a", "b", "c")
  run.timers.advance(attemptDelayMs)
  run.callOff()
  assert.deepEqual([run.open(), run.timers.pending], [[], 0])
  run.fail("a", "ECONNRESET")
  run.connect("b")
  assert.deepEqual([run.won, run.lost, run.begun], [[], [], ["a", "b"]])
})

test("one address needs no timer", () => {
  const run = racing("a")
  assert.equal(run.timers.pending, 0)
  run.connect("a")
  assert.deepEqual(run.won, ["a"])
})

/** A race of sockets that connect and fail when they are told to. */
function racing(...addresses: readonly string[]) {
  const timers = new HandTimers()
  const sockets = new Map<string, EventEmitter>()
  const destroyed = new Set<string>()
  const won: string[] = []
  const lost: (string | undefined)[] = []
  const callOff = race({
    addresses,
    timers,
    attempt: (address) => {
      const socket = Object.assign(new EventEmitter(), { destroy: () => destroyed.add(address) })
      sockets.set(address, socket)
      return socket as unknown as Socket
    },
    onWon: (_socket, address) => won.push(address),
    onLost: ({ code }) => lost.push(code),
  })
  return {
    timers,
    won,
    lost,
    callOff,
    get begun() {
      return [...sockets.keys()]
    },
    open: () => [...sockets.keys()].filter((address) => !destroyed.has(address)),
    connect: (address: string) => sockets.get(address)!.emit("connect"),
    fail: (address: string, code: string) => {
      destroyed.add(address)
      sockets.get(address)!.emit("error", Object.assign(new Error(code), { code }))
    },
  }
}
