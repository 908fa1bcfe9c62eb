/**
 * Hot path: once per request. The shape of a path, `GET /users/{name}/orders`, in one pass over its bytes and without
 * a string. Benchmark: bench/learn.ts.
 */

/** Segments that a template tells apart; what comes after them is `**`. */
const segmentsMax = 6
/** A longer segment is generated; a programmer would not write such a name. */
const wordBytesMax = 32
const methodBytesMax = 32

/** Room for every template: a method, a space, and the segments with their slashes. */
export const templateBytesMax: number = methodBytesMax + 1 + segmentsMax * (wordBytesMax + 1) + 3

const SPACE = 0x20
const SLASH = 0x2f
const QUESTION = 0x3f
const STAR = 0x2a

/** What a byte is, as bits: a digit, a letter, something that hexadecimal digits and dashes are not, something odd. */
const digit = 1
const letter = 2
const digitOrLetter = digit | letter
const notHex = 4
const odd = 8

const kinds = new Uint8Array(256).fill(odd)
for (let byte = 0x30; byte <= 0x39; byte++) kinds[byte] = digit
for (let byte = 0x61; byte <= 0x7a; byte++) {
  kinds[byte] = byte <= 0x66 ? letter : letter | notHex
  kinds[byte - 0x20] = kinds[byte]!
}
kinds[0x2d] = 0
for (let i = 0; i < 4; i++) kinds[".:_$".charCodeAt(i)] = notHex

/**
 * Writes the template of a request: its method, a space, and its path with `*` for every segment that looks like
 * the name of a thing rather than of a kind of things. The query and one slash at the end are left out; from the
 * seventh segment on everything is `**`. A path of no bytes is `/`.
 *
 * A segment is a name when it has
 * - digits and no letters: `17`, `2024-05-01`
 * - only hexadecimal digits and dashes, eight or more, one of them a digit: hashes and UUIDs
 * - four digits or more: `order-12345`
 * - letters and digits that take turns four times or more: `dQw4w9WgXcQ`; `v1beta1` has three turns
 * - a byte that is escaped or unusual in a word (`%`, `@`, `=`, `,`, …)
 * - more than 32 bytes.
 *
 * One per thread: what was written last stays until the next writing.
 */
export class TemplateWriter {
  readonly bytes: Uint8Array = new Uint8Array(templateBytesMax)
  /** How many bytes of it are the template; 0 when the method was too long to be one. */
  length = 0
  /** The template's `hashOf`. */
  hash = 0

  write(method: string, bytes: Uint8Array, start: number, end: number): void {
    const into = this.bytes
    this.length = 0
    if (method.length > methodBytesMax) return
    let at = 0
    let hash = hashStart
    for (; at < method.length; at++) {
      into[at] = method.charCodeAt(at)
      hash = hashStep(hash, into[at]!)
    }
    into[at++] = SPACE
    hash = hashStep(hash, SPACE)

    let position = start
    let segment = 0
    if (start >= end || bytes[start] !== SLASH) {
      const byte = start < end && bytes[start] === STAR ? STAR : SLASH
      into[at++] = byte
      hash = hashStep(hash, byte)
      position = end
    }
    while (position < end && bytes[position] === SLASH) {
      position++
      const atEnd = position >= end || bytes[position] === QUESTION
      // One slash at the end says nothing, unless it is the whole path.
      if (atEnd && segment > 0) break
      into[at++] = SLASH
      hash = hashStep(hash, SLASH)
      if (segment++ === segmentsMax) {
        into[at++] = STAR
        into[at++] = STAR
        hash = hashStep(hashStep(hash, STAR), STAR)
        break
      }
      const wordAt = at
      const wordHash = hash
      const wordStart = position
      const wordEnd = Math.min(end, position + wordBytesMax)
      let seen = 0
      let digits = 0
      let turns = 0
      let before = 0
      for (; position < wordEnd; position++) {
        const byte = bytes[position]!
        if (byte === SLASH || byte === QUESTION) break
        const kind = kinds[byte]!
        seen |= kind
        digits += kind & digit
        const now = kind & digitOrLetter
        if ((now ^ before) === digitOrLetter && before !== 0 && now !== 0) turns++
        before = now
        into[at++] = byte
        hash = hashStep(hash, byte)
      }
      const length = position - wordStart
      let isName = digits >= 4 || turns >= 4 || (seen & odd) !== 0
      if (digits > 0 && ((seen & letter) === 0 || (length >= 8 && (seen & notHex) === 0))) isName = true
      if (length === wordBytesMax) {
        while (position < end && bytes[position] !== SLASH && bytes[position] !== QUESTION) {
          position++
          isName = true
        }
      }
      if (isName) {
        at = wordAt
        into[at++] = STAR
        hash = hashStep(wordHash, STAR)
      }
    }
    this.length = at
    this.hash = hash ^ (hash >>> 15)
  }
}

const hashStart = 0x2545f491

function hashStep(hash: number, byte: number): number {
  return Math.imul(hash ^ byte, 0x01000193)
}

/** A hash of bytes as an int32, good enough for a table that confirms. */
export function hashOf(bytes: Uint8Array): number {
  let hash = hashStart
  for (let i = 0; i < bytes.length; i++) hash = hashStep(hash, bytes[i]!)
  return hash ^ (hash >>> 15)
}
