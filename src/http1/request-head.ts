/** Hot path: the head of a request (RFC 9112 3). Benchmark: bench/head.ts. */
import type { ErrorCode } from "../core/errors.ts"
import { classes, COLON, CR, isHost, isTarget, LF, SP, tokenLower } from "./characters.ts"
import { isIpv6 } from "../core/endpoint.ts"
import { isSameHost, isSamePort } from "../core/host.ts"
import type { FieldNames } from "./field-names.ts"
import { type Head, incomplete, invalid, parseFields, refuse } from "./head.ts"
import type { HeadLimits, HostConflicts } from "./limits.ts"

/** Empty lines that are skipped before a request line (RFC 9112 2.2). */
const emptyLinesMax = 4
const methodBytesMax = 32
const SLASH = 0x2f
const STAR = 0x2a

/**
 * Parses the head of a request in bytes[from..to).
 *
 * Returns where the head ends, `incomplete` when more bytes are needed, or `invalid` with the reason in
 * `head.error`. The head keeps pointing into `bytes`. Never throws, whatever the bytes are.
 */
export function parseRequestHead(
  head: Head,
  bytes: Buffer,
  from: number,
  to: number,
  limits: HeadLimits,
  names: FieldNames,
): number {
  let at = from
  for (let line = 0; line < emptyLinesMax && at < to && bytes[at] === CR; line++) {
    if (at + 1 >= to) return incomplete
    if (bytes[at + 1] !== LF) return refuse(head, "bare_line_ending")
    at += 2
  }
  head.reset(bytes, at)

  while (at < to && tokenLower[bytes[at]!] !== 0) at++
  const methodEnd = at
  if (methodEnd - head.start > methodBytesMax) return refuse(head, "malformed_start_line")
  if (at >= to) return incomplete
  if (bytes[at] !== SP || methodEnd === head.start) {
    return refuse(head, bytes[at] === LF ? "bare_line_ending" : "malformed_start_line")
  }
  at++

  head.targetStart = at
  while (at < to && (classes[bytes[at]!]! & isTarget) !== 0) at++
  head.targetEnd = at
  if (at - head.targetStart > limits.targetBytesMax) return refuse(head, "target_too_long")
  if (at >= to) return incomplete
  if (bytes[at] !== SP || at === head.targetStart) return refuse(head, "malformed_start_line")
  at++

  // `HTTP/1.1` CR LF
  if (to - at < 10) return versionStart(head, bytes, at, to)
  const version = versionStart(head, bytes, at, to)
  if (version === invalid) return invalid
  head.minor = bytes[at + 7] === 0x30 ? 0 : 1
  if (bytes[at + 8] !== CR)
    return refuse(head, bytes[at + 8] === LF ? "bare_line_ending" : "malformed_start_line")
  if (bytes[at + 9] !== LF) return refuse(head, "bare_line_ending")
  at += 10
  head.method = methodName(bytes, head.start, methodEnd)

  const end = parseFields(head, at, to, limits, names)
  if (end < 0) return end
  if (!readTarget(head, limits)) return invalid
  if (!head.isKnown) head.memo.learn(head, to)
  return end
}

const versionPrefix = Buffer.from("HTTP/")

/** Checks as much of `HTTP/1.x` as is there. */
function versionStart(head: Head, bytes: Uint8Array, at: number, to: number): number {
  for (let i = 0; i < 5 && at + i < to; i++) {
    if (bytes[at + i] !== versionPrefix[i]) return refuse(head, "malformed_start_line")
  }
  if (at + 5 < to && !isDigit(bytes[at + 5]!)) return refuse(head, "malformed_start_line")
  if (at + 6 < to && bytes[at + 6] !== 0x2e) return refuse(head, "malformed_start_line")
  if (at + 7 < to) {
    if (!isDigit(bytes[at + 7]!)) return refuse(head, "malformed_start_line")
    if (bytes[at + 5] !== 0x31) return refuse(head, "unsupported_version")
  }
  return incomplete
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39
}

const methods = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT"] as const
const methodBytes: readonly Buffer[] = methods.map((name) => Buffer.from(name))

