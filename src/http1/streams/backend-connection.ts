/**
 * Hot path: one connection to a backend, which carries one exchange at a time. Where pipelining is on, the requests
 * of several are written together, and each becomes the current one when the response before its own has ended.
 *
 *     connecting ──▶ (securing) ──▶ waiting ──head──▶ reading ──complete, exact, kept──▶ idle ──start──▶ waiting
 *         │               │             │                │                                │
 *         │               │             ├──101──▶ tunnel ┼──both have ended──▶ ending     │
 *         └───────────────┴─────────────┴──────────┴─────┴──(anything else)────────┴──────┴──▶ closed
 *
 * It reads the response and hands it on; whether the request is tried elsewhere is the exchange's matter.
 * Benchmark: bench/relay.ts.
 */
import type { OnReadOpts, Socket } from "node:net"
import type { Millis } from "../../core/clock.ts"
import type { ErrorCode } from "../../core/errors.ts"
import { fields } from "../../core/http/fields.ts"
import type { MessageHead } from "../../core/http/message-head.ts"
import type { BackendEvents, BackendStream, StreamOwner } from "../../core/http/streams.ts"
import { type Dialling, isCertificateRefusal } from "../../net/dialling.ts"
import { BodyReader } from "../body.ts"
import type { Head } from "../head.ts"
import { responseFraming } from "../response-head.ts"
import { passTrailers } from "../trailers.ts"
import { isTunnelProtocol } from "../upgrade.ts"
import { BackendOutput } from "./backend-output.ts"
import { BackendTimes } from "./backend-times.ts"
import { ConnectionLife } from "./connection-life.ts"
import type { StreamContext } from "./context.ts"
import { IgnoredResponse, Pipeline } from "./pipeline.ts"
import { ReadBuffer } from "./read-buffer.ts"
import { ResponseHeads } from "./response-heads.ts"

const eventStream = "text/event-stream"
const nothing = Buffer.alloc(0)

/** Larger responses have no requests waiting behind them: those go elsewhere. */
const slowBytes = 64 * 1024

const none: readonly BackendEvents[] = []

/** The pool that connections to one backend come from and go back to. */
export interface BackendHome {
  /** Makes the connection; returns what calls that off. `reading` takes the bytes that come. */
  connect(dialling: Dialling, reading: OnReadOpts, header: Buffer | undefined): () => void
  /** Takes a connection back that is idle; false when there is no place for it. */
  give(connection: BackendConnection): boolean
  /** A connection has closed. */
  forget(connection: BackendConnection): void
}

/** A client that has backend connections to itself. */
export interface ConnectionOwner extends StreamOwner {
  /** What a connection for this client begins with; undefined: nothing, and it may take one that others have used. */
  readonly header: Buffer | undefined
}

export class BackendConnection implements BackendStream {
  isReused = false
  hasAnswered = false
  readonly pool: BackendHome
  /** The one client whose requests it carries; undefined when it carries any client's. */
  owner: StreamOwner | undefined
  isAuthenticated = false

  readonly #context: StreamContext
  readonly #reader: BodyReader
  #socket: Socket | undefined
  #output: BackendOutput | undefined
  /** Which of the backend's addresses it leads to. */
  #address = ""
  /** Ends the dialling. */
  readonly #callOff: () => void
  readonly #life: ConnectionLife
  #state: "connecting" | "securing" | "idle" | "waiting" | "reading" | "tunnel" | "ending" | "closed" =
    "connecting"
  #exchange: BackendEvents | undefined
  #requestSent = false
  /** The response lets the connection live on. */
  #keeps = false
  readonly #heads: ResponseHeads
  readonly #buffer = new ReadBuffer()
  readonly #times: BackendTimes
  /** Made where several requests are written together. */
  #pipeline: Pipeline | undefined
  /** Responses may still come that are for no exchange. */
  #mustClose = false

