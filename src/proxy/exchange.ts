/**
 * Hot path: one client request with its response, over however many attempts it takes.
 *
 *     idle ──begin──▶ queued ──room──▶ attempting ──final head──▶ responding ──last byte──▶ idle
 *                       │                │    ▲                        │
 *                       │                └────┘ another backend,       └── cut: the client is cut too
 *                       └──▶ answered          where it is safe
 *                            (an error of ours)
 *
 * Every attempt is settled exactly once: `success` or `failure` when the backend's part has ended, `ignored`
 * when the client left or the attempt says nothing about the backend. A request is answered once: what comes
 * after `responding` began can only complete or cut the response. Benchmark: bench/relay.ts.
 */
import type { Attempt } from "../cluster/attempts.ts"
import { parseDeclaredDemand, type SimulatedDemand } from "../cluster/demand.ts"
import type { LoadTable } from "../cluster/load-table.ts"
import { type ErrorCode, errors } from "../core/errors.ts"
import type { AttemptResult } from "../policies/policy.ts"
import type { BodyReader } from "../http1/body.ts"
import { fields } from "../http1/field-names.ts"
import type { Head } from "../http1/head.ts"
import { isIdempotent } from "../http1/request-head.ts"
import {
  chunkEnd,
  chunkSizeLine,
  type DropTable,
  dropTable,
  lastChunk,
  requestHeadBytes,
  responseBytes,
  responseHeadBytes,
} from "../http1/serialize.ts"
import type { BackendConnection, BackendSide } from "./backend-connection.ts"
import type { Context } from "./context.ts"
import type { Forwarding } from "./forwarding.ts"
import type { BackendOptions } from "./options.ts"
import { openingOf, Origin } from "./origin.ts"
import type { ProxyEnds } from "./proxy-protocol.ts"
import type { WaitingQueue } from "./waiting-queue.ts"
import { avoidMs, type Fleet, type FleetBackend, Placement } from "./fleet.ts"

/** Fields of a response that are for the balancer, or that it writes itself. */
const ownResponseFields = [
  "endpoint-load-metrics",
  "endpoint-load-metrics-bin",
  "x-linebacker-backend",
] as const
const responseDrops: DropTable = dropTable(ownResponseFields, false)
const responseDropsNoLength: DropTable = dropTable([...ownResponseFields, "content-length"], false)

/** The client's connection, as its exchange sees it. */
export interface ClientSide {
  /** Both ends of the client's connection; undefined once it has gone. */
  readonly ends: ProxyEnds | undefined
  /** Not all that was written has left yet. */
  readonly isHolding: boolean
  /** Queues bytes for the client; false when it should take a breath (`onClientDrain` follows). */
  write(bytes: Buffer): boolean
  /** Several writes until `uncork` leave together. */
  cork(): void
  uncork(): void
  /** Stops and resumes taking the request's body from the client. */
  pauseBody(): void
  resumeBody(): void
  /** The last byte of the response has been written. */
  onExchangeEnd(keepAlive: boolean): void
  /** The response cannot be completed: the client must see that it was cut. */
  cut(): void
  /** Ends the exchange with an answer of the balancer's own; nothing of a response has been written. */
  answer(code: ErrorCode, detail: string): void
}

/** What the exchanges of one thread share beside the context. */
export interface ExchangeContext extends Context {
  readonly fleet: Fleet
  readonly table: LoadTable
  readonly simulated: SimulatedDemand | undefined
  /** Requests that wait for room. */
  readonly queue: WaitingQueue
  /** In simulation, for each resource the start of the field line that tells the backend: `Compute: `. */
  readonly demandLines: readonly string[]
  /** The Host of an HTTP/1.0 request that names none. */
  readonly hostDefault: Buffer
  nextRequestId(): string
}

export class Exchange implements BackendSide {
  isHead = false
  decodesChunked = false
  readonly #context: ExchangeContext
  readonly #client: ClientSide
  readonly #placement: Placement
  readonly #origin: Origin | undefined

  #state: "idle" | "queued" | "attempting" | "responding" = "idle"
  #attempt: Attempt | undefined
  #connection: BackendConnection | undefined
  /** The connection has said that it may be written to. */
  #ready = false
  #attempts = 0
  #idempotent = false
  /** The connection has taken at least one byte of the request. */
  #written = false
  /** The request's head as it goes to any backend. */
  #requestHead: Buffer | undefined
  /** The body so far, kept for another attempt; undefined once it has grown too large for that. */
  #replay: Buffer[] | undefined
  #replayBytes = 0
  #requestEnded = false
  #keepAlive = false
  /** The client reads chunked framing that we have to put around the body. */
  #chunks = false
  #status = 0

  constructor(context: ExchangeContext, client: ClientSide) {
    this.#context = context
    this.#client = client
    this.#placement = new Placement(context.options.resources)
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
    return this.#state === "attempting" || this.#state === "queued"
  }

