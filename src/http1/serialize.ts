/**
 * Hot path: heads as they go on. Field lines keep their bytes, case and order (RFC 9110 5.1, 5.3); runs of kept
 * lines are copied at once; what ends at this hop is left out and what this hop adds is put at the end.
 * Benchmark: bench/head.ts.
 */
import { type ErrorCode, errors } from "../core/errors.ts"
import { fields, firstExtraField } from "./field-names.ts"
import type { Head } from "./head.ts"

/** Which fields are left out of a head besides the hop-by-hop ones: 1 by name id. */
export type DropTable = Uint8Array

/** Makes a drop table from names; `extra` also drops every operator-added name. */
export function dropTable(names: readonly (keyof typeof fields)[], extra: boolean): DropTable {
  const table = new Uint8Array(256)
  for (const name of names) table[fields[name]] = 1
  if (extra) table.fill(1, firstExtraField)
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
const responseVersion = latin1("HTTP/1.1 ")

/**
 * The head of a request as it goes to any backend: origin form or `*`, HTTP/1.1, our own framing line.
 *
 * @param drop X-Forwarded-Host is made from Host where it is dropped, and goes on as it is where it is not
 * @param added whole field lines with their CRLF, latin1, validated by whoever made them
 * @param hostDefault the Host of an HTTP/1.0 request that named none
 */
export function requestHeadBytes(
  head: Head,
  drop: DropTable,
  constant: Buffer,
  added: string,
  hostDefault: Buffer,
): Buffer {
  const { bytes, offsets } = head
  const out = Buffer.allocUnsafe(
    head.end - head.start + constant.length + added.length + hostDefault.length + 320,
  )
  let at = copy(out, 0, bytes, head.start, head.targetStart)
  if (head.pathEnd === head.pathStart) out[at++] = head.method === "OPTIONS" ? 0x2a : 0x2f
  // An absolute form may have a query right behind the authority: its empty path becomes `/`.
  else if (bytes[head.pathStart] === 0x3f) out[at++] = 0x2f
  at = copy(out, at, bytes, head.pathStart, head.pathEnd)
  at = put(out, at, version)
  at = copyFields(head, drop, out, at)
  if (head.hostField === -1) {
    at = put(out, at, hostName)
    // The target's authority is what an absolute form means by Host (RFC 9112 3.2.2).
    if (head.authorityEnd > head.authorityStart)
      at = copy(out, at, bytes, head.authorityStart, head.authorityEnd)
    else at = put(out, at, hostDefault)
    at = put(out, at, lineEnd)
  } else {
    const host = head.hostField * 4
    const start = offsets[host + 2]!
    const end = offsets[host + 3]!
    if (end - start <= 256 && drop[fields["x-forwarded-host"]] === 1) {
      at = put(out, at, forwardedHost)
      at = copy(out, at, bytes, start, end)
      at = put(out, at, lineEnd)
    }
  }
  if (head.chunked) at = put(out, at, chunkedLine)
  at = put(out, at, constant)
  if (added !== "") at += out.write(added, at, "latin1")
  at = put(out, at, lineEnd)
  return out.subarray(0, at)
}

/**
 * The head of a response as it goes to the client, in a new buffer with `room` unused bytes behind it for a
 * small body. Answers the head's length; the buffer is `responseBytes` (a pair would be garbage per response).
 *
 * @param chunked whether the body goes on in chunked framing, in the codings that the backend named
 * @param added whole field lines with their CRLF, latin1
 */
export function responseHeadBytes(
  head: Head,
  drop: DropTable,
  chunked: boolean,
  close: boolean,
  added: string,
  room: number,
): number {
  const { bytes } = head
  const reason = head.reasonEnd - head.reasonStart
  const out = Buffer.allocUnsafe(head.end - head.fieldsStart + reason + added.length + 96 + room)
  let at = put(out, 0, responseVersion)
  const status = head.status
  out[at] = 0x30 + Math.floor(status / 100)
  out[at + 1] = 0x30 + (Math.floor(status / 10) % 10)
  out[at + 2] = 0x30 + (status % 10)
  out[at + 3] = 0x20
  at = copy(out, at + 4, bytes, head.reasonStart, head.reasonEnd)
  at = put(out, at, lineEnd)
  at = copyFields(head, drop, out, at)
  if (chunked) at = putCodings(head, out, at)
  if (close) at = put(out, at, closeLine)
  if (added !== "") at += out.write(added, at, "latin1")
  at = put(out, at, lineEnd)
  responseBytes = out
  return at
}

/** The buffer that the last `responseHeadBytes` filled. */
export let responseBytes: Buffer = Buffer.alloc(0)

/**
 * A whole answer of the balancer's own, as JSON that names the code from the error table.
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
    (status === 405 ? "Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n" : "") +
    `Date: ${date}\r\n` +
    (close ? "Connection: close\r\n\r\n" : "\r\n")
  return Buffer.from(withBody ? head + body : head)
}

/** One whole chunk's size line for `length` bytes of data. */
export function chunkSizeLine(length: number): Buffer {
  return latin1(`${length.toString(16)}\r\n`)
}

export const chunkEnd: Buffer = lineEnd
export const lastChunk: Buffer = latin1("0\r\n\r\n")

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
  505: "HTTP Version Not Supported",
}

/** One Transfer-Encoding line whose last coding is chunked (RFC 9112 6.1). */
function putCodings(head: Head, out: Buffer, position: number): number {
  if (head.codingField === -1) return put(out, position, chunkedLine)
  const field = head.codingField * 4
  let at = put(out, position, codingName)
  at = copy(out, at, head.bytes, head.offsets[field + 2]!, head.offsets[field + 3]!)
  return put(out, at, head.chunked ? lineEnd : chunkedEnd)
}

/** Copies every field line that goes on, in runs. */
function copyFields(head: Head, drop: DropTable, out: Buffer, position: number): number {
  const { bytes, offsets, ids, hopByHop, count } = head
  let at = position
  let run = head.fieldsStart
  for (let field = 0; field < count; field++) {
    if (hopByHop[field] === 0 && drop[ids[field]!] === 0) continue
    at = copy(out, at, bytes, run, offsets[field * 4]!)
    run = field + 1 < count ? offsets[field * 4 + 4]! : head.end - 2
  }
  return copy(out, at, bytes, run, head.end - 2)
}

/** Copies bytes[start..end) to out[at..); answers where that ends. A call into C++ pays from about 32 bytes on. */
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
