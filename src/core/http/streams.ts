/**
 * The seam between an exchange and the protocols: a request comes in on a client stream, goes out on a backend stream,
 * and its response comes back the same way. An exchange knows these four interfaces and no protocol. Two are what it
 * calls (`ClientStream`, `BackendStream`), two are what it is told (`ClientEvents`, `BackendEvents`).
 *
 * A stream carries one message in each direction at a time. HTTP/1 has one stream per connection, used for one exchange
 * after the other; a protocol that multiplexes has one per request.
 *
 * **Heads** are read in the turn in which they come (`MessageHead`). A request's head is kept as bytes of HTTP/1.1,
 * because it may have to wait, and to be sent more than once. A backend stream of another protocol reads it from there.
 *
 * **Bodies** go on in pieces, in one of the forms of `Framing`. Chunked framing is passed on as it is, verified: both
 * sides of most exchanges speak it, and taking it off and putting it on again costs a write for each chunk. A request's
 * body has the form that its kept head names. A response's body is chunked only for a client that `takesChunks`; for
 * others its data comes alone, and its trailer section by `onTrailers`.
 *
 * **Flow control** is pause and resume. `write` returns false when the other side is behind; the writer then pauses
 * what it reads from, until `onClientDrain` or `onBackendDrain`. With windows (RFC 9113 5.2), false is an empty window.
 *
 * **Ends.** A message that is complete is ended. One that is not is cut, and its receiver must be able to see that: a
 * connection reset in HTTP/1, RST_STREAM in HTTP/2. After `release`, `cut` or `reset` an exchange calls its stream no
 * more, and hears no more of it.
 */
import type { Millis } from "../clock.ts"
import type { ConnectionEnds } from "../endpoint.ts"
import type { ErrorCode } from "../errors.ts"
import type { MessageHead } from "./message-head.ts"

/**
 * How a body's length is known (RFC 9112 6.3). `length`: data alone, as much as Content-Length says. `chunked`: in
 * chunked framing, with the last chunk. `close`: data alone, up to the end of the connection or of the stream;
 * responses only.
 */
export type Framing = "none" | "length" | "chunked" | "close"

/** What has come of a body: `outputCount` slices, to be used before the reader is called again. */
export interface BodyPieces {
  readonly framing: Framing
  readonly output: readonly Buffer[]
  readonly outputCount: number
}

/** Where the requests of a client's connection come from, as far as the head does not say it itself. */
export interface RequestOrigin {
  /** Whether the client speaks TLS: with us, or with the trusted proxy that says so. */
  isSecure(head: MessageHead): boolean
  /** The client's IP address: the peer's, or the one that a trusted proxy names. Undefined where there is none. */
  clientOf(head: MessageHead): string | undefined
  /** The same, 4 or 16 bytes. */
  clientBytesOf(head: MessageHead): Uint8Array | undefined
}

/** A client's side of an exchange: a request comes from here, its response goes here. */
export interface ClientStream {
  /** Both ends of the client's connection; undefined once it has gone. */
  readonly ends: ConnectionEnds | undefined
  /** The client reads chunked framing: HTTP/1.1 does. Set before `begin`. */
  readonly takesChunks: boolean
  /** The client gets the trailer section of its response. Set before `begin`. */
  readonly takesTrailers: boolean
  /** Bytes that were written have not all left yet. */
  readonly isHolding: boolean
  /** It takes no more for now: `onClientDrain` follows. */
  readonly isBehind: boolean
  /** Bytes of the present request that have come: its head, its body with framing, and its side of a tunnel. */
  readonly bytesIn: number
  /** Bytes of the response that were written: all heads, the body with framing, and the other side of the tunnel. */
  readonly bytesOut: number

  /**
   * The head of the present request as it goes to backends, to be kept. To be called within `begin`.
   *
   * @param added whole field lines with their CRLF, latin1
   */
  keepHead(head: MessageHead, added: string): Buffer
  /** Takes no more of the request's body, or of what the client sends through the tunnel. */
  pause(): void
  resume(): void

  /** A 1xx response other than 101. */
  interim(head: MessageHead): void
  /**
   * The final head, or that of 101, with the whole body, which is bytes[from..to) and not chunked. This one and the
   * next return whether they have passed the bytes on as they are; false is a copy.
   *
   * @param added whole field lines with their CRLF, latin1
   */
  respondWhole(head: MessageHead, added: string, bytes: Buffer, from: number, to: number): boolean
  /** The final head, and what has come of the body with it. */
  respond(head: MessageHead, added: string, body: BodyPieces): boolean
  /** More of the body; false when no more should be written for now (`onClientDrain` follows). */
  write(body: BodyPieces): boolean
  /**
   * All of the body has been written.
   *
   * @param trailers the trailer section as it came, latin1, of a body that is not chunked; which of its fields may go on
   *   is for the stream to say (RFC 9110 6.5.1)
   */
  end(trailers: string): void
  /** A response of the balancer's own, whole. Nothing of another has been written. */
  refuse(code: ErrorCode, detail: string): void
  /** The exchange is over, its response or its tunnel has ended. The next may begin before this returns. */
  release(): void
  /** The response cannot be completed: the client must see that it was cut. Only HTTP/2 can say why. */
  cut(code: ErrorCode): void

  /** 101 has been written. From now on all bytes are for the other side (`onClientBytes`), those that came early first. */
  beginTunnel(): void
  /** What the backend sends through the tunnel; returns what `write` returns. */
  writeTunnel(bytes: Buffer): boolean
  /** The backend sends no more through the tunnel. */
  endTunnel(): void
}

