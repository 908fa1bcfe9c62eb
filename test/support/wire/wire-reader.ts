/**
 * Reads messages from bytes that come in pieces, as the connections of the relay do with the same parsers, and keeps
 * what it read: what the wire cases, the corpora and the fuzzers compare.
 */
import assert from "node:assert/strict"
import type { ErrorCode } from "../../../src/core/errors.ts"
import type { Framing } from "../../../src/core/http/streams.ts"
import { bodyLimitsDefault, BodyReader } from "../../../src/http1/body.ts"
import { FieldNames } from "../../../src/http1/field-names.ts"
import { Head, incomplete, invalid } from "../../../src/http1/head.ts"
import { type HeadLimits, headLimitsDefault } from "../../../src/http1/limits.ts"
import { parseRequestHead } from "../../../src/http1/request-head.ts"
import { parseResponseHead, responseFraming } from "../../../src/http1/response-head.ts"

export type Side = "request" | "response"

export interface ReadOptions {
  readonly limits?: HeadLimits
  /** Responses are those to HEAD. */
  readonly toHead?: boolean
  /** The trailer section goes on. */
  readonly trailers?: boolean
  /** Nothing is read behind the first message that is not interim. */
  readonly onlyOne?: boolean
  /** Writes the head as it goes on; then `forwarded` has what goes on. */
  readonly write?: (head: Head) => Buffer
}

export interface ReadField {
  readonly name: string
  readonly value: string
  /** What stands around the value. */
  readonly blanks: string
  /** It ends at this hop. */
  readonly hop: boolean
}

export interface ReadMessage {
  readonly minor: number
  /** As it came. */
  readonly version: string
  /** Requests only. */
  readonly method: string
  /** The target as it came, and as it is to be sent on. */
  readonly target: string
  readonly path: string
  /** Responses only. */
  readonly status: number
  readonly reason: string
  readonly fields: readonly ReadField[]
  readonly framing: Framing
  readonly length: number
  /** What Connection, TE and Expect say of it. */
  readonly flags: readonly string[]
  /** The body as it came, latin1. */
  raw: string
  /** The body without its framing, latin1. */
  data: string
  /** Field lines with their CRLF. */
  trailers: string
  state: "body" | "complete" | "cut"
}

const names = new FieldNames()

export class WireReader {
  readonly messages: ReadMessage[] = []
  /** What ended the reading. */
  refused: ErrorCode | undefined
  /** Nothing more is read: the last message said so, or changed the protocol. */
  done = false
  /** Every complete message as it goes on. */
  forwarded: Buffer = Buffer.alloc(0)
  readonly #side: Side
  readonly #limits: HeadLimits
  readonly #options: ReadOptions
  readonly #head: Head
  readonly #body = new BodyReader(bodyLimitsDefault)
  #held: Buffer = Buffer.alloc(0)
  #passed: Buffer[] = []
  #written: Buffer = Buffer.alloc(0)

  constructor(side: Side, options: ReadOptions = {}) {
    this.#side = side
    this.#options = options
    this.#limits = options.limits ?? headLimitsDefault
    this.#head = new Head(this.#limits)
  }

  /** The bytes that came and could not be read yet. */
  get isInHead(): boolean {
    return this.#held.length > 0
  }

  feed(piece: Buffer): void {
    let at = 0
    while (!this.done && this.refused === undefined) {
      const message = this.messages.at(-1)
      if (message?.state === "body") {
        if (at === piece.length) return
        at = this.#readBody(message, piece, at)
      } else {
        const bytes =
          this.#held.length === 0 ? piece.subarray(at) : Buffer.concat([this.#held, piece.subarray(at)])
        const end = this.#readHead(bytes)
        if (end < 0) return
        at = end - (bytes.length - piece.length)
      }
    }
  }

