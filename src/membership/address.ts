/** Addresses of backends as text: in announcements, on the page, in messages. */
import { formatEndpoint, parseEndpoint } from "../core/endpoint.ts"
import type { Address } from "./snapshot.ts"

/** The longest path of a Unix socket, bytes: `sun_path` has 108 with its closing zero (unix(7)). */
export const unixPathBytesMax = 107

/** What is allowed, as the end of the sentence "expected …". */
export const addressExpected = '"host:port", ":port" with a port from 1 to 65535, or "unix:/path/to.sock"'

const unixScheme = "unix:"
const encoder = new TextEncoder()

/**
 * An address from `10.0.0.7:8080`, `[::1]:8080`, `app.internal:8080`, `:8080` (host "", which the caller replaces) or
 * `unix:/run/app.sock`.
 *
 * @returns undefined when it is none of these.
 */
export function parseAddress(text: string): Address | undefined {
  if (text.startsWith(unixScheme)) {
    const path = text.slice(unixScheme.length)
    return isUnixPath(path) ? { path } : undefined
  }
  const endpoint = parseEndpoint(text)
  return endpoint === undefined || endpoint.port === 0 ? undefined : endpoint
}

/** What `parseAddress` reads as the same. */
export function formatAddress(address: Address): string {
  return "path" in address ? unixScheme + address.path : formatEndpoint(address)
}

export function isSameAddress(a: Address, b: Address): boolean {
  if ("path" in a || "path" in b) return "path" in a && "path" in b && a.path === b.path
  return a.host === b.host && a.port === b.port
}

/**
 * An absolute path that fits into a socket address, names one file in one way (no `//`, `.` or `..`), and can be
 * shown: no control character, no half of a surrogate pair.
 */
export function isUnixPath(path: string): boolean {
  return (
    path.startsWith("/") &&
    !/\p{Cc}|\p{Cs}/u.test(path) &&
    !/\/\.{0,2}(\/|$)/.test(path) &&
    encoder.encode(path).length <= unixPathBytesMax
  )
}

/** Whether the path is somewhere below the folder. Both as `isUnixPath` has them; the folder may also be "/". */
export function isBelow(folder: string, path: string): boolean {
  return path.startsWith(folder.endsWith("/") ? folder : `${folder}/`)
}
