/**
 * The client side from outside: TLS, PROXY headers, redirects and which client the backend is told about, each over
 * real connections. What the parts do by themselves is tested beside them.
 */
import assert from "node:assert/strict"
import { randomBytes } from "node:crypto"
import { connect as connectPlain, type Socket } from "node:net"
import { Duplex } from "node:stream"
import { test, type TestContext } from "node:test"
import { connect, type ConnectionOptions, type TLSSocket } from "node:tls"
import { seeded } from "../../src/core/rng.ts"
import { writeProxyHeader } from "../../src/net/proxy-protocol.ts"
import type { TlsMaterial, TlsOptions } from "../../src/proxy/options.ts"
import { type CertificateFolder, certificateFolder, noOpenssl } from "../support/certificates.ts"
import {
  answering,
  offering,
  pause,
  type Relay,
  relay,
  type RelayChange,
  scripted,
  settled,
  Wire,
} from "../support/relay.ts"
import { tlsOptions } from "../support/tls-options.ts"
import { until } from "../support/until.ts"

const skip = noOpenssl
const nothing = (): void => {}
const get = "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"
const getAndClose = "GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n"

interface Secure extends Relay {
  readonly tlsPort: number
  readonly folder: CertificateFolder
  readonly material: TlsMaterial
  /** A TLS connection that is open. Rejects when the handshake fails. */
  readonly dial: (options?: ConnectionOptions) => Promise<TlsWire>
}

interface TlsWire extends Wire {
  readonly tls: TLSSocket
}

/** A data plane with a TLS listener before a backend that responds with the head it got. */
async function secure(
  t: TestContext,
  change: Omit<RelayChange, "tls"> & {
    readonly tls?: Partial<TlsOptions>
    readonly material?: TlsMaterial
  } = {},
): Promise<Secure> {
  const folder = certificateFolder(t)
  const material = change.material ?? {
    certificates: [
      folder.make("default", ["default.example"]),
      folder.make("a", ["a.example", "also-a.example"]),
      folder.make("wild", ["*.b.example", "*.solo"]),
    ],
    ticketKeys: [randomBytes(48)],
  }
  const backend = await answering(t, ({ start, fields }) => {
    const head = [start, ...fields.map((pair) => pair.join(": "))].join("\n")
    return `HTTP/1.1 200 OK\r\nContent-Length: ${head.length}\r\n\r\n${head}`
  })
  const made = await relay(t, [backend], { ...change, tls: tlsOptions(material, change.tls) })
  const tlsPort = made.plane.tlsPort!
  const sockets: Socket[] = []
  t.after(() => {
    for (const socket of sockets) socket.destroy()
  })
  return {
    ...made,
    tlsPort,
    folder,
    material,
    dial: (options) => dialTls(tlsPort, options, sockets),
  }
}

function dialTls(port: number, options: ConnectionOptions = {}, sockets: Socket[] = []): Promise<TlsWire> {
  return new Promise((resolve, reject) => {
    // What is served is looked at by the tests; these certificates are signed by no authority.
    const socket = connect({ host: "127.0.0.1", port, rejectUnauthorized: false, ...options })
    sockets.push(socket)
    socket.once("error", reject)
    socket.once("close", () => reject(new Error("closed")))
    socket.once("secureConnect", () => resolve(Object.assign(new Wire(socket), { tls: socket })))
  })
}

/** The name that the certificate was made for, which its subject has. */
function servedTo({ tls }: TlsWire): string {
  return String(tls.getPeerCertificate().subject["CN"])
}

async function failed(promise: Promise<unknown>): Promise<string> {
  try {
    await promise
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error)
  }
  return "it did not fail"
}

// ── handshakes ──────────────────────────────────────────────────────────────────────────────────────────────────

test("a request over TLS is relayed, and the backend is told that it was", { skip }, async (t) => {
  const { dial } = await secure(t)
  const wire = await dial({ servername: "a.example", ALPNProtocols: ["http/1.1"] })
  assert.equal(wire.tls.alpnProtocol, "http/1.1")
  for (let i = 0; i < 3; i++) {
    wire.send(get)
    const { body } = await wire.response()
    assert.match(body.toString(), /^X-Forwarded-For: 127\.0\.0\.1\nX-Forwarded-Proto: https$/m)
  }
})

