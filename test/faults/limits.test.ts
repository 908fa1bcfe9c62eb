/** Limits of an exchange beyond those of its head: size and speed of the body, time in all, hops. By raw sockets. */
import assert from "node:assert/strict"
import { test } from "node:test"
import { answering, pause, relay, scripted } from "../support/relay.ts"
import { until } from "../support/until.ts"

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
const post = (framing: string): string => `POST / HTTP/1.1\r\nHost: a\r\n${framing}\r\n\r\n`

const options = (field: string): string => `OPTIONS * HTTP/1.1\r\nHost: a\r\n${field}\r\n\r\n`
/** Via says it once, CDN-Loop the other times. */
const loops = (times: number): string =>
  `GET / HTTP/1.1\r\nHost: a\r\nCDN-Loop: other, linebacker; a=b\r\n${"cdn-loop: linebacker\r\n".repeat(times - 2)}` +
  "Via: 1.1 linebacker\r\n\r\n"

const via = (times: number): string =>
  `GET / HTTP/1.1\r\nHost: a\r\nVia: ${Array(times).fill("1.1 linebacker").join(", ")}\r\nVia: 1.1 other\r\n\r\n`

test("a body that announces more than it may is 413 before any of it is taken", async (t) => {
  const backend = await answering(t, () => ok)
  const { ask, counters } = await relay(t, [backend], { limits: { bodyBytesMax: 10 } })
  assert.match(
    await ask(post("Content-Length: 11")),
    /^HTTP\/1\.1 413 Content Too Large\r\n[^]*"body_too_large"/,
  )
  assert.equal(backend.wires.length, 0)
  assert.deepEqual(counters.errors(), { body_too_large: 1 })
})

test("a chunked body that grows too large is 413, and the backend does not see it end", async (t) => {
  const backend = await scripted(t, async (wire) => {
    await wire.head()
  })
  const { ask } = await relay(t, [backend], { limits: { bodyBytesMax: 10 } })
  const text = await ask(`${post("Transfer-Encoding: chunked")}6\r\nabcdef\r\n6\r\nghijkl\r\n0\r\n\r\n`)
  assert.match(text, /^HTTP\/1\.1 413 [^]*"body_too_large"/)
  assert.doesNotMatch(backend.wires[0]?.text ?? "", /\r\n0\r\n\r\n$/)
})

test("a body of just the size passes", async (t) => {
  const backend = await answering(t, (request) =>
    request.body.length === 10 ? ok : "HTTP/1.1 500 x\r\n\r\n",
  )
  const { client } = await relay(t, [backend], { limits: { bodyBytesMax: 10 } })
  const wire = await client()
  wire.send(`${post("Content-Length: 10")}0123456789`)
  assert.equal((await wire.response()).status, 200)
})

test("a body that drips slower than it may is 408, although it never stands still", async (t) => {
  const backend = await answering(t, () => ok)
  const { client, counters } = await relay(t, [backend], {
    timeouts: { clientBodyMs: 400 },
    limits: { bodyBytesPerSecondMin: 1_000 },
  })
  const wire = await client()
  wire.send(post("Content-Length: 100000"))
  let sent = 0
  while (!wire.ended && sent < 200) {
    wire.send("x")
    sent++
    await pause(50)
  }
  assert.match(wire.text, /^HTTP\/1\.1 408 [^]*"body_timeout"/)
  assert.deepEqual(counters.errors(), { body_timeout: 1 })
})

test("the time in which the backend takes nothing does not count against the client's speed", async (t) => {
  const size = 8 * 1024 * 1024
  const backend = await scripted(t, async (wire) => {
    wire.socket.pause()
    await pause(1_500)
    wire.socket.resume()
    await wire.request()
    wire.send(ok)
  })
  const { client } = await relay(t, [backend], {
    timeouts: { clientBodyMs: 300 },
    limits: { bodyBytesPerSecondMin: 4 * 1024 * 1024 },
  })
  const wire = await client()
  wire.send(post(`Content-Length: ${size}`))
  wire.send(Buffer.alloc(size))
  assert.equal((await wire.response()).status, 200)
})

test("an exchange that takes too long before its response is 504, and the connection lives on", async (t) => {
  let requests = 0
  const backend = await scripted(t, async (wire) => {
    await wire.request()
    if (++requests > 1) wire.send(ok)
  })
  const { client, counters } = await relay(t, [backend], { timeouts: { exchangeMs: 200 } })
  const wire = await client()
  wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
  const answer = await wire.response()
  assert.equal(answer.status, 504)
  assert.match(answer.body.toString(), /"exchange_timeout"/)
  wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
  assert.equal((await wire.response()).status, 200)
  assert.deepEqual(counters.errors(), { exchange_timeout: 1 })
  assert.equal(counters.failures(0), 0, "no failure is counted")
})

test("an exchange that takes too long in its response is cut, although bytes keep coming", async (t) => {
  const backend = await scripted(t, async (wire) => {
    await wire.request()
    wire.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    while (!wire.gone) {
      wire.send("x")
      await pause(30)
    }
  })
  const { client, counters } = await relay(t, [backend], { timeouts: { exchangeMs: 300 } })
  const wire = await client()
  wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
  assert.equal(await wire.closed, "broken")
  assert.deepEqual(counters.errors(), { exchange_timeout: 1 })
})

