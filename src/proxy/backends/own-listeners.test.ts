import assert from "node:assert/strict"
import { test } from "node:test"
import type { Endpoint } from "../../core/endpoint.ts"
import { OwnListeners } from "./own-listeners.ts"

const interfaces = ["127.0.0.1", "10.0.0.7", "::1", "fe80::1", "fd00::7"]

function ownOf(...listeners: Endpoint[]): OwnListeners {
  const own = new OwnListeners(() => interfaces)
  own.replace(listeners)
  return own
}

const loopbacks = [
  "127.0.0.1",
  "127.0.0.2",
  "127.255.255.254",
  "0.0.0.0",
  "::1",
  "0:0:0:0:0:0:0:1",
  "::",
  "0::0",
  "::ffff:127.0.0.1",
  "::FFFF:7f00:1",
  "::ffff:0.0.0.0",
  "localhost",
  "LOCALHOST.",
  "a.localhost",
]

test("a listener on every interface is reached by every address of this machine, however it is written", () => {
  for (const host of ["", "0.0.0.0", "::", "some.name"]) {
    const own = ownOf({ host, port: 9_494 })
    for (const address of [
      ...loopbacks,
      "10.0.0.7",
      "::ffff:10.0.0.7",
      "::ffff:a00:7",
      "fe80::1",
      "fe80::1%eth0",
      "FD00:0::7",
    ]) {
      assert.ok(own.has(address, 9_494), `${host} ${address}`)
      assert.ok(!own.has(address, 9_495), `${host} ${address}`)
    }
    for (const address of ["10.0.0.8", "fd00::8", "a.example"]) assert.ok(!own.has(address, 9_494), address)
  }
})

test("a listener on a loopback address is reached by all of them, and by nothing else", () => {
  for (const host of ["127.0.0.1", "127.0.0.5", "::1", "localhost", "::ffff:127.0.0.1"]) {
    const own = ownOf({ host, port: 1 })
    for (const address of loopbacks) assert.ok(own.has(address, 1), `${host} ${address}`)
    for (const address of ["10.0.0.7", "fd00::7", "a.example"]) assert.ok(!own.has(address, 1), address)
  }
})

test("a listener on one address is reached by that one", () => {
  const own = ownOf({ host: "10.0.0.7", port: 1 }, { host: "fd00::7", port: 2 })
  assert.ok(own.has("10.0.0.7", 1))
  assert.ok(own.has("::ffff:10.0.0.7", 1))
  assert.ok(own.has("fd00:0:0::7", 2))
  for (const address of ["127.0.0.1", "10.0.0.8", "fd00::7"]) assert.ok(!own.has(address, 1), address)
})
