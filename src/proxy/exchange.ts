/**
 * Hot path: one client request with its response, over one attempt or several.
 *
 *     idle ──begin──▶ attempting ──final head──▶ responding ──last byte──▶ idle
 *        │             │  ▲    │                      └──(cut)──▶ idle, the client is cut
 *   small body,  no room  │    ├──(failed, may be sent again)──▶ attempting
 *        ▼             ▼  │    ├──(failed)──▶ an error is sent, idle
 *    collecting ─────▶ queued  └──101 that was asked for──▶ tunnel ──both sides ended──▶ idle
 *
 * A body of small known length is collected before a backend is chosen, so that a slow client holds none of its
 * connections; the whole body, or one that memory does not suffice for, goes on as if it had just begun.
 *
 * Every way out of `attempting`, `responding` and `tunnel` leads through `#release`, which settles the attempt.
 * Benchmark: bench/exchange.ts, bench/relay.ts.
 */
import type { Attempt } from "../placing/attempts.ts"
import { avoidMs } from "../placing/choosing.ts"
import { parseDeclaredDemand, type SimulatedDemand } from "../learning/demand.ts"
import { loadReportOf } from "../learning/load-report.ts"
import type { LoadTable } from "../placing/load-table.ts"
import type { Observer } from "../learning/observer.ts"
import { demandOfSize } from "../learning/size-hint.ts"
import type { BackendId } from "../core/backend.ts"
import type { Millis } from "../core/clock.ts"
import { formatEndpoint, plainIp } from "../core/endpoint.ts"
import { type ErrorCode, errors } from "../core/errors.ts"
import { defaultPorts } from "../core/host.ts"
import type { LoadReport } from "../core/load-report.ts"
import type { AttemptResult, Outcome } from "../policies/policy.ts"
import type { BodyReader } from "../http1/body.ts"
import { fields } from "../http1/field-names.ts"
import type { Head } from "../http1/head.ts"
import { KeptBytes } from "../http1/kept-bytes.ts"
import type { ResourceTable, ResourceVector } from "../core/resources.ts"
import { isIdempotent, isSafe } from "../http1/request-head.ts"
import {
  chunkEnd,
  chunkSizeLine,
  keepResponseBytes,
  type DropTable,
  dropTable,
  lastChunk,
  type LineWriter,
  requestHeadBytes,
  responseBytes,
  responseHeadBytes,
} from "../http1/serialize.ts"
import { trailerValue } from "../http1/trailers.ts"
import { isTunnelProtocol } from "../http1/upgrade.ts"
import { affinityHashOf, type Bindings, bindingLines } from "./affinity.ts"
import type { BackendConnection, BackendSide } from "./backends/backend-connection.ts"
import type { BackendPool } from "./backends/backend-pool.ts"
import type { Budget } from "./budget.ts"
import type { Context } from "./context.ts"
import { clientKeyOf, type Contender } from "./fair-share.ts"
import type { DemandTrust } from "./demand-trust.ts"
import type { Demand, Fleet, FleetBackend, Group, Placement } from "./fleet.ts"
import type { Forwarding } from "./entrance/forwarding.ts"
import type { AffinityOptions, BackendOptions } from "../config/config.ts"
import { openingOf, Origin } from "./backends/origin.ts"
import type { ProxyEnds } from "../net/proxy-protocol.ts"
import type { Route, RouteTable } from "./route-table.ts"
import type { Waiting, WaitingQueue } from "../placing/waiting-queue.ts"

/** What comes of a body with its head is copied behind it up to this size, so that both leave in one plain write. */
const joinBytesMax = 16 * 1024

const nothing = Buffer.alloc(0)

/** Where connections are short, bodies that have come slower than this on average give theirs up, after a while. */
const slowBytesPerSecond = 4_096
const graceMs = 2_000
/** And responses of which the client has taken nothing for so long. */
const unreadMs = 3_000

/** Which fields of a response are for the balancer, or written by itself. */
interface ResponseDrops {
  readonly usual: DropTable
  readonly noLength: DropTable
}

const reportFields = ["endpoint-load-metrics", "endpoint-load-metrics-bin"] as const
const stripping = responseDrops([...reportFields, "x-linebacker-backend"])
const passing = responseDrops(["x-linebacker-backend"])

/** How the attempt that has just settled went. One a thread: it is used up at once. */
export class SettledAttempt implements Outcome {
  result: AttemptResult = "success"
  status = 0
  firstByteMs: Millis = NaN
  totalMs: Millis = 0
  retryAfterMs: Millis = NaN
  route = 0
  isExact = false
}

