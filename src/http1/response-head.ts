/** Hot path: the head of a response (RFC 9112 4). Benchmark: bench/head.ts. */
import type { Framing } from "../core/http/streams.ts"
import { classes, CR, isFieldValue, LF, SP } from "./characters.ts"
import type { FieldNames } from "./field-names.ts"
import { type Head, incomplete, parseFields, refuse } from "./head.ts"
import type { HeadLimits } from "./limits.ts"

const prefix = Buffer.from("HTTP/1.")

/**
 * Parses the head of a response in bytes[from..to); returns what `parseRequestHead` returns. The reason phrase may
 * be missing with its space, as some servers send it; it is never needed.
 */
export function parseResponseHead(
  head: Head,
  bytes: Buffer,
  from: number,
  to: number,
  limits: HeadLimits,
  names: FieldNames,
): number {
  head.reset(bytes, from)
  for (let i = 0; i < prefix.length; i++) {
    if (from + i >= to) return incomplete
    if (bytes[from + i] !== prefix[i]) return refuse(head, "malformed_start_line")
  }
  // `HTTP/1.1 200` and one byte more
  if (to - from < 13) return incomplete
  const minor = digit(bytes[from + 7]!)
  const hundreds = digit(bytes[from + 9]!)
  const tens = digit(bytes[from + 10]!)
  const ones = digit(bytes[from + 11]!)
  if (minor < 0 || bytes[from + 8] !== SP || hundreds < 1 || hundreds > 5 || tens < 0 || ones < 0) {
    return refuse(head, "malformed_start_line")
  }
  // HTTP/1.0 has no interim responses (RFC 9110 15.2): a reader that takes one as final sees another response behind
  // it.
  if (minor === 0 && hundreds === 1) return refuse(head, "malformed_start_line")
  head.minor = minor === 0 ? 0 : 1
  head.status = hundreds * 100 + tens * 10 + ones

  let at = from + 12
  if (bytes[at] === SP) at++
  else if (bytes[at] !== CR) return refuse(head, "malformed_start_line")
  head.reasonStart = at
  while (at < to && (classes[bytes[at]!]! & isFieldValue) !== 0) at++
  if (at - from > limits.fieldLineBytesMax) return refuse(head, "field_line_too_long")
  head.reasonEnd = at
  if (at >= to) return incomplete
  if (bytes[at] !== CR) return refuse(head, bytes[at] === LF ? "bare_line_ending" : "malformed_start_line")
  if (at + 1 >= to) return incomplete
  if (bytes[at + 1] !== LF) return refuse(head, "bare_line_ending")

  const end = parseFields(head, at + 2, to, limits, names)
  if (end > 0 && !head.isKnown) head.memo.learn(head, to)
  return end
}

/** How the body of a response is framed (RFC 9112 6.3): some have none, whatever their head says. */
export function responseFraming(head: Head, isHead: boolean): Framing {
  if (isHead || head.status < 200 || head.status === 204 || head.status === 304) return "none"
  if (head.chunked) return "chunked"
  return head.contentLength === -1 ? "close" : "length"
}

function digit(byte: number): number {
  const value = byte - 0x30
  return value >= 0 && value <= 9 ? value : -1
}
