/**
 * Classes of bytes in an HTTP/1 head, as one table of bit sets. Hot path: one load and one mask a byte.
 */

/** `tchar` of RFC 9110 5.6.2: field names and methods. */
export const isToken = 1
/** `field-vchar`, SP and HTAB of RFC 9110 5.5: field values. */
export const isFieldValue = 2
/** Visible ASCII without `#`: request targets (RFC 9112 3.2; a fragment is never sent). */
export const isTarget = 4
/** `HEXDIG` of RFC 5234. */
export const isHex = 8
/** Bytes of a Host value: `uri-host [ ":" port ]` of RFC 9110 7.2, without user info. */
export const isHost = 16

export const classes: Uint8Array = new Uint8Array(256)

/** The byte in lower case when it may stand in a token, else 0. */
export const tokenLower: Uint8Array = new Uint8Array(256)

/**
 * The same with `-` for everything that is neither letter nor digit: names that are one to origins which make variables
 * of them (RFC 3875 4.1.18) are one here.
 */
export const tokenPlain: Uint8Array = new Uint8Array(256)

/** The value of a hexadecimal digit. */
export const hexValue: Uint8Array = new Uint8Array(256)

const tokenMarks = "!#$%&'*+-.^_`|~"
// unreserved, sub-delims, percent-encoding, and what an IP literal needs.
const hostMarks = "-._~!$&'()*+,;=%:[]"

for (let byte = 0; byte < 256; byte++) {
  const char = String.fromCharCode(byte)
  const alphanumeric = byte < 128 && /[0-9A-Za-z]/.test(char)
  let set = 0
  if (alphanumeric || (byte < 128 && tokenMarks.includes(char))) {
    set |= isToken
    const lower = char.toLowerCase().charCodeAt(0)
    tokenLower[byte] = lower
    tokenPlain[byte] = alphanumeric ? lower : 0x2d
  }
  if (byte === 0x09 || (byte >= 0x20 && byte !== 0x7f)) set |= isFieldValue
  if (byte > 0x20 && byte < 0x7f && char !== "#") set |= isTarget
  if (alphanumeric || (byte < 128 && hostMarks.includes(char))) set |= isHost
  if (byte < 128 && /[0-9A-Fa-f]/.test(char)) {
    set |= isHex
    hexValue[byte] = Number.parseInt(char, 16)
  }
  classes[byte] = set
}

export const HTAB = 0x09
export const LF = 0x0a
export const CR = 0x0d
export const SP = 0x20
export const COMMA = 0x2c
export const COLON = 0x3a
export const UNDERSCORE = 0x5f
