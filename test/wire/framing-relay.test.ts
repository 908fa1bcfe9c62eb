/** Framing that two sides of the balancer have to agree on: what a backend says, and what the client is told. */
import assert from "node:assert/strict"
import { test, type TestContext } from "node:test"
import { answering, pause, relay, type RelayChange, scripted } from "../support/relay.ts"

const get = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"

/** What the client is told when a backend sends these bytes and ends. */
async function told(t: TestContext, bytes: string, request = get, change: RelayChange = {}): Promise<string> {
  const backend = await scripted(t, async (wire) => {
    await wire.request()
    wire.send(bytes)
    wire.socket.end()
  })
  const { ask } = await relay(t, [backend], change)
  return ask(request)
}

test("204 and interim responses go on without framing fields", async (t) => {
  for (const field of ["Content-Length: 5", "Transfer-Encoding: chunked"]) {
    const interim = `HTTP/1.1 103 Early Hints\r\nLink: x\r\n${field}\r\n\r\n`
    const text = await told(t, `${interim}HTTP/1.1 204 No Content\r\n${field}\r\nX: y\r\n\r\n`)
    assert.match(text, /^HTTP\/1\.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP\/1\.1 204 No Content\r\nX: y\r\n/)
    assert.doesNotMatch(text, /content-length|transfer-encoding/i)
  }
})

test("304 keeps the length that it speaks of", async (t) => {
  const text = await told(t, "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n")
  assert.match(text, /^HTTP\/1\.1 304 Not Modified\r\nContent-Length: 5\r\n/)
  assert.match(text, /\r\n\r\n$/)
})

test("a 426 says which protocol it wants, also where Connection does not name it", async (t) => {
  for (const connection of ["Connection: Upgrade\r\n", ""]) {
    const text = await told(
      t,
      `HTTP/1.1 426 Upgrade Required\r\nUpgrade: TLS/1.2, HTTP/1.1\r\n${connection}Content-Length: 0\r\n\r\n`,
    )
    assert.match(text, /^HTTP\/1\.1 426 [^]*\r\nConnection: upgrade\r\nUpgrade: TLS\/1\.2, HTTP\/1\.1\r\n/)
  }
})

test("other responses advertise only protocols that can be had through us", async (t) => {
  assert.match(await told(t, advertising("websocket")), /\r\nConnection: upgrade\r\nUpgrade: websocket\r\n/)
  assert.doesNotMatch(await told(t, advertising("h2,h2c")), /upgrade/i)
  const unmeant = advertising("websocket").replace("Connection: Upgrade\r\n", "")
  assert.doesNotMatch(await told(t, unmeant), /upgrade/i)
  const interim = advertising("websocket").replace("200 OK\r\n", "103 Early Hints\r\n")
  assert.doesNotMatch(await told(t, `${interim}HTTP/1.1 204 No Content\r\n\r\n`), /upgrade/i)
})

function advertising(protocols: string): string {
  return `HTTP/1.1 200 OK\r\nConnection: Upgrade\r\nUpgrade: ${protocols}\r\nContent-Length: 0\r\n\r\n`
}

test("a body in a coding of its own reaches HTTP/1.1 in that coding and in chunks", async (t) => {
  const text = await told(t, "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhello")
  assert.match(text, /\r\nTransfer-Encoding: gzip, chunked\r\n/)
  assert.match(text, /\r\n\r\n5\r\nhello\r\n0\r\n\r\n$/)
  const chunks = "5\r\nhello\r\n0\r\n\r\n"
  const both = await told(t, `HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip , chunked\r\n\r\n${chunks}`)
  assert.match(both, /\r\nTransfer-Encoding: gzip , chunked\r\n/)
  assert.ok(both.endsWith(`\r\n\r\n${chunks}`))
})

test("a body in no coding reaches HTTP/1.1 in chunks alone", async (t) => {
  const text = await told(t, "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nhello")
  assert.match(text, /\r\nTransfer-Encoding: chunked\r\n/)
  assert.match(text, /\r\n\r\n5\r\nhello\r\n0\r\n\r\n$/)
})