test("the certificate is that of the exact name, of a wildcard, or the first", { skip }, async (t) => {
  const { dial } = await secure(t)
  for (const [servername, expected] of [
    ["a.example", "a.example"],
    ["ALSO-A.example", "a.example"],
    ["a.example.", "a.example"],
    ["x.b.example.", "*.b.example"],
    ["x.b.example", "*.b.example"],
    ["b.example", "default.example"],
    ["x.solo", "*.b.example"],
    ["solo", "default.example"],
    ["y.x.b.example", "default.example"],
    ["unknown.example", "default.example"],
    ["example", "default.example"],
    [undefined, "default.example"],
  ] as const) {
    for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
      const wire = await dial({ maxVersion, ...(servername === undefined ? {} : { servername }) })
      assert.equal(servedTo(wire), expected, `${servername} in ${maxVersion}`)
      wire.tls.destroy()
    }
  }
})

test(
  "a client that speaks no protocol of ours in ALPN is refused, one without ALPN is served",
  { skip },
  async (t) => {
    const { dial, counters } = await secure(t)
    assert.equal(await failed(dial({ ALPNProtocols: ["h2"] })), "ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL")
    await until("it is counted", () => counters.errors()["tls_handshake_failed"] === 1)
    const both = await dial({ ALPNProtocols: ["h2", "http/1.0", "http/1.1"] })
    assert.equal(both.tls.alpnProtocol, "http/1.1")
    const old = await dial({ ALPNProtocols: ["http/1.0"] })
    old.send("GET / HTTP/1.0\r\nHost: a\r\n\r\n")
    assert.equal((await old.response()).status, 200)
    const none = await dial()
    none.send(getAndClose)
    assert.equal((await none.response()).status, 200)
  },
)

test("TLS 1.2 and 1.3 are spoken, with forward secrecy, and nothing older", { skip }, async (t) => {
  const { dial } = await secure(t)
  const old = await dial({ maxVersion: "TLSv1.2" })
  assert.equal(old.tls.getProtocol(), "TLSv1.2")
  assert.match(old.tls.getCipher().name, /^ECDHE-.*(GCM|POLY1305)/)
  assert.equal((await dial()).tls.getProtocol(), "TLSv1.3")
  const ancient = { minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "DEFAULT@SECLEVEL=0" } as const
  assert.equal(await failed(dial(ancient)), "ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION")
  for (const ciphers of ["AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA"]) {
    assert.match(await failed(dial({ maxVersion: "TLSv1.2", ciphers })), /HANDSHAKE_FAILURE/)
  }
})

test("the oldest version can be 1.3", { skip }, async (t) => {
  const { dial } = await secure(t, { tls: { minVersion: "TLSv1.3" } })
  assert.equal(await failed(dial({ maxVersion: "TLSv1.2" })), "ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION")
  assert.equal((await dial()).tls.getProtocol(), "TLSv1.3")
})

test("plain HTTP on the TLS port is told so, and other bytes end the connection", { skip }, async (t) => {
  const { tlsPort, counters } = await secure(t)
  const http = new Wire(connectPlain(tlsPort, "127.0.0.1"))
  http.send(get)
  assert.equal(await http.closed, "end")
  assert.match(http.text, /^HTTP\/1\.1 400 [^]*"code":"tls_expected"/)

  for (const bytes of [
    Buffer.alloc(400, "x"),
    Buffer.from("1603010200010001fc0303", "hex"),
    randomBytes(600),
  ]) {
    const wire = new Wire(connectPlain({ port: tlsPort, host: "127.0.0.1", allowHalfOpen: true }))
    wire.send(bytes)
    wire.socket.end()
    await wire.closed
  }
  await until("all are counted", () => counters.errors()["tls_handshake_failed"] === 3)
  assert.deepEqual(counters.errors(), { tls_handshake_failed: 3, tls_expected: 1 })
})

test("a client that only looks whether the port is open is no error", { skip }, async (t) => {
  const { tlsPort, counters } = await secure(t)
  const wire = new Wire(connectPlain({ port: tlsPort, host: "127.0.0.1", allowHalfOpen: true }))
  await until("it is open", () => counters.total("accepted") === 1)
  wire.socket.end()
  await wire.closed
  await until("it is closed", () => counters.total("closed") === 1)
  assert.deepEqual(counters.errors(), {})
})

test("a handshake that stands still ends after timeouts.tlsHandshake", { skip }, async (t) => {
  const { tlsPort, counters } = await secure(t, { timeouts: { tlsHandshakeMs: 100 } })
  const silent = new Wire(connectPlain(tlsPort, "127.0.0.1"))
  const slow = new Wire(connectPlain(tlsPort, "127.0.0.1"))
  slow.send(Buffer.from("16030102000100", "hex"))
  await Promise.all([silent.closed, slow.closed])
  assert.deepEqual(counters.errors(), { tls_handshake_timeout: 2 })
})

