/**
 * What the tests of the relay stand on: a data plane in this process before backends that do what a script says,
 * and both ends of a connection in raw bytes, read by a parser that shares nothing with ours.
 */
import assert from "node:assert/strict"
import { randomBytes } from "node:crypto"
import { connect, createServer, type AddressInfo, type ListenOptions, type Server, Socket } from "node:net"
import type { TestContext } from "node:test"
import { LoadTable } from "../../src/placing/load-table.ts"
import type { Address, Member, TcpAddress } from "../../src/membership/snapshot.ts"
import { type NamedAmounts, resourcesDefault, type ResourceTable } from "../../src/core/resources.ts"
import { seeded } from "../../src/core/rng.ts"
import { Counters } from "../../src/metrics/counters.ts"
import { DataPlane } from "../../src/proxy/data-plane.ts"
import type { Descriptors } from "../../src/proxy/threads/descriptors.ts"
import type { Resolve } from "../../src/net/name-cache.ts"
import { plainPolicy, type PolicyName } from "../../src/policies/index.ts"
import type { AffinityOptions } from "../../src/config/config.ts"
import { type DataPlaneOptions, dataPlaneSettings, type RoutingOptions } from "../../src/proxy/options.ts"
import { httpDate, systemClock, systemTimers } from "../../src/system.ts"
import { plainBackends } from "./backend-options.ts"
import { memberAt } from "./members.ts"
import { defaults } from "./settings.ts"

const slots = 16

/** Sections of which a test says what differs from the usual. */
type Sections = "demand" | "limits" | "timeouts" | "upstream" | "requests" | "response"
/** Options that a test gives whole. */
type Wholes = "resources" | "tls" | "proxyProtocol" | "trustedProxies" | "forwarded" | "via" | "routing"

export interface RelayChange
  extends
    Partial<Pick<DataPlaneOptions, Wholes>>,
    Readonly<{ [K in Sections]?: Partial<DataPlaneOptions[K]> }> {
  /** What every backend has, by resource name. */
  readonly capacity?: Member["capacity"]
  /** What every member speaks and says of itself. */
  readonly member?: Partial<Pick<Member, "scheme" | "labels">>
  readonly resolve?: Resolve
  /** There are no members yet: `apply` brings them. */
  readonly empty?: boolean
  /** No limit without them. */
  readonly descriptors?: Descriptors
}

export interface Relay {
  readonly port: number
  readonly plane: DataPlane
  readonly table: LoadTable
  readonly counters: Counters
  readonly members: readonly Member[]
  /** From now on these are the members. */
  readonly apply: (members: readonly Member[]) => void
  readonly client: () => Promise<Wire>
  /** Sends the bytes on a connection of their own, and returns all that comes until that ends. */
  readonly ask: (bytes: string | Buffer) => Promise<string>
}

/** A data plane on a free port. When the test ends, it stops, and must have nothing left in its hands. */
export async function relay(
  t: TestContext,
  backends: readonly Address[],
  change: RelayChange = {},
): Promise<Relay> {
  const resources = change.resources ?? resourcesDefault
  const table = LoadTable.create(resources, slots, 1)
  const counters = Counters.create(slots, 1, resources.length)
  const capacity = change.capacity ?? { compute: 20, storage: 20 }
  const members = backends.map((address, slot) => ({
    ...memberAt(slot, address, capacity),
    ...change.member,
  }))
  const plane = new DataPlane({
    options: dataPlaneOptions(resources, change),
    table,
    counters,
    clock: systemClock,
    rng: seeded(1),
    httpDate,
    timers: systemTimers,
    onConnectFailed: () => {},
    ...(change.descriptors === undefined ? {} : { descriptors: change.descriptors }),
    ...(change.resolve === undefined ? {} : { resolve: change.resolve }),
  })
  let version = 0
  const apply = (eligible: readonly Member[]): void =>
    plane.apply({ version: ++version, members: eligible, eligible })
  if (change.empty !== true) apply(members)
  const port = await plane.listen()
  const clients: Wire[] = []
  t.after(async () => {
    for (const client of clients) client.socket.destroy()
    await plane.stop()
    for (let slot = 0; slot < slots; slot++) {
      assert.equal(table.inFlight(slot), 0, `attempts in flight in slot ${slot}`)
      assert.ok(table.isIdle(slot), `slot ${slot} holds demand`)
    }
    assert.equal(counters.total("accepted"), counters.total("closed"), "accepted and closed connections")
  })
  const client = async (): Promise<Wire> => {
    const wire = await dial(port)
    clients.push(wire)
    return wire
  }
  const ask = async (bytes: string | Buffer): Promise<string> => {
    const wire = await client()
    wire.send(bytes)
    await wire.closed
    return wire.text
  }
  return { port, plane, table, counters, members, apply, client, ask }
}

