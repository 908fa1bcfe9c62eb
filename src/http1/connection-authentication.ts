/**
 * Hot path: authentication that holds for a connection, not for a request. NTLM and Negotiate (RFC 4559 6) prove once
 * which user speaks on a connection, and all that follows there is taken for that user's.
 */
import { tokenLower } from "./characters.ts"

/**
 * Whether the credentials in bytes[start..end) are for the whole connection. By how the scheme's name begins, so that
 * Nego2 and others of the family are among them.
 */
export function areConnectionCredentials(bytes: Uint8Array, start: number, end: number): boolean {
  return (
    beginsWith(bytes, start, end, "ntlm") ||
    beginsWith(bytes, start, end, "nego") ||
    beginsWith(bytes, start, end, "kerberos")
  )
}

/**
 * Whether one of the challenges in bytes[start..end) asks for such credentials. Any word of the value counts, also
 * within quotes: a quote that is left open must hide nothing, and a connection that is kept apart in vain does no harm.
 */
export function challengesConnection(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) {
    const isWordStart = at === start || tokenLower[bytes[at - 1]!] === 0
    if (isWordStart && areConnectionCredentials(bytes, at, end)) return true
  }
  return false
}

/** Upper and lower case are one (RFC 9110 11.1). */
function beginsWith(bytes: Uint8Array, start: number, end: number, text: string): boolean {
  if (end - start < text.length) return false
  for (let i = 0; i < text.length; i++) if (tokenLower[bytes[start + i]!] !== text.charCodeAt(i)) return false
  return true
}
