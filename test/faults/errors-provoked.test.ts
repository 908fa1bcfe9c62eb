/**
 * Every error of the table, provoked through a running data plane. An error without a scenario does not compile.
 *
 * Of each it is held: the status and code that the client is told, what is counted and against which side, how many
 * backends were tried, and that nothing is held afterwards.
 */
import assert from "node:assert/strict"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { test, type TestContext } from "node:test"
import type { Address } from "../../src/membership/snapshot.ts"
import { type ErrorCode, errorCodes, errors, type RetryRule } from "../../src/core/errors.ts"
import { blackHole } from "../support/black-hole.ts"
import { certificateFolder, noOpenssl } from "../support/certificates.ts"
import { codeOf } from "../support/wire/messages.ts"
import {
  answering,
  dial,
  type Message,
  refusing,
  type Relay,
  relay,
  type RelayChange,
  type Script,
  scripted,
  type Wire,
} from "../support/relay.ts"
import { tlsOptions } from "../support/tls-options.ts"
import { until } from "../support/until.ts"

/** `cut`: the response had begun and was broken off. `gone`: there is no client any more. */
type Told = Message | "cut" | "gone"

interface Provoked {
  readonly relay: Relay
  /** What came of each request that provoked the error. */
  readonly told: readonly Told[]
  /** How many attempts failed for a GET and for a POST, where the error is a backend's. */
  readonly attempts?: readonly [get: number, post: number]
}

type Scenario = (t: TestContext) => Promise<Provoked>

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
const get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
const post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody"
const oneSlot = {
  resources: [{ name: "slots", kind: "space", resolution: 1 }],
  capacity: { slots: 1 },
} as const satisfies RelayChange

