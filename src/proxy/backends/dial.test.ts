import assert from "node:assert/strict"
import { once } from "node:events"
import { type AddressInfo, connect, createServer as createTcpServer } from "node:net"
import { test, type TestContext } from "node:test"
import { createServer, type TLSSocket } from "node:tls"
import { authority } from "../../../test/support/authority.ts"
import { opened, plainBackends } from "../../../test/support/backend-options.ts"
import { blackHole } from "../../../test/support/black-hole.ts"
import { HandTimers } from "../../../test/support/hand-timers.ts"
import type { Resolve } from "../../net/name-cache.ts"
import { destinationOf, Dialer, isSameDestination } from "./dial.ts"
import { ownListenerCode } from "../../net/dialling.ts"
import { OwnListeners } from "./own-listeners.ts"
import { systemTimers } from "../../system.ts"

const sessionMs = 600_000
const attemptDelayMs = 250

test("a session is resumed until the certificate behind it was seen too long ago, resumed or not", async (t) => {
  const trusted = authority(t)
  const port = await shakingHands(t, trusted.issue(["IP:127.0.0.1"]))
  let now = 0
  const options = { ...plainBackends, tls: { ...plainBackends.tls, ca: trusted.ca } }
  const dialer = new Dialer(options, { now: () => now }, { timers: systemTimers })
  const to = destinationOf({ address: { host: "127.0.0.1", port }, scheme: "https", labels: {} })
  const isResumed = async (): Promise<boolean> => {
    const socket = (await opened(dialer, to)) as TLSSocket
    const resumed = socket.isSessionReused()
    if (!resumed) await once(socket, "session")
    socket.destroy()
    return resumed
  }
  assert.equal(await isResumed(), false)
  for (now of [sessionMs / 2, sessionMs - 1]) assert.equal(await isResumed(), true)
  now = sessionMs
  assert.equal(await isResumed(), false)
  now = 2 * sessionMs - 1
  assert.equal(await isResumed(), true)
})

test("other authorities count from the next connection on, and no session from before stands for them", async (t) => {
  const [before, after] = [authority(t), authority(t)]
  const port = await shakingHands(t, before.issue(["IP:127.0.0.1"]))
  let now = 0
  const tls = { ...plainBackends.tls, ca: before.ca }
  const dialer = new Dialer({ ...plainBackends, tls }, { now: () => ++now }, { timers: systemTimers })
  const to = destinationOf({ address: { host: "127.0.0.1", port }, scheme: "https", labels: {} })
  const socket = (await opened(dialer, to)) as TLSSocket
  await once(socket, "session")
  socket.destroy()
  dialer.renew({ ...tls, ca: after.ca })
  await assert.rejects(opened(dialer, to), /unable to verify|self.signed|signature/i)
  dialer.renew(tls)
  const again = (await opened(dialer, to)) as TLSSocket
  assert.equal(again.isSessionReused(), false)
  again.destroy()
})

const toTwo: Resolve = (_name, found) => {
  found(
    null,
    ["127.0.0.1", "127.0.0.2"].map((address) => ({ address, family: 4 })),
  )
}

test("an address that takes its time is reached, although the next one has refused meanwhile", async (t) => {
  const hole = await blackHole(t)
  const timers = new HandTimers()
  const dialer = new Dialer(plainBackends, { now: () => 0 }, { resolve: toTwo, timers })
  const { port } = hole
  const opening = opened(
    dialer,
    destinationOf({ address: { host: "app.test", port }, scheme: "http", labels: {} }),
  )
  // The second attempt begins, and fails at once.
  timers.advance(attemptDelayMs)
  await assert.rejects(once(connect(port, "127.0.0.2"), "connect"), { code: "ECONNREFUSED" })
  hole.wake()
  const socket = await opening
  assert.equal(socket.remoteAddress, "127.0.0.1")
  socket.destroy()
})