// ── sessions ────────────────────────────────────────────────────────────────────────────────────────────────────

/** Connects, takes the session that can be resumed, and closes. */
async function sessionOf(dial: Secure["dial"], options: ConnectionOptions): Promise<Buffer> {
  const wire = await dial(options)
  const session = new Promise<Buffer>((resolve) => wire.tls.once("session", resolve))
  wire.send(get)
  await wire.response()
  const kept = wire.tls.getProtocol() === "TLSv1.3" ? await session : wire.tls.getSession()!
  wire.tls.destroy()
  return kept
}

async function isResumed(
  dial: Secure["dial"],
  options: ConnectionOptions,
  session: Buffer,
): Promise<boolean> {
  const wire = await dial({ ...options, session })
  wire.send(getAndClose)
  assert.equal((await wire.response()).status, 200)
  return wire.tls.isSessionReused()
}

for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
  test(
    `a session of ${maxVersion} is resumed by every server that has the same ticket key`,
    { skip },
    async (t) => {
      const one = await secure(t)
      const other = await secure(t, { material: one.material })
      const stranger = await secure(t, { material: { ...one.material, ticketKeys: [randomBytes(48)] } })
      for (const servername of ["a.example", "x.b.example", "unknown.example"]) {
        const options = { maxVersion, servername }
        const session = await sessionOf(one.dial, options)
        assert.equal(await isResumed(one.dial, options, session), true, `${servername} by itself`)
        assert.equal(await isResumed(other.dial, options, session), true, `${servername} by the other`)
        assert.equal(await isResumed(stranger.dial, options, session), false, `${servername} by a stranger`)
      }
    },
  )

  test(`a ticket of ${maxVersion} outlives one rotation of the key, and no second`, { skip }, async (t) => {
    const { dial, plane, material } = await secure(t)
    const { certificates, ticketKeys } = material
    const [first, second, third] = [ticketKeys[0]!, randomBytes(48), randomBytes(48)]
    const options = { maxVersion, servername: "a.example" }
    const old = await sessionOf(dial, options)
    plane.renewTls({ certificates, ticketKeys: [second, first] })
    const young = await sessionOf(dial, options)
    assert.equal(await isResumed(dial, options, old), true)
    assert.equal(await isResumed(dial, options, young), true)
    plane.renewTls({ certificates, ticketKeys: [third, second] })
    assert.equal(await isResumed(dial, options, old), false)
    assert.equal(await isResumed(dial, options, young), true)
    plane.renewTls({ certificates, ticketKeys: [third] })
    assert.equal(await isResumed(dial, options, young), false)
  })
}

test(
  "a handshake is found whole while tickets of an older key are about, however it is cut",
  { skip },
  async (t) => {
    const { dial, plane, material, tlsPort } = await secure(t)
    plane.renewTls({ ...material, ticketKeys: [randomBytes(48), material.ticketKeys[0]!] })
    assert.equal((await dial()).tls.getProtocol(), "TLSv1.3")
    const wire = await dialTls(tlsPort, { socket: new Tap(tlsPort, Buffer.alloc(0), 150) })
    wire.send(getAndClose)
    assert.equal((await wire.response()).status, 200)
  },
)

test("renewed certificates are for new connections; those that run live on", { skip }, async (t) => {
  const { dial, plane, folder, material } = await secure(t)
  const before = await dial({ servername: "a.example" })
  plane.renewTls({ ...material, certificates: [folder.make("new", ["new.example"])] })
  const after = await dial({ servername: "a.example" })
  assert.deepEqual([servedTo(before), servedTo(after)], ["a.example", "new.example"])
  for (const wire of [before, after]) {
    wire.send(getAndClose)
    assert.equal((await wire.response()).status, 200)
  }
})

// ── ends ────────────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * A connection that hands every byte on and keeps what came: under TLS, so that its records can be looked at. What
 * is written can be cut into pieces, and begin with other bytes.
 */
class Tap extends Duplex {
  readonly raw: Socket
  readonly #pieceBytes: number
  #prefix: Buffer
  readonly #received: Buffer[] = []
  outcome: "open" | "end" | "reset" = "open"