/** Options of a data plane on a free port, with limits and times that suit a test. */
export function dataPlaneOptions(
  resources: DataPlaneOptions["resources"],
  change: RelayChange = {},
): DataPlaneOptions {
  const { demand, limits, requests, response, timeouts, upstream, ...wholes } = change
  return {
    ...dataPlaneSettings(defaults),
    listen: { host: "127.0.0.1", port: 0 },
    tls: undefined,
    worker: 0,
    routing: routingOf("round-robin"),
    cookieKey: "0123456789abcdef",
    seed: 1,
    ...wholes,
    resources,
    demand: { ...defaults.demand, default: once(resources), ...demand },
    upstream: { ...plainBackends, ...upstream },
    requests: { ...defaults.requests, ...requests },
    response: { ...defaults.response, backendHeader: true, ...response },
    limits: {
      ...defaults.limits,
      collectedBytesMax: 0,
      collectedBytesTotalMax: 1_048_576,
      connectionsMax: 1_000,
      connectionsPerBackendMax: 64,
      idlePerBackendMax: 8,
      queueMax: 4,
      bodyBytesPerSecondMin: 0,
      responseBytesPerSecondMin: 0,
      ...limits,
    },
    // Longer than the busiest machine takes: a test of one of them sets its own.
    timeouts: {
      ...defaults.timeouts,
      clientHeadMs: 120_000,
      tlsHandshakeMs: 120_000,
      clientIdleMs: 120_000,
      clientBodyMs: 120_000,
      clientHalfClosedMs: 120_000,
      lingerMs: 120_000,
      lingerIdleMs: 60_000,
      connectMs: 60_000,
      responseHeadMs: 120_000,
      betweenBytesMs: 120_000,
      streamIdleMs: 120_000,
      backendIdleMs: 120_000,
      queueMs: 120_000,
      firstMemberMs: 0,
      drainMs: 1_000,
      ...timeouts,
    },
  }
}

function once(resources: ResourceTable): NamedAmounts {
  return Object.fromEntries(resources.map(({ name }) => [name, 1]))
}

/** All backends in one group under this policy, without rules. */
export function routingOf(policy: PolicyName): RoutingOptions {
  const choosing = { policy: plainPolicy(policy) }
  return { groups: [{ pool: "", match: undefined, choosing }], routes: [], affinity: noAffinity }
}

export const noAffinity: AffinityOptions = defaults.affinity

/** What a backend does with one connection; `nth` counts its connections from 0. */
export type Script = (wire: Wire, nth: number) => void | Promise<void>

export interface ScriptedBackend extends TcpAddress {
  readonly wires: readonly Wire[]
}

/** A backend that runs the script on every connection. A script that fails ends its connection. */
export async function scripted(t: TestContext, script: Script): Promise<ScriptedBackend> {
  const server = createServer({ allowHalfOpen: true, noDelay: true })
  const wires = await playing(t, server, "connection", script, { host: "127.0.0.1", port: 0 })
  return { host: "127.0.0.1", port: (server.address() as AddressInfo).port, wires }
}

/** Runs the script on whatever the server accepts, wherever it listens. */
export async function playing(
  t: TestContext,
  server: Server,
  event: "connection" | "secureConnection",
  script: Script,
  where: ListenOptions,
): Promise<readonly Wire[]> {
  const wires: Wire[] = []
  server.on(event, (socket: Socket) => {
    const wire = new Wire(socket)
    const nth = wires.push(wire) - 1
    // An end of the connection in mid-script is what many tests are about.
    void (async () => script(wire, nth))().catch(() => socket.destroy())
  })
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(where, resolve))
  t.after(() => {
    server.close()
    for (const { socket } of wires) socket.destroy()
  })
  return wires
}

