/**
 * Hot path: one connection from a client, which carries one exchange after another.
 *
 *     idle ──first byte──▶ head ──whole head──▶ exchange ──response written, kept──▶ idle
 *      │                    │                      │
 *      │                    └──(refused)──▶ answered, closes
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
import { type ErrorCode, errors } from "../core/errors.ts"
import { BodyReader } from "../http1/body.ts"
import { LF } from "../http1/characters.ts"
import { type Head, incomplete, invalid } from "../http1/head.ts"
import { Joiner } from "../http1/kept-bytes.ts"
import { parseRequestHead } from "../http1/request-head.ts"
import { loopsMax, optionsAnswer, takeForward, timesHere } from "../http1/forwards.ts"
import { errorAnswer } from "../http1/serialize.ts"
import { passTrailers } from "../http1/trailers.ts"
import { BoundedWrites } from "../net/bounded-writes.ts"
import { lastRequestMs, type Limited, never, type Tick } from "../net/deadlines.ts"
import { readDirectly, readOn } from "../net/direct-reading.ts"
import { type ClientSide, Exchange, type ExchangeContext } from "./exchange.ts"
import type { Contender } from "./fair-share.ts"
import type { Forwarding } from "./entrance/forwarding.ts"
import type { ProxyEnds } from "../net/proxy-protocol.ts"
import { redirectAnswer } from "./entrance/redirect.ts"

/** What the thread wants to know of its connections. */
export interface ClientOwner extends ExchangeContext {
  onClientClosed(client: ClientConnection): void
}

/** How the client came in. */
export interface ClientEntry {
  /** The TCP connection below TLS; the same where there is none. */
  readonly transport: Socket
  /** Both ends as a PROXY header says; undefined when those of `transport` are the ones to go by. */
  readonly ends?: ProxyEnds | undefined
  readonly forwarding: Forwarding
  /** Its requests are not served but sent to this port, where TLS is spoken. */
  readonly redirectPort: number | undefined
}

export class ClientConnection implements ClientSide, Limited {
  deadlineAt: Tick
  readonly #owner: ClientOwner
  readonly #socket: Socket
  readonly #writes: BoundedWrites
  readonly #exchange: Exchange
  /** Made with the first body: many connections never have one. */
  #reader: BodyReader | undefined
  /** More of the request's body is to come. */
  #isBodyOpen = false
  readonly #entry: ClientEntry
  #state: "idle" | "head" | "exchange" | "tunnel" | "lingering" | "closed" = "idle"
  /** Bytes that have come and that were not read yet: a head in parts, or a request before its turn. */
  #held: Buffer | undefined
  /** Made where something is held in parts, and given up with the head that it was for. */
  #joiner: Joiner | undefined
  #requests = 0
  #isHead = false
  #keepAlive = false
  #ended = false
  /** By when a client that has been told to go has to have gone; `never` until it has been sent everything. */
  #lingerEndsAt: Tick = never
  #parsing = false
  /** No more bytes are wanted for now. */
  #paused = false
  /** The socket has been told so, and reads no more by itself. */
  #stopped = false
  /** It takes no more of what it is sent for now; its `drain` follows. */
  #clogged = false
  /** Since when it has been behind, and for how long in all during the response of the present exchange. */
  #cloggedAt: Tick = 0
  #cloggedTicks: Tick = 0
  /** What was written to it of the present exchange. */
  #answerBytes = 0
  /** When the exchange has to be over. */
  #exchangeEndsAt: Tick = never
  /** The tick at which the body's time began. */
  #bodyBeganAt: Tick = 0
  #pausedAt: Tick = 0

