/**
 * Hot path: once a request. The shape of a path, `GET /users/{name}/orders`, in one pass over its bytes and without
 * a string. Benchmark: bench/learn.ts.
 */

/** Segments that a template tells apart; what comes after them is `**`. */
export const segmentsMax = 6
/** A longer segment is a name that somebody made up, not one that a programmer gave. */
const wordBytesMax = 32
const methodBytesMax = 32

/** Room for every template: a method, a space, and the segments with their slashes. */
export const templateBytesMax: number = methodBytesMax + 1 + segmentsMax * (wordBytesMax + 1) + 3

const SPACE = 0x20
const SLASH = 0x2f
const QUESTION = 0x3f
const STAR = 0x2a

const digit = 1
const hexLetter = 2
const letter = 4
const dash = 8
const mark = 16

/** What a byte is; 0 is one that words do not have. */
const kinds = new Uint8Array(256)
for (let byte = 0x30; byte <= 0x39; byte++) kinds[byte] = digit
for (let byte = 0x61; byte <= 0x7a; byte++) {
  kinds[byte] = byte <= 0x66 ? hexLetter : letter
  kinds[byte - 0x20] = kinds[byte]!
}
kinds[0x2d] = dash
for (const byte of ".:_$") kinds[byte.charCodeAt(0)] = mark

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
 * @param into at least `templateBytesMax` bytes
 * @returns how many bytes were written; 0 when the method is too long to be one.
 */
export function writeTemplate(
  method: string,
  bytes: Uint8Array,
  start: number,
  end: number,
  into: Uint8Array,
): number {
  if (method.length > methodBytesMax) return 0
  let at = 0
  for (let i = 0; i < method.length; i++) into[at++] = method.charCodeAt(i)
  into[at++] = SPACE
  const rootAt = at
  if (start >= end || bytes[start] !== SLASH) {
    into[at++] = start < end && bytes[start] === STAR ? STAR : SLASH
    return at
  }

  let position = start
  for (let segment = 0; position < end && bytes[position] !== QUESTION; segment++) {
    into[at++] = SLASH
    position++
    if (segment === segmentsMax) {
      if (position >= end || bytes[position] === QUESTION) break
      into[at++] = STAR
      into[at++] = STAR
      return at
    }
    const segmentAt = at
    const segmentStart = position
    let digits = 0
    let letters = 0
    let others = 0
    let turns = 0
    let isOdd = false
    let before = 0
    for (; position < end; position++) {
      const byte = bytes[position]!
      if (byte === SLASH || byte === QUESTION) break
      const kind = kinds[byte]!
      if (kind === digit) {
        digits++
        if (before > digit && before < dash) turns++
      } else if (kind === hexLetter || kind === letter) {
        letters++
        if (kind === letter) others++
        if (before === digit) turns++
      } else if (kind === mark) others++
      else if (kind === 0) isOdd = true
      before = kind
      if (at - segmentAt < wordBytesMax) into[at++] = byte
    }
    const length = position - segmentStart
    const isHex = length >= 8 && others === 0 && digits > 0
    const isName =
      isOdd || length > wordBytesMax || digits >= 4 || turns >= 4 || isHex || (digits > 0 && letters === 0)
    if (isName) {
      at = segmentAt
      into[at++] = STAR
    }
  }
  // One slash at the end says nothing, unless it is the whole path.
  return at - 1 > rootAt && into[at - 1] === SLASH ? at - 1 : at
}

/** A hash of bytes[start..end) as an int32, good enough for a table that confirms. */
export function hashBytes(bytes: Uint8Array, start: number, end: number): number {
  let hash = end - start
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193)
  return hash ^ (hash >>> 15)
}
