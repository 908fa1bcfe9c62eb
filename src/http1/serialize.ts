/**
 * Hot path: heads as they go on. Field lines keep their bytes, case and order (RFC 9110 5.1, 5.3); runs of kept
 * lines are copied at once; what ends at this hop is left out and what this hop adds is put at the end.
 * Benchmark: bench/head.ts.
 */
import { type ErrorCode, errors } from "../core/errors.ts"
import { CR, LF, SP } from "./characters.ts"
import { fields, firstExtraField } from "../core/http/fields.ts"
import type { MessageHead } from "../core/http/message-head.ts"

/**
 * Which fields are left out of a head besides the hop-by-hop ones, by name id: 0 goes on, `dropped` is left out.
 * X-Forwarded-Host is made from the request's host where it is `dropped`, and not where it is `replaced`.
 */
export type DropTable = Uint8Array
const dropped = 1
export const replaced = 2

/** Makes a drop table from names; `extra` also drops every operator-added name. */
export function dropTable(names: readonly (keyof typeof fields)[], extra: boolean): DropTable {
  const table = new Uint8Array(256)
  for (const name of names) table[fields[name]] = dropped
  if (extra) table.fill(dropped, firstExtraField)
  return table
}

const version = latin1(" HTTP/1.1\r\n")
const lineEnd = latin1("\r\n")
const forwardedHost = latin1("X-Forwarded-Host: ")
const hostName = latin1("Host: ")
const chunkedLine = latin1("Transfer-Encoding: chunked\r\n")
const codingName = latin1("Transfer-Encoding: ")
const chunkedEnd = latin1(", chunked\r\n")
const closeLine = latin1("Connection: close\r\n")
const upgradeLine = latin1("Connection: upgrade\r\n")
const trailersLines = latin1("TE: trailers\r\nConnection: TE\r\n")
/** Longer ones are not repeated in X-Forwarded-Host; no name is. */
const forwardedHostBytesMax = 256

/** A field line that is written anew with every request. */
export interface LineWriter {
  /** The most bytes that `write` writes. */
  readonly bytesMax: number
  /** Writes the line with its CRLF to out[at..); returns where it ends. */
  write(out: Buffer, at: number): number
}

/**
 * The head of a request as it goes to any backend: origin form or `*`, HTTP/1.1, our own framing line. In the usual
 * case it is the client's own bytes up to the empty line, in one copy, and then our lines.
 *
 * @param constant whole field lines with their CRLF, latin1, validated where they were made
 * @param added like `constant`, for this request only
 * @param hostDefault the Host of an HTTP/1.0 request that named none
 */
export function requestHeadBytes(
  head: MessageHead,
  drop: DropTable,
  constant: string,
  added: string,
  last: LineWriter,
  hostDefault: Buffer,
): Buffer {
  const { bytes, offsets } = head
  const authority = head.authorityEnd - head.authorityStart
  const replacesHost = authority > 0 || head.hostField === -1
  // The target's authority is what an absolute form means by Host (RFC 9112 3.2.2).
  if (replacesHost && head.hostField !== -1) head.hopByHop[head.hostField] = 1
  const out = Buffer.allocUnsafe(
    head.end -
      head.start +
      constant.length +
      added.length +
      last.bytesMax +
      authority +
      hostDefault.length +
      400,
  )
  let at = 0
  if (head.pathStart === head.targetStart && head.pathEnd === head.targetEnd) {
    at = copyLines(head, drop, out, head.start)
    // Only the minor version of the line is another than ours (RFC 9112 2.3).
    out[head.targetEnd - head.start + minorAt] = 0x31
  } else {
    at = copy(out, 0, bytes, head.start, head.targetStart)
    if (head.pathEnd === head.pathStart) out[at++] = head.method === "OPTIONS" ? 0x2a : 0x2f
    // An absolute form may have a query right behind the authority: its empty path becomes `/`.
    else if (bytes[head.pathStart] === 0x3f) out[at++] = 0x2f
    at = copy(out, at, bytes, head.pathStart, head.pathEnd)
    at = put(out, at, version)
    at = copyLines(head, drop, out, head.fieldsStart, at)
  }
  let start = head.authorityStart
  let end = head.authorityEnd
  if (replacesHost) {
    at = put(out, at, hostName)
    if (authority > 0) at = copy(out, at, bytes, start, end)
    else at = put(out, at, hostDefault)
    at = put(out, at, lineEnd)
  } else {
    const host = head.hostField * 4
    start = offsets[host + 2]!
    end = offsets[host + 3]!
  }
  if (end > start && end - start <= forwardedHostBytesMax && drop[fields["x-forwarded-host"]] === dropped) {
    at = put(out, at, forwardedHost)
    at = copy(out, at, bytes, start, end)
    at = put(out, at, lineEnd)
  }
  if (head.chunked) at = put(out, at, chunkedLine)
  if (head.upgrade) at = putUpgrade(head, out, at)
  else if (head.teTrailers) at = put(out, at, trailersLines)
  at += out.write(constant, at, "latin1")
  if (added !== "") at += out.write(added, at, "latin1")
  at = last.write(out, at)
  out[at] = CR
  out[at + 1] = LF
  return out.subarray(0, at + 2)
}

