/**
 * What a connection goes through before its first request.
 *
 *     proxy ──header──▶ hello ──ClientHello──▶ handshake ──secure──▶ arrived
 *       │                 │                       │
 *       └─────────────────┴───(wrong, late)───────┴──▶ gone
 *
 * `proxy` is for peers that owe a PROXY header, `hello` for TLS while tickets of an older key are about, `handshake`
 * for TLS. A plain connection without a PROXY header has no entrance at all.
 */
import type { Socket } from "node:net"
import type { TLSSocket } from "node:tls"
import type { Millis } from "../../core/clock.ts"
import type { ErrorCode } from "../../core/errors.ts"
import { Joiner } from "../../core/kept-bytes.ts"
import { errorAnswer } from "../../http1/serialize.ts"
import { type Deadlines, lastRequestMs, type Limited } from "../../net/deadlines.ts"
import { type ProxyHeader, readProxyHeader } from "../../net/proxy-protocol.ts"
import { holdsFirstRecord } from "../../net/tls-hello.ts"
import type { Handshaking, TlsTermination } from "./tls-termination.ts"

/** A connection that is ready for requests. */
export interface Arrival {
  /** Requests are read from it, responses written to it. */
  readonly socket: Socket
  /** The TCP connection below; the same where there is no TLS. */
  readonly transport: Socket
  /** The client's address: the peer's, or what its PROXY header says. Undefined when it has none. */
  readonly peer: string | undefined
  /** Both ends as its PROXY header says; undefined when those of `transport` are the ones to go by. */
  readonly ends: ProxyHeader["ends"]
  readonly isTls: boolean
}

export interface EntranceOwner {
  readonly deadlines: Deadlines
  readonly timeouts: { readonly clientHeadMs: number; readonly tlsHandshakeMs: number }
  /** Has to listen to the socket before it returns: what has come already follows at once. */
  onArrival(entrance: Entrance, arrival: Arrival): void
  /** It has gone; `code` says why, where one of both sides is to blame. */
  onGone(entrance: Entrance, code: ErrorCode | undefined): void
  httpDate(): string
}

export class Entrance implements Limited, Handshaking {
  deadlineAt: Millis
  readonly #owner: EntranceOwner
  readonly #socket: Socket
  readonly #tls: TlsTermination | undefined
  #state: "proxy" | "hello" | "handshake" | "arrived" | "gone" = "proxy"
  #peer: string | undefined
  #ends: ProxyHeader["ends"]
  #headerBytes = 0
  #isStopping = false
  /** Bytes that have come, behind the PROXY header. */
  #held: Buffer | undefined
  readonly #joiner = new Joiner()
  #forget: (() => void) | undefined

