/**
 * Hot path: one connection from a client, which carries one exchange after another.
 *
 *     idle ──first byte──▶ head ──whole head──▶ exchange ──response written, kept──▶ idle
 *      │                    │                      │
 *      │                    └──(refused)──▶ responds, closes
 *      └──(end, time)──▶ closed                    ├──(not kept)──▶ lingering ──▶ closed
 *                                                  └──101──▶ tunnel ──▶ closed
 *
 * Requests that are sent before the response to an earlier one wait their turn (RFC 9112 9.3.2): responses come in
 * order. As many bytes of them are read as a head may have, so that the client's end is seen behind them.
 *
 * A client that has ended its side looks the same whether it still reads or has gone: the system knows only when it
 * sends something more. So its exchange goes on for as long as bytes are written, and for `timeouts.clientHalfClosed`
 * without any. Benchmark: bench/relay.ts.
 */
import type { Socket } from "node:net"
import type { ConnectionEnds } from "../../core/endpoint.ts"
import { type ErrorCode, errors } from "../../core/errors.ts"
import type { MessageHead } from "../../core/http/message-head.ts"
import type { BodyPieces, ClientEvents, ClientStream } from "../../core/http/streams.ts"
import { lastRequestMs } from "../../net/deadlines.ts"
import { BodyReader } from "../body.ts"
import { LF } from "../characters.ts"
import { forwardsLeft, isLoop, optionsAnswer } from "../forwards.ts"
import { type Head, incomplete, invalid } from "../head.ts"
import { redirectAnswer } from "../redirect.ts"
import { parseRequestHead } from "../request-head.ts"
import { errorAnswer, type LineWriter } from "../serialize.ts"
import { passTrailers } from "../trailers.ts"
import { isTunnelProtocol } from "../upgrade.ts"
import { ClientInput } from "./client-input.ts"
import { ClientOutput } from "./client-output.ts"
import { ClientTimes } from "./client-times.ts"
import type { StreamContext } from "./context.ts"
import type { HeldBytes } from "./held-bytes.ts"
import { type Forwarding, keptHead } from "./kept-head.ts"
import { ResponseWriter } from "./response-writer.ts"

/** What the connections of a thread's clients share beside the context. */
export interface ClientContext extends StreamContext {
  /** The Host of an HTTP/1.0 request that names none; undefined: the address that its client has connected to. */
  readonly hostDefault: Buffer | undefined
  readonly requestIds: LineWriter
  /** The balancer stops: no connection is kept after its exchange, and each response says so. */
  readonly isStopping: boolean
  /** Makes what relays the requests of a stream, one after the other. */
  relay(stream: ClientStream): ClientEvents
  onClientClosed(client: ClientConnection): void
}

/** How the client came in. */
export interface ClientEntry {
  /** The TCP connection below TLS; the same where there is none. */
  readonly transport: Socket
  /** Both ends as a PROXY header says; undefined when those of `transport` are the ones to go by. */
  readonly ends?: ConnectionEnds | undefined
  readonly forwarding: Forwarding
  /** Its requests are not served but sent to this port, where TLS is spoken. */
  readonly redirectPort: number | undefined
}

export class ClientConnection implements ClientStream {
  takesChunks = false
  takesTrailers = false
  bytesIn = 0
  readonly #context: ClientContext
  readonly #socket: Socket
  readonly #entry: ClientEntry
  readonly #output: ClientOutput
  readonly #writer: ResponseWriter
  readonly #times: ClientTimes
  readonly #exchange: ClientEvents
  readonly #input: ClientInput
  readonly #held: HeldBytes
  /** Made with the first body: many connections never have one. */
  #reader: BodyReader | undefined
  /** More of the request's body is to come. */
  #isBodyOpen = false
  #state: "idle" | "head" | "exchange" | "tunnel" | "lingering" | "closed" = "idle"
  #requests = 0
  #isHead = false
  #keepAlive = false
  /** The client sends no more. */
  #ended = false
  #parsing = false
  /** A field line that only the present request gets. */
  #extraLine = ""