/** The client's connection, as its exchange sees it. */
export interface ClientSide {
  /** Both ends of the client's connection; undefined once it has gone. */
  readonly ends: ProxyEnds | undefined
  /** Not all that was written has left yet. */
  readonly isHolding: boolean
  /** What is written now will most likely have left when the write returns. */
  readonly isPrompt: boolean
  /** Queues bytes for the client; false when it should take a breath (`onClientDrain` follows). */
  write(bytes: Buffer): boolean
  /** Several writes until `uncork` leave together. */
  cork(): void
  uncork(): void
  /** Stops and resumes taking the request's body, or what comes through the tunnel, from the client. */
  pauseBody(): void
  resumeBody(): void
  /** The last byte of the response has been written. */
  onExchangeEnd(keepAlive: boolean): void
  /** From now on all bytes are for the other side (`onTunnelBytes`), those that came early first. */
  onTunnel(): void
  /** The other side of the tunnel sends no more. */
  endTunnel(): void
  /** Both sides of the tunnel have ended. */
  onTunnelEnd(): void
  /** The response cannot be completed: the client must see that it was cut. */
  cut(): void
  /** Ends the exchange with an answer of the balancer's own; nothing of a response has been written. */
  answer(code: ErrorCode, detail: string): void
}

/** What the exchanges of one thread share beside the context. */
export interface ExchangeContext extends Context {
  readonly fleet: Fleet
  readonly table: LoadTable
  readonly placement: Placement
  readonly routes: RouteTable
  readonly observer: Observer
  readonly outcome: SettledAttempt
  readonly demandTrust: DemandTrust
  readonly bindings: Bindings
  /** For bodies that are collected. */
  readonly budget: Budget
  readonly simulated: SimulatedDemand | undefined
  /** The field line that asks the backend for a load report; "" when none is asked for. */
  readonly askLine: string
  /** In simulation, for each resource the start of the field line that tells the backend: `Compute: `. */
  readonly demandLines: readonly string[]
  /** The Host of an HTTP/1.0 request that names none; undefined: the address that its client has connected to. */
  readonly hostDefault: Buffer | undefined
  readonly requestIds: LineWriter
  /** Via as clients get it, of a response in HTTP/1.0 and in HTTP/1.1; "" where they do not. */
  readonly viaLines: readonly [http10: string, http11: string]
  /** The balancer stops: no connection is kept after its exchange, and each response says so. */
  readonly isStopping: boolean
}

export class Exchange implements BackendSide, Contender, Waiting {
  isHead = false
  decodesChunked = false
  upgrades = false
  takesTrailers = false
  readonly #context: ExchangeContext
  readonly #client: ClientSide
  /** Made when the client needs connections of its own: for the PROXY protocol at once, else with its credentials. */
  #origin: Origin | undefined
  readonly #drops: ResponseDrops

  #state: "idle" | "collecting" | "queued" | "attempting" | "responding" | "tunnel" = "idle"
  #attempt: Attempt | undefined
  #connection: BackendConnection | undefined
  /** The connection has said that it may be written to. */
  #ready = false
  #attempts = 0
  #route: Route
  /** Where it waits: that of its route's group, which may be another one by now. Undefined while it does not wait. */
  #queue: WaitingQueue | undefined
  /** Until when it may wait. */
  #queuedUntil: Millis = 0
  #demand: Demand
  #affinityHash: number | undefined = undefined
  #clientAddress: Uint8Array | undefined = undefined
  #boundTo: BackendId | undefined = undefined
  #isSecure = false
  /** When the present attempt began, and when its response did; NaN before. */
  #attemptAt: Millis = 0
  #firstByteAt: Millis = NaN
  #retryAfterMs: Millis = NaN
  /** What the backend says that this request has cost. */
  #cost: Readonly<ResourceVector> | undefined
  /** Backends that have failed it. */
  #tried: FleetBackend[] | undefined
  #idempotent = false
  /** It has credentials that count for the connection which they travel on. */
  #bindsConnection = false
  /** It may be written together with others: nothing follows its head, and it changes nothing. */
  #safe = false
  /** The connection has taken at least one byte of the request. */
  #written = false
  /** The request's head as it goes to any backend. */
  #requestHead: Buffer | undefined
  /** The body so far, kept for another attempt; undefined once it has grown too large for that. */
  #replay: KeptBytes | undefined
  #replayBytes = 0
  /** Bytes of the body that are taken from the budget. */
  #collectedBytes = 0
  /** The client waits for the backend to ask for its body (RFC 9110 10.1.1). */
  #expectsContinue = false
  /** Which of the kept pieces is to be written next; -1 while none is left over. */
  #nextPiece = -1
  #requestEnded = false
  #keepAlive = false
  /** The client reads chunked framing that we have to put around the body. */
  #chunks = false
  #status = 0
  /** The client sends no more through the tunnel, and neither does the backend. */
  #clientEnded = false
  #backendEnded = false