  constructor(port: number, prefix: Buffer = Buffer.alloc(0), pieceBytes = Number.POSITIVE_INFINITY) {
    super()
    this.#prefix = prefix
    this.#pieceBytes = pieceBytes
    this.raw = connectPlain({ port, host: "127.0.0.1", noDelay: true })
    this.raw.on("data", (chunk: Buffer) => {
      this.#received.push(chunk)
      this.push(chunk)
    })
    this.raw.on("end", () => {
      if (this.outcome === "open") this.outcome = "end"
      this.push(null)
    })
    this.raw.on("error", () => (this.outcome = "reset"))
    this.raw.on("close", () => this.destroy())
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    const bytes = Buffer.concat([this.#prefix, chunk])
    this.#prefix = Buffer.alloc(0)
    void this.#write(bytes, done)
  }

  async #write(bytes: Buffer, done: () => void): Promise<void> {
    const size = Math.min(this.#pieceBytes, bytes.length)
    for (let at = 0; at < bytes.length; at += size) {
      this.raw.write(bytes.subarray(at, at + size))
      if (size < bytes.length) await pause(2)
    }
    done()
  }

  override _final(done: () => void): void {
    this.raw.end(() => done())
  }

  /** The types of the records that came (RFC 5246 6.2.1): 21 is an alert, 23 is data. */
  get records(): number[] {
    const bytes = Buffer.concat(this.#received)
    const types: number[] = []
    for (let at = 0; at + 5 <= bytes.length; at += 5 + bytes.readUInt16BE(at + 3)) types.push(bytes[at]!)
    return types
  }
}

for (const [framing, version, head] of [
  ["length", "HTTP/1.1", "Content-Length: 100"],
  ["chunked", "HTTP/1.1", "Transfer-Encoding: chunked"],
  ["chunked", "HTTP/1.0", "Transfer-Encoding: chunked"],
] as const) {
  test(
    `a ${framing} response to ${version} that is cut is cut over TLS too: a reset, no farewell`,
    { skip },
    async (t) => {
      const part = framing === "length" ? "half of it" : "a\r\nhalf of it\r\n"
      let cut = nothing
      const backend = await scripted(t, async (wire) => {
        await wire.request()
        wire.send(`HTTP/1.1 200 OK\r\n${head}\r\n\r\n${part}`)
        cut = () => wire.reset()
      })
      const made = await secure(t)
      made.apply([{ ...made.members[0]!, address: backend }])
      // In TLS 1.2 alerts can be told from data without the keys.
      const tap = new Tap(made.tlsPort)
      const wire = await dialTls(made.tlsPort, { socket: tap, maxVersion: "TLSv1.2" })
      wire.send(`GET / ${version}\r\nHost: a.example\r\n\r\n`)
      await until("the half is there", () => wire.text.includes("half of it"))
      cut()
      await wire.closed
      assert.ok(!wire.text.includes("\r\n0\r\n\r\n"))
      assert.equal(tap.outcome, "reset")
      assert.ok(!tap.records.includes(21), `an alert came: ${String(tap.records)}`)
      assert.equal(made.counters.errors()["response_cut"], 1)
    },
  )
}

test("a response that is whole ends with a farewell", { skip }, async (t) => {
  const { tlsPort } = await secure(t)
  const tap = new Tap(tlsPort)
  const wire = await dialTls(tlsPort, { socket: tap, maxVersion: "TLSv1.2" })
  wire.send(getAndClose)
  assert.equal((await wire.response()).status, 200)
  await wire.closed
  assert.equal(tap.outcome, "end")
  assert.equal(tap.records.at(-1), 21)
})

test("a connection that is closed between requests ends with a farewell too", { skip }, async (t) => {
  const { tlsPort, plane, counters } = await secure(t, { timeouts: { clientIdleMs: 50 } })
  for (const closes of [nothing, () => void plane.stop()]) {
    const tap = new Tap(tlsPort)
    const wire = await dialTls(tlsPort, { socket: tap, maxVersion: "TLSv1.2" })
    wire.send(get)
    assert.equal((await wire.response()).status, 200)
    closes()
    await wire.closed
    assert.deepEqual([tap.outcome, tap.records.at(-1)], ["end", 21])
  }
  await until("both are closed", () => counters.total("closed") === 2)
})

test("a client that has said all it will still gets its response", { skip }, async (t) => {
  const late = await answering(t, async () => {
    await pause(50)
    return "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate"
  })
  const { dial, apply, members } = await secure(t)
  apply([{ ...members[0]!, address: late }])
  for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
    const wire = await dial({ maxVersion, allowHalfOpen: true } as ConnectionOptions)
    wire.send(get)
    wire.tls.end()
    assert.equal((await wire.response()).body.toString(), "late", maxVersion)
    assert.equal(await wire.closed, "end")
  }
})

test("the end of a client's bytes is not read before those of its body that wait", { skip }, async (t) => {
  const { promise: busy, resolve: finish } = Promise.withResolvers<void>()
  const slow = await answering(t, async ({ body }) => {
    if (body.length === 0) await busy
    return `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body.toString()}`
  })
  const { dial, apply, members, table } = await secure(t, {
    resources: [{ name: "slots", kind: "space", resolution: 1 }],
    capacity: { slots: 1 },
    limits: { replayBytesMax: 1 },
  })
  apply([{ ...members[0]!, address: slow }])
  const first = await dial()
  first.send(get)
  await until("there is no room", () => table.inFlight(0) === 1)
  const wire = await dial({ allowHalfOpen: true } as ConnectionOptions)
  // Three records and the end of TLS, which are read at once; only the first of them before the pause.
  wire.send("POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 6\r\n\r\nab")
  wire.send("cd")
  wire.send("ef")
  wire.tls.end()
  await pause(50)
  finish()
  assert.equal((await wire.response()).body.toString(), "abcdef")
  assert.equal(await wire.closed, "end")
})

test("a client that resets in mid-exchange gives everything back", { skip }, async (t) => {
  const silent = await scripted(t, async (wire) => void (await wire.request()))
  const { tlsPort, apply, members, table, counters } = await secure(t)
  apply([{ ...members[0]!, address: silent }])
  const tap = new Tap(tlsPort)
  const wire = await dialTls(tlsPort, { socket: tap })
  wire.send(get)
  await until("it is under way", () => table.inFlight(0) === 1)
  tap.raw.resetAndDestroy()
  await until("nothing is held", () => table.isIdle(0) && counters.total("closed") === 1)
  assert.deepEqual(counters.errors(), { client_gone: 1 })
})

test("large bodies go both ways under back-pressure", { skip }, async (t) => {
  const size = 8 * 1024 * 1024
  const echo = await answering(t, ({ body }) =>
    Buffer.concat([Buffer.from(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n`), body]),
  )
  const { dial, apply, members } = await secure(t)
  apply([{ ...members[0]!, address: echo }])
  const wire = await dial()
  const body = randomBytes(size)
  wire.send(`POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: ${size}\r\n\r\n`)
  wire.send(body)
  const response = await wire.response()
  assert.ok(response.body.equals(body))
})

const bulk = 40 * 1024 * 1024

test(
  "a client over TLS that reads nothing holds its backend back, and gets every byte when it does",
  { skip },
  async (t) => {
    let offered: (() => number) | undefined
    const backend = await scripted(t, async (wire) => {
      await wire.request()
      wire.send(`HTTP/1.1 200 OK\r\nContent-Length: ${bulk}\r\n\r\n`)
      offered = offering(wire, bulk)
    })
    const { dial, apply, members } = await secure(t)
    apply([{ ...members[0]!, address: backend }])
    const wire = await dial()
    wire.tls.pause()
    wire.send(get)
    const taken = await settled(() => offered?.() ?? 0)
    assert.ok(taken < bulk / 2, `${taken} bytes were taken`)
    wire.tls.resume()
    await until("all of it", () => wire.received >= bulk)
  },
)

test(
  "a body over TLS that the backend does not read holds its client back, and arrives whole",
  { skip },
  async (t) => {
    let taker: Wire | undefined
    const backend = await scripted(t, async (wire) => {
      await wire.head()
      wire.socket.pause()
      taker = wire
    })
    const { dial, apply, members } = await secure(t)
    apply([{ ...members[0]!, address: backend }])
    const wire = await dial()
    wire.send(`POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: ${bulk}\r\n\r\n`)
    const taken = await settled(offering(wire, bulk))
    assert.ok(taken < bulk / 2, `${taken} bytes were taken`)
    assert.ok(taker !== undefined)
    taker.socket.resume()
    await until("all of it", () => taker!.received >= bulk)
  },
)

test("a tunnel over TLS carries both ways, and each side's end is the other's", { skip }, async (t) => {
  const backend = await scripted(t, async (wire) => {
    await wire.request()
    wire.send("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n")
    wire.socket.on("data", (chunk: Buffer) => wire.send(chunk))
  })
  const { dial, apply, members, counters } = await secure(t)
  apply([{ ...members[0]!, address: backend }])
  const wire = await dial()
  wire.send("GET / HTTP/1.1\r\nHost: a.example\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n")
  await until("it is open", () => wire.text.includes("\r\n\r\n"))
  assert.match(wire.text, /^HTTP\/1\.1 101 /)
  const head = wire.received
  const bytes = randomBytes(300_000)
  wire.send(bytes)
  await until("it has come back", () => wire.received === head + bytes.length)
  assert.ok(wire.bytes.subarray(head).equals(bytes))
  wire.tls.end()
  assert.equal(await wire.closed, "end")
  await until("it is closed", () => counters.total("closed") === 1)
  assert.deepEqual(counters.errors(), {})
})

test(
  "after a storm of clients that break off anywhere, nothing is held and nothing has thrown",
  { skip },
  async (t) => {
    const seed = Math.floor(Math.random() * 2 ** 31)
    t.diagnostic(`seed ${seed}`)
    const rng = seeded(seed)
    const { port, tlsPort, counters, plane, material } = await secure(t, {
      proxyProtocol: { accept: loopback },
      timeouts: { tlsHandshakeMs: 300, clientHeadMs: 300 },
      limits: { queueMax: 200 },
      capacity: { compute: 1_000, storage: 1_000 },
    })
    // Both ways into a handshake are taken: with a look at the ClientHello, and without.
    const header = writeProxyHeader(2, client, destination)
    const storm = async (): Promise<void> => {
      const isTls = rng.below(4) > 0
      const prefix =
        rng.below(5) > 0 ? header : rng.below(2) === 0 ? Buffer.alloc(0) : Buffer.from("PROXY TCP4 1.1.1.1 ")
      const tap = new Tap(isTls ? tlsPort : port, prefix, rng.below(2) === 0 ? undefined : 1 + rng.below(400))
      const maxVersion = rng.below(2) === 0 ? "TLSv1.2" : "TLSv1.3"
      const over = isTls ? connect({ socket: tap, rejectUnauthorized: false, maxVersion }) : tap
      const closed = new Promise<void>((resolve) => tap.raw.once("close", () => resolve()))
      over.on("error", nothing)
      tap.on("error", nothing)
      over.resume()
      over.write(rng.below(3) === 0 ? randomBytes(200) : get.repeat(1 + rng.below(3)))
      await pause(rng.below(60))
      const end = rng.below(4)
      if (end < 2) tap.raw.resetAndDestroy()
      else if (end === 2) tap.raw.end()
      else over.end()
      await Promise.race([closed, pause(1_000)])
      tap.raw.destroy()
      await closed
    }
    for (let round = 0; round < 4; round++) {
      const current = randomBytes(48)
      plane.renewTls({
        ...material,
        ticketKeys: round % 2 === 0 ? [current] : [current, material.ticketKeys[0]!],
      })
      await Promise.all(Array.from({ length: 25 }, storm))
    }
    await until("all are closed", () => counters.total("accepted") === counters.total("closed"))
    assert.equal(counters.total("accepted"), 100)
  },
)

test("stopping waits only a moment for handshakes, and lets exchanges finish", { skip }, async (t) => {
  let answer = nothing
  const slow = await scripted(t, async (wire) => {
    await wire.request()
    answer = () => void wire.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
  })
  const { dial, plane, apply, members, table, tlsPort, counters } = await secure(t)
  apply([{ ...members[0]!, address: slow }])
  const wire = await dial()
  wire.send(get)
  await until("it is under way", () => table.inFlight(0) === 1)
  const silent = new Wire(connectPlain(tlsPort, "127.0.0.1"))
  await until("both are in", () => counters.total("accepted") === 2)
  const stopped = plane.stop()
  await silent.closed
  answer()
  assert.equal((await wire.response()).body.toString(), "ok")
  await stopped
})

// ── redirects ───────────────────────────────────────────────────────────────────────────────────────────────────

test(
  "plain requests are sent to TLS with their host and path, whatever their method",
  { skip },
  async (t) => {
    const { ask, tlsPort, counters } = await secure(t, { tls: { redirect: true } })
    const at = `https://a.example:${tlsPort}`
    for (const [request, location] of [
      ["GET / HTTP/1.1\r\nHost: a.example\r\n\r\n", `${at}/`],
      ["GET /x/../y?q=%0d%0a HTTP/1.1\r\nHost: A.example:5252\r\n\r\n", `${at}/x/../y?q=%0d%0a`],
      ["GET //evil.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n", `${at}//evil.example/`],
      ["GET http://a.example?q HTTP/1.1\r\nHost: a.example\r\n\r\n", `${at}/?q`],
      ["HEAD /h HTTP/1.1\r\nHost: a.example\r\n\r\n", `${at}/h`],
      ["OPTIONS * HTTP/1.1\r\nHost: a.example\r\n\r\n", at],
      ["GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", `https://[::1]:${tlsPort}/`],
      ["POST /p HTTP/1.1\r\nHost: a.example\r\nContent-Length: 4\r\n\r\nbody", `${at}/p`],
      [
        "PUT /p HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        `${at}/p`,
      ],
      // What follows on the connection is not answered: the client has been sent elsewhere.
      ["GET /1 HTTP/1.1\r\nHost: a.example\r\n\r\nGET /2 HTTP/1.1\r\nHost: a.example\r\n\r\n", `${at}/1`],
    ] as const) {
      const answer = await ask(request)
      assert.equal(
        answer.replace(/\r\nDate: [^\r]+/, ""),
        `HTTP/1.1 308 Permanent Redirect\r\nLocation: ${location}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`,
      )
    }
    assert.equal(counters.total("requests"), 10)
    assert.deepEqual(counters.errors(), {})
  },
)

test("a redirect names no port where it is the usual one, and no host that is none", { skip }, async (t) => {
  const { ask, counters } = await secure(t, { tls: { redirect: true, redirectPort: 443 } })
  assert.match(await ask(get), /^HTTP\/1\.1 308 [^]*\r\nLocation: https:\/\/a\.example\/\r\n/)
  const absolute = "GET http://A.example.:80/b HTTP/1.1\r\nHost: elsewhere.example\r\n\r\n"
  assert.match(await ask(absolute), /\r\nLocation: https:\/\/a\.example\/b\r\n/)
  for (const request of [
    "GET / HTTP/1.0\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a,b\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a%0d%0aX: y\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a.example\rX: y\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: 1.2.3.999\r\n\r\n",
  ]) {
    const answer = await ask(request)
    assert.match(answer, /^HTTP\/1\.1 400 /, request)
    assert.ok(!/location/i.test(answer))
  }
  assert.equal(counters.errors()["invalid_host"], 4)
})

test(
  "a trusted proxy's word that the client speaks TLS spares the redirect, a stranger's does not",
  { skip },
  async (t) => {
    const request =
      "GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\nX-Forwarded-Proto: https\r\n\r\n"
    const trusting = await secure(t, { tls: { redirect: true }, trustedProxies: ["127.0.0.0/8"] })
    assert.match(await trusting.ask(request), /^HTTP\/1\.1 200 [^]*X-Forwarded-Proto: https/)
    assert.match(await trusting.ask(request.replace("https", "http")), /^HTTP\/1\.1 308 /)
    const wary = await secure(t, { tls: { redirect: true } })
    assert.match(await wary.ask(request), /^HTTP\/1\.1 308 /)
  },
)

// ── the PROXY protocol ──────────────────────────────────────────────────────────────────────────────────────────

const client = { host: "203.0.113.5", port: 4_711 }
const destination = { host: "198.51.100.1", port: 443 }
const loopback = ["127.0.0.1/32"]

for (const version of [1, 2] as const) {
  test(
    `the client that a PROXY header of version ${version} names is the one the backend is told of`,
    { skip },
    async (t) => {
      const { client: plain, tlsPort } = await secure(t, { proxyProtocol: { accept: loopback } })
      const header = writeProxyHeader(version, client, destination)
      // In one piece with the request, before it, and byte by byte.
      for (const pieces of [
        [Buffer.concat([header, Buffer.from(get)])],
        [header, Buffer.from(get)],
        [...header].map((byte) => Buffer.from([byte])),
      ]) {
        const wire = await plain()
        for (const piece of pieces) {
          wire.send(piece)
          await pause(1)
        }
        if (pieces.length > 2) wire.send(get)
        assert.match(
          (await wire.response()).body.toString(),
          /^X-Forwarded-For: 203\.0\.113\.5\nX-Forwarded-Proto: http$/m,
        )
        // A second request on the connection has no header of its own.
        wire.send(getAndClose)
        assert.match((await wire.response()).body.toString(), /^X-Forwarded-For: 203\.0\.113\.5$/m)
        await wire.closed
      }
      // In one piece with the ClientHello, before it, and in small pieces.
      for (const size of [undefined, header.length, 40]) {
        const socket = new Tap(tlsPort, header, size)
        const wire = await dialTls(tlsPort, { socket, servername: "a.example" })
        wire.send(getAndClose)
        assert.match(
          (await wire.response()).body.toString(),
          /^X-Forwarded-For: 203\.0\.113\.5\nX-Forwarded-Proto: https$/m,
        )
        await wire.closed
      }
    },
  )
}

test("LOCAL and UNKNOWN leave the connection's own address", { skip }, async (t) => {
  const { ask } = await secure(t, { proxyProtocol: { accept: loopback } })
  for (const version of [1, 2] as const) {
    const header = writeProxyHeader(version, undefined, undefined)
    assert.match(
      await ask(Buffer.concat([header, Buffer.from(getAndClose)])),
      /^X-Forwarded-For: 127\.0\.0\.1$/m,
    )
  }
  const unix = writeProxyHeader(2, { path: "/run/a" }, { path: "/run/b" })
  assert.match(await ask(Buffer.concat([unix, Buffer.from(getAndClose)])), /^X-Forwarded-For: unknown$/m)
})

test("a connection that owes a PROXY header and has none is closed without a word", { skip }, async (t) => {
  const {
    ask,
    tlsPort,
    counters,
    client: plain,
  } = await secure(t, {
    proxyProtocol: { accept: loopback },
    timeouts: { clientHeadMs: 100 },
  })
  assert.equal(await ask(get), "")
  assert.equal(await ask("PROXY TCP4 203.0.113.5 198.51.100.1 04711 443\r\n" + get), "")
  assert.match(await failed(dialTls(tlsPort)), /ECONNRESET|closed/)
  assert.deepEqual(counters.errors(), { invalid_proxy_header: 3 })
  // One that does not come to its end, by itself or for lack of time.
  const half = await plain()
  half.send("PROXY TCP4 ")
  half.socket.end()
  await half.closed
  const slow = await plain()
  slow.send("PROXY TCP4 ")
  await slow.closed
  assert.deepEqual(counters.errors(), { invalid_proxy_header: 4, head_timeout: 1 })
})

test("a PROXY header from any other address is no HTTP", { skip }, async (t) => {
  const { ask, counters, tlsPort } = await secure(t, { proxyProtocol: { accept: ["192.0.2.0/24"] } })
  for (const version of [1, 2] as const) {
    const answer = await ask(
      Buffer.concat([writeProxyHeader(version, client, destination), Buffer.from(get)]),
    )
    assert.match(answer, /^HTTP\/1\.1 400 /)
  }
  const socket = new Tap(tlsPort, writeProxyHeader(1, client, destination))
  assert.notEqual(await failed(dialTls(tlsPort, { socket })), "it did not fail")
  assert.equal(counters.errors()["tls_handshake_failed"], 1)
})

test("a check that names itself and goes is no error", { skip }, async (t) => {
  const { port, tlsPort, counters } = await secure(t, { proxyProtocol: { accept: loopback } })
  for (const to of [port, tlsPort]) {
    for (const version of [1, 2] as const) {
      const wire = new Wire(connectPlain({ port: to, host: "127.0.0.1", allowHalfOpen: true }))
      wire.send(writeProxyHeader(version, undefined, undefined))
      wire.socket.end()
      await wire.closed
    }
  }
  await until("all are closed", () => counters.total("closed") === 4)
  assert.deepEqual(counters.errors(), {})
})

test(
  "limits.connectionsMax is for both listeners together, those in mid-handshake among them",
  { skip },
  async (t) => {
    const { dial, client: plain, tlsPort, counters } = await secure(t, { limits: { connectionsMax: 3 } })
    const [first] = [await plain(), await dial()]
    const silent = new Wire(connectPlain(tlsPort, "127.0.0.1"))
    await until("three are in", () => counters.total("accepted") === 3)
    assert.match(await failed(dial()), /ECONNRESET|closed/)
    assert.equal(await (await plain()).closed, "end")
    assert.equal(counters.total("accepted"), 3)
    first.socket.destroy()
    await until("there is room", () => counters.total("closed") === 1)
    const last = await dial()
    last.send(getAndClose)
    assert.equal((await last.response()).status, 200)
    silent.socket.destroy()
  },
)

test(
  "trust is for the client that the PROXY header names, not for the peer that sent it",
  { skip },
  async (t) => {
    const { ask } = await secure(t, {
      proxyProtocol: { accept: loopback },
      trustedProxies: ["203.0.113.0/24"],
    })
    const request = getAndClose.replace("\r\n\r\n", "\r\nX-Forwarded-For: 1.1.1.1\r\n\r\n")
    const from = (host: string) =>
      ask(Buffer.concat([writeProxyHeader(2, { host, port: 1 }, destination), Buffer.from(request)]))
    assert.match(await from("203.0.113.5"), /^X-Forwarded-For: 1\.1\.1\.1, 203\.0\.113\.5$/m)
    assert.match(await from("127.0.0.1"), /^X-Forwarded-For: 127\.0\.0\.1$/m)
  },
)
