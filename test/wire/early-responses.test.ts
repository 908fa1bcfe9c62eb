/**
 * Clients that write all of a request before they read, and whose response comes before they are done (RFC 9112 9.6).
 */
import assert from "node:assert/strict"
import { randomBytes } from "node:crypto"
import { after, test, type TestContext } from "node:test"
import { certificateFolder, noOpenssl } from "../support/certificates.ts"
import { codeOf, get, ok } from "../support/wire/messages.ts"
import { type Relay, relay, type RelayChange, type Script, scripted, type Wire } from "../support/relay.ts"
import { framings, upload, uploadBytes } from "../support/uploads.ts"
import { dialTls, tlsOptions } from "../support/tls-options.ts"
import { until } from "../support/until.ts"

const ticketKeys = [randomBytes(48)]
const folder = certificateFolder({ after })

interface Case {
  readonly status: number
  readonly change?: RelayChange
  /** Of a backend; there is none without it. */
  readonly script?: Script
  /** The request comes after this. */
  readonly first?: (wire: Wire, made: Relay) => Promise<void>
}

/** A backend that says this to the head of a request, and then does something. */
function saying(response: string, then: (wire: Wire) => void = () => {}): Script {
  return async (wire) => {
    await wire.head()
    wire.send(response)
    then(wire)
  }
}

const closing = "Connection: close\r\nContent-Length: 0\r\n\r\n"
const small: RelayChange = { limits: { bodyBytesMax: 1_000 } }
const cases: Readonly<Record<string, Case>> = {
  "our own 413": { status: 413, change: small, script: saying(ok("")) },
  "our own 503, where there is no backend": { status: 503 },
  "our own 503, where the request has waited in vain": {
    status: 503,
    change: { limits: { connectionsPerBackendMax: 1 }, timeouts: { queueMs: 50 } },
    script: () => {},
    first: async (_, { client, counters }) => {
      const other = await client()
      other.send(get())
      await until("the only connection is taken", () => counters.total("requests") === 1)
    },
  },
  "our own 504, where the backend takes no more and says nothing": {
    status: 504,
    change: { timeouts: { responseHeadMs: 100 } },
    script: (wire) => void wire.socket.pause(),
  },
  "our own 504, where the exchange takes too long": {
    status: 504,
    change: { timeouts: { exchangeMs: 100 } },
    script: (wire) => void wire.socket.pause(),
  },
  "our own 502, where the backend says what is no HTTP": { status: 502, script: saying("nonsense\r\n\r\n") },
  "a backend's 413": { status: 413, script: saying(`HTTP/1.1 413 Content Too Large\r\n${closing}`) },
  "a 401 of a backend that takes no more": {
    status: 401,
    script: saying(
      "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n",
      (wire) => void wire.socket.pause(),
    ),
  },
  "a 308 of a backend that ends its side": {
    status: 308,
    script: saying(
      `HTTP/1.1 308 Permanent Redirect\r\nLocation: /b\r\n${closing}`,
      (wire) => void wire.socket.end(),
    ),
  },
  "a 413 of a backend that closes, which resets what is still coming": {
    status: 413,
    script: saying(`HTTP/1.1 413 Content Too Large\r\n${closing}`, (wire) => wire.socket.destroySoon()),
  },
  "a chunked 200 of a backend": {
    status: 200,
    script: saying("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
  },
}

/** A relay, and a client of it within TLS or without. */
async function made(
  t: TestContext,
  { change = {}, script }: Case,
  isTls: boolean,
): Promise<Relay & { readonly wire: Wire }> {
  const backends = script === undefined ? [] : [await scripted(t, script)]
  const certificates = isTls ? [folder.make("a", ["a"])] : []
  const tls = isTls ? { tls: tlsOptions({ certificates, ticketKeys }) } : {}
  const at = await relay(t, backends, { ...change, ...tls })
  if (!isTls) return { ...at, wire: await at.client() }
  return { ...at, wire: await dialTls(t, at.plane.tlsPort!) }
}

for (const [what, row] of Object.entries(cases)) {
  for (const [how, framing] of Object.entries(framings)) {
    for (const isTls of how === "over HTTP/1.0" ? [false] : [false, true]) {
      const skip = isTls && noOpenssl
      test(
        `${what} reaches a client that writes ${how} before it reads${isTls ? ", within TLS" : ""}`,
        { skip },
        async (t) => {
          const at = await made(t, row, isTls)
          await row.first?.(at.wire, at)
          await upload(at.wire, framing)
          const response = await at.wire.response()
          assert.deepEqual([response.status, response.field("connection")], [row.status, "close"])
          assert.equal(await at.wire.closed, "end")
        },
      )
    }
  }
}

test(
  "a 308 of the listener that sends clients to TLS reaches one that writes before it reads",
  { skip: noOpenssl },
  async (t) => {
    const certificates = [folder.make("a", ["a"])]
    const tls = tlsOptions({ certificates, ticketKeys }, { redirect: true })
    const { client } = await relay(t, [], { tls })
    const wire = await client()
    await upload(wire, framings["with a length"])
    assert.equal((await wire.response()).status, 308)
  },
)

test("a 408 reaches a client that stood still and then writes on before it reads", async (t) => {
  const backend = await scripted(t, () => {})
  const { client, counters } = await relay(t, [backend], { timeouts: { clientBodyMs: 100 } })
  const wire = await client()
  wire.socket.pause()
  wire.send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${uploadBytes * 2}\r\n\r\n`)
  await until("it is given up", () => counters.errors()["body_timeout"] === 1)
  await upload(wire, framings["with a length"])
  assert.equal((await wire.response()).status, 408)
})

test("a client that expects 100 is told 413 without having sent its body, and the connection ends", async (t) => {
  const { client, counters } = await relay(t, [await scripted(t, () => {})], small)
  const wire = await client()
  wire.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\nExpect: 100-continue\r\n\r\n")
  assert.equal(codeOf(await wire.response()), "body_too_large")
  assert.equal(await wire.closed, "end")
  await until("it is closed", () => counters.total("closed") === 1)
})

test("a balancer that stops still reads on for a client whose response came early", async (t) => {
  const { client, plane, counters } = await relay(t, [await scripted(t, () => {})], {
    ...small,
    timeouts: { drainMs: 8_000 },
  })
  const wire = await client()
  wire.socket.pause()
  wire.send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${uploadBytes}\r\n\r\n`)
  await until("its response is sent", () => counters.errors()["body_too_large"] === 1)
  const stopped = plane.stop()
  await upload(wire, framings["with a length"])
  assert.equal((await wire.response()).status, 413)
  await stopped
})

// ── and not for ever ──────────────────────────────────────────────────────────────────────────────────────────

test("a client that writes on for ever is read until timeouts.linger", async (t) => {
  const { client, counters } = await relay(t, [], { timeouts: { lingerMs: 500 } })
  const wire = await client()
  wire.socket.pause()
  wire.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000000\r\n\r\n")
  const drip = setInterval(() => wire.send("x"), 20)
  t.after(() => clearInterval(drip))
  await until("it is given up", () => counters.total("closed") === 1)
})

test("a client that has its response and stands still is waited for timeouts.lingerIdle", async (t) => {
  const { client, counters } = await relay(t, [], { timeouts: { lingerIdleMs: 100 } })
  const wire = await client()
  wire.socket.allowHalfOpen = true
  wire.socket.pause()
  wire.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n")
  await until("it is given up", () => counters.total("closed") === 1)
  wire.socket.resume()
  assert.equal((await wire.response()).status, 503)
})