/** Where the digit of the minor version stands behind the end of the target: ` HTTP/1.1`. */
const minorAt = 8

/**
 * The head of a response as it goes to the client, with `room` unused bytes behind it for a small body. Returns the
 * head's length; the buffer is `responseBytes` (a pair would be garbage per response).
 *
 * @param head its Upgrade fields go on where `upgrade` is set, with the Connection option that they need
 * @param chunked whether the body goes on in chunked framing, in the codings that the backend named
 * @param added whole field lines with their CRLF, latin1
 * @param reuses the bytes will most likely have left when the write returns, so the buffer can be the one that all
 *   such responses are written to, which saves 10 KiB of new memory for a response of 10 KiB. `keepResponseBytes` has
 *   to be called when they have not.
 */
export function responseHeadBytes(
  head: MessageHead,
  drop: DropTable,
  chunked: boolean,
  close: boolean,
  added: string,
  room: number,
  reuses: boolean,
): number {
  const { start } = head
  // `HTTP/1.1 200` and the space that the grammar wants even before an empty reason (RFC 9112 4).
  const hasSpace = head.reasonStart > start + statusEnd
  const bytesMax = head.end - start + added.length + 128 + room
  const out = reuses && bytesMax <= scratchBytes ? scratch : Buffer.allocUnsafe(bytesMax)
  let at = 0
  if (hasSpace) at = copyLines(head, drop, out, start)
  else {
    at = copy(out, 0, head.bytes, start, start + statusEnd)
    out[at++] = SP
    at = put(out, at, lineEnd)
    at = copyLines(head, drop, out, head.fieldsStart, at)
  }
  out[minorAt - 1] = 0x31
  if (chunked) at = putCodings(head, out, at)
  if (head.upgrade) at = putUpgrade(head, out, at)
  if (close) at = put(out, at, closeLine)
  if (added !== "") at += out.write(added, at, "latin1")
  out[at] = CR
  out[at + 1] = LF
  responseBytes = out
  return at + 2
}

/** The buffer that the last `responseHeadBytes` filled. */
export let responseBytes: Buffer = Buffer.alloc(0)

const scratchBytes = 48 * 1024
let scratch = Buffer.allocUnsafeSlow(scratchBytes)

/** What is in `responseBytes` is still needed: the next response goes elsewhere. */
export function keepResponseBytes(): void {
  if (responseBytes === scratch) scratch = Buffer.allocUnsafeSlow(scratchBytes)
}

/** The length of `HTTP/1.1 200`. */
const statusEnd = 12

/** What Allow says: the standard methods that are relayed (all but CONNECT and TRACE). */
export const allowedMethods = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"