  constructor(owner: EntranceOwner, socket: Socket, tls: TlsTermination | undefined) {
    this.#owner = owner
    this.#socket = socket
    this.#tls = tls
    this.#peer = socket.remoteAddress
    this.deadlineAt = owner.deadlines.after(owner.timeouts.clientHeadMs)
    owner.deadlines.add(this)
    socket.on("error", this.#onClose)
    socket.on("close", this.#onClose)
  }

  /** @param owesHeader whether the connection has to start with a PROXY header */
  start(owesHeader: boolean): void {
    if (!owesHeader && this.#tls?.wantsHello === false) {
      this.#shakeHands()
      return
    }
    this.#socket.on("data", this.#onData)
    this.#socket.on("end", this.#onClose)
    if (!owesHeader) this.#awaitHello()
  }

  destroy(): void {
    this.#leave(undefined)
  }

  /** The balancer closes its listeners: a client that is about to arrive still does, and no other is waited for. */
  stop(): void {
    this.#isStopping = true
    this.deadlineAt = Math.min(this.deadlineAt, this.#owner.deadlines.after(lastRequestMs))
  }

  onDeadline(): void {
    if (this.#isStopping) this.#leave(undefined)
    else this.#leave(this.#state === "proxy" ? "head_timeout" : "tls_handshake_timeout")
  }

  // ── the handshake's side ──────────────────────────────────────────────────────────────────────────────────────

  onSecure(socket: TLSSocket): void {
    // A client that has said all it will still gets its response; up to here an end was the end.
    socket.allowHalfOpen = true
    this.#arrive(socket, true)
  }

  onPlainHttp(): void {
    this.#socket.end(errorAnswer("tls_expected", "", true, true, this.#owner.httpDate()))
    // The TLS server closes it once this has returned.
    this.#goWith("tls_expected")
  }

  // ── within ────────────────────────────────────────────────────────────────────────────────────────────────────

  readonly #onData = (chunk: Buffer): void => {
    this.#held = this.#held === undefined ? chunk : this.#joiner.join(this.#held, chunk)
    if (this.#state === "proxy") this.#readHeader(this.#held)
    else if (holdsFirstRecord(this.#held)) this.#shakeHands()
  }

  readonly #onClose = (): void => {
    // Nothing, or nothing but the header: a program looks whether the port is open.
    const isProbe = this.#socket.bytesRead === this.#headerBytes
    this.#leave(
      isProbe ? undefined : this.#state === "proxy" ? "invalid_proxy_header" : "tls_handshake_failed",
    )
  }

  #readHeader(bytes: Buffer): void {
    const header = readProxyHeader(bytes)
    if (header.kind === "incomplete") return
    if (header.kind === "invalid") {
      this.#leave("invalid_proxy_header")
      return
    }
    this.#ends = header.ends
    this.#headerBytes = header.length
    const source = header.ends?.source
    if (source !== undefined) this.#peer = "path" in source ? undefined : source.host
    this.#held = header.length < bytes.length ? bytes.subarray(header.length) : undefined
    if (this.#tls === undefined) {
      this.#release()
      this.#arrive(this.#socket, false)
      // The pause before what was held has been put back would last otherwise.
      this.#socket.resume()
    } else if (this.#tls.wantsHello) this.#awaitHello()
    else this.#shakeHands()
  }

  #awaitHello(): void {
    this.#state = "hello"
    this.#setHandshakeDeadline()
    if (this.#held !== undefined && holdsFirstRecord(this.#held)) this.#shakeHands()
  }

  #shakeHands(): void {
    if (this.#state === "proxy") this.#setHandshakeDeadline()
    this.#state = "handshake"
    const hello = this.#held
    this.#release()
    // The TLS server takes this over: a client that ends in mid-handshake is not waited for.
    this.#socket.allowHalfOpen = false
    this.#forget = this.#tls!.begin(this.#socket, hello, this)
  }

  #setHandshakeDeadline(): void {
    this.deadlineAt = this.#owner.deadlines.after(this.#owner.timeouts.tlsHandshakeMs)
  }

  /** Stops reading, and puts what was read back for what reads next. */
  #release(): void {
    const socket = this.#socket
    socket.off("data", this.#onData)
    socket.off("end", this.#onClose)
    if (this.#held === undefined) return
    socket.pause()
    socket.unshift(this.#held)
    this.#held = undefined
  }

  #arrive(socket: Socket, isTls: boolean): void {
    this.#state = "arrived"
    this.#end()
    this.#owner.onArrival(this, {
      socket,
      transport: this.#socket,
      peer: this.#peer,
      ends: this.#ends,
      isTls,
    })
  }

  #leave(code: ErrorCode | undefined): void {
    if (this.#state === "gone" || this.#state === "arrived") return
    this.#socket.destroy()
    this.#goWith(code)
  }

  #goWith(code: ErrorCode | undefined): void {
    this.#state = "gone"
    this.#held = undefined
    this.#end()
    this.#owner.onGone(this, code)
  }

  #end(): void {
    const socket = this.#socket
    socket.off("data", this.#onData)
    socket.off("end", this.#onClose)
    socket.off("close", this.#onClose)
    socket.off("error", this.#onClose)
    // Whatever becomes of it is told by another event.
    socket.on("error", () => {})
    this.#owner.deadlines.delete(this)
    this.#forget?.()
  }
}
