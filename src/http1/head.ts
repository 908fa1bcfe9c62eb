/** Hot path: the field section of a head (RFC 9112 5), read into offsets. Benchmark: bench/head.ts. */
import type { ErrorCode } from "../core/errors.ts"
import { fields } from "../core/http/fields.ts"
import { MessageHead } from "../core/http/message-head.ts"
import {
  classes,
  COLON,
  COMMA,
  CR,
  HTAB,
  isToken,
  LF,
  SP,
  tokenLower,
  tokenPlain,
  UNDERSCORE,
} from "./characters.ts"
import { areConnectionCredentials, challengesConnection } from "./connection-authentication.ts"
import { FieldMemo } from "./field-memo.ts"
import { equals, type FieldNames, isOurs, lookAlike, rollHash } from "./field-names.ts"
import type { HeadLimits } from "./limits.ts"

/** What a parser says: where the head ended (> 0), or one of these two. */
export const incomplete = -1
/** `head.error` says why. */
export const invalid = -2

const optionsMax = 64
const EQUALS = 0x3d
const DEL = 0x7f
const timeoutPrefixLength = "timeout=".length

/** A head of HTTP/1, and what its parser and its connection go by beside the message itself. */
export class Head extends MessageHead {
  /** Connection: close. */
  closes = false
  /** Connection: keep-alive, which matters for HTTP/1.0 only. */
  keepsAlive = false
  /** Responses only: `timeout=` of Keep-Alive in seconds, -1 when there is none (RFC 2068 19.7.1.1). */
  keepAliveSeconds = -1
  /** Via or CDN-Loop. */
  viaField = -1
  maxForwardsField = -1

  /** The field section is one that was read and found right before. */
  isKnown = false
  /** What was read into this head before. */
  readonly memo = new FieldMemo()
  /** Why the last parse returned `invalid`. */
  error: ErrorCode = "malformed_field"

  constructor({ fieldsMax }: HeadLimits) {
    super(fieldsMax)
  }

  /** What Connection nominates, in lower case, its options included. Cold. */
  nominations(): string[] {
    const nominated: string[] = []
    for (let field = 0; field < this.count; field++) {
      if (this.ids[field] !== fields.connection) continue
      for (const option of this.value(field).toLowerCase().split(",")) nominated.push(option.trim())
    }
    return nominated
  }

  override reset(bytes: Buffer, start: number): void {
    super.reset(bytes, start)
    this.closes = false
    this.keepsAlive = false
    this.keepAliveSeconds = -1
    this.viaField = -1
    this.maxForwardsField = -1
  }
}

/** `readFields`, or what it left in this head when it read the same bytes before. */
export function parseFields(
  head: Head,
  position: number,
  to: number,
  limits: HeadLimits,
  names: FieldNames,
): number {
  const end = head.memo.recall(head, position, to)
  head.isKnown = end > 0
  if (end === 0) return readFields(head, position, to, limits, names)
  return end - head.start > limits.headBytesMax ? refuse(head, "head_too_large") : end
}

/**
 * Reads field lines from `position` up to and with the empty line, and what they say of framing and connection
 * (RFC 9112 5, 6, 7; RFC 9110 7.6.1). Strict: CRLF only, no folding, no white space before the colon.
 */