test("an event stream may be silent for longer than another body", async (t) => {
  const backend = await scripted(t, async (wire) => {
    const request = await wire.request()
    const type = request.start.includes("/events") ? "Text/Event-Stream; charset=utf-8" : "text/plain"
    wire.send(`HTTP/1.1 200 OK\r\nContent-Type: ${type}\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n`)
    await pause(1_200)
    wire.send("3\r\ntwo\r\n0\r\n\r\n")
  })
  const { client, counters } = await relay(t, [backend], { timeouts: { betweenBytesMs: 200 } })
  const [events, plain] = [await client(), await client()]
  events.send("GET /events HTTP/1.1\r\nHost: a\r\n\r\n")
  plain.send("GET /plain HTTP/1.1\r\nHost: a\r\n\r\n")
  assert.equal((await events.response()).body.toString(), "onetwo")
  assert.equal(await plain.closed, "broken")
  assert.deepEqual(counters.errors(), { response_timeout: 1 })
})

test("OPTIONS with Max-Forwards goes one hop less far, and ends here at 0", async (t) => {
  const backend = await answering(t, () => ok)
  const { client } = await relay(t, [backend])
  const wire = await client()
  wire.send(options("Max-Forwards: 3"))
  assert.equal((await wire.response()).status, 200)
  assert.match(backend.wires[0]!.text, /\r\nMax-Forwards: 2\r\n/)
  assert.equal(backend.wires[0]!.text.match(/Max-Forwards/g)?.length, 1)
  wire.send(options("Max-Forwards: 0"))
  const answer = await wire.response()
  assert.equal(answer.status, 204)
  assert.match(answer.field("allow") ?? "", /OPTIONS/)
  // For other methods it means nothing.
  wire.send("GET / HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n")
  assert.equal((await wire.response()).status, 200)
  wire.send(options("Max-Forwards: x"))
  assert.equal((await wire.response()).status, 400)
  assert.equal(backend.wires.length, 1)
})

test("a request that CDN-Loop shows to go round in circles is 508, where backends do not see Via", async (t) => {
  const backend = await answering(t, () => ok)
  const { client } = await relay(t, [backend], { via: { toBackends: false, toClients: true } })
  const wire = await client()
  wire.send(loops(7))
  const answer = await wire.response()
  assert.deepEqual([answer.status, answer.field("via")], [200, "1.1 linebacker"])
  wire.send(loops(8))
  assert.equal((await wire.response()).status, 508)
  assert.match(backend.wires[0]!.text, /\r\nVia: 1\.1 linebacker\r\n[^]*\r\nCDN-Loop: linebacker\r\n/)
})

test("a request that Via shows to go round in circles is 508", async (t) => {
  const backend = await answering(t, () => ok)
  const { client, counters } = await relay(t, [backend])
  const wire = await client()
  wire.send(via(7))
  assert.equal((await wire.response()).status, 200)
  wire.send(via(8))
  assert.equal((await wire.response()).status, 508)
  assert.deepEqual(counters.errors(), { loop_detected: 1 })
})

test("trailers reach a client that wants them, without those that must not be there", async (t) => {
  const trailers = "X-Sum: 1\r\nAuthorization: Basic eA==\r\n"
  const backend = await answering(
    t,
    () =>
      `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n2\r\nok\r\n0\r\n${trailers}\r\n`,
  )
  const { ask } = await relay(t, [backend])
  const wants = await ask("GET / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: close, TE\r\n\r\n")
  assert.match(wants, /\r\n0\r\nX-Sum: 1\r\n/)
  assert.doesNotMatch(wants, /Authorization/)
  assert.match(backend.wires[0]!.text, /\r\nTE: trailers\r\nConnection: TE\r\n/)
  const doesNot = await ask("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
  assert.match(doesNot, /\r\n2\r\nok\r\n0\r\n\r\n$/)
  await until("both", () => backend.wires[0]!.text.includes("GET / HTTP/1.1"))
})

test("what is pipelined behind an OPTIONS that ends here is served, whole and once", async (t) => {
  const backend = await answering(t, (request) => ok.replace("ok", request.body.toString() || "no"))
  const { client, counters } = await relay(t, [backend])
  const wire = await client()
  wire.send(`${options("Max-Forwards: 0")}${post("Content-Length: 2")}h`)
  assert.equal((await wire.response()).status, 204)
  wire.send(`i${options("Max-Forwards: 0")}`)
  assert.equal((await wire.response()).body.toString(), "hi")
  assert.equal((await wire.response()).status, 204)
  assert.deepEqual(counters.errors(), {})
})

test("time on the connection before a body earns it no slower rate, wherever the body began", async (t) => {
  const backend = await answering(t, () => ok)
  const { client, counters } = await relay(t, [backend], {
    timeouts: { clientBodyMs: 400 },
    limits: { bodyBytesPerSecondMin: 1_000 },
  })
  const wire = await client()
  await pause(2_500)
  // The second request comes while the first is being served, and waits for its turn.
  wire.send(`GET / HTTP/1.1\r\nHost: a\r\n\r\n${post("Content-Length: 100000")}x`)
  assert.equal((await wire.response()).status, 200)
  const began = performance.now()
  while (!wire.ended && performance.now() - began < 2_200) {
    wire.send("x")
    await pause(50)
  }
  assert.match(wire.text, /HTTP\/1\.1 408 [^]*"body_timeout"/)
  assert.deepEqual(counters.errors(), { body_timeout: 1 })
})