/** A backend that responds to every request in turn. */
export function answering(t: TestContext, answer: Answer): Promise<ScriptedBackend> {
  return scripted(t, answers(answer))
}

export type Answer = (request: Message, wire: Wire) => string | Buffer | Promise<string | Buffer>

/** The script of a backend that responds to every request in turn. */
export function answers(answer: Answer): Script {
  return async (wire) => {
    for (;;) {
      const request = await wire.request()
      wire.send(await answer(request, wire))
    }
  }
}

/** An address where no program listens. */
export async function refusing(): Promise<TcpAddress> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return { host: "127.0.0.1", port }
}

export async function dial(port: number): Promise<Wire> {
  const socket = connect({ host: "127.0.0.1", port, noDelay: true, allowHalfOpen: true })
  const wire = new Wire(socket)
  await new Promise((resolve) => socket.once("connect", resolve).once("close", resolve))
  return wire
}

export interface Message {
  /** The start line. */
  readonly start: string
  readonly status: number
  readonly fields: readonly (readonly [name: string, value: string])[]
  readonly framing: "none" | "length" | "chunked" | "close"
  readonly body: Buffer
  /** The first value of a field, its name in lower case. */
  readonly field: (name: string) => string | undefined
}

export class Wire {
  readonly socket: Socket
  /** Resolves when the connection is gone: "end" after an orderly end of the other side, else "broken". */
  readonly closed: Promise<"end" | "broken">
  /** The other side has sent its last byte. */
  ended = false
  gone = false
  #chunks: Buffer[] = []
  /** Bytes before the first unread message. */
  #taken = 0
  #waiting: (() => void)[] = []

  constructor(socket: Socket) {
    this.socket = socket
    socket.on("data", (chunk: Buffer) => {
      this.#chunks.push(chunk)
      this.#wake()
    })
    socket.on("end", () => {
      this.ended = true
      this.#wake()
      // A client that is told that no more comes goes too, once its own bytes are out.
      if (!socket.writableEnded) socket.end()
    })
    socket.on("error", () => {})
    this.closed = new Promise((resolve) => {
      socket.on("close", () => {
        this.gone = true
        this.#wake()
        resolve(this.ended ? "end" : "broken")
      })
    })
  }