test("HTTP/1.0 cannot be told of a coding", async (t) => {
  const text = await told(
    t,
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhello",
    "GET / HTTP/1.0\r\n\r\n",
  )
  assert.match(text, /^HTTP\/1\.1 502 /)
  assert.match(text, /unknown_transfer_coding/)
})

test("what a backend frames in two ways is 502", async (t) => {
  const framings = [
    "Content-Length: 5\r\nContent-Length: 5",
    "Content-Length: 5\r\nTransfer-Encoding: chunked",
    "Transfer-Encoding: chunked, chunked",
    "Transfer-Encoding: chunked\t",
    "Content-Length : 5",
    "X: y\r\n Content-Length: 5",
    "Content-Length: 5\nX: y",
  ]
  for (const framing of framings) {
    const text = await told(t, `HTTP/1.1 200 OK\r\n${framing}\r\n\r\nhello`)
    assert.match(text, /^HTTP\/1\.1 502 /, framing)
  }
})

test("an absolute form of HTTP/1.0 without Host says which one it means", async (t) => {
  const backend = await answering(t, () => "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
  const { ask } = await relay(t, [backend])
  await ask("GET http://example.com:8080/a HTTP/1.0\r\n\r\n")
  assert.match(backend.wires[0]!.text, /^GET \/a HTTP\/1\.1\r\n/)
  assert.match(backend.wires[0]!.text, /\r\nHost: example\.com:8080\r\n/)
})

test("the version that goes on is ours", async (t) => {
  const backend = await answering(t, () => "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
  const { ask } = await relay(t, [backend])
  for (const version of ["1.0", "1.9"]) {
    await ask(`GET /${version} HTTP/${version}\r\nHost: a\r\nConnection: close\r\n\r\n`)
    assert.ok(
      backend.wires.some(({ text }) => text.includes(`GET /${version} HTTP/1.1\r\n`)),
      version,
    )
  }
})

test("an expectation of HTTP/1.0 reaches no backend", async (t) => {
  const backend = await answering(t, () => "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
  const { ask } = await relay(t, [backend])
  await ask("GET /a HTTP/1.0\r\nExpect: 100-continue\r\n\r\n")
  assert.doesNotMatch(backend.wires[0]!.text, /expect/i)
})

test("underscores are dropped or refused where that is set, and framing is refused always", async (t) => {
  const backend = await answering(t, () => "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
  for (const [underscores, status, arrives] of [
    ["pass", 200, true],
    ["drop", 200, false],
    ["reject", 400, false],
  ] as const) {
    const before = backend.wires.length
    const { ask } = await relay(t, [backend], { requests: { underscores } })
    assert.match(await ask(withField("X_Y")), new RegExp(`^HTTP/1.1 ${status} `), underscores)
    const sent = backend.wires.slice(before).map(({ text }) => text)
    assert.equal(sent.join("").includes("X_Y"), arrives, underscores)
    assert.match(await ask(withField("Content_Length")), /^HTTP\/1\.1 400 [^]*underscore_field/)
  }
})

function withField(name: string): string {
  return `GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${name}: 1\r\n\r\n`
}

test("chunk sizes are our own in both directions", async (t) => {
  const odd =
    "Transfer-Encoding: chunked\r\n\r\n00A ;x=y\r\n0123456789\r\n1A\r\nabcdefghijklmnopqrstuvwxyz\r\n000\r\n\r\n"
  const plain = "\r\n\r\na\r\n0123456789\r\n1a\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\n\r\n"
  const backend = await answering(t, () => `HTTP/1.1 200 OK\r\n${odd}`)
  const { ask } = await relay(t, [backend])
  const text = await ask(`POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${odd}`)
  assert.ok(text.endsWith(plain), text)
  assert.ok(backend.wires[0]!.text.endsWith(plain), backend.wires[0]!.text)
})

const trailing =
  "Transfer-Encoding: chunked\r\nTrailer: Grpc-Status\r\n\r\n1\r\na\r\n0\r\nGrpc-Status: 0\r\nX-Hop: 1\r\n\r\n"

test("trailers of a response reach clients that ask, or all of HTTP/1.1, and Trailer announces them", async (t) => {
  const response = `HTTP/1.1 200 OK\r\nConnection: x-hop\r\n${trailing}`
  const withTrailers = /\r\nTrailer: Grpc-Status\r\n[^]*\r\n0\r\nGrpc-Status: 0\r\n\r\n$/
  const asking = get.replace("close", "close, TE\r\nTE: trailers")
  assert.match(await told(t, response, asking), withTrailers)
  const silent = await told(t, response)
  assert.ok(silent.endsWith("\r\n\r\n1\r\na\r\n0\r\n\r\n"), silent)
  assert.doesNotMatch(silent, /trailer|grpc-status/i)
  const passing = { response: { trailers: "pass" } } as const
  assert.match(await told(t, response, get, passing), withTrailers)
  const old = await told(t, response, "GET / HTTP/1.0\r\n\r\n", passing)
  assert.doesNotMatch(old, /trailer|grpc-status/i)
  assert.ok(old.endsWith("\r\n\r\na"), old)
})

test("trailers of a request reach the backend where that is set", async (t) => {
  for (const trailers of ["pass", "drop"] as const) {
    const isPassed = trailers === "pass"
    const backend = await answering(t, () => "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    const { ask } = await relay(t, [backend], { requests: { trailers } })
    await ask(`POST / HTTP/1.1\r\nHost: a\r\nConnection: close, x-hop\r\n${trailing}`)
    const { text } = backend.wires[0]!
    assert.equal(/\r\nTrailer: Grpc-Status\r\n/.test(text), isPassed)
    assert.ok(text.endsWith(isPassed ? "\r\n0\r\nGrpc-Status: 0\r\n\r\n" : "\r\n0\r\n\r\n"), text)
  }
})

test("a Trailer that Connection names is for this hop", async (t) => {
  const response = `HTTP/1.1 200 OK\r\nConnection: trailer\r\n${trailing}`
  const passing = { response: { trailers: "pass" } } as const
  assert.doesNotMatch(await told(t, response, get, passing), /\r\nTrailer:/)
})

test("heads of old backends are put right where that is set, however they are cut, and 502 where not", async (t) => {
  const bytes = Buffer.from(
    "HTTP/1.1 103 Early Hints\nLink : </a>\n\nHTTP/1.1 200\nA \t: b\n c\nContent-Length: 6\r\n\nhe\nllo",
  )
  for (const step of [1, 7, bytes.length]) {
    const backend = await scripted(t, async (wire) => {
      await wire.request()
      for (let at = 0; at < bytes.length; at += step) {
        wire.send(bytes.subarray(at, at + step))
        if (step < bytes.length) await pause(0)
      }
    })
    const { ask } = await relay(t, [backend], { upstream: { lenientHeads: true } })
    const text = await ask(get)
    assert.match(
      text,
      /^HTTP\/1\.1 103 Early Hints\r\nLink: <\/a>\r\n\r\nHTTP\/1\.1 200 \r\nA: b c\r\nContent-Length: 6\r\n(?:[^\r\n]+\r\n)*\r\nhe\nllo$/,
    )
  }
  for (const bent of ["HTTP/1.1 200 OK\nA: b\n\n", "HTTP/1.1 200 OK\r\nA : b\r\n\r\n"])
    assert.match(await told(t, bent), /^HTTP\/1\.1 502 [^]*invalid_response/)
  for (const hopeless of ["HTTP/1.1 200 OK\n A: b\n\n", "HTTP/1.1 200 OK\nA\rb: c\n\n", "SSH-2.0-x\n"])
    assert.match(
      await told(t, hopeless, get, { upstream: { lenientHeads: true } }),
      /^HTTP\/1\.1 502 [^]*invalid_response/,
    )
  const endless = "HTTP/1.1 200 OK\nA: b\n".padEnd(40_000, "A: b\n")
  assert.match(
    await told(t, endless, get, { upstream: { lenientHeads: true } }),
    /^HTTP\/1\.1 502 [^]*invalid_response/,
  )
})