function readFields(head: Head, position: number, to: number, limits: HeadLimits, names: FieldNames): number {
  const bytes = head.bytes
  const { offsets, ids } = head
  let at = position
  let hasOptions = false
  let transferEncodings = 0
  head.fieldsStart = position
  for (;;) {
    if (at >= to) return incomplete
    const first = bytes[at]!
    if (first === CR) {
      if (at + 1 >= to) return incomplete
      if (bytes[at + 1] !== LF) return refuse(head, "bare_line_ending")
      head.end = at + 2
      break
    }
    if (first === LF) return refuse(head, "bare_line_ending")
    if (first === SP || first === HTAB) return refuse(head, "folded_field")
    if (head.count >= limits.fieldsMax) return refuse(head, "too_many_fields")

    const lineStart = at
    let hash = 0
    let plain = tokenPlain[first]!
    while (plain !== 0) {
      hash = rollHash(hash, plain)
      at++
      if (at >= to) return tooLong(head, lineStart, at, limits)
      plain = tokenPlain[bytes[at]!]!
    }
    const nameEnd = at
    if (bytes[at] !== COLON) {
      // Which error a CR is, the byte behind it says.
      if (bytes[at] === CR && at + 1 >= to) return incomplete
      return refuse(head, isLineEnd(bytes[at]!) ? lineEndError(bytes, at) : "malformed_field")
    }
    if (nameEnd === lineStart) return refuse(head, "malformed_field")
    at++
    while (at < to && (bytes[at] === SP || bytes[at] === HTAB)) at++
    const valueStart = at
    // `field-vchar`, SP and HTAB by comparison: a third faster here than by table (bench/head.ts).
    for (; at < to; at++) {
      const byte = bytes[at]!
      if (byte < SP ? byte !== HTAB : byte === DEL) break
    }
    if (at - lineStart > limits.fieldLineBytesMax) return refuse(head, "field_line_too_long")
    if (at >= to) return incomplete
    let valueEnd = at
    if (bytes[at] !== CR) return refuse(head, bytes[at] === LF ? "bare_line_ending" : "malformed_field")
    if (at + 1 >= to) return incomplete
    if (bytes[at + 1] !== LF) return refuse(head, "bare_line_ending")
    at += 2
    while (valueEnd > valueStart && (bytes[valueEnd - 1] === SP || bytes[valueEnd - 1] === HTAB)) valueEnd--

    const field = head.count++
    const id = names.find(bytes, lineStart, nameEnd, hash)
    const offset = field * 4
    offsets[offset] = lineStart
    offsets[offset + 1] = nameEnd
    offsets[offset + 2] = valueStart
    offsets[offset + 3] = valueEnd
    ids[field] = id
    head.hopByHop[field] = 0
    if (id === 0) continue
    if (id >= lookAlike) {
      ids[field] = fields.other
      if (head.status !== 0) continue
      // To origins of the CGI kind they frame the message, whatever else does.
      const meant = id - lookAlike
      if (meant === fields["content-length"] || meant === fields["transfer-encoding"])
        return refuse(head, "underscore_field")
      if (limits.underscores !== "pass") head.hopByHop[field] = isOurs[meant]!
      continue
    }
    switch (id) {
      case fields.connection:
        head.hopByHop[field] = 1
        // What it says nearly always, and nominates nothing.
        if (equals(bytes, valueStart, valueEnd, "keep-alive")) head.keepsAlive = true
        else hasOptions = true
        break
      case fields["content-length"]: {
        if (head.contentLength !== -1) return refuse(head, "invalid_content_length")
        const length = decimal(bytes, valueStart, valueEnd)
        if (length < 0) return refuse(head, "invalid_content_length")
        head.contentLength = length
        break
      }
      case fields["transfer-encoding"]: {
        if (++transferEncodings > 1) return refuse(head, "invalid_transfer_encoding")
        head.hopByHop[field] = 1
        if (equals(bytes, valueStart, valueEnd, "chunked")) head.chunked = true
        else {
          const error = readCodings(head, field)
          if (error !== undefined) return refuse(head, error)
        }
        break
      }
      case fields.host:
        if (head.hostField !== -1 && head.status === 0) return refuse(head, "invalid_host")
        head.hostField = field
        break
      case fields.expect:
        if (head.status !== 0) break
        if (head.minor === 0) {
          // HTTP/1.0 knows no expectations: what looks like one is not passed on (RFC 9110 10.1.1).
          head.hopByHop[field] = 1
          break
        }
        if (!equals(bytes, valueStart, valueEnd, "100-continue")) return refuse(head, "expectation_failed")
        head.expectsContinue = true
        break
      case fields.date:
        head.dateField = field
        break
      case fields["max-forwards"]:
        if (head.maxForwardsField === -1) head.maxForwardsField = field
        break
      case fields.via:
      case fields["cdn-loop"]:
        if (head.viaField === -1) head.viaField = field
        break
      case fields.upgrade:
        if (head.upgradeField === -1) head.upgradeField = field
        head.hopByHop[field] = 1
        break
      case fields.te:
        if (head.minor === 1 && listsTrailers(bytes, valueStart, valueEnd)) head.teTrailers = true
        head.hopByHop[field] = 1
        break
      case fields["keep-alive"]:
        if (head.status !== 0) head.keepAliveSeconds = timeoutParameter(bytes, valueStart, valueEnd)
        head.hopByHop[field] = 1
        break
      case fields.authorization:
      case fields["proxy-authorization"]:
        if (areConnectionCredentials(bytes, valueStart, valueEnd)) head.bindsConnection = true
        break
      case fields["www-authenticate"]:
      case fields["proxy-authenticate"]:
        if (challengesConnection(bytes, valueStart, valueEnd)) head.bindsConnection = true
        break
      case fields["endpoint-load-metrics"]:
      case fields["endpoint-load-metrics-bin"]:
        if (head.reportField === -1) head.reportField = field
        break
      case fields.trailer:
      case fields["proxy-connection"]:
        head.hopByHop[field] = 1
        break
      default:
    }
  }
  if (head.end - head.start > limits.headBytesMax) return refuse(head, "head_too_large")
  if (transferEncodings > 0) {
    if (head.contentLength !== -1) return refuse(head, "conflicting_framing")
    if (head.minor === 0) return refuse(head, "invalid_transfer_encoding")
  }
  const { underscores } = limits
  if ((underscores === "reject" || underscores === "drop") && head.status === 0 && dropUnderscores(head)) {
    if (underscores === "reject") return refuse(head, "underscore_field")
  }
  if (hasOptions && !readConnectionOptions(head)) return refuse(head, "invalid_connection_option")
  return head.end
}