  constructor(context: ExchangeContext, client: ClientSide) {
    this.#context = context
    this.#client = client
    this.#route = context.routes.at(0)
    this.#demand = this.#route.demand
    this.#drops = context.options.response.loadReports === "pass" ? passing : stripping
    this.#origin = originOf(context.options.backends, client)
  }

  get isHolding(): boolean {
    return this.#client.isHolding
  }

  get isIdle(): boolean {
    return this.#state === "idle"
  }

  /** Not one byte of a response has been written, so an answer of our own is still possible. */
  get isAnswerable(): boolean {
    return this.#state === "attempting" || this.#state === "queued" || this.#state === "collecting"
  }

  /**
   * Starts with a parsed head. `ended`: the request has no body. `forwarding` says where the client's requests come
   * from, `extra` is a field line of this request alone; `keepAlive` is whether the client may send another request
   * afterwards.
   */
  begin(head: Head, ended: boolean, forwarding: Forwarding, extra: string, keepAlive: boolean): void {
    const context = this.#context
    context.counters.count(context.worker, "requests")
    this.isHead = head.method === "HEAD"
    this.decodesChunked = head.minor === 0
    // Only a request that has ended can leave its connection to another protocol.
    if (head.upgrade && !(ended && context.options.requests.upgrade && isTunnelProtocol(head)))
      head.upgrade = false
    this.upgrades = head.upgrade
    this.takesTrailers = head.teTrailers || (head.minor === 1 && context.options.response.trailers === "pass")
    this.#idempotent = isIdempotent(head.method)
    this.#safe = ended && !head.upgrade && isSafe(head.method)
    this.#expectsContinue = head.expectsContinue
    this.#bindsConnection = head.bindsConnection
    if (head.bindsConnection) this.#origin ??= new Origin()
    this.#requestEnded = ended
    this.#keepAlive = keepAlive
    this.#attempts = 0
    this.#tried = undefined
    this.#replay = ended ? undefined : new KeptBytes()
    this.#replayBytes = 0
    this.#route = context.routes.of(head)
    const added = extra + context.askLine + this.#weigh(head, forwarding)
    this.#stick(head, forwarding)
    const origin = forwarding.fieldsFor(head)
    this.#requestHead = requestHeadBytes(
      head,
      forwarding.drops,
      origin,
      added,
      context.requestIds,
      head.hostField === -1 ? this.#hostDefault(head, forwarding) : nothing,
    )
    if (!ended && this.#collects(head)) {
      this.#state = "collecting"
      this.#client.resumeBody()
    } else this.#start()
  }

  /** Whether the body is read whole first. A client that expects 100 has to be asked for it (RFC 9110 10.1.1). */
  #collects(head: Head): boolean {
    const { collectedBytesMax } = this.#context.options.limits
    return head.contentLength > 0 && head.contentLength <= collectedBytesMax && !head.expectsContinue
  }

  /** Asks for a backend, behind those that wait for one. */
  #start(): void {
    const { queue } = this.#route.group
    if (queue.length === 0) {
      this.#place()
      return
    }
    if (!this.#context.fleet.couldHold(this.#demand, this.#route.group)) {
      this.#answer("no_backend_fits", "")
      return
    }
    // Small requests would keep a large one waiting for ever: whether this one may pass, the queue says.
    this.#wait()
    queue.serveNew()
  }

  /** Slices of the request's body, framed as they shall go on. */
  onRequestBody(reader: BodyReader): void {
    this.#expectsContinue = false
    const { options } = this.#context
    for (let i = 0; i < reader.outputCount; i++) {
      const slice = reader.output[i]!
      this.#replayBytes += slice.length
      this.#replay?.add(slice)
      if (this.#ready && !this.#connection!.write(slice)) {
        this.#connection!.requestStalls()
        this.#client.pauseBody()
      }
    }
    if (this.#state === "collecting") {
      if (this.#mayCollect()) return
      this.#endCollecting()
      if (!this.isAnswerable) return
    }
    if (this.#replayBytes <= options.limits.replayBytesMax) return
    if (this.#ready) this.#replay = undefined
    // Nobody takes the body yet: it waits where it is, and the client with it.
    else this.#client.pauseBody()
  }

  onRequestEnd(): void {
    this.#requestEnded = true
    if (this.#state === "collecting") this.#endCollecting()
    else if (this.#ready) this.#connection!.requestSent()
  }

  /** Whether there is memory for what has come. */
  #mayCollect(): boolean {
    if (!this.#context.budget.take(this.#replayBytes - this.#collectedBytes)) return false
    this.#collectedBytes = this.#replayBytes
    return true
  }

  /** All of the body is here, or there is no room for more of it. */
  #endCollecting(): void {
    this.#renewRoute()
    this.#start()
  }

  /** The request turned out to be wrong in mid-body, or the exchange took too long: nobody is to blame but us two. */
  onFailed(code: ErrorCode): void {
    const answerable = this.isAnswerable
    this.#leaveQueue()
    if (!answerable) this.#context.counters.countError(this.#context.worker, code)
    this.#release("ignored")
    if (answerable) this.#answer(code, "")
    else this.#client.cut()
  }

  onClientDrain(): void {
    this.#connection?.resume()
  }

  /** The client has gone. Says nothing about the backend. */
  onClientGone(): void {
    if (this.#state !== "idle") {
      if (this.#state !== "tunnel") this.#context.counters.countError(this.#context.worker, "client_gone")
      this.#leaveQueue()
      this.#release("ignored")
    }
    this.#origin?.close()
  }

  /** There may be room now. False while there is none. */
  retryQueued(): boolean {
    if (this.#state !== "queued") return true
    this.#renewRoute()
    return this.#place()
  }

  giveUpQueued(code: ErrorCode): void {
    this.#queue = undefined
    if (this.#state === "queued") this.#answer(code, "")
  }

  // ── when connections are short ────────────────────────────────────────────────────────────────────────────────

  get clientKey(): string {
    return clientKeyOf(this.#clientAddress)
  }

  get heldPool(): BackendPool | undefined {
    return this.#connection?.pool
  }

  get isHeldUp(): boolean {
    const connection = this.#connection
    if (connection === undefined || !this.#ready || this.#state === "tunnel") return false
    if (connection.isPaused) return true
    return !(this.#requestEnded || this.#expectsContinue || connection.socket.writableNeedDrain)
  }

  get isSlow(): boolean {
    const connection = this.#connection
    if (connection === undefined || !this.isHeldUp) return false
    if (connection.isPaused) return connection.pausedMs >= unreadMs
    const heldMs = this.#context.clock.now() - this.#attemptAt
    return heldMs >= graceMs && this.#replayBytes < (heldMs / 1_000) * slowBytesPerSecond
  }

  get heldSince(): Millis {
    return this.#attemptAt
  }

  get waitsIn(): Group | undefined {
    return this.#state === "queued" ? this.#route.group : undefined
  }

  reclaim(): void {
    this.onFailed("connection_reclaimed")
  }

  goAhead(): void {
    this.#leaveQueue()
    this.retryQueued()
  }

  // ── the tunnel, from the client ───────────────────────────────────────────────────────────────────────────────

  onTunnelBytes(bytes: Buffer): void {
    if (!this.#connection!.write(bytes)) this.#client.pauseBody()
  }

  onTunnelEnd(): void {
    this.#clientEnded = true
    if (this.#backendEnded) this.#endTunnel()
    else this.#connection!.socket.end()
  }

  // ── the backend's side ────────────────────────────────────────────────────────────────────────────────────────

  onBackendReady(connection: BackendConnection): void {
    this.#ready = true
    const { socket } = connection
    const replay = this.#replay
    if (replay !== undefined) connection.expectsBody()
    if (replay === undefined || replay.pieces.length === 0) {
      connection.send(this.#requestHead!)
    } else {
      socket.cork()
      socket.write(this.#requestHead!)
      this.#nextPiece = 0
      this.#writeKept(connection, replay.pieces)
      socket.uncork()
    }
    // The system is asked at once: when it refused there, it has taken nothing.
    this.#written = socket.errored === null && !connection.writeFailed
    if (this.#nextPiece !== -1) connection.requestStalls()
    else if (this.#requestEnded) connection.requestSent()
    else if (socket.writableNeedDrain) connection.requestStalls()
    else this.#client.resumeBody()
  }

  /** Writes on from `#nextPiece`: a whole body as fast as it is taken, the beginning of one at once. */
  #writeKept(connection: BackendConnection, pieces: readonly Buffer[]): void {
    let took = true
    while (this.#nextPiece < pieces.length && (took || !this.#requestEnded)) {
      took = connection.socket.write(pieces[this.#nextPiece++]!)
    }
    if (this.#nextPiece < pieces.length) return
    this.#nextPiece = -1
    this.#giveBack()
    if (this.#replayBytes > this.#context.options.limits.replayBytesMax) this.#replay = undefined
  }

  onBackendDrain(): void {
    const connection = this.#connection
    if (this.#nextPiece !== -1 && connection !== undefined) {
      this.#writeKept(connection, this.#replay!.pieces)
      if (this.#nextPiece === -1) connection.requestSent()
      else connection.requestStalls()
      return
    }
    if (this.#state === "tunnel" || !this.#requestEnded) this.#client.resumeBody()
  }

  onInterim(head: Head): void {
    this.#expectsContinue = false
    // A client of HTTP/1.0 knows no 1xx (RFC 9110 15.2).
    if (this.decodesChunked) return
    head.upgrade = false
    const length = responseHeadBytes(head, this.#drops.noLength, false, false, "", 0, false)
    this.#pass(responseBytes.subarray(0, length))
  }

  onWholeResponse(head: Head, bytes: Buffer, from: number, to: number): boolean {
    this.#chunks = false
    const bodyBytes = to - from
    const joins = bodyBytes <= joinBytesMax
    const length = this.#writeHead(head, false, joins ? bodyBytes : 0)
    const out = responseBytes
    if (joins) {
      if (bodyBytes > 0) bytes.copy(out, length, from, to)
      this.#client.write(out.subarray(0, length + bodyBytes))
    } else {
      this.#client.cork()
      this.#client.write(out.subarray(0, length))
      this.#client.write(bytes.subarray(from, to))
      this.#client.uncork()
    }
    if (this.#client.isHolding) keepResponseBytes()
    return !joins
  }

  onResponseHead(head: Head, reader: BodyReader): boolean {
    const bodiless = this.isHead || head.status === 204 || head.status === 304
    this.#chunks = !bodiless && reader.framing === "close" && !this.decodesChunked
    const chunked = this.#chunks || (head.chunked && !this.decodesChunked && head.status !== 204)
    // Only the end of the connection tells a client of HTTP/1.0 where such a body ends.
    if (this.decodesChunked && (head.chunked || reader.framing === "close")) this.#keepAlive = false

    let bodyBytes = 0
    for (let i = 0; i < reader.outputCount; i++) bodyBytes += reader.output[i]!.length
    const joins = bodyBytes <= joinBytesMax && !this.#chunks
    let length = this.#writeHead(head, chunked, joins ? bodyBytes : 0)
    const out = responseBytes
    if (joins) {
      for (let i = 0; i < reader.outputCount; i++) length += reader.output[i]!.copy(out, length)
      this.#pass(out.subarray(0, length))
    } else {
      this.#client.cork()
      this.#client.write(out.subarray(0, length))
      this.onResponseBody(reader)
      this.#client.uncork()
    }
    if (this.#client.isHolding) keepResponseBytes()
    return !joins
  }

  onResponseBody(reader: BodyReader): void {
    if (this.#chunks) this.#client.cork()
    for (let i = 0; i < reader.outputCount; i++) {
      const slice = reader.output[i]!
      if (!this.#chunks) {
        this.#pass(slice)
        continue
      }
      this.#client.write(chunkSizeLine(slice.length))
      this.#client.write(slice)
      this.#pass(chunkEnd)
    }
    if (this.#chunks) this.#client.uncork()
  }

  onTrailers(section: string): void {
    const binary = trailerValue(section, "endpoint-load-metrics-bin")
    const plain = trailerValue(section, "endpoint-load-metrics")
    this.#report(loadReportOf(binary, plain, this.#context.options.resources))
  }

  onResponseEnd(): void {
    if (this.#chunks) this.#client.write(lastChunk)
    const keepAlive = this.#keepAlive && this.#requestEnded
    this.#connection = undefined
    this.#release(this.#status >= 500 ? "failure" : "success", true)
    this.#context.counters.count(this.#context.worker, "answered")
    this.#client.onExchangeEnd(keepAlive)
  }

  onTunnel(head: Head, bytes: Buffer, from: number, to: number): void {
    this.onWholeResponse(head, bytes, from, to)
    this.#state = "tunnel"
    this.#clientEnded = false
    this.#backendEnded = false
    this.#client.onTunnel()
  }

  onTunnelData(bytes: Buffer): void {
    this.#pass(bytes)
  }

  onBackendEnd(): void {
    this.#backendEnded = true
    if (this.#clientEnded) this.#endTunnel()
    else this.#client.endTunnel()
  }

  onBackendFailed(connection: BackendConnection, code: ErrorCode, detail: string): void {
    const { limits } = this.#context.options
    const backend = this.#attempt!.backend as FleetBackend
    this.#connection = undefined
    if (this.#state === "responding" || this.#state === "tunnel") {
      this.#context.counters.countError(this.#context.worker, code)
      this.#release("failure")
      this.#client.cut()
      return
    }
    // A backend may close an idle connection whenever it likes: only a fresh one says something about it.
    const stale = code === "backend_reset" && connection.reused && !connection.answered
    const repeats = this.#mayRepeat(code, connection)
    if (stale && repeats && !backend.pool.isRetired && backend.pool.hasRoom) {
      // The same attempt on a fresh connection. Other idle ones may be dead too, but each says so by itself.
      this.#connect(backend.pool.dial(this.#origin))
      return
    }
    if (isUnreachable(code)) {
      backend.avoidUntil = this.#context.clock.now() + avoidMs
      this.#context.onConnectFailed(backend.id)
    }
    const retries = repeats && this.#attempts < limits.attemptsMax
    const blameless = stale || errors[code].source !== "backend"
    this.#release(blameless ? "ignored" : "failure", false, retries)
    if (!retries) {
      this.#answer(code, detail)
      return
    }
    this.#tried ??= []
    this.#tried.push(backend)
    this.#renewRoute()
    this.#place(code, detail)
  }

  // ── within ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** What a request of this length needs, where the length of its body tells; no body is one of no length. */
  #ofSize(head: Head, usual: Demand): Demand {
    const { bySize, group } = this.#route
    const bytes = this.#requestEnded ? 0 : head.contentLength
    if (bySize === undefined || bytes < 0) return usual
    const vector = new Float64Array(usual.vector.length)
    demandOfSize(usual.vector, bySize, bytes, vector)
    // As with the mean, what is only believed must not keep a request from all backends.
    for (let r = 0; r < vector.length; r++) vector[r] = Math.min(vector[r]!, group.roomMost[r]!)
    return this.#context.fleet.demandOf(vector)
  }

  /** The authority of a request that names none, from what is known of its connection (RFC 9112 3.3). Cold. */
  #hostDefault(head: Head, forwarding: Forwarding): Buffer {
    const { hostDefault, options } = this.#context
    if (hostDefault !== undefined) return hostDefault
    const reached = this.#client.ends?.destination
    if (reached === undefined || "path" in reached) return Buffer.from(options.name, "latin1")
    const port = defaultPorts[forwarding.isSecure(head) ? "https" : "http"]
    const host = plainIp(reached.host)
    const text = formatEndpoint({ host, port: reached.port })
    return Buffer.from(reached.port === port ? text.slice(0, text.lastIndexOf(":")) : text, "latin1")
  }

  /** What the request needs; answers the field lines that tell it to the backend. */
  #weigh(head: Head, forwarding: Forwarding): string {
    const { demandLines, demandTrust, fleet, options, simulated, table } = this.#context
    if (simulated !== undefined) {
      const drawn = new Float64Array(options.resources.length)
      simulated.write(table.nextDraw(), drawn)
      this.#demand = fleet.demandOf(drawn)
      let lines = ""
      for (let r = 0; r < drawn.length; r++) lines += `${demandLines[r]}${drawn[r]}\r\n`
      return lines
    }
    const field = head.find(fields["linebacker-demand"])
    const { demand, bounds } = this.#route
    if (field === -1) {
      this.#demand = this.#ofSize(head, demand)
      return ""
    }
    const declared = Float64Array.from(demand.vector)
    if (!parseDeclaredDemand(head.list(field), options.resources, declared)) {
      this.#demand = this.#ofSize(head, demand)
      return ""
    }
    if (bounds !== undefined && !demandTrust.trusts(forwarding.clientOf(head))) {
      for (let r = 0; r < declared.length; r++) {
        declared[r] = Math.min(Math.max(declared[r]!, bounds.least[r]!), bounds.most[r]!)
      }
    }
    this.#demand = fleet.demandOf(declared)
    return ""
  }

  /** What the request sticks to. */
  #stick(head: Head, forwarding: Forwarding): void {
    const { affinity } = this.#route
    this.#clientAddress = forwarding.clientBytesOf(head)
    this.#affinityHash = undefined
    this.#boundTo = undefined
    if (affinity === undefined) return
    if (affinity.kind !== "cookie") {
      const client = affinity.kind === "address" ? forwarding.clientOf(head) : undefined
      this.#affinityHash = affinityHashOf(affinity, head, client)
      return
    }
    this.#boundTo = this.#context.bindings.boundBy(head, affinity.name)
    this.#isSecure = forwarding.isSecure(head)
  }

  /** Groups may have been replaced since the request came, or since its last attempt. */
  #renewRoute(): void {
    this.#route = this.#context.routes.at(this.#route.number)
  }

  /**
   * Finds a backend, or a place in the queue, or answers. `after` is what ended the attempt before. False when the
   * request waits; after an answer the exchange may carry the client's next one already.
   */
  #place(after?: ErrorCode, detail = ""): boolean {
    const { fleet, placement } = this.#context
    const route = this.#route
    const now = fleet.now(route.group)
    placement.assign(this.#demand, route.number, this.#tried, now)
    const known = this.#origin?.knownBackend(route.group.eligible)
    placement.stick(this.#affinityHash, this.#clientAddress, this.#boundTo, known)
    const placed = fleet.place(placement, route.group)
    if (typeof placed === "object") {
      this.#state = "attempting"
      this.#queue = undefined
      this.#attempt = placed
      this.#attemptAt = now
      this.#firstByteAt = NaN
      this.#retryAfterMs = NaN
      this.#cost = undefined
      this.#status = 0
      this.#attempts++
      this.#connect(this.#take((placed.backend as FleetBackend).pool))
      return true
    }
    if (after !== undefined) this.#answer(after, detail)
    else if (placed !== "full") this.#answer("no_backend", "")
    else if (!fleet.couldHold(this.#demand, route.group)) this.#answer("no_backend_fits", "")
    else {
      // Its route may have got another group since it began to wait.
      if (this.#queue !== route.group.queue) this.#wait()
      return false
    }
    return true
  }

  #wait(): void {
    const { deadlines, options } = this.#context
    if (this.#state !== "queued") this.#queuedUntil = deadlines.timeAfter(options.timeouts.queueMs)
    this.#leaveQueue()
    this.#state = "queued"
    const { group, number } = this.#route
    if (group.queue.push(this, this.#queuedUntil, number, this.#demand.vector)) this.#queue = group.queue
    else this.#answer("queue_full", "")
  }

  #leaveQueue(): void {
    this.#queue?.remove(this)
    this.#queue = undefined
  }

  #take(pool: BackendPool): BackendConnection {
    const depth = this.#context.options.limits.pipelinedMax
    return depth > 1 && this.#safe && this.#attempts === 1 && this.#origin === undefined
      ? pool.takeGathering(depth)
      : pool.take(this.#origin)
  }

  #connect(connection: BackendConnection): void {
    this.#ready = false
    this.#written = false
    this.#nextPiece = -1
    this.#connection = connection
    if (this.#bindsConnection) connection.bindTo(this.#origin!)
    connection.start(this)
  }

  /** Whether the request may be sent again without the danger that it takes effect twice (RFC 9110 9.2.2). */
  #mayRepeat(code: ErrorCode, connection: BackendConnection): boolean {
    const rule = errors[code].retry
    if (rule === "never") return false
    // A body that has begun to go out and was not kept cannot go out again.
    if (this.#replay === undefined && this.#replayBytes > 0) return false
    return rule === "always" || !this.#written || (this.#idempotent && !connection.answered)
  }

  /** The final head into `responseBytes`, with room behind it; answers its length. From here on we are responding. */
  #writeHead(head: Head, chunked: boolean, room: number): number {
    const { options } = this.#context
    this.#state = "responding"
    this.#status = head.status
    // A response that came before the whole request closes the connection: nobody reads the rest of that.
    if (!this.#requestEnded || this.#context.isStopping) this.#keepAlive = false
    let added = head.dateField === -1 ? `Date: ${this.#context.httpDate()}\r\n` : ""
    const { affinity, group } = this.#route
    this.#firstByteAt = this.#context.fleet.now(group)
    if (head.bindsConnection) this.#connection!.bindTo((this.#origin ??= new Origin()))
    if (head.reportField !== -1) this.#report(reportIn(head, options.resources))
    if (head.status === 429 || head.status === 503) this.#retryAfterMs = retryAfterIn(head)
    if (affinity?.kind === "cookie") added += this.#bindingLines(affinity)
    added += this.#context.viaLines[head.minor]
    if (options.response.backendHeader) added += `X-Linebacker-Backend: ${this.#attempt!.backend.id}\r\n`
    if (head.upgradeField !== -1 && head.status !== 101) head.upgrade = this.#advertises(head)
    const drops = head.status === 204 || head.status < 200 ? this.#drops.noLength : this.#drops.usual
    const closes = !this.#keepAlive && head.status !== 101
    return responseHeadBytes(head, drops, chunked, closes, added, room, this.#client.isPrompt)
  }

  /**
   * Whether the client is told of the protocols that the backend names in a response other than 101: in a 426 it has to
   * be (RFC 9110 15.5.22), else only of those that it can have through us (7.8).
   */
  #advertises(head: Head): boolean {
    if (head.status === 426) return true
    return head.upgrade && this.#context.options.requests.upgrade && isTunnelProtocol(head)
  }

  /**
   * A backend has said how it is, with this response: in its head, in its trailers or in both. How busy it is counts
   * each time. What the request has cost counts once, when all is said: of a resource that both name, what the trailers
   * say, as they know the whole response.
   */
  #report(report: LoadReport | undefined): void {
    const attempt = this.#attempt
    if (report === undefined || attempt === undefined) return
    const { fleet, observer } = this.#context
    const { group } = this.#route
    group.policy.onReport?.(attempt.backend, report, fleet.now(group))
    observer.load(attempt.backend.slot, report)
    const before = this.#cost
    const { requestCost } = report
    this.#cost =
      before === undefined ? requestCost : requestCost.map((cost, r) => (cost >= 0 ? cost : before[r]!))
  }

  /** What binds the client to the backend that answers it, unless it is bound to that already. */
  #bindingLines(affinity: AffinityOptions): string {
    const { id } = this.#attempt!.backend
    return id === this.#boundTo
      ? ""
      : bindingLines(affinity, this.#context.bindings.tokenOf(id), this.#isSecure)
  }

  /** Writes to the client, and holds the backend back while the client does not keep up. */
  #pass(bytes: Buffer): void {
    if (!this.#client.write(bytes)) this.#connection?.pause()
  }

  #endTunnel(): void {
    this.#connection?.finish()
    this.#connection = undefined
    this.#release("success", true)
    this.#context.counters.count(this.#context.worker, "answered")
    this.#client.onTunnelEnd()
  }

  #answer(code: ErrorCode, detail: string): void {
    this.#state = "idle"
    this.#queue = undefined
    this.#forget()
    this.#context.counters.countError(this.#context.worker, code)
    this.#client.answer(code, detail)
  }

  /** Settles the attempt and lets go of its connection. `continues`: another attempt follows. */
  #release(result: AttemptResult, answered = false, continues = false): void {
    const attempt = this.#attempt
    const connection = this.#connection
    this.#attempt = undefined
    this.#connection = undefined
    this.#ready = false
    if (!continues) {
      this.#state = "idle"
      this.#forget()
    }
    connection?.abandon(this)
    if (attempt === undefined) return
    const { counters, fleet, worker } = this.#context
    const { group } = this.#route
    if (answered) counters.countAnswer(worker, attempt.backend.slot, attempt.units)
    if (result === "failure") counters.countFailure(worker, attempt.backend.slot)
    const now = fleet.now(group)
    attempt.settle(result, now)
    this.#tell(attempt, result, now)
  }

  /** Tells how the attempt went: the policy, and whoever learns from it. */
  #tell({ backend }: Attempt, result: AttemptResult, now: Millis): void {
    const { observer, outcome, placement } = this.#context
    const { group, number } = this.#route
    if (placement.hasSpace) group.queue.ended(number, this.#demand.vector)
    outcome.result = result
    outcome.status = this.#status
    const firstByteMs = this.#firstByteAt - this.#attemptAt
    outcome.isExact = group.measures
    outcome.firstByteMs = firstByteMs
    // How long a tunnel stayed open says nothing about the backend.
    outcome.totalMs = this.#status === 101 ? firstByteMs : now - this.#attemptAt
    outcome.retryAfterMs = this.#retryAfterMs
    outcome.route = number
    group.policy.onSettled?.(backend, outcome, now)
    observer.settled(backend.slot, number, outcome)
    if (this.#cost !== undefined) observer.cost(backend.slot, number, this.#cost, this.#replayBytes)
  }

  #forget(): void {
    this.#requestHead = undefined
    this.#replay = undefined
    this.#nextPiece = -1
    this.#giveBack()
  }

  #giveBack(): void {
    if (this.#collectedBytes === 0) return
    this.#context.budget.give(this.#collectedBytes)
    this.#collectedBytes = 0
  }
}

function responseDrops(names: Parameters<typeof dropTable>[0]): ResponseDrops {
  return { usual: dropTable(names, false), noLength: dropTable([...names, "content-length"], false) }
}

/** The load report in a head that has one; undefined where it says nothing that can be understood. */
function reportIn(head: Head, resources: ResourceTable): LoadReport | undefined {
  const plain = head.find(fields["endpoint-load-metrics"])
  const binary = head.find(fields["endpoint-load-metrics-bin"])
  return loadReportOf(
    binary === -1 ? undefined : head.value(binary),
    plain === -1 ? undefined : head.value(plain),
    resources,
  )
}

/** Retry-After in whole seconds (RFC 9110 10.2.3), ms; NaN where there is none. A date says too little to act on. */
function retryAfterIn(head: Head): Millis {
  const field = head.find(fields["retry-after"])
  if (field === -1) return NaN
  const value = head.value(field)
  return /^[0-9]{1,9}$/.test(value) ? Number(value) * 1_000 : NaN
}

function originOf(options: BackendOptions, client: ClientSide): Origin | undefined {
  // Asking for both ends is a call into the system.
  if (options.proxyProtocol === "none") return undefined
  return new Origin(openingOf(options.proxyProtocol, client.ends))
}

/** Whether the backend could not even be connected to. */
function isUnreachable(code: ErrorCode): boolean {
  return errors[code].source === "backend" && errors[code].retry === "always"
}