/** The method as a string; the common ones without making a new one. Methods are case-sensitive. */
function methodName(bytes: Buffer, start: number, end: number): string {
  for (let index = 0; index < methods.length; index++) {
    const candidate = methodBytes[index]!
    if (candidate.length !== end - start) continue
    let i = 0
    while (i < candidate.length && bytes[start + i] === candidate[i]) i++
    if (i === candidate.length) return methods[index]!
  }
  return bytes.toString("latin1", start, end)
}

/** `refuse` for functions that return true or false. */
function deny(head: Head, error: ErrorCode): false {
  refuse(head, error)
  return false
}

/** Whether Host and the target's form are valid and agree (RFC 9112 3.2); sets the path to send on. */
function readTarget(head: Head, { hostConflicts }: HeadLimits): boolean {
  const { bytes, offsets, hostField } = head
  if (hostField === -1) {
    if (head.minor === 1) return deny(head, "invalid_host")
  } else if (!head.isKnown && !isValidHost(bytes, offsets[hostField * 4 + 2]!, offsets[hostField * 4 + 3]!)) {
    return deny(head, "invalid_host")
  }
  const { method } = head
  // PRI is how HTTP/2 begins, and reserved for that (RFC 9113 3.4).
  if (method === "CONNECT" || method === "TRACE" || method === "PRI") return deny(head, "method_refused")

  head.pathStart = head.targetStart
  head.pathEnd = head.targetEnd
  const first = bytes[head.targetStart]
  if (first === SLASH) return true
  if (first === STAR && head.targetEnd - head.targetStart === 1) {
    return head.method === "OPTIONS" || deny(head, "invalid_target")
  }
  return readAbsoluteForm(head, hostConflicts)
}

/** `http://authority/path` (RFC 9112 3.2.2). The request is for that authority, whatever Host says. */
function readAbsoluteForm(head: Head, refused: HostConflicts): boolean {
  const { bytes, targetStart, targetEnd } = head
  const scheme = bytes.toString("latin1", targetStart, Math.min(targetEnd, targetStart + 8)).toLowerCase()
  const schemeBytes = scheme.startsWith("http://") ? 7 : scheme === "https://" ? 8 : 0
  if (schemeBytes === 0) return deny(head, "invalid_target")
  const authorityStart = targetStart + schemeBytes
  let at = authorityStart
  while (at < targetEnd && (classes[bytes[at]!]! & isHost) !== 0) at++
  const authorityEnd = at
  // What may follow an authority is a path, a query or nothing; `@` (user info) is none of these.
  if (at < targetEnd && bytes[at] !== SLASH && bytes[at] !== 0x3f) return deny(head, "invalid_target")
  if (!isValidHost(bytes, authorityStart, authorityEnd)) return deny(head, "invalid_target")
  if (head.hostField !== -1 && refused !== "none") {
    const authority = bytes.toString("latin1", authorityStart, authorityEnd)
    const host = head.value(head.hostField)
    const isOther = !isSameHost(authority, host)
    const isRefused = isOther
      ? refused === "all"
      : !isSamePort(authority, host, schemeBytes === 7 ? "http" : "https")
    if (isRefused) return deny(head, "invalid_host")
  }
  head.authorityStart = authorityStart
  head.authorityEnd = authorityEnd
  head.pathStart = authorityEnd
  return true
}

/** `uri-host [ ":" port ]` (RFC 9110 7.2), not empty. */
function isValidHost(bytes: Buffer, start: number, end: number): boolean {
  if (start === end) return false
  let at = start
  if (bytes[at] === 0x5b) {
    while (at < end && bytes[at] !== 0x5d) at++
    if (at === end || !isLiteral(bytes.toString("latin1", start + 1, at))) return false
    at++
  } else {
    while (at < end && bytes[at] !== COLON) {
      const byte = bytes[at]!
      if ((classes[byte]! & isHost) === 0 || byte === 0x5b || byte === 0x5d) return false
      at++
    }
    if (at === start) return false
  }
  if (at === end) return true
  if (bytes[at] !== COLON) return false
  for (at++; at < end; at++) if (!isDigit(bytes[at]!)) return false
  return true
}

/**
 * What stands between the brackets of an IP literal: IPv6 without a zone, or a form that is yet to come (RFC 3986
 * 3.2.2).
 */
function isLiteral(text: string): boolean {
  return isIpv6(text) || /^v[0-9a-f]+\.[\w.~!$&'()*+,;=:-]+$/i.test(text)
}