  constructor(owner: ClientOwner, socket: Socket, entry: ClientEntry) {
    this.#owner = owner
    this.#entry = entry
    this.#socket = socket
    this.#writes = new BoundedWrites(socket, () => this.#onDrain())
    this.#exchange = new Exchange(owner, this)
    this.deadlineAt = owner.deadlines.after(owner.options.timeouts.clientHeadMs)
    readDirectly(socket, (bytes) => this.#onBytes(bytes))
    socket.on("end", () => this.#onEnd())
    socket.on("drain", () => this.#onDrain())
    socket.on("error", () => this.#close())
    socket.on("close", () => this.#close())
    owner.deadlines.add(this)
  }

  /**
   * The balancer closes its listeners: busy connections close after their exchange, idle ones in a moment. A request
   * that is under way to an idle one still comes in time, and its response says that it is the last (RFC 9112 9.6).
   */
  stop(): void {
    if (this.#state !== "idle") return
    this.deadlineAt = Math.min(this.deadlineAt, this.#owner.deadlines.after(lastRequestMs))
  }

  /** Ends it at once, whatever it does. */
  destroy(): void {
    this.#close()
  }

  onDeadline(): void {
    switch (this.#state) {
      case "idle":
        // A farewell waits until all has been sent: with a client that takes nothing, for ever.
        if (this.isHolding) this.#close()
        else if (this.#owner.isStopping) this.#linger()
        else this.#farewell()
        break
      case "lingering":
      case "closed":
        this.#close()
        break
      case "head":
        this.#refuse("head_timeout")
        break
      case "exchange":
        if (this.#owner.deadlines.tick >= this.#exchangeEndsAt) this.#exchange.onFailed("exchange_timeout")
        else if (this.#isBodyOpen) this.#exchange.onFailed("body_timeout")
        else this.#close()
        break
      case "tunnel":
        this.#owner.counters.countError(this.#owner.worker, "tunnel_timeout")
        this.#close()
        break
    }
  }

  get contender(): Contender {
    return this.#exchange
  }

  // ── the exchange's side ───────────────────────────────────────────────────────────────────────────────────────

  get ends(): ProxyEnds | undefined {
    return this.#entry.ends ?? endsOf(this.#entry.transport)
  }

  get isHolding(): boolean {
    return this.#socket.writableLength > 0
  }

  get isPrompt(): boolean {
    // Within TLS a write has never left when it returns.
    return this.#socket === this.#entry.transport && this.#socket.writableLength === 0
  }

  write(bytes: Buffer): boolean {
    if (this.#state === "closed") return true
    const took = this.#writes.write(bytes)
    this.#answerBytes += bytes.length
    if (!took && !this.#clogged) this.#cloggedAt = this.#owner.deadlines.tick
    this.#clogged = !took
    if (this.#state === "tunnel") this.#setTunnelDeadline()
    else if (!took || !this.#isBodyOpen) this.#setAnswerDeadline()
    return took
  }

  cork(): void {
    this.#socket.cork()
  }

  uncork(): void {
    this.#socket.uncork()
  }

  pauseBody(): void {
    if (!this.#paused) this.#pausedAt = this.#owner.deadlines.tick
    this.#paused = true
    if (this.#state === "exchange") this.#setAnswerDeadline()
  }

  resumeBody(): void {
    if (this.#state === "tunnel") {
      this.#resumeTunnel()
      return
    }
    if (this.#state !== "exchange" || !this.#isBodyOpen) return
    // Only the time in which the body may come counts against its rate.
    if (this.#paused) this.#bodyBeganAt += this.#owner.deadlines.tick - this.#pausedAt
    this.#setBodyDeadline()
    this.#resume()
    const held = this.#takeHeld()
    if (held === undefined) return
    this.#readBody(held, 0)
    if (this.#ended) this.#endBody()
  }

  onExchangeEnd(keepAlive: boolean): void {
    if (this.#state === "closed") return
    if (!keepAlive || this.#owner.isStopping) {
      this.#linger()
      return
    }
    if (this.#ended && this.#held === undefined) {
      this.#finish()
      return
    }
    this.#becomeIdle()
    this.#parseHeld()
  }

  onTunnel(): void {
    if (this.#state === "closed") return
    this.#state = "tunnel"
    this.#setTunnelDeadline()
    if (this.#ended && this.#held === undefined) this.#exchange.onTunnelEnd()
    else this.#resumeTunnel()
  }

  endTunnel(): void {
    if (this.#state === "tunnel") this.#socket.end()
  }

  onTunnelEnd(): void {
    if (this.#state === "tunnel") this.#finish()
  }

  cut(): void {
    if (this.#state === "closed") return
    // What has been written may still be on its way; a reset makes sure that nobody takes it for the whole.
    this.#state = "closed"
    this.#forget()
    // Below TLS, too: there must be no close_notify, which would say that this was all (RFC 8446 6.1).
    const { transport } = this.#entry
    // With nothing left to write, an end that was asked for is under way: a reset would fail then, and leave the
    // descriptor open for good (Node.js 24).
    if (transport.writableEnded && transport.writableLength === 0) transport.destroy()
    else transport.resetAndDestroy()
  }

  answer(code: ErrorCode, detail: string): void {
    if (this.#state === "closed") return
    const { status } = errors[code]
    const keeps =
      status >= 500 &&
      status !== 505 &&
      status !== 501 &&
      status !== 508 &&
      this.#state === "exchange" &&
      !this.#isBodyOpen &&
      !this.#owner.isStopping &&
      this.#keepAlive
    this.write(errorAnswer(code, detail, !keeps, !this.#isHead, this.#owner.httpDate()))
    if (keeps) this.onExchangeEnd(true)
    else this.#linger()
  }

  // ── bytes from the client ─────────────────────────────────────────────────────────────────────────────────────

  /** False when no more shall be read for now. */
  #onBytes(chunk: Buffer): boolean {
    switch (this.#state) {
      case "idle":
        this.#hold(chunk)
        if (!this.#paused) this.#parseHeld()
        break
      case "head":
        // A head that drips in is read again for each of its lines, not for each of its bytes.
        this.#hold(chunk)
        if (!this.#paused && (chunk.includes(LF) || this.#isHeldTooLong())) this.#parseHeld()
        break
      case "exchange":
        if (this.#paused) this.#hold(chunk)
        else if (this.#isBodyOpen) this.#readBody(chunk, 0)
        else this.#holdForLater(chunk)
        break
      case "tunnel":
        if (this.#paused) this.#hold(chunk)
        else {
          this.#setTunnelDeadline()
          this.#exchange.onTunnelBytes(chunk)
        }
        break
      case "lingering":
        if (this.#lingerEndsAt !== never) this.#setLingerDeadline()
        break
      case "closed":
        break
    }
    this.#stopped = this.#paused
    return !this.#paused
  }

  #resume(): void {
    this.#paused = false
    if (!this.#stopped) return
    this.#stopped = false
    readOn(this.#socket)
  }

  #resumeTunnel(): void {
    this.#resume()
    const held = this.#takeHeld()
    if (held === undefined) return
    this.#exchange.onTunnelBytes(held)
    if (this.#ended) this.#exchange.onTunnelEnd()
  }

  #onDrain(): void {
    if (this.#clogged) this.#cloggedTicks += this.#owner.deadlines.tick - this.#cloggedAt
    this.#clogged = false
    switch (this.#state) {
      case "exchange":
        // It takes its answer again; a body that is still to come has a time limit of its own.
        if (this.#isBodyOpen && !this.#paused) this.#setBodyDeadline()
        else this.#setAnswerDeadline()
        this.#exchange.onClientDrain()
        break
      case "tunnel":
        this.#setTunnelDeadline()
        this.#exchange.onClientDrain()
        break
      case "idle":
      case "head":
        if (this.#held === undefined) this.#resume()
        else this.#parseHeld()
        break
      case "lingering":
      case "closed":
        break
    }
  }

  #hold(chunk: Buffer): void {
    if (this.#held === undefined) this.#held = chunk
    else this.#held = (this.#joiner ??= new Joiner()).join(this.#held, chunk)
  }

  #takeHeld(): Buffer | undefined {
    const held = this.#held
    this.#held = undefined
    this.#joiner = undefined
    return held
  }

  #isHeldTooLong(): boolean {
    return this.#held !== undefined && this.#held.length > this.#owner.options.limits.headBytesMax
  }

  #holdForLater(bytes: Buffer): void {
    this.#hold(bytes)
    this.#watch()
  }

  /** The request has been read. Reads on, so that the client's end is seen, but not for ever. */
  #watch(): void {
    if (this.#isHeldTooLong()) this.#paused = true
    else this.#resume()
    this.#setAnswerDeadline()
  }

  /** Serves what is held, one request after the other, until one has to wait for something. */
  #parseHeld(): void {
    // An exchange may end within its own beginning (an error of ours): the loop goes on then, not the call.
    if (this.#parsing) return
    this.#parsing = true
    while ((this.#state === "idle" || this.#state === "head") && this.#held !== undefined) {
      // A client that takes no answers gets no further requests served, and no more is read of it.
      if (this.#clogged) {
        this.#paused = true
        break
      }
      const bytes = this.#held
      this.#held = undefined
      if (!this.#parse(bytes)) break
    }
    this.#parsing = false
    if (this.#held === undefined && this.#ended && (this.#state === "idle" || this.#state === "head"))
      this.#finish()
  }

  /** True when a whole head was taken. */
  #parse(bytes: Buffer): boolean {
    const { options, headLimits, names, requestHead: head, deadlines } = this.#owner
    if (this.#state === "idle") {
      this.#state = "head"
      this.#isHead = false
      this.deadlineAt = deadlines.after(options.timeouts.clientHeadMs)
    }
    const end = parseRequestHead(head, bytes, 0, bytes.length, headLimits, names)
    if (end === invalid) {
      this.#isHead = head.method === "HEAD"
      this.#refuse(head.error)
      return false
    }
    if (end === incomplete) {
      if (bytes.length > options.limits.headBytesMax) this.#refuse("head_too_large")
      else {
        this.#held = bytes
        if (this.#ended) this.#finish()
        else this.#resume()
      }
      return false
    }
    this.#joiner = undefined
    const { forwarding, redirectPort } = this.#entry
    if (redirectPort !== undefined && !forwarding.isSecure(head)) {
      this.#redirect(head, redirectPort)
      return false
    }
    if (head.contentLength > options.limits.bodyBytesMax) {
      this.#refuse("body_too_large")
      return false
    }
    const extra = this.#forwardedLine(head)
    if (extra === undefined) {
      if (this.#isWaiting() && end < bytes.length) this.#hold(bytes.subarray(end))
      return this.#isWaiting()
    }
    this.#beginExchange(head, bytes, end, extra)
    return true
  }

  /** Max-Forwards as it goes on, if there is one; undefined when the request ends here, with its answer. */
  #forwardedLine(head: Head): string | undefined {
    if (head.viaField !== -1 && timesHere(head, this.#owner.options.name) >= loopsMax) {
      this.#refuse("loop_detected")
      return undefined
    }
    if (head.maxForwardsField === -1 || head.method !== "OPTIONS") return ""
    const left = takeForward(head)
    if (left > 0) return `Max-Forwards: ${left - 1}\r\n`
    if (left < 0) this.#refuse("malformed_field")
    else this.#answerOptions(head)
    return undefined
  }

  /** The request asks how far it gets, and this is how far (RFC 9110 7.6.2). */
  #answerOptions(head: Head): void {
    const { counters, worker } = this.#owner
    counters.count(worker, "requests")
    counters.count(worker, "answered")
    const hasBody = head.chunked || head.contentLength > 0
    const closes = hasBody || !this.#mayKeep(head)
    this.write(optionsAnswer(closes, this.#owner.httpDate()))
    if (closes) this.#linger()
    else this.#becomeIdle()
  }

  #redirect(head: Head, port: number): void {
    const { counters, options } = this.#owner
    this.#isHead = head.method === "HEAD"
    const answer = redirectAnswer(head, port, this.#owner.httpDate())
    if (answer === undefined) {
      this.#refuse("invalid_host")
      return
    }
    counters.count(options.worker, "requests")
    counters.count(options.worker, "answered")
    this.#socket.write(answer)
    this.#linger()
  }

  #refuse(code: ErrorCode): void {
    this.#owner.counters.countError(this.#owner.options.worker, code)
    this.answer(code, "")
  }

  #beginExchange(head: Head, bytes: Buffer, end: number, extra: string): void {
    const { options } = this.#owner
    this.#state = "exchange"
    this.#isHead = head.method === "HEAD"
    this.#keepAlive = this.#mayKeep(head)
    const ended = !head.chunked && head.contentLength <= 0
    this.#isBodyOpen = !ended
    if (!ended) {
      this.#reader ??= new BodyReader(options.limits)
      const trailers = head.chunked && options.requests.trailers === "pass" ? passTrailers(head) : undefined
      this.#reader.begin(head.chunked ? "chunked" : "length", head.contentLength, false, trailers)
    }
    const { exchangeMs } = options.timeouts
    this.#exchangeEndsAt = exchangeMs === 0 ? never : this.#owner.deadlines.after(exchangeMs)
    this.#bodyBeganAt = this.#owner.deadlines.tick
    this.#pausedAt = this.#bodyBeganAt
    this.#cloggedTicks = 0
    this.#answerBytes = 0
    // A body that waits for a backend's room behind an earlier request is not what the client is waited for.
    if (ended || this.#paused) this.#setAnswerDeadline()
    else this.#setBodyDeadline()
    this.#exchange.begin(head, ended, this.#entry.forwarding, extra, this.#keepAlive)
    if (end === bytes.length) {
      if (this.#state === "exchange") this.#resume()
    } else if (this.#isInExchange() && this.#isBodyOpen) this.#readBody(bytes, end)
    else if (this.#isInExchange()) this.#holdForLater(bytes.subarray(end))
    else if (this.#isWaiting()) this.#hold(bytes.subarray(end))
    if (this.#ended) this.#endBody()
  }

  /** Another request may follow this one. To be asked once for each. */
  #mayKeep(head: Head): boolean {
    const { isStopping, options } = this.#owner
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
    this.#isBodyOpen = reader.state === "open"
    if (reader.state === "invalid") {
      this.#exchange.onFailed(reader.error)
      return
    }
    if (reader.dataBytes > this.#owner.options.limits.bodyBytesMax) {
      this.#exchange.onFailed("body_too_large")
      return
    }
    if (!this.#paused) this.#setBodyDeadline()
    if (reader.outputCount > 0) this.#exchange.onRequestBody(reader)
    if (reader.state !== "complete") return
    // Its last piece may have ended the exchange: what is behind it is the next request all the same.
    if (this.#isInExchange()) {
      this.#setAnswerDeadline()
      this.#exchange.onRequestEnd()
    }
    if (at === bytes.length) {
      // The backend may have held its last piece back: reading has stopped then.
      if (this.#isInExchange()) this.#watch()
    } else if (this.#isInExchange()) this.#holdForLater(bytes.subarray(at))
    else if (this.#isWaiting()) {
      this.#hold(bytes.subarray(at))
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
        if (this.#held === undefined) this.#finish()
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
        if (this.#held === undefined) this.#exchange.onTunnelEnd()
        break
      case "closed":
        break
    }
  }

  #endExchange(): void {
    if (this.#owner.options.timeouts.clientHalfClosedMs === 0) {
      this.#close()
      return
    }
    this.#endBody()
    if (this.#isInExchange() && !this.#isBodyOpen) this.#setAnswerDeadline()
  }

  /** No more of the body comes than what is held. */
  #endBody(): void {
    if (this.#held === undefined && this.#isInExchange() && this.#isBodyOpen) this.#close()
  }

  /**
   * Nothing is expected of it now but that it takes what it is sent: while it does not, its own time limit runs, and
   * every byte that it takes sets it back. So it is for one that has sent so much more that it is not read, and may
   * have gone unseen. One that has ended its side may have gone, too; where a backend still takes its body, that is
   * what is waited for.
   */
  #setAnswerDeadline(): void {
    const mayHaveGone = (this.#ended || this.#paused) && !this.#isBodyOpen
    if (!this.#clogged && !mayHaveGone) {
      this.deadlineAt = this.#exchangeEndsAt
      return
    }
    const { betweenBytesMs, clientHalfClosedMs } = this.#owner.options.timeouts
    if (this.#clogged) this.#setTakingDeadline()
    else this.#setDeadline(this.#ended ? clientHalfClosedMs : betweenBytesMs)
  }

  /** The next piece of the body has its time, and all of them together come at some rate. */
  #setBodyDeadline(): void {
    const { deadlines, options } = this.#owner
    const { clientBodyMs } = options.timeouts
    this.#setDeadline(clientBodyMs)
    const rate = options.limits.bodyBytesPerSecondMin
    if (rate === 0) return
    const slowestMs = clientBodyMs + (1_000 * this.#reader!.dataBytes) / rate
    this.deadlineAt = Math.min(this.deadlineAt, this.#bodyBeganAt + deadlines.ticksOf(slowestMs))
  }

  /** The next piece of the response has its time, and all that the client was behind with is taken at some rate. */
  #setTakingDeadline(): void {
    const { deadlines, options } = this.#owner
    const { betweenBytesMs } = options.timeouts
    this.#setDeadline(betweenBytesMs)
    const rate = options.limits.responseBytesPerSecondMin
    if (rate === 0) return
    const slowestMs = betweenBytesMs + (1_000 * this.#answerBytes) / rate
    const end = this.#cloggedAt - this.#cloggedTicks + deadlines.ticksOf(slowestMs)
    this.deadlineAt = Math.min(this.deadlineAt, end)
  }

  #setTunnelDeadline(): void {
    this.deadlineAt = this.#owner.deadlines.after(this.#owner.options.timeouts.streamIdleMs)
  }

  /** Within an exchange: no later than its own end. */
  #setDeadline(ms: number): void {
    this.deadlineAt = Math.min(this.#owner.deadlines.after(ms), this.#exchangeEndsAt)
  }

  #becomeIdle(): void {
    this.#state = "idle"
    this.#exchangeEndsAt = never
    this.deadlineAt = this.#owner.deadlines.after(this.#owner.options.timeouts.clientIdleMs)
    if (this.#held === undefined) this.#resume()
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
    this.#held = undefined
    this.#lingerEndsAt = never
    const { deadlines, options } = this.#owner
    const { betweenBytesMs, lingerMs } = options.timeouts
    // Only a client that has been sent everything is waited for that short.
    this.deadlineAt = deadlines.after(betweenBytesMs)
    this.#socket.end(() => {
      if (this.#state !== "lingering") return
      this.#lingerEndsAt = deadlines.after(lingerMs)
      this.#setLingerDeadline()
    })
    this.#resume()
  }

  /** It sends on, or goes. */
  #setLingerDeadline(): void {
    const { deadlines, options } = this.#owner
    this.deadlineAt = Math.min(deadlines.after(options.timeouts.lingerIdleMs), this.#lingerEndsAt)
  }

  /** Both sides are done: closes once everything has been written. */
  #finish(): void {
    this.#state = "lingering"
    this.#held = undefined
    this.deadlineAt = this.#owner.deadlines.after(this.#owner.options.timeouts.betweenBytesMs)
    if (!this.#socket.writableEnded) this.#socket.end()
    this.#resume()
  }

  /** Between requests there is nothing to cut: over TLS it says that no more comes (RFC 8446 6.1). */
  #farewell(): void {
    this.#state = "closed"
    this.#forget()
    this.#socket.destroySoon()
  }

  /** At once. Who has been sent only a part of an answer sees that, also where just the end delimits it. */
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
    this.#held = undefined
    this.#owner.deadlines.delete(this)
    this.#exchange.onClientGone()
    this.#owner.onClientClosed(this)
  }
}

/** undefined once the client has gone. */
function endsOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): ProxyEnds | undefined {
  if (remoteAddress === undefined || remotePort === undefined) return undefined
  if (localAddress === undefined || localPort === undefined) return undefined
  return {
    source: { host: remoteAddress, port: remotePort },
    destination: { host: localAddress, port: localPort },
  }
}
