/** What backends are told of clients by the PROXY protocol, and whose requests a connection carries then. */
import assert from "node:assert/strict"
import { type AddressInfo, createServer, type Socket } from "node:net"
import { test, type TestContext } from "node:test"
import { TLSSocket } from "node:tls"
import { destinationOf, Dialer } from "../../src/proxy/backends/dial.ts"
import { systemTimers } from "../../src/system.ts"
import type { ConnectionEnds } from "../../src/core/endpoint.ts"
import { readProxyHeader } from "../../src/net/proxy-protocol.ts"
import { opened, plainBackends } from "../support/backend-options.ts"
import { authority, type Issued } from "../support/authority.ts"
import { asked, get, ok } from "../support/wire/messages.ts"
import { relay, type RelayChange, Wire } from "../support/relay.ts"
import { until } from "../support/until.ts"

/** One connection as the backend sees it. */
interface Told {
  readonly ends: ConnectionEnds | undefined
  readonly wire: Wire
}

interface Backend {
  readonly host: string
  readonly port: number
  readonly told: readonly Told[]
}

/** A backend that wants a header first, and then responds with the port that the header says the client has. */
async function told(t: TestContext, tls?: Issued): Promise<Backend> {
  const connections: Told[] = []
  const server = createServer()
  const serve = async (socket: Socket): Promise<void> => {
    const ends = await readHeader(socket)
    const wire = new Wire(tls === undefined ? socket : new TLSSocket(socket, { isServer: true, ...tls }))
    connections.push({ ends, wire })
    const port = ends !== undefined && "port" in ends.source ? ends.source.port : 0
    for (;;) {
      await wire.request()
      wire.send(ok(String(port)))
    }
  }
  server.on("connection", (socket) => {
    socket.on("error", () => {})
    t.after(() => socket.destroy())
    serve(socket).catch(() => socket.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  t.after(() => server.close())
  return { host: "127.0.0.1", port: (server.address() as AddressInfo).port, told: connections }
}

/** Takes the header off the connection's start and leaves the rest on it. */
async function readHeader(socket: Socket): Promise<ConnectionEnds | undefined> {
  let bytes = Buffer.alloc(0)
  for (;;) {
    await new Promise((resolve) => socket.once("readable", resolve).once("close", resolve))
    const more = socket.read() as Buffer | null
    assert.ok(more !== null, "the connection ended before its header")
    bytes = Buffer.concat([bytes, more])
    const header = readProxyHeader(bytes)
    assert.notEqual(header.kind, "invalid")
    if (header.kind !== "header") continue
    if (header.length < bytes.length) socket.unshift(bytes.subarray(header.length))
    return header.ends
  }
}

const telling = (proxyProtocol: "v1" | "v2", limits: RelayChange["limits"] = {}): RelayChange => ({
  upstream: { proxyProtocol },
  limits,
})

for (const version of ["v1", "v2"] as const) {
  test(`in ${version} each connection begins with both ends of the client's, once`, async (t) => {
    const backend = await told(t)
    const { client, port } = await relay(t, [backend], telling(version))
    const wire = await client()
    for (let i = 0; i < 3; i++) assert.deepEqual(await asked(wire, get()), [200, portOf(wire)])
    assert.equal(backend.told.length, 1)
    assert.deepEqual(backend.told[0]!.ends, {
      source: { host: "127.0.0.1", port: Number(portOf(wire)) },
      destination: { host: "127.0.0.1", port },
    })
  })
}

test("no connection carries the requests of two clients, however they take turns", async (t) => {
  const backends = [await told(t), await told(t)]
  const { client } = await relay(t, backends, telling("v2"))
  const wires = await Promise.all(Array.from({ length: 4 }, client))
  for (let i = 0; i < 40; i++) {
    const wire = wires[(i * 7) % 4]!
    assert.deepEqual(await asked(wire, get()), [200, portOf(wire)])
  }
  // At most one for each client to each backend, since each asks one thing at a time.
  assert.ok(backends.every((backend) => backend.told.length <= 4))
})

test("a client takes its connections with it when it goes", async (t) => {
  const backend = await told(t)
  const { client } = await relay(t, [backend], telling("v1"))
  const [first, second] = [await client(), await client()]
  await asked(first, get())
  await asked(second, get())
  first.socket.end()
  await until("its connection is closed", () => backend.told[0]!.wire.gone)
  assert.deepEqual(await asked(second, get()), [200, portOf(second)])
  assert.equal(backend.told.length, 2)
})

test("the idle connection of one client gives way to another's where there is no room for both", async (t) => {
  const backend = await told(t)
  const { client } = await relay(t, [backend], telling("v2", { connectionsPerBackendMax: 2 }))
  const wires = await Promise.all(Array.from({ length: 3 }, client))
  for (const wire of wires) assert.deepEqual(await asked(wire, get()), [200, portOf(wire)])
  await until("the eldest is closed", () => backend.told[0]!.wire.gone)
  assert.deepEqual(
    backend.told.map(({ wire }) => wire.gone),
    [true, false, false],
  )
})

test("a client that authenticates a connection stays with that backend, where each client has its own to all of them", async (t) => {
  const backends = [await told(t), await told(t)]
  const { client, counters } = await relay(t, backends, telling("v2"))
  const wire = await client()
  for (let i = 0; i < 2; i++) await asked(wire, get())
  for (let i = 0; i < 4; i++) await asked(wire, get("/", i === 0 ? "Authorization: NTLM x\r\n" : ""))
  assert.deepEqual(
    [counters.requests(0), counters.requests(1)].toSorted((a, b) => a - b),
    [1, 5],
  )
})

test("what goes out again after a dead connection goes out under the client's own name", async (t) => {
  const backend = await told(t)
  const { client, counters } = await relay(t, [backend], telling("v2"))
  const [first, second] = [await client(), await client()]
  await asked(second, get())
  await asked(first, get())
  first.send(get())
  backend.told[1]!.wire.socket.destroy()
  assert.equal((await first.response()).body.toString(), portOf(first))
  assert.deepEqual(counters.errors(), {})
})

test("before TLS the header is in the clear, and large bodies follow", async (t) => {
  const trusted = authority(t)
  const backend = await told(t, trusted.issue(["IP:127.0.0.1"]))
  const tls = { ca: trusted.ca, verify: true, serverName: undefined, cert: undefined, key: undefined }
  const { client } = await relay(t, [backend], {
    member: { scheme: "https" },
    upstream: { proxyProtocol: "v2", tls },
  })
  const wire = await client()
  for (let i = 0; i < 2; i++) {
    const body = "x".repeat(300_000)
    const request = `PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`
    assert.deepEqual(await asked(wire, request), [200, portOf(wire)])
  }
  assert.equal(backend.told.length, 1)
  wire.socket.destroy()
  await until("its connection is closed", () => backend.told[0]!.wire.gone)
})

test("before TLS a backend that refuses is connect_failed, and one that ends the handshake backend_tls_failed", async (t) => {
  const server = createServer((socket) => socket.on("error", () => {}).once("data", () => socket.destroy()))
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const address = { host: "127.0.0.1", port: (server.address() as AddressInfo).port }
  const { client } = await relay(t, [address], {
    member: { scheme: "https" },
    upstream: { proxyProtocol: "v2" },
  })
  const wire = await client()
  assert.deepEqual(await asked(wire, get()), [502, "backend_tls_failed"])
  await new Promise((resolve) => server.close(resolve))
  assert.deepEqual(await asked(wire, get()), [502, "connect_failed"])
})

test("a connection of the balancer's own, such as a check, says that there is no client", async (t) => {
  const backend = await told(t)
  for (const proxyProtocol of ["v1", "v2"] as const) {
    const dialer = new Dialer({ ...plainBackends, proxyProtocol }, { now: () => 0 }, { timers: systemTimers })
    const count = backend.told.length
    const to = destinationOf({ address: backend, scheme: "http", labels: {} })
    const socket = await opened(dialer, to)
    await until("the header is there", () => backend.told.length > count)
    assert.equal(backend.told.at(-1)!.ends, undefined)
    socket.destroy()
  }
})

function portOf({ socket }: Wire): string {
  return String(socket.localPort)
}
