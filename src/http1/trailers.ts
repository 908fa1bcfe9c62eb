/**
 * Which fields of a trailer section may go on (RFC 9110 6.5.1). Cold: few messages have one.
 *
 * A receiver may merge a trailer into the head that it has long acted upon. So nothing passes that could change what
 * the message is, where it goes or where it comes from. That a field is unknown is no reason to stop it.
 */
import { fields } from "../core/http/fields.ts"
import { plainName } from "./field-names.ts"
import type { Head } from "./head.ts"

const denied: ReadonlySet<string> = new Set([
  // Framing, and what ends at this hop (RFC 9110 7.6.1).
  "cdn-loop",
  "connection",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  // Where a message goes and what came of its way.
  "endpoint-load-metrics",
  "endpoint-load-metrics-bin",
  "endpoint-load-metrics-format",
  "forwarded",
  "front-end-https",
  "host",
  "linebacker-demand",
  "location",
  "via",
  "x-linebacker-backend",
  "x-real-ip",
  "x-request-id",
  // Its sender.
  "authentication-info",
  "authorization",
  "cookie",
  "proxy-authenticate",
  "proxy-authentication-info",
  "proxy-authorization",
  "set-cookie",
  "www-authenticate",
  // How it is to be handled: controls, conditions, and what responses say about themselves before their content.
  "accept-ranges",
  "age",
  "allow",
  "cache-control",
  "date",
  "expect",
  "expires",
  "max-forwards",
  "pragma",
  "range",
  "retry-after",
  "vary",
])
const deniedPrefixes: readonly string[] = ["content-", "if-", "x-forwarded-", "access-control-"]

/**
 * Lets the Trailer field go on with the trailer section that it announces (RFC 9110 6.6.2), unless Connection says that
 * it is for this hop.
 *
 * @returns what Connection nominates, as `passableTrailers` wants it
 */
export function passTrailers(head: Head): string[] {
  const nominated = head.nominations()
  if (nominated.includes("trailer")) return nominated
  for (let field = 0; field < head.count; field++)
    if (head.ids[field] === fields.trailer) head.hopByHop[field] = 0
  return nominated
}

/**
 * The lines of a trailer section that may go on, each with its CRLF and unchanged.
 *
 * @param section whole field lines that follow the grammar, latin1
 * @param nominated what Connection of the message's head names, in lower case
 */
function passableTrailers(section: string, nominated: readonly string[]): string {
  let passed = ""
  for (let start = 0; start < section.length;) {
    const end = section.indexOf("\r\n", start) + 2
    const name = section.slice(start, section.indexOf(":", start)).toLowerCase()
    if (maySend(name) && !nominated.includes(name)) passed += section.slice(start, end)
    start = end
  }
  return passed
}

const plainLastChunk = Buffer.from("0\r\n\r\n")

/** The last chunk of a body (RFC 9112 7.1), with what may go on of its trailer section. */
export function lastChunk(section: string, nominated: readonly string[]): Buffer {
  if (section === "") return plainLastChunk
  return Buffer.from(`0\r\n${passableTrailers(section, nominated)}\r\n`, "latin1")
}

/**
 * Whether the last line that has begun, `…CRLF name:`, would frame the message: it is refused at once, since there
 * are readers that would believe it (RFC 9110 6.5.1).
 */
export function isFraming(section: string): boolean {
  const name = section.slice(section.lastIndexOf("\n") + 1, -1).toLowerCase()
  return name === "content-length" || name === "transfer-encoding"
}

function maySend(name: string): boolean {
  // To some origins `_` and `-` are one.
  const plain = plainName(name)
  return !denied.has(plain) && !deniedPrefixes.some((prefix) => plain.startsWith(prefix))
}