  constructor(context: ClientContext, socket: Socket, entry: ClientEntry) {
    this.#context = context
    this.#entry = entry
    this.#socket = socket
    const isPlain = socket === entry.transport
    this.#output = new ClientOutput(socket, isPlain, context.deadlines, () => this.#onDrain())
    this.#writer = new ResponseWriter(this.#output, context.options)
    this.#times = new ClientTimes(context, this.#output, this)
    this.#exchange = context.relay(this)
    this.#input = new ClientInput(socket, (bytes) => this.#onBytes(bytes))
    this.#held = this.#input.held
    socket.on("end", () => this.#onEnd())
    socket.on("drain", () => this.#onDrain())
    socket.on("error", () => this.#close())
    socket.on("close", () => this.#close())
  }

  /**
   * The balancer closes its listeners: busy connections close after their exchange, idle ones in a moment. A request
   * that is under way to an idle one still comes in time, and its response says that it is the last (RFC 9112 9.6).
   */
  stop(): void {
    if (this.#state === "idle") this.#times.shorten(lastRequestMs)
  }

  /** Ends it at once, whatever it does. */
  destroy(): void {
    this.#close()
  }

  /** For `ClientTimes` only. */
  onLate(): void {
    switch (this.#state) {
      case "idle":
        // A farewell waits until all has been sent: with a client that takes nothing, for ever.
        if (this.isHolding) this.#close()
        else if (this.#context.isStopping) this.#linger()
        else this.#farewell()
        break
      case "lingering":
      case "closed":
        this.#close()
        break
      case "head":
        this.bytesIn = this.#held.length
        this.#refuse("head_timeout")
        break
      case "exchange":
        if (this.#times.isExchangeLate) this.#exchange.onFailed("exchange_timeout")
        else if (this.#isBodyOpen) this.#exchange.onFailed("body_timeout")
        else this.#close()
        break
      case "tunnel":
        this.#exchange.onFailed("tunnel_timeout")
        break
    }
  }

  // ── the exchange's side ───────────────────────────────────────────────────────────────────────────────────────

  get ends(): ConnectionEnds | undefined {
    return this.#entry.ends ?? endsOf(this.#entry.transport)
  }

  get isHolding(): boolean {
    return this.#output.isHolding
  }

  get isBehind(): boolean {
    return this.#output.isBehind
  }

  get bytesOut(): number {
    return this.#output.bytes
  }

  keepHead(head: MessageHead, added: string): Buffer {
    return keptHead(head, this.#extraLine + added, this.#entry.forwarding, this, this.#context)
  }

  interim(head: MessageHead): void {
    // A client of HTTP/1.0 knows no 1xx (RFC 9110 15.2).
    if (!this.takesChunks) return
    this.#writer.interim(head)
    this.#hasWritten()
  }

  respondWhole(head: MessageHead, added: string, bytes: Buffer, from: number, to: number): boolean {
    const passes = this.#writer.whole(head, added, this.#closesAfter(head), bytes, from, to)
    this.#hasWritten()
    return passes
  }

  respond(head: MessageHead, added: string, body: BodyPieces): boolean {
    if (this.#writer.endsByClosing(head, body)) this.#keepAlive = false
    const passes = this.#writer.first(head, added, this.#closesAfter(head), body)
    this.#hasWritten()
    return passes
  }

  write(body: BodyPieces): boolean {
    const took = this.#writer.more(body)
    this.#hasWritten()
    return took
  }

  end(trailers: string): void {
    this.#writer.end(trailers)
  }

  refuse(code: ErrorCode, detail: string): void {
    if (this.#state === "closed") return
    const { status } = errors[code]
    this.#keepAlive &&=
      status >= 500 &&
      status !== 505 &&
      status !== 501 &&
      status !== 508 &&
      this.#state === "exchange" &&
      !this.#isBodyOpen &&
      !this.#context.isStopping
    this.#output.write(errorAnswer(code, detail, !this.#keepAlive, !this.#isHead, this.#context.httpDate()))
  }

  release(): void {
    if (this.#state === "closed") return
    if (this.#state === "tunnel") {
      this.#finish()
      return
    }
    if (!this.#keepAlive || this.#isBodyOpen || this.#context.isStopping) {
      this.#linger()
      return
    }
    if (this.#ended && this.#held.bytes === undefined) {
      this.#finish()
      return
    }
    this.#becomeIdle()
    this.#parseHeld()
  }

  pause(): void {
    if (!this.#input.isPaused) this.#times.pauseBody()
    this.#input.isPaused = true
    if (this.#state === "exchange") this.#awaitTaking()
  }

  resume(): void {
    if (this.#state === "tunnel") {
      this.#resumeTunnel()
      return
    }
    if (this.#state !== "exchange" || !this.#isBodyOpen) return
    if (this.#input.isPaused) this.#times.resumeBody()
    this.#times.body(this.#reader!.dataBytes)
    this.#input.resume()
    const held = this.#held.take()
    if (held === undefined) return
    this.#readBody(held, 0)
    if (this.#ended) this.#endBody()
  }

  beginTunnel(): void {
    if (this.#state === "closed") return
    this.#state = "tunnel"
    this.#times.tunnel()
    if (this.#ended && this.#held.bytes === undefined) this.#exchange.onClientEnd()
    else this.#resumeTunnel()
  }

  writeTunnel(bytes: Buffer): boolean {
    const took = this.#output.write(bytes)
    this.#times.tunnel()
    return took
  }

  endTunnel(): void {
    if (this.#state === "tunnel") this.#socket.end()
  }

  cut(): void {
    if (this.#state === "closed") return
    // What has been written may still be on its way; a reset makes sure that it is not taken for the whole.
    this.#state = "closed"
    this.#forget()
    // Below TLS, too: there must be no close_notify, which would say that this was all (RFC 8446 6.1).
    const { transport } = this.#entry
    // With nothing left to write, an end that was asked for is under way: a reset would fail then, and leave the
    // descriptor open for good (Node.js 24).
    if (transport.writableEnded && transport.writableLength === 0) transport.destroy()
    else transport.resetAndDestroy()
  }

  /** Something of a response was written. */
  #hasWritten(): void {
    if (this.#output.isBehind || !this.#isBodyOpen) this.#awaitTaking()
  }

  /** Whether a response with this head is the last of the connection. It is when the rest of its request is not read. */
  #closesAfter(head: MessageHead): boolean {
    if (this.#isBodyOpen || this.#context.isStopping) this.#keepAlive = false
    return !this.#keepAlive && head.status !== 101
  }

  // ── bytes from the client ─────────────────────────────────────────────────────────────────────────────────────

  #onBytes(chunk: Buffer): void {
    switch (this.#state) {
      case "idle":
        this.#held.add(chunk)
        if (!this.#input.isPaused) this.#parseHeld()
        break
      case "head":
        this.#held.add(chunk)
        // A head that drips in is read again for each of its lines, not for each of its bytes.
        if (!this.#input.isPaused && (chunk.includes(LF) || this.#isHeldTooLong())) this.#parseHeld()
        break
      case "exchange":
        if (this.#input.isPaused) this.#held.add(chunk)
        else if (this.#isBodyOpen) this.#readBody(chunk, 0)
        else this.#holdForLater(chunk)
        break
      case "tunnel":
        if (this.#input.isPaused) this.#held.add(chunk)
        else {
          this.#times.tunnel()
          this.#passOn(chunk)
        }
        break
      case "lingering":
        this.#times.linger()
        break
      case "closed":
        break
    }
  }

  #resumeTunnel(): void {
    this.#input.resume()
    const held = this.#held.take()
    if (held === undefined) return
    this.#passOn(held)
    if (this.#ended) this.#exchange.onClientEnd()
  }

  /** Through the tunnel. */
  #passOn(bytes: Buffer): void {
    this.bytesIn += bytes.length
    this.#exchange.onClientBytes(bytes)
  }

  #onDrain(): void {
    this.#output.onDrain()
    switch (this.#state) {
      case "exchange":
        // It takes its response again; a body that is still to come has a time limit of its own.
        if (this.#isBodyOpen && !this.#input.isPaused) this.#times.body(this.#reader!.dataBytes)
        else this.#awaitTaking()
        this.#exchange.onClientDrain()
        break
      case "tunnel":
        this.#times.tunnel()
        this.#exchange.onClientDrain()
        break
      case "idle":
      case "head":
        if (this.#held.bytes === undefined) this.#input.resume()
        else this.#parseHeld()
        break
      case "lingering":
      case "closed":
        break
    }
  }

  #isHeldTooLong(): boolean {
    return this.#held.length > this.#context.options.limits.headBytesMax
  }

  #holdForLater(bytes: Buffer): void {
    this.#held.add(bytes)
    this.#watch()
  }

  /** The request has been read. Reads on, so that the client's end is seen, but not for ever. */
  #watch(): void {
    if (this.#isHeldTooLong()) this.#input.isPaused = true
    else this.#input.resume()
    this.#awaitTaking()
  }

  /** All of the request is here: what is waited for is that the client takes its response. */
  #awaitTaking(): void {
    const isRead = !this.#isBodyOpen
    this.#times.response(isRead && this.#ended, isRead && this.#input.isPaused)
  }

  /** Serves what is held, one request after the other, until one has to wait for something. */
  #parseHeld(): void {
    // An exchange may end within its own beginning (an error of ours): the loop goes on then, not the call.
    if (this.#parsing) return
    this.#parsing = true
    while ((this.#state === "idle" || this.#state === "head") && this.#held.bytes !== undefined) {
      // A client that takes no responses gets no further requests served, and no more is read of it.
      if (this.#output.isBehind) {
        this.#input.isPaused = true
        break
      }
      if (!this.#parse(this.#held.bytes)) break
    }
    this.#parsing = false
    if (this.#held.bytes === undefined && this.#ended && (this.#state === "idle" || this.#state === "head"))
      this.#finish()
  }

  /** True when a whole head was taken. */
  #parse(bytes: Buffer): boolean {
    const { options, headLimits, names, requestHead: head } = this.#context
    if (this.#state === "idle") {
      this.#state = "head"
      this.#isHead = false
      this.#times.head()
      this.#output.begin()
    }
    this.bytesIn = bytes.length
    const end = parseRequestHead(head, bytes, 0, bytes.length, headLimits, names)
    if (end === invalid) {
      this.#isHead = head.method === "HEAD"
      this.#refuse(head.error)
      return false
    }
    if (end === incomplete) {
      if (bytes.length > options.limits.headBytesMax) this.#refuse("head_too_large")
      else if (this.#ended) this.#finish()
      else this.#input.resume()
      return false
    }
    this.#held.clear()
    this.bytesIn = end
    return this.#admit(head, bytes, end)
  }

  /** A whole head is here, which bytes[end..) have come behind. True when more of them may be read now. */
  #admit(head: Head, bytes: Buffer, end: number): boolean {
    const { options } = this.#context
    const { forwarding, redirectPort } = this.#entry
    if (redirectPort !== undefined && !forwarding.isSecure(head)) {
      this.#redirect(head, redirectPort)
      return false
    }
    const left = forwardsLeft(head)
    if (head.contentLength > options.limits.bodyBytesMax) this.#refuse("body_too_large")
    else if (isLoop(head, options.name)) this.#refuse("loop_detected")
    else if (left < 0) this.#refuse("malformed_field")
    else if (left > 0) {
      this.#extraLine = left === Infinity ? "" : `Max-Forwards: ${left - 1}\r\n`
      this.#beginExchange(head, bytes, end)
      return true
    } else {
      // The request asks how far it gets, and this is how far (RFC 9110 7.6.2).
      const closes = hasBody(head) || !this.#mayKeep(head)
      this.#respondItself(204, optionsAnswer(closes, this.#context.httpDate()), closes)
      if (!closes && end < bytes.length) this.#held.add(bytes.subarray(end))
      return !closes
    }
    return false
  }

  #redirect(head: Head, port: number): void {
    this.#isHead = head.method === "HEAD"
    const redirect = redirectAnswer(head, port, this.#context.httpDate())
    if (redirect === undefined) this.#refuse("invalid_host")
    else this.#respondItself(308, redirect, true)
  }

  #respondItself(status: number, response: Buffer, closes: boolean): void {
    this.#output.write(response)
    this.#exchange.onOwnResponse(status)
    if (closes) this.#linger()
    else this.#becomeIdle()
  }

  /** Of a request that cannot begin; nothing behind it is read. */
  #refuse(code: ErrorCode): void {
    this.#keepAlive = false
    this.refuse(code, "")
    this.#exchange.onRefused(code)
    this.#linger()
  }

  #beginExchange(head: Head, bytes: Buffer, end: number): void {
    const { options } = this.#context
    this.#state = "exchange"
    this.#isHead = head.method === "HEAD"
    this.#keepAlive = this.#mayKeep(head)
    this.#isBodyOpen = hasBody(head)
    // Only a request that has ended can leave its connection to another protocol.
    head.upgrade &&= !this.#isBodyOpen && options.requests.upgrade && isTunnelProtocol(head)
    this.takesChunks = head.minor === 1
    this.takesTrailers = head.teTrailers || (head.minor === 1 && options.response.trailers === "pass")
    this.#writer.begin(head.method, this.takesChunks)
    if (this.#isBodyOpen) {
      this.#reader ??= new BodyReader(options.limits)
      const trailers = head.chunked && options.requests.trailers === "pass" ? passTrailers(head) : undefined
      this.#reader.begin(head.chunked ? "chunked" : "length", head.contentLength, false, trailers)
    }
    this.#times.beginExchange()
    // A body that waits for a backend's room behind an earlier request is not what the client is waited for.
    if (this.#isBodyOpen && !this.#input.isPaused) this.#times.body(0)
    else this.#awaitTaking()
    this.#exchange.begin(head, this.#isBodyOpen, this.#entry.forwarding)
    if (end === bytes.length) {
      if (this.#state === "exchange") this.#input.resume()
    } else if (this.#isInExchange() && this.#isBodyOpen) this.#readBody(bytes, end)
    else if (this.#isInExchange()) this.#holdForLater(bytes.subarray(end))
    else if (this.#isWaiting()) this.#held.add(bytes.subarray(end))
    if (this.#ended) this.#endBody()
  }

  /** Another request may follow this one. To be asked once for each. */
  #mayKeep(head: Head): boolean {
    const { isStopping, options } = this.#context
    const isLast = ++this.#requests >= options.limits.requestsPerConnectionMax
    return head.minor === 1 && !head.closes && !isLast && !isStopping
  }

  #isInExchange(): boolean {
    return this.#state === "exchange"
  }

  #isWaiting(): boolean {
    return this.#state === "idle"
  }

  #readBody(bytes: Buffer, from: number): void {
    const reader = this.#reader!
    const at = reader.read(bytes, from, bytes.length)
    this.bytesIn += at - from
    this.#isBodyOpen = reader.state === "open"
    if (reader.state === "invalid") {
      this.#exchange.onFailed(reader.error)
      return
    }
    if (reader.dataBytes > this.#context.options.limits.bodyBytesMax) {
      this.#exchange.onFailed("body_too_large")
      return
    }
    if (!this.#input.isPaused) this.#times.body(reader.dataBytes)
    if (reader.outputCount > 0) this.#exchange.onRequestBody(reader)
    if (reader.state !== "complete") return
    // Its last piece may have ended the exchange: what is behind it is the next request all the same.
    if (this.#isInExchange()) {
      this.#awaitTaking()
      this.#exchange.onRequestEnd()
    }
    if (at === bytes.length) {
      // The backend may have held its last piece back: reading has stopped then.
      if (this.#isInExchange()) this.#watch()
    } else if (this.#isInExchange()) this.#holdForLater(bytes.subarray(at))
    else if (this.#isWaiting()) {
      this.#held.add(bytes.subarray(at))
      this.#parseHeld()
    }
  }

  /**
   * The client will send no more. What it has asked for it still gets where that does not take long (RFC 9112 9.6
   * makes no abort of it); a request whose end can no longer come is not.
   */
  #onEnd(): void {
    this.#ended = true
    switch (this.#state) {
      case "idle":
        if (this.#held.bytes === undefined) this.#finish()
        break
      case "head":
      case "lingering":
        this.#finish()
        break
      case "exchange":
        this.#endExchange()
        break
      case "tunnel":
        // TLS reads on past what we have paused: the end may come while bytes before it are held.
        if (this.#held.bytes === undefined) this.#exchange.onClientEnd()
        break
      case "closed":
        break
    }
  }

  #endExchange(): void {
    if (this.#context.options.timeouts.clientHalfClosedMs === 0) {
      this.#close()
      return
    }
    this.#endBody()
    if (this.#isInExchange() && !this.#isBodyOpen) this.#awaitTaking()
  }

  /** No more of the body comes than what is held. */
  #endBody(): void {
    if (this.#held.bytes === undefined && this.#isInExchange() && this.#isBodyOpen) this.#close()
  }

  #becomeIdle(): void {
    this.#state = "idle"
    this.#times.idle()
    if (this.#held.bytes === undefined) this.#input.resume()
  }

  /**
   * Says that no more comes, and goes on reading for a while: a reset would destroy the response on its way to a client
   * that writes all of its request before it reads (RFC 9112 9.6).
   */
  #linger(): void {
    if (this.#ended) {
      this.#finish()
      return
    }
    this.#state = "lingering"
    this.#held.clear()
    this.#times.finish()
    this.#socket.end(() => {
      if (this.#state === "lingering") this.#times.beginLingering()
    })
    this.#input.resume()
  }

  /** Both sides are done: closes once everything has been written. */
  #finish(): void {
    this.#state = "lingering"
    this.#held.clear()
    this.#times.finish()
    if (!this.#socket.writableEnded) this.#socket.end()
    this.#input.resume()
  }

  /** Between requests there is nothing to cut: over TLS it says that no more comes (RFC 8446 6.1). */
  #farewell(): void {
    this.#state = "closed"
    this.#forget()
    this.#socket.destroySoon()
  }

  /** At once. A client that got only a part of a response sees that, also where just the end delimits it. */
  #close(): void {
    if (this.#state === "closed") return
    const { isIdle, isAnswerable } = this.#exchange
    if (this.isHolding || !(isIdle || isAnswerable)) {
      this.cut()
      return
    }
    this.#state = "closed"
    this.#forget()
    this.#socket.destroy()
  }

  #forget(): void {
    this.#held.clear()
    this.#times.end()
    this.#exchange.onClientGone()
    this.#context.onClientClosed(this)
  }
}

function hasBody(head: Head): boolean {
  return head.chunked || head.contentLength > 0
}

/** undefined once the client has gone. */
function endsOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): ConnectionEnds | undefined {
  if (remoteAddress === undefined || remotePort === undefined) return undefined
  if (localAddress === undefined || localPort === undefined) return undefined
  return {
    source: { host: remoteAddress, port: remotePort },
    destination: { host: localAddress, port: localPort },
  }
}