test("what was called off says nothing more, whether it waits for a name, a connection or TLS", async (t) => {
  const server = createTcpServer((socket) => socket.on("error", () => {}).resume()).listen(0, "127.0.0.1")
  await once(server, "listening")
  t.after(() => server.close())
  const { port } = server.address() as AddressInfo
  const said: string[] = []
  const dialling = { onOpen: () => said.push("open"), onFailed: (code: string) => said.push(code) }
  let answer: Parameters<Resolve>[1] | undefined
  const dialer = new Dialer(
    plainBackends,
    { now: () => 0 },
    { resolve: (_name, found) => (answer = found), timers: systemTimers },
  )
  const named = destinationOf({ address: { host: "app.test", port }, scheme: "http", labels: {} })
  dialer.dial(named, dialling)()
  dialer.dial(named, dialling)()
  answer!(null, [{ address: "127.0.0.1", family: 4 }])
  const secure = destinationOf({ address: { host: "127.0.0.1", port }, scheme: "https", labels: {} })
  dialer.dial(secure, dialling)()
  const accepted = new Promise<() => void>((accept) => {
    const callOff = dialer.dial(secure, { ...dialling, onAccepted: () => accept(() => callOff()) })
  })
  const callOff = await accepted
  const closed = once(server, "close")
  callOff()
  // It closes when no connection is left.
  server.close()
  await closed
  assert.deepEqual(said, [])
})

test("destinations are the same when address, TLS and announced name are", () => {
  const a = {
    address: { host: "a", port: 1 },
    scheme: "https",
    labels: { "tls-server-name": "x.test" },
  } as const
  assert.ok(isSameDestination(destinationOf(a), destinationOf({ ...a, labels: { ...a.labels, tier: "1" } })))
  for (const other of [
    { ...a, address: { host: "a", port: 2 } },
    { ...a, scheme: "http" as const },
    { ...a, labels: {} },
  ]) {
    assert.ok(!isSameDestination(destinationOf(a), destinationOf(other)))
  }
})

test("what leads to a listener of the balancer itself is not dialled, also by a name that comes to lead there", async (t) => {
  const server = createTcpServer((socket) => socket.on("error", () => {}).end("it"))
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve))
  t.after(() => server.close())
  const { port } = server.address() as AddressInfo
  const own = new OwnListeners(() => [])
  let address = "127.0.0.1"
  const resolve: Resolve = (_name, answer) => answer(null, [{ address, family: 4 }])
  const options = { ...plainBackends, nameTtlMs: 0 }
  const dialer = new Dialer(options, { now: () => 0 }, { timers: systemTimers, resolve, ownListeners: own })
  for (const host of ["127.0.0.1", "a.test"]) {
    const to = destinationOf({ address: { host, port }, scheme: "http", labels: {} })
    own.replace([])
    ;(await opened(dialer, to)).destroy()
    own.replace([{ host: "127.0.0.1", port }])
    await assert.rejects(opened(dialer, to), { code: ownListenerCode }, host)
    const within = destinationOf({ address: { host, port }, scheme: "https", labels: {} })
    await assert.rejects(opened(dialer, within), { code: ownListenerCode }, host)
  }
  address = "127.0.0.9"
  await assert.rejects(
    opened(dialer, destinationOf({ address: { host: "b.test", port }, scheme: "http", labels: {} })),
    {
      code: ownListenerCode,
    },
  )
})

test("of several addresses of a name only those that are not the balancer's own are tried", async (t) => {
  const server = createTcpServer((socket) => socket.on("error", () => {}).end())
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve))
  t.after(() => server.close())
  const { port } = server.address() as AddressInfo
  const own = new OwnListeners(() => [])
  own.replace([{ host: "10.0.0.7", port }])
  const addresses = ["10.0.0.7", "127.0.0.1"].map((address) => ({ address, family: 4 }))
  const resolve: Resolve = (_name, answer) => answer(null, addresses)
  const parts = { timers: systemTimers, resolve, ownListeners: own }
  const to = destinationOf({ address: { host: "a.test", port }, scheme: "http", labels: {} })
  const socket = await opened(new Dialer(plainBackends, { now: () => 0 }, parts), to)
  assert.equal(socket.remoteAddress, "127.0.0.1")
  socket.destroy()
})

/** The port of a TLS server that shakes hands and no more. */
async function shakingHands(
  t: TestContext,
  options: { readonly cert: string; readonly key: string },
): Promise<number> {
  const server = createServer(options, (socket) => socket.on("error", () => {}))
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  t.after(() => server.close())
  return (server.address() as AddressInfo).port
}