  /**
   * Starts with a parsed head. `ended`: the request has no body. `forwarding` says where the client's
   * requests come from; `keepAlive` is whether the client may send another request afterwards.
   */
  begin(head: Head, ended: boolean, forwarding: Forwarding, keepAlive: boolean): void {
    const context = this.#context
    context.counters.count(context.options.worker, "requests")
    this.isHead = head.method === "HEAD"
    this.decodesChunked = head.minor === 0
    this.#idempotent = isIdempotent(head.method)
    this.#requestEnded = ended
    this.#keepAlive = keepAlive
    this.#attempts = 0
    this.#replay = ended ? undefined : []
    this.#replayBytes = 0
    const added = this.#weigh(head) + context.nextRequestId()
    const origin = forwarding.fieldsFor(head)
    this.#requestHead = requestHeadBytes(head, forwarding.drops, origin, added, context.hostDefault)
    this.#placement.tried.length = 0
    // Who comes later must not pass those that wait: small requests would keep a large one waiting for ever.
    if (context.queue.length > 0) this.#wait()
    else this.#place()
  }

  /** Slices of the request's body, framed as they shall go on. */
  onRequestBody(reader: BodyReader): void {
    const { options } = this.#context
    for (let i = 0; i < reader.outputCount; i++) {
      const slice = reader.output[i]!
      this.#replayBytes += slice.length
      this.#replay?.push(slice)
      if (this.#ready && !this.#connection!.socket.write(slice)) {
        this.#connection!.requestStalls()
        this.#client.pauseBody()
      }
    }
    if (this.#replayBytes <= options.limits.replayBytesMax) return
    if (this.#ready) this.#replay = undefined
    // Nobody takes the body yet: it waits where it is, and the client with it.
    else this.#client.pauseBody()
  }

  onRequestEnd(): void {
    this.#requestEnded = true
    if (this.#ready) this.#connection!.requestSent()
  }

  /** The request turned out to be wrong in mid-body, or stood still for too long. */
  onRequestFailed(code: ErrorCode): void {
    const answerable = this.isAnswerable
    this.#release("ignored")
    if (answerable) this.#answer(code, "")
    else this.#client.cut()
  }

  onClientDrain(): void {
    if (this.#state === "responding") this.#connection?.resume()
  }

  /** The client has gone. Says nothing about the backend. */
  onClientGone(): void {
    if (this.#state !== "idle") {
      this.#context.counters.countError(this.#context.options.worker, "client_gone")
      if (this.#state === "queued") this.#context.queue.remove(this)
      this.#release("ignored")
    }
    this.#origin?.close()
  }

  /** There may be room now. False while there is none. */
  retryQueued(): boolean {
    if (this.#state === "queued") this.#place()
    return this.#state !== "queued"
  }

  giveUpQueued(code: ErrorCode): void {
    if (this.#state === "queued") this.#answer(code, "")
  }

  // ── the backend's side ────────────────────────────────────────────────────────────────────────────────────────

  onBackendReady(connection: BackendConnection): void {
    this.#ready = true
    const { socket } = connection
    const replay = this.#replay
    if (replay === undefined || replay.length === 0) {
      socket.write(this.#requestHead!)
    } else {
      socket.cork()
      socket.write(this.#requestHead!)
      for (const slice of replay) socket.write(slice)
      socket.uncork()
      if (this.#replayBytes > this.#context.options.limits.replayBytesMax) this.#replay = undefined
    }
    // The system is asked at once: when it refused there, it has taken nothing.
    this.#written = socket.errored === null
    if (this.#requestEnded) connection.requestSent()
    else if (socket.writableNeedDrain) connection.requestStalls()
    else this.#client.resumeBody()
  }

  onBackendDrain(): void {
    if (!this.#requestEnded) this.#client.resumeBody()
  }

  onInterim(head: Head): void {
    // A client of HTTP/1.0 knows no 1xx (RFC 9110 15.2).
    if (this.decodesChunked) return
    const length = responseHeadBytes(head, responseDropsNoLength, false, false, "", 0)
    this.#client.write(responseBytes.subarray(0, length))
  }

  onResponseHead(head: Head, reader: BodyReader): void {
    const { options } = this.#context
    this.#state = "responding"
    this.#status = head.status
    const bodiless = this.isHead || head.status === 204 || head.status === 304
    this.#chunks = !bodiless && reader.framing === "close" && !this.decodesChunked
    const chunked = this.#chunks || (head.chunked && !this.decodesChunked && head.status !== 204)
    // A response that came before the whole request, or that only the end of the connection delimits, closes it.
    if (!this.#requestEnded || (this.decodesChunked && (head.chunked || reader.framing === "close"))) {
      this.#keepAlive = false
    }
    let added = head.dateField === -1 ? `Date: ${this.#context.httpDate()}\r\n` : ""
    if (options.backendHeader) added += `X-Linebacker-Backend: ${this.#attempt!.backend.id}\r\n`
    const drops = head.status === 204 ? responseDropsNoLength : responseDrops

    // What came with the head is copied behind it: both leave in one write, and the memory that they were read into
    // is free for the next read.
    let bodyBytes = 0
    for (let i = 0; i < reader.outputCount; i++) bodyBytes += reader.output[i]!.length
    const sizeLine = this.#chunks && bodyBytes > 0 ? chunkSizeLine(bodyBytes) : undefined
    const room = sizeLine === undefined ? bodyBytes : sizeLine.length + bodyBytes + chunkEnd.length
    let length = responseHeadBytes(head, drops, chunked, !this.#keepAlive, added, room)
    const bytes = responseBytes
    if (sizeLine !== undefined) length += sizeLine.copy(bytes, length)
    for (let i = 0; i < reader.outputCount; i++) length += reader.output[i]!.copy(bytes, length)
    if (sizeLine !== undefined) length += chunkEnd.copy(bytes, length)
    this.#pass(bytes.subarray(0, length))
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

  onResponseEnd(): void {
    if (this.#chunks) this.#client.write(lastChunk)
    const keepAlive = this.#keepAlive && this.#requestEnded
    this.#connection = undefined
    this.#release(this.#status >= 500 ? "failure" : "success", true)
    this.#context.counters.count(this.#context.options.worker, "answered")
    this.#client.onExchangeEnd(keepAlive)
  }

  onBackendFailed(connection: BackendConnection, code: ErrorCode, detail: string): void {
    const { options } = this.#context
    const backend = this.#attempt!.backend as FleetBackend
    this.#connection = undefined
    if (this.#state === "responding") {
      this.#context.counters.countError(options.worker, code)
      this.#release("failure")
      this.#client.cut()
      return
    }
    // A backend may close an idle connection whenever it likes: only a fresh one says something about it.
    const stale = code === "backend_reset" && connection.reused && !connection.answered
    const repeats = this.#mayRepeat(code, connection)
    if (stale && repeats && !backend.pool.isRetired) {
      // The same attempt on a fresh connection. Other idle ones may be dead too, but each says so by itself.
      this.#connect(backend.pool.dial(this.#origin))
      return
    }
    if (isUnreachable(code)) {
      backend.avoidUntil = this.#context.clock.now() + avoidMs
      this.#context.onConnectFailed(backend.id)
    }
    const retries = repeats && this.#attempts < options.limits.attemptsMax
    this.#release(stale ? "ignored" : "failure", false, retries)
    if (!retries) {
      this.#answer(code, detail)
      return
    }
    this.#placement.tried.push(backend)
    this.#place(code, detail)
  }

  // ── within ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** What the request needs, into the placement; answers the field lines that tell it to the backend. */
  #weigh(head: Head): string {
    const { demandLines, options, simulated, table } = this.#context
    const { demand } = this.#placement
    if (simulated !== undefined) {
      simulated.write(table.nextDraw(), demand)
      let lines = ""
      for (let r = 0; r < options.resources.length; r++) {
        lines += `${demandLines[r]}${demand[r]}\r\n`
      }
      return lines
    }
    demand.set(options.demand.default)
    const field = head.find(fields["linebacker-demand"])
    if (field !== -1) parseDeclaredDemand(head.value(field), options.resources, demand)
    return ""
  }

  /** Finds a backend, or a place in the queue, or answers. `after` is what ended the attempt before. */
  #place(after?: ErrorCode, detail = ""): void {
    const { clock, fleet } = this.#context
    const placement = this.#placement
    placement.now = clock.now()
    const placed = fleet.place(placement)
    if (typeof placed === "object") {
      this.#state = "attempting"
      this.#attempt = placed
      this.#attempts++
      this.#connect((placed.backend as FleetBackend).pool.take(this.#origin))
    } else if (after !== undefined) this.#answer(after, detail)
    else if (placed !== "full") this.#answer("no_backend", "")
    else if (this.#state !== "queued") this.#wait()
  }

  #wait(): void {
    const { deadlines, options, queue } = this.#context
    this.#state = "queued"
    if (!queue.push(this, deadlines.after(options.timeouts.queueMs))) this.#answer("queue_full", "")
  }

  #connect(connection: BackendConnection): void {
    this.#ready = false
    this.#written = false
    this.#connection = connection
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

  /** Writes to the client, and holds the backend back while the client does not keep up. */
  #pass(bytes: Buffer): void {
    if (!this.#client.write(bytes)) this.#connection?.pause()
  }

  #answer(code: ErrorCode, detail: string): void {
    this.#state = "idle"
    this.#forget()
    this.#context.counters.countError(this.#context.options.worker, code)
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
    connection?.abandon()
    if (attempt === undefined) return
    const { counters, options, clock } = this.#context
    if (answered) counters.countAnswer(options.worker, attempt.backend.slot, attempt.units)
    if (result === "failure") counters.countFailure(options.worker, attempt.backend.slot)
    attempt.settle(result, clock.now())
  }

  #forget(): void {
    this.#requestHead = undefined
    this.#replay = undefined
  }
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
