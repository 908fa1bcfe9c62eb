/** Where backends can be: behind an address, a name or a Unix socket, and what comes of it when they are not there. */
import assert from "node:assert/strict"
import { mkdtempSync, rmSync } from "node:fs"
import { type AddressInfo, createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { test, type TestContext } from "node:test"
import { probeOf } from "../../src/control/checks.ts"
import { destinationOf, Dialer } from "../../src/proxy/backends/dial.ts"
import { systemTimers } from "../../src/system.ts"
import type { Resolve } from "../../src/net/name-cache.ts"
import { noIpv6 } from "../support/no-ipv6.ts"
import { plainBackends } from "../support/backend-options.ts"
import { blackHole } from "../support/black-hole.ts"
import { asked, get, ok } from "../support/wire/messages.ts"
import { answering, answers, playing, refusing, relay } from "../support/relay.ts"
import { until } from "../support/until.ts"

const answer = answers(() => ok("here"))

const toThree: Resolve = (_name, found) =>
  found(null, [
    { address: "127.0.0.2", family: 4 },
    { address: "127.0.0.3", family: 4 },
    { address: "127.0.0.1", family: 4 },
  ])
const toNone: Resolve = (_name, found) =>
  found(Object.assign(new Error("no such name"), { code: "ENOTFOUND", syscall: "getaddrinfo" }), [])
const silent: Resolve = () => {}

test("a backend behind a Unix socket is relayed to like any other", async (t) => {
  const path = join(folder(t), "app.sock")
  const wires = await playing(t, createServer({ allowHalfOpen: true }), "connection", answer, { path })
  const { client } = await relay(t, [{ path }])
  const wire = await client()
  for (let i = 0; i < 3; i++) assert.deepEqual(await asked(wire, get()), [200, "here"])
  assert.equal(wires.length, 1)
})

test("a Unix socket that is not there fails to connect, and the request goes elsewhere", async (t) => {
  const path = join(folder(t), "unknown.sock")
  const { client, counters, apply, members } = await relay(t, [
    { path },
    await answering(t, () => ok("here")),
  ])
  const wire = await client()
  for (let i = 0; i < 3; i++) assert.deepEqual(await asked(wire, get()), [200, "here"])
  assert.equal(counters.failures(0), 1)
  apply([members[0]!])
  wire.send(get())
  assert.match((await wire.response()).body.toString(), /connect_failed.*\(ENOENT\)/)
})

test("a backend at an IPv6 address is relayed to", { skip: noIpv6 }, async (t) => {
  const server = createServer({ allowHalfOpen: true })
  await playing(t, server, "connection", answer, { host: "::1", port: 0 })
  const { client } = await relay(t, [{ host: "::1", port: (server.address() as AddressInfo).port }])
  assert.deepEqual(await asked(await client(), get()), [200, "here"])
})

test("a name is resolved by the system, and the address that responds is used", async (t) => {
  // localhost is ::1 too on most machines, where no program listens.
  const { port } = await answering(t, () => ok("here"))
  const { client } = await relay(t, [{ host: "localhost", port }])
  assert.deepEqual(await asked(await client(), get()), [200, "here"])
})

test("of several addresses of a name the one that responds is used, whichever it is", async (t) => {
  const { port } = await answering(t, () => ok("here"))
  const { client, counters } = await relay(t, [{ host: "app.test", port }], { resolve: toThree })
  assert.deepEqual(await asked(await client(), get()), [200, "here"])
  assert.equal(counters.failures(0), 0)
})

test("a name that cannot be resolved is 502 resolve_failed, also for POST when no other backend is there", async (t) => {
  const there = await answering(t, () => ok("here"))
  const unknown = { host: "unknown.test", port: 80 }
  const { client, counters, apply, members } = await relay(t, [unknown, there], { resolve: toNone })
  const wire = await client()
  // Nothing was sent, so another backend gets it, whatever the method.
  const posted = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"
  assert.deepEqual(await asked(wire, posted), [200, "here"])
  assert.equal(counters.failures(0), 1)
  apply([members[0]!])
  wire.send(posted)
  const response = await wire.response()
  assert.equal(response.status, 502)
  assert.match(response.body.toString(), /"resolve_failed".*\(ENOTFOUND\)/)
  assert.deepEqual(counters.errors(), { resolve_failed: 1 })
})

test("a name server that does not respond is 504 connect_timeout, and others are not held up", async (t) => {
  const there = await answering(t, () => ok("here"))
  const { client, counters, apply, members } = await relay(t, [{ host: "app.test", port: 80 }, there], {
    resolve: silent,
    timeouts: { connectMs: 100 },
  })
  const [stuck, free] = [await client(), await client()]
  apply([members[0]!])
  stuck.send(get())
  await until("the connecting", () => counters.total("requests") === 1)
  apply([members[1]!])
  for (let i = 0; i < 5; i++) assert.deepEqual(await asked(free, get()), [200, "here"])
  assert.deepEqual(await asked(stuck, ""), [200, "here"])
  assert.equal(counters.failures(0), 1)
  apply([members[0]!])
  assert.deepEqual(await asked(stuck, get()), [504, "connect_timeout"])
})

test("a network that cannot be reached is told from a backend that refuses", async (t) => {
  // TCP to a multicast address ends within the kernel.
  const { client, apply, members } = await relay(t, [{ host: "224.0.0.1", port: 80 }, await refusing()])
  const wire = await client()
  for (const [index, reason] of [/\(ENETUNREACH\)/, /\(ECONNREFUSED\)/].entries()) {
    apply([members[index]!])
    wire.send(get())
    const response = await wire.response()
    assert.equal(response.status, 502)
    assert.match(response.body.toString(), /"connect_failed"/)
    assert.match(response.body.toString(), reason)
  }
})

test("a backend that accepts no connection is 504 connect_timeout, or another is used", async (t) => {
  const there = await answering(t, () => ok("here"))
  const { client, counters, apply, members } = await relay(t, [await blackHole(t), there], {
    timeouts: { connectMs: 100 },
  })
  const wire = await client()
  apply([members[0]!])
  assert.deepEqual(await asked(wire, get()), [504, "connect_timeout"])
  apply(members)
  for (let i = 0; i < 3; i++) assert.deepEqual(await asked(wire, get()), [200, "here"])
  assert.deepEqual(counters.errors(), { connect_timeout: 1 })
})

test("the checks reach a Unix socket too, and say when it is not there", async (t) => {
  const path = join(folder(t), "app.sock")
  const wires = await playing(t, createServer({ allowHalfOpen: true }), "connection", answer, { path })
  const dialer = new Dialer(plainBackends, { now: () => 0 }, { timers: systemTimers })
  const connecting = probeOf({ kind: "tcp" }, dialer)
  const getting = probeOf({ kind: "http", path: "/healthz", statuses: [{ from: 200, to: 299 }] }, dialer)
  const never = new AbortController().signal
  const to = destinationOf({ address: { path }, scheme: "http", labels: {} })
  assert.deepEqual(await connecting(to, 2_000, never), { passed: true })
  assert.deepEqual(await getting(to, 2_000, never), { passed: true })
  assert.match(wires.at(-1)!.text, /^GET \/healthz HTTP\/1\.1\r\nHost: localhost\r\n/)
  const nowhere = destinationOf({ address: { path: `${path}x` }, scheme: "http", labels: {} })
  assert.deepEqual(await connecting(nowhere, 2_000, never), { passed: false, error: "no such socket" })
})

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "linebacker-"))
  t.after(() => rmSync(path, { recursive: true, force: true }))
  return path
}