/** What a client stream tells. */
export interface ClientEvents {
  /** No request is under way. */
  readonly isIdle: boolean
  /** Not one byte of a response has been written, so a response of the balancer's own is still possible. */
  readonly isAnswerable: boolean

  /** A request begins. `hasBody`: `onRequestBody` and `onRequestEnd` follow, after `resume`. */
  begin(head: MessageHead, hasBody: boolean, origin: RequestOrigin): void
  /** More of its body. */
  onRequestBody(body: BodyPieces): void
  /** The body is complete. */
  onRequestEnd(): void
  /** The request turned out to be wrong in mid-body, or took too long. It ends here, by `refuse` or by `cut`. */
  onFailed(code: ErrorCode): void
  /** The client takes more again. */
  onClientDrain(): void
  /** The client has gone, whatever was under way. Comes once, and last. */
  onClientGone(): void
  /** The client sends this through the tunnel. */
  onClientBytes(bytes: Buffer): void
  /** The client sends no more through the tunnel. */
  onClientEnd(): void

  /** A request that cannot begin was refused, in bytes that have been written already. */
  onRefused(code: ErrorCode): void
  /** A request was responded to without an exchange, in bytes that have been written already. */
  onOwnResponse(status: number): void
}

/** Has connections to backends that carry its requests only. */
export interface StreamOwner {
  add(stream: BackendStream): void
  delete(stream: BackendStream): void
}

/** A backend's side of an exchange: a request goes here, its response comes from here. Given by a pool. */
export interface BackendStream {
  /** Which pool it is of, by identity. */
  readonly pool: object
  /** Its connection has carried exchanges before, so that the backend may have closed it without our knowing. */
  readonly isReused: boolean
  /** At least one byte has come back. */
  readonly hasAnswered: boolean
  /**
   * The backend may have seen something of the request. False again where it has said that it did not: a stream above
   * the last one of a GOAWAY, or REFUSED_STREAM (RFC 9113 8.7).
   */
  readonly hasTaken: boolean
  /** A client has authenticated itself on its connection, or is about to. */
  readonly isAuthenticated: boolean
  /** It takes no more of the request for now: `onBackendDrain` follows. */
  readonly isBehind: boolean
  /** The response is held back, and for how long it has been without a break. */
  readonly isPaused: boolean
  readonly pausedMs: Millis

  /** Begins an exchange, which is told when it may send: at once where the connection is open. */
  start(exchange: BackendEvents): void
  /** What is sent here authenticates a client: from now on the connection carries only that client's requests. */
  bindTo(owner: StreamOwner): void
  /** The kept head of the request; false when the backend is behind. With a body, `write` and `end` follow. */
  send(head: Buffer, hasBody: boolean): boolean
  /** More of the request's body, or of what goes through the tunnel; false when the backend is behind. */
  write(bytes: Buffer): boolean
  /** Several writes until `uncork` leave together. */
  cork(): void
  uncork(): void
  /** The whole request has been written; from now on the backend's time to respond runs. */
  end(): void
  /** Holds the response back. While it is held, the client's time runs and not the backend's. */
  pause(): void
  resume(): void
  /** The exchange wants no more of it. In HTTP/2 RST_STREAM with CANCEL. */
  reset(exchange: BackendEvents): void
  /** The client sends no more through the tunnel. */
  endTunnel(): void
  /** Both sides of the tunnel have ended: closes once the backend has taken all of the client's. */
  finish(): void
  /** Closes its connection, on which nothing is under way. */
  retire(): void
}

/** What a backend stream tells, and what it has to know of the request. */
export interface BackendEvents {
  /** The request's method is HEAD: the response has no body whatever its head says. */
  readonly isHead: boolean
  /** The response's body goes on in the chunked framing that it came in; else its data alone. */
  readonly takesChunks: boolean
  /** The client gets the trailer section. */
  readonly takesTrailers: boolean
  /** The request asks for another protocol: 101, or 2xx to an extended CONNECT (RFC 8441), opens the tunnel. */
  readonly upgrades: boolean
  /** Bytes that were passed on are still to be written to the client. */
  readonly isHolding: boolean

  onBackendReady(stream: BackendStream): void
  /** All that was written has been taken. */
  onBackendDrain(): void
  /** A 1xx response other than 101. */
  onInterim(head: MessageHead): void
  /** See `ClientStream.respondWhole`. */
  onWholeResponse(head: MessageHead, bytes: Buffer, from: number, to: number): boolean
  /** See `ClientStream.respond`. */
  onResponseHead(head: MessageHead, body: BodyPieces): boolean
  onResponseBody(body: BodyPieces): void
  /** The trailer section as it came, before the response's end: whole field lines, latin1. */
  onTrailers(section: string): void
  /** The response is complete. The stream has been given back. */
  onResponseEnd(): void
  /** The tunnel is open: the head that says so, and in bytes[from..to) what came through the tunnel with it. */
  onTunnel(head: MessageHead, bytes: Buffer, from: number, to: number): void
  /** The backend sends this through the tunnel. */
  onBackendBytes(bytes: Buffer): void
  /** The backend sends no more through the tunnel. */
  onBackendEnd(): void
  /** The stream is of no more use. `response_cut` and `response_timeout` come only after a head. */
  onBackendFailed(stream: BackendStream, code: ErrorCode, detail: string): void
}