const scenarios = {
  malformed_start_line: asking("GET  / HTTP/1.1\r\nHost: a\r\n\r\n"),
  malformed_field: asking(head("Na me: 1")),
  bare_line_ending: asking("GET / HTTP/1.1\nHost: a\r\n\r\n"),
  folded_field: asking(head("A: 1\r\n 2")),
  underscore_field: asking(head("A_B: 1"), { requests: { underscores: "reject" } }),
  unsupported_version: asking("GET / HTTP/2.0\r\nHost: a\r\n\r\n"),
  target_too_long: asking(`GET /${"x".repeat(300)} HTTP/1.1\r\n`, { limits: { targetBytesMax: 200 } }),
  head_too_large: asking(head("A: 1\r\n".repeat(90)), { limits: { headBytesMax: 500 } }),
  field_line_too_long: asking(head(`A: ${"x".repeat(300)}`), { limits: { fieldLineBytesMax: 200 } }),
  too_many_fields: asking(head("A: 1\r\n".repeat(30).trim()), { limits: { fieldsMax: 20 } }),
  invalid_target: asking("GET nowhere HTTP/1.1\r\nHost: a\r\n\r\n"),
  invalid_host: asking("GET / HTTP/1.1\r\n\r\n"),
  invalid_content_length: asking(head("Content-Length: +4")),
  conflicting_framing: asking(head("Content-Length: 4\r\nTransfer-Encoding: chunked")),
  invalid_transfer_encoding: asking(head("Transfer-Encoding: chunked, chunked")),
  unknown_transfer_coding: asking(head("Transfer-Encoding: gzip, chunked")),
  invalid_connection_option: asking(head("Connection: host")),
  invalid_chunk: asking(`${head("Transfer-Encoding: chunked")}4\r\nbody\r\nx\r\n`),
  chunk_extensions_too_large: asking(
    `${head("Transfer-Encoding: chunked")}4;a=${"x".repeat(100)}\r\nbody\r\n0\r\n\r\n`,
    { limits: { chunkExtensionBytesMax: 50 } },
  ),
  invalid_trailer: asking(`${head("Transfer-Encoding: chunked")}4\r\nbody\r\n0\r\nContent-Length: 4\r\n\r\n`),
  trailers_too_large: asking(
    `${head("Transfer-Encoding: chunked")}4\r\nbody\r\n0\r\nA: ${"x".repeat(100)}\r\n\r\n`,
    { limits: { trailerBytesMax: 50 } },
  ),
  expectation_failed: asking(head("Expect: 200-ok")),
  method_refused: asking("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n"),
  head_timeout: asking("GET / HTTP/1.1\r\nHo", { timeouts: { clientHeadMs: 20 } }),
  body_timeout: asking(post.slice(0, -2), { timeouts: { clientBodyMs: 20 } }),

  invalid_proxy_header: asking(get, { proxyProtocol: { accept: ["127.0.0.0/8"] } }),
  tls_handshake_failed: handshaking("16 03 01 00 04 02 00 00 00"),
  tls_handshake_timeout: handshaking("16 03 01", { timeouts: { tlsHandshakeMs: 20 } }),
  tls_expected: handshaking(get),

  body_too_large: asking(post, { limits: { bodyBytesMax: 3 } }),
  loop_detected: asking(head(`Via: ${Array(8).fill("1.1 linebacker").join(", ")}`)),
  async client_gone(t) {
    const backend = await scripted(t, () => {})
    const plane = await relay(t, [backend])
    const wire = await plane.client()
    wire.send(get)
    await until("the request is there", () => backend.wires[0]?.text.endsWith("\r\n\r\n") === true)
    wire.reset()
    return { relay: plane, told: ["gone"] }
  },

  connect_failed: failing(() => refusing()),
  connect_timeout: failing(blackHole, { timeouts: { connectMs: 50 } }),
  resolve_failed: failing(() => Promise.resolve({ host: "unknown.test", port: 80 }), {
    resolve: (_name, found) =>
      found(Object.assign(new Error("no such name"), { code: "ENOTFOUND", syscall: "getaddrinfo" }), []),
  }),
  backend_tls_failed: failing(
    (t) => scripted(t, (wire) => void wire.socket.once("data", () => wire.reset())),
    { member: { scheme: "https" } },
  ),
  backend_reset: failing((t) => after(t, (wire) => wire.reset())),
  response_head_timeout: failing((t) => after(t, () => {}), { timeouts: { responseHeadMs: 20 } }),
  invalid_response: failing((t) => after(t, (wire) => void wire.send("SMTP 220\r\n\r\n"))),
  response_cut: failing((t) =>
    after(t, async (wire) => {
      wire.send(ok.slice(0, -1))
      await until("it has left", () => wire.socket.writableLength === 0)
      wire.reset()
    }),
  ),
  response_timeout: failing((t) => after(t, (wire) => void wire.send(ok.slice(0, -1))), {
    timeouts: { betweenBytesMs: 20 },
  }),

  async exchange_timeout(t) {
    const plane = await relay(t, [await after(t, () => {})], { timeouts: { exchangeMs: 20 } })
    return { relay: plane, told: [await told(plane, get)] }
  },
  async tunnel_timeout(t) {
    const granted = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"
    const plane = await relay(t, [await after(t, (wire) => void wire.send(granted))], {
      timeouts: { streamIdleMs: 20 },
    })
    const wire = await plane.client()
    wire.send("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n")
    await wire.closed
    return { relay: plane, told: ["cut"] }
  },
  async local_shortage(t) {
    const plane = await relay(t, [{ host: "unknown.test", port: 80 }], {
      resolve: (_name, found) =>
        found(Object.assign(new Error("no descriptors"), { code: "EMFILE", syscall: "connect" }), []),
    })
    return { relay: plane, told: [await told(plane, get)] }
  },
  async no_backend(t) {
    const plane = await relay(t, [])
    return { relay: plane, told: [await told(plane, get)] }
  },
  async no_backend_fits(t) {
    const resources = [{ name: "memory", kind: "space", resolution: 1 }] as const
    const capacity = { memory: 4 }
    const demand = { trusted: ["127.0.0.0/8"] }
    const backend = await after(t, (wire) => void wire.send(ok))
    const plane = await relay(t, [backend], { resources, capacity, demand })
    const greedy = get.replace("\r\n\r\n", "\r\nLinebacker-Demand: memory=5\r\n\r\n")
    return { relay: plane, told: [await told(plane, greedy)] }
  },
  async connection_reclaimed(t) {
    const backend = await scripted(t, async (wire) => {
      await wire.request()
      wire.send(ok)
    })
    const plane = await relay(t, [backend], {
      trustedProxies: ["127.0.0.1"],
      limits: { connectionsPerBackendMax: 2 },
    })
    const slow = [await plane.client(), await plane.client()]
    for (const wire of slow) wire.send(`${chunkedHead("192.0.2.1")}1\r\nx\r\n`)
    await until("all connections are held", () => backend.wires.length === 2)
    await told(plane, get)
    slow[1]!.send("0\r\n\r\n")
    assert.equal((await slow[1]!.response()).status, 200)
    return { relay: plane, told: [await slow[0]!.response()] }
  },
  queue_full: (t) => crowded(t, { limits: { queueMax: 0 } }, async (plane) => told(plane, get)),
  queue_timeout: (t) => crowded(t, { timeouts: { queueMs: 20 } }, async (plane) => told(plane, get)),
  async too_many_connections(t) {
    const plane = await relay(t, [], { limits: { connectionsMax: 1 } })
    await plane.client()
    await until("it is in", () => plane.counters.total("accepted") === 1)
    return { relay: plane, told: [await told(plane, "")] }
  },
  shutting_down: (t) =>
    crowded(t, {}, async (plane, finish) => {
      const wire = await plane.client()
      wire.send(get)
      await until("it waits", () => plane.counters.total("requests") === 2)
      const stopped = plane.plane.stop()
      const response = await wire.response()
      finish()
      await stopped
      return response
    }),
} as const satisfies Record<ErrorCode, Scenario>

/** How many of two backends that fail in the same way are asked for a GET and for a POST. */
const attemptsOf: Readonly<Record<RetryRule, readonly [get: number, post: number]>> = {
  always: [2, 2],
  idempotent: [2, 1],
  never: [1, 1],
}

