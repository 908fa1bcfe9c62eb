/** Upgrade: a tunnel after a 101 that was asked for, and in no other case. By raw sockets over a data plane. */
import assert from "node:assert/strict"
import { test } from "node:test"
import { answering, pause, relay, scripted, unsent, type Wire } from "../support/relay.ts"
import { until } from "../support/until.ts"

const ask =
  "GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\nX-Key: 1\r\n\r\n"
const granted =
  "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX-Accept: 2\r\n\r\n"

/** A backend that grants every upgrade and then does what it is told with the tunnel. */
function grantingThen(t: Parameters<typeof scripted>[0], then: (wire: Wire) => void | Promise<void>) {
  return scripted(t, async (wire) => {
    await wire.request()
    wire.send(granted)
    await then(wire)
  })
}

test("after a 101 that was asked for, bytes pass both ways as they are, and both ends end it", async (t) => {
  let seen = ""
  const backend = await grantingThen(t, (wire) => {
    wire.socket.on("data", (bytes: Buffer) => {
      seen += bytes.toString("latin1")
      wire.send(bytes)
    })
  })
  const { client, table, counters } = await relay(t, [backend])
  const wire = await client()
  wire.send(ask)
  const head = await wire.response()
  assert.equal(head.status, 101)
  assert.equal(head.field("upgrade"), "websocket")
  assert.equal(head.field("connection"), "upgrade")
  assert.equal(head.field("x-accept"), "2")
  const raw = backend.wires[0]!.text
  assert.match(raw, /\r\nConnection: upgrade\r\nUpgrade: websocket\r\n/)
  assert.match(raw, /\r\nX-Key: 1\r\n/)

  const anything = Buffer.from(Array.from({ length: 1_000 }, (_, i) => i % 256))
  wire.send(anything)
  await until("the echo", () => wire.text.endsWith(anything.toString("latin1")))
  assert.equal(seen, anything.toString("latin1"))
  assert.equal(table.inFlight(0), 1, "a tunnel is in flight as long as it lasts")
  wire.socket.end()
  assert.equal(await wire.closed, "end")
  await until("the attempt settles", () => table.inFlight(0) === 0)
  assert.deepEqual(counters.errors(), {})
  assert.equal(counters.requests(0), 1)
})

test("what a client says before the 101 waits for it, and then goes first", async (t) => {
  const { promise: granting, resolve: grant } = Promise.withResolvers<void>()
  const backend = await scripted(t, async (wire) => {
    await wire.request()
    await granting
    assert.equal(wire.text.endsWith("\r\n\r\n"), true, "nothing has come behind the head")
    wire.send(granted)
  })
  const { client } = await relay(t, [backend])
  const wire = await client()
  wire.send(`${ask}early`)
  await until("the request", () => backend.wires[0]?.text.endsWith("\r\n\r\n") === true)
  await pause(50)
  grant()
  assert.equal((await wire.response()).status, 101)
  wire.send(" late")
  await until("all of it", () => backend.wires[0]!.text.endsWith("early late"))
})

test("what comes with the 101 reaches the client behind it", async (t) => {
  const backend = await scripted(t, async (wire) => {
    await wire.request()
    wire.send(`${granted}at once`)
  })
  const { client } = await relay(t, [backend])
  const wire = await client()
  wire.send(ask)
  await until("the bytes", () => wire.text.endsWith("\r\n\r\nat once"))
})

test("a backend that refuses answers, and the connection goes on with requests", async (t) => {
  const backend = await answering(t, () => "HTTP/1.1 400 No\r\nContent-Length: 2\r\n\r\nno")
  const { client } = await relay(t, [backend])
  const wire = await client()
  wire.send(`${ask}GET /next HTTP/1.1\r\nHost: a\r\n\r\n`)
  assert.equal((await wire.response()).status, 400)
  assert.equal((await wire.response()).status, 400)
  assert.match(backend.wires[0]!.text, /GET \/next /)
})

test("a half of the tunnel may end while the other goes on", async (t) => {
  const backend = await grantingThen(t, async (wire) => {
    wire.socket.removeAllListeners("end")
    await new Promise((resolve) => wire.socket.once("end", resolve))
    wire.send("after your end")
    wire.socket.end()
  })
  const { client } = await relay(t, [backend])
  const wire = await client()
  wire.send(ask)
  await wire.response()
  wire.socket.end()
  assert.equal(await wire.closed, "end")
  assert.match(wire.text, /after your end$/)
})

