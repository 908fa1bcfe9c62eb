/** Clients that misbehave in numbers or at awkward moments: what the others see of it, and what is left. */
import assert from "node:assert/strict"
import { randomBytes } from "node:crypto"
import { test } from "node:test"
import { certificateFolder, noOpenssl } from "../support/certificates.ts"
import { codeOf, get, ok, pathOf } from "../support/wire/messages.ts"
import { answering, pause, relay, scripted, unsent, type Wire } from "../support/relay.ts"
import { dialTls, tlsOptions } from "../support/tls-options.ts"
import { until } from "../support/until.ts"

// ── in numbers ────────────────────────────────────────────────────────────────────────────────────────────────

test("200 slow heads and 200 slow bodies at once are all told 408, and cost no other client a response", async (t) => {
  const backend = await answering(t, (request) => ok(pathOf(request)))
  const { client, counters } = await relay(t, [backend], {
    timeouts: { clientHeadMs: 600, clientBodyMs: 600 },
    limits: { connectionsPerBackendMax: 400, requestsPerConnectionMax: 1_000_000 },
  })
  const slow: Wire[] = []
  for (let i = 0; i < 400; i++) {
    const wire = await client()
    slow.push(wire)
    wire.send(
      i % 2 === 0 ? "GET / HTTP/1.1\r\nHo" : "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx",
    )
  }
  // A client that drips is as slow as one that stands still.
  const drip = setInterval(() => {
    for (let i = 0; i < 400; i += 4) if (!slow[i]!.gone) slow[i]!.send("s")
  }, 50)
  // Also when it fails: the timer would keep the process, and the whole run, alive.
  t.after(() => clearInterval(drip))
  let answered = 0
  const others = await Promise.all(Array.from({ length: 8 }, () => client()))
  const isOver = (): boolean => slow.every((wire) => wire.received > 0)
  await Promise.all(
    others.map(async (wire, i) => {
      for (let n = 0; !isOver() && n < 100_000; n++) {
        wire.send(get(`/${i}-${n}`))
        assert.equal((await wire.response()).body.toString(), `/${i}-${n}`)
        answered++
      }
    }),
  )
  clearInterval(drip)
  for (const wire of slow) assert.equal((await wire.response()).status, 408)
  assert.deepEqual(counters.errors(), { head_timeout: 200, body_timeout: 200 })
  assert.deepEqual(counters.failures(0), 0)
  assert.ok(answered > 8, `${answered} responses meanwhile`)
})

test("100 readers that take nothing hold no other client up", async (t) => {
  const big = ok("x".repeat(2_000_000))
  const backend = await answering(t, (request) => (pathOf(request) === "/big" ? big : ok("small")))
  const { client, counters } = await relay(t, [backend], { limits: { connectionsPerBackendMax: 200 } })
  const readers = await Promise.all(Array.from({ length: 100 }, () => client()))
  for (const reader of readers) {
    reader.socket.pause()
    reader.send(get("/big"))
  }
  const wire = await client()
  for (let i = 0; i < 50; i++) {
    wire.send(get())
    assert.equal((await wire.response()).body.toString(), "small")
  }
  for (const reader of readers) reader.socket.resume()
  for (const reader of readers) assert.equal((await reader.response()).body.length, 2_000_000)
  assert.deepEqual(counters.errors(), {})
})

// ── vanishing ─────────────────────────────────────────────────────────────────────────────────────────────────