  constructor(context: StreamContext, pool: BackendHome, owner: ConnectionOwner | undefined) {
    this.#context = context
    this.pool = pool
    this.owner = owner?.header === undefined ? undefined : owner
    this.#heads = new ResponseHeads(context)
    this.#reader = new BodyReader(context.options.limits)
    this.#times = new BackendTimes(context, this)
    this.#life = new ConnectionLife(context)
    const reading = {
      buffer: () => this.#buffer.next(),
      callback: (length: number, bytes: Uint8Array) => this.#onBytes(bytes as Buffer, length),
    }
    this.#callOff = pool.connect(
      {
        onAccepted: () => (this.#state = "securing"),
        onOpen: (socket, address) => this.#onOpen(socket, address),
        onFailed: (code, error) => this.#fail(code, `(${error.code ?? error.message})`),
      },
      reading,
      owner?.header,
    )
    this.owner?.add(this)
  }

  /** Which of the backend's addresses it leads to; "" while it is connecting. */
  get address(): string {
    return this.#address
  }

  start(exchange: BackendEvents): void {
    this.#life.take()
    if (this.#exchange !== undefined) {
      // Only a connection that gathers requests is given to several.
      this.#pipeline!.follow(exchange)
      exchange.onBackendReady(this)
      return
    }
    this.#exchange = exchange
    this.hasAnswered = false
    this.#requestSent = false
    if (this.#state === "connecting" || this.#state === "securing") return
    this.#wait()
    exchange.onBackendReady(this)
  }

  bindTo(owner: StreamOwner): void {
    if (this.#isGathering || this.#hasFollowers) {
      // Other clients that have sent requests on it already get their responses; then it closes.
      this.#mustClose = true
      return
    }
    this.isAuthenticated = true
    this.owner = owner
    owner.add(this)
  }

  /** An idle connection takes the requests of several exchanges, until the end of this turn of the event loop. */
  gather(): void {
    this.#pipeline ??= new Pipeline()
    this.#pipeline.gather()
    this.#context.timers.soon(() => this.#flush())
  }

  /** Whether one more exchange may start on it, `depth` in all. */
  isGathering(depth: number): boolean {
    if (this.#pipeline === undefined || !this.#life.hasRequests) return false
    return this.#pipeline.hasRoom(depth) && this.#exchange !== undefined
  }

  get hasTaken(): boolean {
    return this.#output !== undefined && this.#output.hasTaken
  }

  get isBehind(): boolean {
    return this.#output!.isBehind
  }

  send(head: Buffer, hasBody: boolean): boolean {
    if (this.#isGathering) {
      this.#pipeline!.add(head)
      return true
    }
    const took = this.#output!.send(head, hasBody)
    if (!took) this.#stall()
    return took
  }

  write(bytes: Buffer): boolean {
    const took = this.#output!.write(bytes)
    if (!took) this.#stall()
    return took
  }

  cork(): void {
    this.#output!.cork()
  }

  uncork(): void {
    this.#output!.uncork()
  }

  end(): void {
    this.#requestSent = true
    if (this.#state === "waiting") this.#times.head(this.#hasFollowers)
  }

  endTunnel(): void {
    this.#output!.end()
  }

  pause(): void {
    this.#disband()
    this.#times.pause()
    this.#socket!.pause()
    if (this.#state === "reading" || this.#state === "waiting") this.#times.none()
  }

  get isPaused(): boolean {
    return this.#times.isPaused
  }

  get pausedMs(): Millis {
    return this.#times.pausedMs
  }

  resume(): void {
    if (!this.#times.isPaused) return
    this.#times.isPaused = false
    if (this.#state === "reading") this.#times.piece(this.#hasFollowers)
    else if (this.#state === "waiting") this.#awaitHead()
    this.#socket!.resume()
  }

  reset(exchange: BackendEvents): void {
    if (this.#pipeline?.ignore(exchange) === true) return
    this.#exchange = undefined
    const followers = this.#takeFollowers()
    this.#close()
    this.#dismiss(followers)
  }

  finish(): void {
    this.#exchange = undefined
    // Its client may close first, which would end all that is that client's own.
    this.owner?.delete(this)
    this.#state = "ending"
    this.#times.ending()
    this.#socket!.destroySoon()
  }

  retire(): void {
    this.#close()
  }

  /** For `BackendTimes` only. */
  onLate(): void {
    const { timeouts } = this.#context.options
    if (this.#hasFollowers) {
      this.#disband()
      if (this.#state === "reading") this.#times.piece(false)
      else this.#times.head(false)
      return
    }
    switch (this.#state) {
      case "connecting":
        this.#fail("connect_timeout", `(${timeouts.connectMs} ms)`)
        break
      case "securing":
        this.#fail("connect_timeout", `(${timeouts.connectMs} ms, in the TLS handshake)`)
        break
      case "waiting":
        this.#fail("response_head_timeout", `${timeouts.responseHeadMs} ms`)
        break
      case "reading":
        this.#fail("response_timeout", `${this.#times.pieceMs} ms`)
        break
      case "tunnel":
      case "ending":
      case "idle":
      case "closed":
        this.#close()
        break
    }
  }

  #wait(): void {
    this.#state = "waiting"
    this.#times.none()
  }

  /** It takes no more of the request for now: until it does, its time to respond runs. */
  #stall(): void {
    if (this.#state === "waiting") this.#times.head(this.#hasFollowers)
  }

  /** It is read again: its time runs if it has the whole request, or takes no more of it. */
  #awaitHead(): void {
    if (this.#requestSent || this.isBehind) this.#times.head(this.#hasFollowers)
  }

  #onOpen(socket: Socket, address: string): void {
    this.#socket = socket
    this.#output = new BackendOutput(socket, () => this.#onDrain())
    this.#address = address
    socket.on("end", () => this.#onEnd())
    socket.on("drain", () => this.#onDrain())
    socket.on("error", (error: NodeJS.ErrnoException) => this.#onError(error))
    socket.on("close", () => this.#onBroken("closed"))
    this.#wait()
    this.#exchange?.onBackendReady(this)
  }

  #onDrain(): void {
    if (this.#state === "waiting" && !this.#requestSent) this.#times.none()
    this.#exchange?.onBackendDrain()
  }

  /** bytes[0..length) have come. They are ours until this returns; what is passed on unwritten is lent. */
  #onBytes(bytes: Buffer, length: number): boolean {
    const exchange = this.#exchange
    if (exchange === undefined) {
      // Nothing was asked (RFC 9112 9.2): what it says could reach the wrong client.
      this.#close()
      return false
    }
    this.hasAnswered = true
    if (this.#state === "reading") this.#readBody(exchange, this.#lendable(bytes, length), length)
    else if (this.#state === "tunnel") {
      exchange.onBackendBytes(this.#lendable(bytes, length).subarray(0, length))
      this.#buffer.lend(exchange.isHolding)
    } else if (this.#heads.take(bytes, 0, length)) this.#readHeads(exchange)
    return true
  }

  #lendable(bytes: Buffer, length: number): Buffer {
    return this.#buffer.lendable(bytes, length, this.#exchange!.isHolding)
  }

  #readHeads(exchange: BackendEvents): void {
    const { responseHead: head } = this.#context
    const heads = this.#heads
    for (;;) {
      const found = heads.next()
      if (found === "part") return
      if (found === "invalid") {
        this.#fail("invalid_response", `(${heads.error})`)
        return
      }
      if (head.status >= 200 || head.status === 101) {
        const { bytes, at, to } = heads
        // A tunnel or a slow body may last for hours: what the head was read with is not kept for as long.
        heads.clear()
        if (head.status === 101) this.#beginTunnel(exchange, head, bytes, at, to)
        else this.#beginBody(exchange, head, bytes, at, to)
        return
      }
      exchange.onInterim(head)
      if (this.#exchange !== exchange) return
    }
  }

  #beginBody(exchange: BackendEvents, head: Head, bytes: Buffer, from: number, to: number): void {
    const { options } = this.#context
    const framing = responseFraming(head, exchange.isHead)
    if (head.codingField !== -1 && !exchange.takesChunks && framing !== "none") {
      // A client of HTTP/1.0 cannot be told of the coding (RFC 9112 6.1), and without it the body is noise.
      this.#fail("invalid_response", "(unknown_transfer_coding)")
      return
    }
    this.#keeps = head.minor === 1 && !head.closes && framing !== "close"
    this.#life.hint(head.keepAliveSeconds)
    this.#state = "reading"
    const length = framing === "length" ? head.contentLength : 0
    if (framing === "none" || (framing === "length" && length <= to - from)) {
      if (exchange.onWholeResponse(head, bytes, from, from + length)) this.#buffer.lend(exchange.isHolding)
      if (this.#exchange === exchange) this.#complete(exchange, bytes, from + length, to)
      return
    }
    this.#times.pieceMs = isEventStream(head)
      ? options.timeouts.streamIdleMs
      : options.timeouts.betweenBytesMs
    if (framing === "close" || length > slowBytes) this.#disband()
    this.#times.piece(this.#hasFollowers)
    const trailers = exchange.takesTrailers && framing === "chunked" ? passTrailers(head) : undefined
    this.#reader.begin(framing, length, !exchange.takesChunks, trailers)
    const at = this.#reader.read(bytes, from, to)
    if (this.#reader.state === "invalid") {
      this.#fail("invalid_response", `(${this.#reader.error})`)
      return
    }
    if (exchange.onResponseHead(head, this.#reader)) this.#buffer.lend(exchange.isHolding)
    if (this.#exchange === exchange && this.#reader.state === "complete") {
      if (this.#reader.trailers !== "") exchange.onTrailers(this.#reader.trailers)
      this.#complete(exchange, bytes, at, to)
    }
  }

  /** 101 hands the connection over to another protocol, but only to one that was asked for (RFC 9110 15.2.2). */
  #beginTunnel(exchange: BackendEvents, head: Head, bytes: Buffer, from: number, to: number): void {
    if (!exchange.upgrades || !head.upgrade || !isTunnelProtocol(head)) {
      this.#fail("invalid_response", "(101 without Upgrade)")
      return
    }
    this.#state = "tunnel"
    // The client's connection has the time limit of both.
    this.#times.none()
    exchange.onTunnel(head, bytes, from, to)
    this.#buffer.lend(exchange.isHolding)
  }

  #readBody(exchange: BackendEvents, bytes: Buffer, length: number): void {
    const reader = this.#reader
    const at = reader.read(bytes, 0, length)
    if (reader.state === "invalid") {
      this.#fail("response_cut", `(${reader.error})`)
      return
    }
    if (this.#hasFollowers && reader.dataBytes > slowBytes) this.#disband()
    // Where others wait, their time is for all of it, not for each piece.
    if (!this.#hasFollowers) this.#times.piece(false)
    if (reader.outputCount > 0) {
      exchange.onResponseBody(reader)
      this.#buffer.lend(exchange.isHolding)
    }
    if (this.#exchange === exchange && reader.state === "complete") {
      if (reader.trailers !== "") exchange.onTrailers(reader.trailers)
      this.#complete(exchange, bytes, at, length)
    }
  }

  /** The response has ended at bytes[at]; bytes[at..to) have come behind it. */
  #complete(exchange: BackendEvents, bytes: Buffer, at: number, to: number): void {
    this.#exchange = undefined
    const next = this.#pipeline?.next()
    if (next !== undefined) {
      this.#advance(exchange, next, bytes, at, to)
      return
    }
    // A response to what has not even left is to something else, or is early: what is left of the request stands in the way.
    const isSent = this.#requestSent && this.#output!.isEmpty
    const exact = at === to && !this.#isGathering
    const isSpent = !this.isAuthenticated && this.#life.isSpent
    const keeps = this.#keeps && this.#life.mayIdle && !this.#mustClose && !isSpent
    if (exact && isSent && keeps) {
      this.isReused = true
      this.#becomeIdle()
    } else this.#close()
    exchange.onResponseEnd()
  }

  /** The next exchange's response follows. */
  #advance(ended: BackendEvents, next: BackendEvents, bytes: Buffer, at: number, to: number): void {
    if (next instanceof IgnoredResponse && !this.#hasFollowers) {
      this.#close()
      ended.onResponseEnd()
      return
    }
    this.#exchange = next
    this.isReused = true
    this.hasAnswered = false
    this.#wait()
    this.#times.head(this.#hasFollowers)
    ended.onResponseEnd()
    if (this.#exchange !== next) return
    if (!this.#keeps) this.#fail("backend_reset", "(it closed behind another response)")
    else if (at < to) {
      this.hasAnswered = true
      if (this.#heads.take(bytes, at, to)) this.#readHeads(next)
    }
  }

  /** No exchange shall wait any longer behind the current response. */
  #disband(): void {
    if (!this.#hasFollowers) return
    const followers = this.#takeFollowers()
    this.#mustClose = true
    if (this.#exchange instanceof IgnoredResponse) {
      this.#exchange = undefined
      this.#close()
    }
    this.#dismiss(followers)
  }

  /** These got no response here. Their requests are safe, so each may be sent again, and no backend has failed. */
  #dismiss(followers: readonly BackendEvents[]): void {
    const { hasAnswered, isReused } = this
    this.hasAnswered = false
    this.isReused = true
    for (const follower of followers)
      follower.onBackendFailed(this, "backend_reset", "(behind another response)")
    this.hasAnswered = hasAnswered
    this.isReused = isReused
  }

  #flush(): void {
    const requests = this.#pipeline!.takeGathered()
    if (requests !== undefined && this.#state !== "closed") this.#output!.sendAll(requests)
  }

  get #isGathering(): boolean {
    return this.#pipeline !== undefined && this.#pipeline.isGathering
  }

  get #hasFollowers(): boolean {
    return this.#pipeline !== undefined && this.#pipeline.hasFollowers
  }

  #takeFollowers(): readonly BackendEvents[] {
    return this.#pipeline === undefined ? none : this.#pipeline.takeFollowers()
  }

  #becomeIdle(): void {
    this.#state = "idle"
    // A response may have been paused for a slow client; an idle connection must see its end.
    this.resume()
    this.#times.idle(this.#life.idleUntil(this.isAuthenticated))
    if (!this.pool.give(this)) this.#close()
  }

  #onEnd(): void {
    const exchange = this.#exchange
    if (exchange !== undefined && this.#state === "tunnel") {
      exchange.onBackendEnd()
      return
    }
    if (exchange === undefined || this.#state !== "reading") {
      this.#onBroken("closed")
      return
    }
    // An end after a reset completes nothing (RFC 9112 8).
    if (this.#output!.hasFailed) this.#reader.reset()
    else this.#reader.end()
    if (this.#reader.state === "complete") this.#complete(exchange, nothing, 0, 0)
    else this.#fail("response_cut", "")
  }

  #onError(error: NodeJS.ErrnoException): void {
    const reason = error.code ?? error.message
    if (!this.isReused && !this.hasAnswered && isCertificateRefusal(error))
      this.#fail("backend_tls_failed", `(${reason})`)
    else this.#onBroken(reason)
  }

  #onBroken(reason: string): void {
    switch (this.#state) {
      case "closed":
        break
      case "waiting":
        this.#fail("backend_reset", `(${reason})`)
        break
      case "reading":
      case "tunnel":
        this.#reader.reset()
        this.#fail("response_cut", `(${reason})`)
        break
      case "connecting":
      case "securing":
      case "idle":
      case "ending":
        this.#close()
        break
    }
  }

  #fail(code: ErrorCode, detail: string): void {
    const exchange = this.#exchange
    const followers = this.#takeFollowers()
    this.#exchange = undefined
    this.#close()
    exchange?.onBackendFailed(this, code, detail)
    this.#dismiss(followers)
  }

  #close(): void {
    if (this.#state === "closed") return
    this.#state = "closed"
    this.#heads.clear()
    this.#times.end()
    this.pool.forget(this)
    this.owner?.delete(this)
    this.#callOff()
    this.#socket?.destroy()
  }
}

/** Whether the body is a stream of events, which may be silent for long (WHATWG HTML 9.2). */
function isEventStream(head: MessageHead): boolean {
  const field = head.find(fields["content-type"])
  return field !== -1 && head.value(field).toLowerCase().startsWith(eventStream)
}