test("a backend that resets the tunnel resets it for the client", async (t) => {
  const backend = await grantingThen(t, async (wire) => {
    wire.send("some")
    await pause(30)
    wire.reset()
  })
  const { client, counters } = await relay(t, [backend])
  const wire = await client()
  wire.send(ask)
  await wire.response()
  assert.equal(await wire.closed, "broken")
  assert.equal(counters.errors()["response_cut"], 1)
})

test("a client that vanishes takes the tunnel with it", async (t) => {
  const backend = await grantingThen(t, () => {})
  const { client } = await relay(t, [backend])
  const wire = await client()
  wire.send(ask)
  await wire.response()
  wire.reset()
  await until("the backend's end", () => backend.wires[0]!.gone)
})

for (const [why, request] of [
  ["the client did not ask for", "GET / HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["HTTP/1.0 cannot ask for", "GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"],
  [
    "h2c, which would carry requests past us,",
    "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
  ],
  [
    "a request with a body cannot ask for",
    "POST / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\nContent-Length: 1\r\n\r\nx",
  ],
] as const) {
  test(`a 101 that ${why} is a broken response, and Upgrade is not passed on`, async (t) => {
    const backend = await scripted(t, async (wire) => {
      await wire.request()
      wire.send(granted)
    })
    const { ask: once } = await relay(t, [backend])
    const text = await once(request.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"))
    assert.match(text, /^HTTP\/1\.1 502 /)
    assert.match(text, /"invalid_response"/)
    assert.doesNotMatch(backend.wires[0]!.text, /upgrade/i)
  })
}

test("a 101 without Upgrade grants nothing", async (t) => {
  const backend = await scripted(t, async (wire) => {
    await wire.request()
    wire.send("HTTP/1.1 101 Switching Protocols\r\n\r\n")
  })
  const { client } = await relay(t, [backend])
  const wire = await client()
  wire.send(ask)
  assert.equal((await wire.response()).status, 502)
})

test("a tunnel that stands still is closed on both sides", async (t) => {
  const backend = await grantingThen(t, () => {})
  const { client, counters } = await relay(t, [backend], { timeouts: { streamIdleMs: 100 } })
  const wire = await client()
  wire.send(ask)
  await wire.response()
  await wire.closed
  await until("the backend's end", () => backend.wires[0]!.gone)
  assert.deepEqual(counters.errors(), { tunnel_timeout: 1 })
})

test("a side that does not read holds the other side of the tunnel back, in both directions", async (t) => {
  const flood = Buffer.alloc(64 * 1024, "x")
  const total = 48 * 1024 * 1024
  const stallsWhenFlooded = async (wire: Wire): Promise<number> => {
    let sent = 0
    while (sent < total && wire.socket.writableLength < 1024 * 1024) {
      wire.send(flood)
      sent += flood.length
      await new Promise(setImmediate)
    }
    return sent
  }
  let backendWire: Wire | undefined
  const backend = await grantingThen(t, (wire) => {
    backendWire = wire
  })
  const { client } = await relay(t, [backend])
  const wire = await client()
  wire.send(ask)
  await wire.response()
  await until("the tunnel", () => backendWire !== undefined)

  wire.socket.pause()
  const toClient = await stallsWhenFlooded(backendWire!)
  assert.ok(toClient < total, "the backend could send everything to a client that reads nothing")
  const before = wire.received
  wire.socket.resume()
  await until(
    "all of it",
    () => wire.received - before >= toClient - 1024 * 1024 && backendWire!.socket.writableLength === 0,
  )

  backendWire!.socket.pause()
  const toBackend = await stallsWhenFlooded(wire)
  assert.ok(toBackend < total, "the client could send everything to a backend that reads nothing")
  backendWire!.socket.resume()
  await until("all of that", () => wire.socket.writableLength === 0)
})

test("a backend that has ended its half first still gets all that the client sends before its own end", async (t) => {
  let taken: Wire | undefined
  const backend = await grantingThen(t, (wire) => {
    taken = wire
    wire.socket.end()
    wire.socket.pause()
  })
  const { client, counters } = await relay(t, [backend])
  const wire = await client()
  wire.socket.removeAllListeners("end")
  wire.send(ask)
  await wire.response()
  await until("the backend's half", () => wire.socket.readableEnded)
  const before = taken!.received
  let sent = 0
  // Until a little is held for the backend: so little that the client is still read, to its end.
  while (unsent("remotePort", backend.port) === 0 && sent < 32 * 1024 * 1024) {
    wire.send(Buffer.alloc(8192, "x"))
    sent += 8192
    await pause(1)
  }
  wire.socket.end()
  await pause(100)
  taken!.socket.resume()
  await until("its end", () => taken!.ended || taken!.gone)
  assert.equal(taken!.received - before, sent)
  await until("the client's connection", () => counters.total("closed") === 1)
})