/** Records why, and returns `invalid`. */
export function refuse(head: Head, error: ErrorCode): typeof invalid {
  head.error = error
  return invalid
}

/** An exact non-negative integer from decimal digits, or -1: no sign, no white space, no leading zero. */
function decimal(bytes: Uint8Array, start: number, end: number): number {
  const digits = end - start
  if (digits === 0 || digits > 16 || (digits > 1 && bytes[start] === 0x30)) return -1
  let value = 0
  for (let i = start; i < end; i++) {
    const digit = bytes[i]! - 0x30
    if (digit < 0 || digit > 9) return -1
    value = value * 10 + digit
  }
  return value <= Number.MAX_SAFE_INTEGER ? value : -1
}

/**
 * What a Transfer-Encoding other than exactly `chunked` says (RFC 9112 6.1, 6.3, 7). In a request it is an error. A
 * response may have codings that were not asked for: they reach a client of HTTP/1.1 as they are, and where the last
 * one is not chunked, only the end of the connection ends the body. Cold.
 */
function readCodings(head: Head, field: number): ErrorCode | undefined {
  const codings = head.value(field).toLowerCase().split(",")
  for (const [index, coding] of codings.entries()) {
    const name = coding.replace(/^[ \t]+|[ \t]+$/g, "")
    if (name === "" || !isTokenText(name)) return "invalid_transfer_encoding"
    // Two chunked, or one that is not last, leave the end of the message in doubt.
    if (name !== "chunked") continue
    if (index !== codings.length - 1) return "invalid_transfer_encoding"
    head.chunked = true
  }
  if (head.status === 0) return "unknown_transfer_coding"
  // What `identity` was before RFC 7230 took it away: no coding, and no framing.
  if (codings.length > 1 || codings[0] !== "identity") head.codingField = field
  return undefined
}

function isTokenText(text: string): boolean {
  for (let i = 0; i < text.length; i++) if ((classes[text.charCodeAt(i)]! & isToken) === 0) return false
  return true
}

/**
 * Reads the options of every Connection field and marks the fields they nominate as hop-by-hop. False when an
 * option is not a token, or nominates a field that a client must not be able to take out of a request.
 */