/**
 * A whole response of the balancer's own, as JSON that names the code from the error table.
 *
 * @param date an HTTP date (RFC 9110 5.6.7)
 */
export function errorAnswer(
  code: ErrorCode,
  detail: string,
  close: boolean,
  withBody: boolean,
  date: string,
): Buffer {
  const { status, meaning } = errors[code]
  const body = `${JSON.stringify({ error: { code, message: detail === "" ? meaning : `${meaning} ${detail}` } })}\n`
  const head =
    `HTTP/1.1 ${status} ${reasons[status] ?? "Error"}\r\n` +
    `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n` +
    (status === 503 ? "Retry-After: 1\r\n" : "") +
    (status === 405 ? `Allow: ${allowedMethods}\r\n` : "") +
    `Date: ${date}\r\n` +
    (close ? "Connection: close\r\n\r\n" : "\r\n")
  return Buffer.from(withBody ? head + body : head)
}

/** One whole chunk's size line for `length` bytes of data. */
export function chunkSizeLine(length: number): Buffer {
  return latin1(`${length.toString(16)}\r\n`)
}

export const chunkEnd: Buffer = lineEnd

const reasons: Readonly<Record<number, string>> = {
  400: "Bad Request",
  405: "Method Not Allowed",
  408: "Request Timeout",
  413: "Content Too Large",
  414: "URI Too Long",
  417: "Expectation Failed",
  431: "Request Header Fields Too Large",
  501: "Not Implemented",
  502: "Bad Gateway",
  503: "Service Unavailable",
  504: "Gateway Timeout",
  508: "Loop Detected",
  505: "HTTP Version Not Supported",
}

/** One Transfer-Encoding line whose last coding is chunked (RFC 9112 6.1). */
function putCodings(head: MessageHead, out: Buffer, position: number): number {
  if (head.codingField === -1) return put(out, position, chunkedLine)
  const field = head.codingField * 4
  let at = put(out, position, codingName)
  at = copy(out, at, head.bytes, head.offsets[field + 2]!, head.offsets[field + 3]!)
  return put(out, at, head.chunked ? lineEnd : chunkedEnd)
}

/** What asks for another protocol, and what grants it: every Upgrade field as it is (RFC 9110 7.8). */
function putUpgrade(head: MessageHead, out: Buffer, position: number): number {
  let at = put(out, position, upgradeLine)
  for (let field = head.upgradeField; field < head.count; field++) {
    if (head.ids[field] !== fields.upgrade) continue
    at = copy(out, at, head.bytes, head.offsets[field * 4]!, head.offsets[field * 4 + 3]!)
    at = put(out, at, lineEnd)
  }
  return at
}

/** Copies all from `from`, in the start line or where the fields begin, but for the field lines that end here. */
function copyLines(head: MessageHead, drop: DropTable, out: Buffer, from: number, position = 0): number {
  const { bytes, offsets, ids, hopByHop, count } = head
  let at = position
  let run = from
  for (let field = 0; field < count; field++) {
    if (hopByHop[field] === 0 && drop[ids[field]!] === 0) continue
    at = copy(out, at, bytes, run, offsets[field * 4]!)
    run = field + 1 < count ? offsets[field * 4 + 4]! : head.end - 2
  }
  return copy(out, at, bytes, run, head.end - 2)
}

/** Copies bytes[start..end) to out[at..); returns where that ends. A call into C++ pays from about 32 bytes on. */
function copy(out: Buffer, at: number, bytes: Buffer, start: number, end: number): number {
  if (end - start > 32) return at + bytes.copy(out, at, start, end)
  for (let i = start; i < end; i++) out[at++] = bytes[i]!
  return at
}

function put(out: Buffer, at: number, bytes: Buffer): number {
  return copy(out, at, bytes, 0, bytes.length)
}

function latin1(text: string): Buffer {
  return Buffer.from(text, "latin1")
}