  /** All that has come. */
  get bytes(): Buffer {
    if (this.#chunks.length > 1) this.#chunks = [Buffer.concat(this.#chunks)]
    return this.#chunks[0] ?? Buffer.alloc(0)
  }

  get text(): string {
    return this.bytes.toString("latin1")
  }

  get received(): number {
    return this.#chunks.reduce((sum, chunk) => sum + chunk.length, 0)
  }

  send(bytes: string | Buffer): boolean {
    return this.socket.write(typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes)
  }

  reset(): void {
    this.socket.resetAndDestroy()
  }

  /** The next request. Rejects when the connection ends before it is whole. */
  request(): Promise<Message> {
    return this.#next(false)
  }

  /** The next response, interim ones too. `bodiless`: it responds to HEAD. */
  response(bodiless = false): Promise<Message> {
    return this.#next(true, bodiless)
  }

  /** The head of the next request, without its body, which stays unread. */
  async head(): Promise<string> {
    for (;;) {
      const rest = this.bytes.subarray(this.#taken).toString("latin1")
      const end = rest.indexOf("\r\n\r\n")
      if (end !== -1) return rest.slice(0, end + 4)
      if (this.ended || this.gone) throw new Error("the connection ended before the head")
      await this.#more()
    }
  }

  async #next(isResponse: boolean, bodiless = false): Promise<Message> {
    for (;;) {
      const bytes = this.bytes.subarray(this.#taken)
      const read = messageIn(bytes, isResponse, bodiless, this.ended)
      if (read !== undefined) {
        this.#taken += read.length
        return read.message
      }
      if (this.ended || this.gone) throw new Error(`no whole message in ${JSON.stringify(shortOf(bytes))}`)
      await this.#more()
    }
  }

  #more(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  #wake(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const resolve of waiting) resolve()
  }
}

function shortOf(bytes: Buffer): string {
  return bytes.toString("latin1", 0, 400)
}

/** A whole message at the start of the bytes, and how many it takes. */
function messageIn(
  bytes: Buffer,
  isResponse: boolean,
  bodiless: boolean,
  ended: boolean,
): { readonly message: Message; readonly length: number } | undefined {
  const headEnd = bytes.indexOf("\r\n\r\n")
  if (headEnd === -1) return undefined
  const [start = "", ...lines] = bytes.toString("latin1", 0, headEnd).split("\r\n")
  const fields = lines.map((line) => {
    const colon = line.indexOf(":")
    assert.ok(colon > 0, `no field: ${JSON.stringify(line)}`)
    return [line.slice(0, colon), line.slice(colon + 1).trim()] as const
  })
  const field = (name: string): string | undefined =>
    fields.find(([found]) => found.toLowerCase() === name)?.[1]
  const status = isResponse ? Number(start.slice(9, 12)) : 0
  const from = headEnd + 4
  const made = (framing: Message["framing"], body: Buffer, length: number) => ({
    message: { start, status, fields, framing, body, field },
    length,
  })
  const none = Buffer.alloc(0)
  if (bodiless || (isResponse && (status < 200 || status === 204 || status === 304)))
    return made("none", none, from)
  if (field("transfer-encoding") !== undefined) {
    const data: Buffer[] = []
    for (let at = from; ;) {
      const lineEnd = bytes.indexOf("\r\n", at)
      if (lineEnd === -1) return undefined
      const size = Number.parseInt(bytes.toString("latin1", at, lineEnd), 16)
      const next = lineEnd + 2 + size + 2
      if (bytes.length < next) return undefined
      assert.equal(bytes.toString("latin1", next - 2, next), "\r\n", "the end of a chunk")
      if (size === 0) return made("chunked", Buffer.concat(data), next)
      data.push(bytes.subarray(lineEnd + 2, next - 2))
      at = next
    }
  }
  const length = field("content-length")
  if (length !== undefined) {
    const end = from + Number(length)
    return bytes.length < end ? undefined : made("length", bytes.subarray(from, end), end)
  }
  if (!isResponse) return made("none", none, from)
  return ended ? made("close", bytes.subarray(from), bytes.length) : undefined
}

/** Bytes that a socket of this process with that port holds, since the system takes no more of them. */
export function unsent(end: "localPort" | "remotePort", port: number): number {
  // No other way leads to the sockets of the relay.
  // oxlint-disable-next-line eslint/no-underscore-dangle
  const { _getActiveHandles: handles } = process as unknown as { readonly _getActiveHandles: () => unknown[] }
  const sockets = handles().filter((handle) => handle instanceof Socket && handle[end] === port)
  return Math.max(0, ...sockets.map((socket) => (socket as Socket).writableLength))
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

/** A whole body in chunks of this many bytes. */
export function chunked(data: Buffer, size: number): Buffer {
  const parts: Buffer[] = []
  for (let at = 0; at < data.length; at += size) {
    const part = data.subarray(at, at + size)
    parts.push(Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from("\r\n"))
  }
  return Buffer.concat([...parts, Buffer.from("0\r\n\r\n")])
}

/** Sends so many bytes, as fast as they are taken; returns how many have been handed over so far. */
export function offering(wire: Wire, total: number): () => number {
  const block = randomBytes(64 * 1024)
  let offered = 0
  const offer = (): void => {
    while (offered < total) {
      offered += block.length
      if (!wire.send(block)) return
    }
  }
  wire.socket.on("drain", offer)
  offer()
  return () => offered
}

/** What it is once it is above 0 and changes no more. */
export async function settled(what: () => number): Promise<number> {
  let before = what()
  for (let i = 0; i < 100; i++) {
    await pause(150)
    const now = what()
    if (now === before && now > 0) return now
    before = now
  }
  throw new Error("it goes on changing")
}