const stages: readonly (readonly [when: string, bytes: string, isRequest: boolean])[] = [
  ["before its first byte", "", false],
  ["within its head", "GET / HTTP/1.1\r\nHos", false],
  ["behind its head", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n", true],
  ["within a chunk", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nbod", true],
  ["before the response", get("/never"), true],
  ["within the response", get("/half"), true],
]

for (const [when, bytes, isRequest] of stages) {
  test(`a client that vanishes ${when} is forgotten, and its backend's connection with it`, async (t) => {
    const backend = await scripted(t, async (wire) => {
      if ((await wire.head()).includes("/half")) wire.send(ok("whole").slice(0, -1))
    })
    const { client, counters, table } = await relay(t, [backend])
    for (let i = 0; i < 5; i++) {
      const wire = await client()
      if (bytes !== "") wire.send(bytes)
      if (isRequest) await until("it is at the backend", () => (backend.wires[i]?.received ?? 0) > 0)
      else await pause(20)
      if (bytes === get("/half")) await until("half the response", () => wire.text.endsWith("whol"))
      wire.reset()
      await until("it is gone", () => counters.total("closed") === i + 1)
      assert.ok(table.isIdle(0))
      if (isRequest) await until("the backend knows", () => backend.wires[i]!.gone)
    }
    assert.deepEqual(counters.errors(), isRequest ? { client_gone: 5 } : {})
    assert.equal(counters.failures(0), 0)
  })
}

test("a client that vanishes with requests unread is noticed when its response is sent, and those are not served", async (t) => {
  const seen: string[] = []
  const backend = await answering(t, async (request) => {
    seen.push(pathOf(request))
    await pause(100)
    return ok("")
  })
  const { client, counters, table } = await relay(t, [backend])
  const wire = await client()
  wire.send(get("/1") + get("/2") + get("/3"))
  await until("the first is at the backend", () => seen.length > 0)
  wire.reset()
  // Nothing is read of a client that has sent more than its turn, so its reset is met by the next write.
  await until("it is gone", () => counters.total("closed") === 1)
  await until("nothing is held", () => table.isIdle(0))
  assert.ok(!seen.includes("/3"), seen.join())
})

// ── half-closes ───────────────────────────────────────────────────────────────────────────────────────────────

test("a half-close before the request is whole is the end of it; behind it, the response still comes", async (t) => {
  const backend = await answering(t, async (request) => {
    await pause(30)
    return ok(request.body.toString())
  })
  const { client, counters } = await relay(t, [backend])
  const half = await client()
  half.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbo")
  half.socket.end()
  await half.closed
  assert.equal(half.received, 0)
  const whole = await client()
  whole.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody")
  whole.socket.end()
  assert.equal((await whole.response()).body.toString(), "body")
  assert.equal(await whole.closed, "end")
  assert.deepEqual(counters.errors(), { client_gone: 1 })
})

test("a backend that half-closes behind its response is done with, and one that does so before it has failed", async (t) => {
  const backend = await scripted(t, async (wire, nth) => {
    await wire.request()
    if (nth % 2 === 0) wire.send(ok("last"))
    wire.socket.end()
  })
  const { client, counters } = await relay(t, [backend], { limits: { attemptsMax: 1 } })
  const wire = await client()
  for (let i = 0; i < 6; i++) {
    wire.send(get())
    const response = await wire.response()
    if (i % 2 === 0) assert.equal(response.body.toString(), "last")
    else assert.deepEqual([response.status, codeOf(response)], [502, "backend_reset"])
    await until("both sides are closed", () => backend.wires[i]!.gone)
  }
  assert.deepEqual([counters.errors(), counters.failures(0)], [{ backend_reset: 3 }, 3])
})

const streamHead = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
const large = 4_000_000

/** How clients come to an event stream that says nothing, before they leave by an ordinary close. */
const listeners = {
  "with a GET": get(),
  "with a body that its backend takes late": `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${large}\r\n\r\n${"x".repeat(large)}`,
  "with other requests behind": get() + get().repeat(100),
  "over HTTP/1.0": "GET / HTTP/1.0\r\nHost: a\r\n\r\n",
} as const

for (const [how, request] of Object.entries(listeners)) {
  for (const isTls of [false, true]) {
    const name = `100 clients of event streams that came ${how}${isTls ? ", within TLS," : ""} and left hold nothing soon after`
    test(name, { skip: isTls && noOpenssl }, async (t) => {
      const backend = await scripted(t, async (wire) => {
        await wire.head()
        wire.socket.pause()
        wire.send(streamHead)
        await pause(20)
        wire.socket.resume()
      })
      const certificates = isTls ? [certificateFolder(t).make("a", ["a"])] : []
      const tls = isTls ? { tls: tlsOptions({ certificates, ticketKeys: [randomBytes(48)] }) } : {}
      const at = await relay(t, [backend], {
        timeouts: { clientHalfClosedMs: 250 },
        limits: { connectionsPerBackendMax: 200 },
        ...tls,
      })
      const port = at.plane.tlsPort
      const count = request.length > large ? 10 : 100
      for (let i = 0; i < count; i++) {
        const wire = port === undefined ? await at.client() : await dialTls(t, port)
        wire.send(request)
        await until("its stream", () => wire.text.includes("event-stream"))
        await until("it has sent all", () => wire.socket.writableLength === 0)
        wire.socket.destroy()
      }
      assert.ok(at.counters.total("requests") >= count)
      await until("nothing is held", () => at.table.isIdle(0))
      await until("their connections are closed", () => at.counters.total("closed") === count)
      await until("their backend's, too", () => backend.wires.every(({ gone }) => gone))
      assert.deepEqual([at.counters.errors(), at.counters.failures(0)], [{ client_gone: count }, 0])
    })
  }
}

test("a client that has gone while its request waited for room leaves the queue, and is not served", async (t) => {
  const seen: string[] = []
  const backend = await scripted(t, async (wire) => {
    for (;;) {
      const path = pathOf(await wire.request())
      seen.push(path)
      if (path !== "/first") wire.send(ok(path))
      else await until("told", () => isTold).then(() => wire.send(ok("first")))
    }
  })
  let isTold = false
  const { client, counters } = await relay(t, [backend], {
    limits: { connectionsPerBackendMax: 1, queueMax: 10 },
    timeouts: { clientHalfClosedMs: 250 },
  })
  const [first, gone, last] = [await client(), await client(), await client()]
  first.send(get("/first"))
  await until("it is served", () => seen.length === 1)
  gone.send(get("/gone"))
  await until("it waits", () => counters.total("requests") === 2)
  gone.socket.destroy()
  await until("it is given up", () => counters.errors()["client_gone"] === 1)
  last.send(get("/last"))
  await until("another waits", () => counters.total("requests") === 3)
  isTold = true
  assert.equal((await last.response()).body.toString(), "/last")
  assert.deepEqual(seen, ["/first", "/last"])
})

// ── pipelining behind errors ──────────────────────────────────────────────────────────────────────────────────

test("what is sent behind a request that was refused is not taken for another one", async (t) => {
  const seen: string[] = []
  const backend = await answering(t, (request) => {
    seen.push(pathOf(request))
    return ok("")
  })
  const { client, counters } = await relay(t, [backend])
  for (const bad of [
    "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    "nonsense\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nno size\r\n",
    "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n",
  ]) {
    const wire = await client()
    wire.send(bad + get("/smuggled") + get("/smuggled"))
    const response = await wire.response()
    assert.ok(response.status >= 400, response.start)
    assert.equal(response.field("connection"), "close")
    assert.equal(await wire.closed, "end")
    assert.equal(wire.text.match(/HTTP\/1\.1 /g)?.length, 1, wire.text)
  }
  assert.deepEqual(
    seen.filter((path) => path === "/smuggled"),
    [],
  )
  assert.equal(counters.failures(0), 0)
})

test("behind an error of a backend's the connection lives on, and the pipelined requests get their responses in order", async (t) => {
  const backend = await scripted(t, async (wire) => {
    for (;;) {
      const path = pathOf(await wire.request())
      if (path === "/bad") return void wire.send("nonsense\r\n\r\n")
      if (path === "/reset") return wire.reset()
      wire.send(ok(path))
    }
  })
  const { client } = await relay(t, [backend], { limits: { attemptsMax: 1 } })
  const wire = await client()
  wire.send(["/1", "/bad", "/2", "/reset", "/3"].map((path) => get(path)).join(""))
  const told: unknown[] = []
  for (let i = 0; i < 5; i++) {
    const response = await wire.response()
    told.push(response.status === 200 ? response.body.toString() : codeOf(response))
  }
  assert.deepEqual(told, ["/1", "invalid_response", "/2", "backend_reset", "/3"])
})

// ── clients that do not take the response
// ──────────────────────────────────────────────────────────────────────────────

// More than both kernels together keep for one connection.
const huge = "x".repeat(32 * 1024 * 1024)

test("a client that never takes the end of its response is not kept for ever between two requests", async (t) => {
  // Just what the kernels do not take: the rest stays with us after the backend is done.
  const backend = await answering(t, () => ok("x".repeat(60_000)))
  const { client, counters } = await relay(t, [backend], {
    timeouts: { clientIdleMs: 300, betweenBytesMs: 300 },
  })
  const wire = await client()
  wire.socket.pause()
  for (let i = 0; i < 300; i++) wire.send(get())
  await until("the connection is given up", () => counters.total("closed") === 1)
  // If its responses had still been held, they would all come now.
  wire.socket.resume()
  assert.equal(await wire.closed, "broken")
})

for (const [how, change] of [
  ["takes nothing for too long", { timeouts: { betweenBytesMs: 300 } }],
  ["is still reading when the balancer has stopped", { timeouts: { drainMs: 50 } }],
] as const) {
  test(`a client of HTTP/1.0 that ${how} does not take the part for the whole`, async (t) => {
    const backend = await answering(t, () => ok(huge))
    const { plane, client, counters } = await relay(t, [backend], change)
    const wire = await client()
    wire.send("GET / HTTP/1.0\r\n\r\n")
    await until("the head", () => wire.received > 0)
    wire.socket.pause()
    await pause(50)
    if ("drainMs" in change.timeouts) await plane.stop()
    await until("the balancer has let go", () => counters.total("closed") === 1)
    wire.socket.resume()
    assert.equal(await wire.closed, "broken")
    assert.ok(wire.received < huge.length)
  })
}

test("a client of HTTP/1.0 whose backend trickles sees that a stop has cut its response", async (t) => {
  const backend = await scripted(t, async (wire) => {
    await wire.request()
    wire.send("HTTP/1.0 200 OK\r\n\r\nhalf")
  })
  const { plane, client } = await relay(t, [backend], { timeouts: { drainMs: 50 } })
  const wire = await client()
  wire.send("GET / HTTP/1.0\r\n\r\n")
  await until("half of it", () => wire.text.endsWith("half"))
  await plane.stop()
  assert.equal(await wire.closed, "broken")
})

test("an end in the middle of a head costs a slow reader nothing of the responses before", async (t) => {
  const backend = await answering(t, () => ok("x".repeat(20_000)))
  const { client, port } = await relay(t, [backend])
  const wire = await client()
  wire.socket.pause()
  let sent = 0
  // Until a little is held for the client: so little that it is still read.
  while (unsent("localPort", port) === 0 && sent < 1_000) {
    wire.send(get())
    sent++
    await pause(2)
  }
  wire.send("GET / HT")
  wire.socket.end()
  await pause(50)
  wire.socket.resume()
  for (let i = 0; i < sent; i++) assert.equal((await wire.response()).body.length, 20_000)
})