function readConnectionOptions(head: Head): boolean {
  const { bytes, offsets, ids } = head
  let options = 0
  for (let field = 0; field < head.count; field++) {
    if (ids[field] !== fields.connection) continue
    let at = offsets[field * 4 + 2]!
    const end = offsets[field * 4 + 3]!
    while (at < end) {
      const byte = bytes[at]!
      if (byte === COMMA || byte === SP || byte === HTAB) {
        at++
        continue
      }
      const start = at
      while (at < end && tokenLower[bytes[at]!] !== 0) at++
      const optionEnd = at
      while (at < end && (bytes[at] === SP || bytes[at] === HTAB)) at++
      if (optionEnd === start || (at < end && bytes[at] !== COMMA) || ++options > optionsMax) return false
      if (equals(bytes, start, optionEnd, "close")) head.closes = true
      else if (equals(bytes, start, optionEnd, "keep-alive")) head.keepsAlive = true
      else if (equals(bytes, start, optionEnd, "upgrade"))
        head.upgrade = head.minor === 1 && head.upgradeField !== -1
      else if (!nominate(head, start, optionEnd)) return false
    }
  }
  return true
}

function nominate(head: Head, start: number, end: number): boolean {
  const { bytes, offsets, ids } = head
  const name = bytes.toString("latin1", start, end).toLowerCase()
  for (let field = 0; field < head.count; field++) {
    const offset = field * 4
    if (!equals(bytes, offsets[offset]!, offsets[offset + 1]!, name)) continue
    switch (ids[field]!) {
      case fields.host:
      case fields["content-length"]:
      case fields["transfer-encoding"]:
      case fields.authorization:
      case fields.cookie:
      case fields["x-forwarded-for"]:
      case fields["x-forwarded-proto"]:
      case fields["x-forwarded-host"]:
      case fields["x-forwarded-port"]:
      case fields.forwarded:
        return false
      default:
        head.hopByHop[field] = 1
    }
  }
  return true
}

/** Whether the list of TE has the member `trailers`, which takes no weight (RFC 9110 10.1.4). */
function listsTrailers(bytes: Uint8Array, start: number, end: number): boolean {
  let at = start
  while (at < end) {
    const member = at
    while (at < end && bytes[at] !== COMMA) at++
    if (equals(bytes, skipSpace(bytes, member, at), trimSpace(bytes, member, at), "trailers")) return true
    at++
  }
  return false
}

/** The whole seconds of `timeout=5, max=100`, or -1. What a backend says too oddly is not said. */
function timeoutParameter(bytes: Uint8Array, start: number, end: number): number {
  let at = start
  while (at < end) {
    const member = skipSpace(bytes, at, end)
    while (at < end && bytes[at] !== COMMA) at++
    const digits = member + timeoutPrefixLength
    if (digits < at && equals(bytes, member, digits - 1, "timeout") && bytes[digits - 1] === EQUALS)
      return decimal(bytes, digits, trimSpace(bytes, digits, at))
    at++
  }
  return -1
}

function skipSpace(bytes: Uint8Array, start: number, end: number): number {
  let at = start
  while (at < end && isSpace(bytes[at]!)) at++
  return at
}

/** Where bytes[start..end) ends without the white space behind it. */
function trimSpace(bytes: Uint8Array, start: number, end: number): number {
  let at = end
  while (at > start && isSpace(bytes[at - 1]!)) at--
  return at
}

/** OWS of RFC 9110 5.6.3. */
function isSpace(byte: number): boolean {
  return byte === SP || byte === HTAB
}

/** Lets the fields with `_` in their name end at this hop. Returns whether there are any. */
function dropUnderscores(head: Head): boolean {
  let found = false
  for (let field = 0; field < head.count; field++) {
    const nameEnd = head.offsets[field * 4 + 1]!
    let at = head.offsets[field * 4]!
    while (at < nameEnd && head.bytes[at] !== UNDERSCORE) at++
    if (at === nameEnd) continue
    found = true
    head.hopByHop[field] = 1
    head.ids[field] = fields.other
  }
  return found
}

function isLineEnd(byte: number): boolean {
  return byte === CR || byte === LF
}

/** A name that meets the end of its line: a line without a colon, or a bare CR or LF. */
function lineEndError(bytes: Uint8Array, at: number): ErrorCode {
  return bytes[at] === CR && bytes[at + 1] === LF ? "malformed_field" : "bare_line_ending"
}

function tooLong(head: Head, lineStart: number, at: number, limits: HeadLimits): number {
  return at - lineStart > limits.fieldLineBytesMax ? refuse(head, "field_line_too_long") : incomplete
}
