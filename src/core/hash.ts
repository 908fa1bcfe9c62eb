/**
 * Hash functions by their specifications, for keys and names: none of them is safe against an attacker who chooses
 * both.
 */

/** CRC-32 as in zip and Ethernet: reflected polynomial 0xEDB88320 (ISO 3309; RFC 1952 8). */
const crcTable = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 0 ? crc >>> 1 : (crc >>> 1) ^ 0xedb88320
  return crc
})

/** What a CRC-32 begins with. */
export const crc32Start = 0xffffffff

/** Goes on with one byte; the sum is an int32. */
export function crc32Byte(sum: number, byte: number): number {
  return crcTable[(sum ^ byte) & 0xff]! ^ (sum >>> 8)
}

/** Goes on with bytes, or with a string whose characters are below 256. */
export function crc32More(sum: number, text: string | Uint8Array): number {
  for (let i = 0; i < text.length; i++) sum = crc32Byte(sum, byteAt(text, i))
  return sum
}

/** Ends a sum: the checksum as an unsigned 32-bit number. */
export function crc32End(sum: number): number {
  return ~sum >>> 0
}

const prime1 = 0x9e3779b1
const prime2 = 0x85ebca77
const prime3 = 0xc2b2ae3d
const prime4 = 0x27d4eb2f
const prime5 = 0x165667b1

/**
 * xxHash with 32 bits (Collet, version 0.1.1 of its specification). Over bytes, or over a string whose characters are
 * below 256. Passes the avalanche test, so its low bits are as good as its high ones.
 */
export function xxhash32(text: string | Uint8Array, seed = 0): number {
  const length = text.length
  let at = 0
  let h: number
  if (length < 16) {
    h = (seed + prime5) | 0
  } else {
    let a = (seed + prime1 + prime2) | 0
    let b = (seed + prime2) | 0
    let c = seed | 0
    let d = (seed - prime1) | 0
    for (; at <= length - 16; at += 16) {
      a = round(a, wordAt(text, at))
      b = round(b, wordAt(text, at + 4))
      c = round(c, wordAt(text, at + 8))
      d = round(d, wordAt(text, at + 12))
    }
    h = (rotate(a, 1) + rotate(b, 7) + rotate(c, 12) + rotate(d, 18)) | 0
  }
  h = (h + length) | 0
  for (; at <= length - 4; at += 4) {
    h = Math.imul(rotate((h + Math.imul(wordAt(text, at), prime3)) | 0, 17), prime4)
  }
  for (; at < length; at++) {
    h = Math.imul(rotate((h + Math.imul(byteAt(text, at), prime5)) | 0, 11), prime1)
  }
  h = Math.imul(h ^ (h >>> 15), prime2)
  h = Math.imul(h ^ (h >>> 13), prime3)
  return (h ^ (h >>> 16)) >>> 0
}

function round(lane: number, word: number): number {
  return Math.imul(rotate((lane + Math.imul(word, prime2)) | 0, 13), prime1)
}

function rotate(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits))
}

function wordAt(text: string | Uint8Array, at: number): number {
  return (
    byteAt(text, at) |
    (byteAt(text, at + 1) << 8) |
    (byteAt(text, at + 2) << 16) |
    (byteAt(text, at + 3) << 24)
  )
}

function byteAt(text: string | Uint8Array, at: number): number {
  return typeof text === "string" ? text.charCodeAt(at) & 0xff : text[at]!
}