  /** The connection ends. */
  end(): void {
    const message = this.messages.at(-1)
    if (message?.state !== "body") return
    this.#body.end()
    if (this.#body.state === "complete") this.#complete(message)
    else message.state = "cut"
  }

  /** Returns where the head ends, or something negative. */
  #readHead(bytes: Buffer): number {
    const head = this.#head
    const parse = this.#side === "request" ? parseRequestHead : parseResponseHead
    const end = bytes.length === 0 ? incomplete : parse(head, bytes, 0, bytes.length, this.#limits, names)
    this.#held = end === incomplete ? bytes : Buffer.alloc(0)
    if (end === invalid) this.refused = head.error
    else if (end === incomplete && bytes.length > this.#limits.headBytesMax) this.refused = "head_too_large"
    if (end > 0) this.#begin()
    return end
  }

  #begin(): void {
    const head = this.#head
    const framing =
      this.#side === "response" ? responseFraming(head, this.#options.toHead ?? false) : requestFraming(head)
    const message = messageOf(head, framing)
    this.messages.push(message)
    this.#passed = []
    if (this.#options.write !== undefined) this.#written = this.#options.write(head)
    this.#body.begin(
      framing,
      head.contentLength,
      false,
      this.#options.trailers === true ? head.nominations() : undefined,
    )
    if (this.#body.state === "complete") this.#complete(message)
  }

  #readBody(message: ReadMessage, bytes: Buffer, from: number): number {
    const body = this.#body
    const at = body.read(bytes, from, bytes.length)
    message.raw += bytes.toString("latin1", from, at)
    this.#passed.push(...body.output.slice(0, body.outputCount))
    if (body.state === "invalid") this.refused = body.error
    if (body.state === "complete") this.#complete(message)
    return at
  }

  #complete(message: ReadMessage): void {
    message.state = "complete"
    const passed = Buffer.concat(this.#passed).toString("latin1")
    if (this.#options.write !== undefined)
      this.forwarded = Buffer.concat([this.forwarded, this.#written, ...this.#passed])
    if (message.framing === "chunked") Object.assign(message, dechunked(passed))
    else message.data = passed
    const isInterim = message.status >= 100 && message.status < 200 && message.status !== 101
    this.done ||= !isInterim && (this.#options.onlyOne === true || isLast(message))
  }
}

/** Feeds the pieces, and the end of the connection behind them. */
export function readPieces(side: Side, pieces: readonly Buffer[], options: ReadOptions = {}): WireReader {
  const reader = new WireReader(side, options)
  for (const piece of pieces) reader.feed(piece)
  return reader
}

function isLast({ minor, status, flags, framing }: ReadMessage): boolean {
  return status === 101 || minor === 0 || flags.includes("close") || framing === "close"
}

function requestFraming(head: Head): Framing {
  if (head.chunked) return "chunked"
  return head.contentLength > 0 ? "length" : "none"
}

function messageOf(head: Head, framing: Framing): ReadMessage {
  const { bytes } = head
  const text = (start: number, end: number): string => bytes.toString("latin1", start, end)
  const fields: ReadField[] = []
  for (let field = 0; field < head.count; field++) {
    const name = text(head.offsets[field * 4]!, head.offsets[field * 4 + 1]!)
    const lineEnd = field + 1 < head.count ? head.offsets[field * 4 + 4]! - 2 : head.end - 4
    const blanks =
      text(head.offsets[field * 4 + 1]! + 1, head.offsets[field * 4 + 2]!) +
      text(head.offsets[field * 4 + 3]!, lineEnd)
    fields.push({ name, value: head.value(field), blanks, hop: head.hopByHop[field] === 1 })
  }
  const isRequest = head.status === 0
  return {
    minor: head.minor,
    version: isRequest ? text(head.targetEnd + 6, head.targetEnd + 9) : text(head.start + 5, head.start + 8),
    method: head.method,
    target: isRequest ? text(head.targetStart, head.targetEnd) : "",
    path: isRequest ? text(head.pathStart, head.pathEnd) : "",
    status: head.status,
    reason: isRequest ? "" : text(head.reasonStart, head.reasonEnd),
    fields,
    framing,
    length: head.contentLength,
    flags: flagsOf(head),
    raw: "",
    data: "",
    trailers: "",
    state: "body",
  }
}

function flagsOf(head: Head): string[] {
  const flags: string[] = []
  if (head.closes) flags.push("close")
  if (head.keepsAlive) flags.push("keep-alive")
  if (head.expectsContinue) flags.push("100-continue")
  if (head.upgrade) flags.push("upgrade")
  if (head.teTrailers) flags.push("trailers")
  if (head.keepAliveSeconds !== -1) flags.push(`kept ${head.keepAliveSeconds} s`)
  return flags
}

/**
 * What goes on of a chunked body, held to the strictest grammar: bare sizes in lower case without leading zeros that
 * fit into 32 bits, CRLF, then the trailer section.
 */
function dechunked(passed: string): { data: string; trailers: string } {
  let data = ""
  for (let at = 0; ;) {
    const end = passed.indexOf("\r\n", at)
    const line = passed.slice(at, end)
    assert.match(line, /^(0|[1-9a-f][0-9a-f]{0,6})$/, `the size line ${JSON.stringify(line)} goes on`)
    const size = Number.parseInt(line, 16)
    const next = end + 2 + size
    if (size === 0) {
      assert.ok(passed.endsWith("\r\n"), "what goes on ends with an empty line")
      return { data, trailers: passed.slice(next, -2) }
    }
    assert.equal(passed.slice(next, next + 2), "\r\n", "a chunk that goes on ends with CRLF")
    data += passed.slice(end + 2, next)
    at = next + 2
  }
}
