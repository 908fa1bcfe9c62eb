import { hostOf } from "../core/host.ts"
import type { Head } from "./head.ts"

/**
 * The response that sends a client of plain HTTP to the same address over TLS: 308, which keeps method and body
 * (RFC 9110 15.4.9). Undefined when the request names no host that may be written into an address.
 *
 * @param port where TLS is spoken
 * @param date an HTTP date (RFC 9110 5.6.7)
 */
export function redirectAnswer(head: Head, port: number, date: string): Buffer | undefined {
  const named = head.authority()
  const host = named === undefined ? undefined : hostOf(named)
  if (host === undefined) return undefined
  const authority = port === 443 ? host : `${host}:${port}`
  return Buffer.from(
    `HTTP/1.1 308 Permanent Redirect\r\nLocation: https://${authority}${pathOf(head)}\r\n` +
      `Content-Length: 0\r\nDate: ${date}\r\nConnection: close\r\n\r\n`,
    "latin1",
  )
}

/** The path and query, which the parser has held to visible ASCII. That of `OPTIONS *` is empty (RFC 9110 7.1). */
function pathOf({ bytes, pathStart, pathEnd }: Head): string {
  const path = bytes.toString("latin1", pathStart, pathEnd)
  return path === "*" ? "" : path.startsWith("/") ? path : `/${path}`
}