for (const code of errorCodes) {
  const { status, source, retry } = errors[code]
  // Certificates take openssl.
  const skip = code.startsWith("tls_") ? noOpenssl : false
  test(`${code}: the ${source}'s, ${status}, tried again ${retry}`, { skip }, async (t) => {
    const scenario: Scenario = scenarios[code]
    const { relay: plane, told: all, attempts } = await scenario(t)
    await until("its count", () => plane.counters.errors()[code] === all.length)
    assert.deepEqual(plane.counters.errors(), { [code]: all.length })
    for (const one of all) {
      if (typeof one === "string") continue
      assert.equal(one.status, status)
      assert.equal(codeOf(one), code)
    }
    assert.deepEqual(attempts, source === "backend" ? attemptsOf[retry] : undefined)
    const failures = plane.members.reduce((sum, { slot }) => sum + plane.counters.failures(slot), 0)
    assert.equal(failures, attempts === undefined ? 0 : attempts[0] + attempts[1], "failures of backends")
    await until("nothing is held", () => plane.members.every(({ slot }) => plane.table.isIdle(slot)))
    for (const { slot } of plane.members) assert.equal(plane.table.inFlight(slot), 0)
  })
}

test("docs/faults.md lists every error as the table has it, and no other", () => {
  const document = readFileSync(join(import.meta.dirname, "..", "..", "docs", "faults.md"), "utf8")
  const rows = document.split("\n").filter((line) => /^\| `[a-z_]+` \|/.test(line))
  const expected = errorCodes.map((code) => {
    const { source, status, retry, meaning } = errors[code]
    return `| \`${code}\` | ${status} | ${source} | ${retry} | ${meaning} |`
  })
  assert.deepEqual(rows, expected)
})

function chunkedHead(client: string): string {
  return head(`X-Forwarded-For: ${client}\r\nTransfer-Encoding: chunked`)
}

function head(fields: string): string {
  return `POST / HTTP/1.1\r\nHost: a\r\n${fields}\r\n\r\n`
}

/** What a client is told that sends this, and nothing more. */
async function told({ client }: Relay, bytes: string): Promise<Told> {
  return toldOn(await client(), bytes)
}

async function toldOn(wire: Wire, bytes: string | Buffer): Promise<Told> {
  wire.send(bytes)
  try {
    return await wire.response()
  } catch {
    return (await wire.closed) === "broken" && wire.text.startsWith("HTTP/1.1 200") ? "cut" : "gone"
  }
}

/** A client that is wrong itself, before a backend that would respond to anything. */
function asking(bytes: string, change: RelayChange = {}): Scenario {
  return async (t) => {
    const backend = await answering(t, () => ok)
    const plane = await relay(t, [backend], change)
    return { relay: plane, told: [await told(plane, bytes)] }
  }
}

/** A client that begins like this on a port that speaks TLS; hexadecimal where it is no text. */
function handshaking(begin: string, change: RelayChange = {}): Scenario {
  return async (t) => {
    const tls = tlsOptions({
      certificates: [certificateFolder(t).make("a", ["a"])],
      ticketKeys: [Buffer.alloc(48)],
    })
    const plane = await relay(t, [], { ...change, tls })
    const wire = await dial(plane.plane.tlsPort!)
    t.after(() => void wire.socket.destroy())
    const bytes = begin.startsWith("16") ? Buffer.from(begin.replaceAll(" ", ""), "hex") : begin
    return { relay: plane, told: [await toldOn(wire, bytes)] }
  }
}

/** A GET and a POST before two backends that fail in the same way. */
function failing(backend: (t: TestContext) => Promise<Address>, change: RelayChange = {}): Scenario {
  return async (t) => {
    const plane = await relay(t, [await backend(t), await backend(t)], change)
    const failures = (): number => plane.counters.failures(0) + plane.counters.failures(1)
    const first = await told(plane, get)
    const gets = failures()
    const second = await told(plane, post)
    return { relay: plane, told: [first, second], attempts: [gets, failures() - gets] }
  }
}

/** A backend that fails in this way once it has the whole request. */
function after(t: TestContext, script: Script): Promise<Address> {
  return scripted(t, async (wire, nth) => {
    await wire.request()
    await script(wire, nth)
  })
}

/** One more request than there is room for; `finish` lets the one that has room get its response. */
async function crowded(
  t: TestContext,
  change: RelayChange,
  ask: (plane: Relay, finish: () => void) => Promise<Told>,
): Promise<Provoked> {
  const { promise: finished, resolve: finish } = Promise.withResolvers<void>()
  const backend = await answering(t, async () => {
    await finished
    return ok
  })
  const plane = await relay(t, [backend], { ...oneSlot, ...change })
  const holder: Wire = await plane.client()
  holder.send(get)
  await until("the room is taken", () => plane.table.inFlight(0) === 1)
  const one = await ask(plane, finish)
  finish()
  assert.equal((await holder.response()).status, 200)
  return { relay: plane, told: [one] }
}
