/**
 * Hot path: where a body ends, and which bytes of it go on. Benchmark: bench/head.ts.
 *
 * A body is in one of these states, and only `complete` lets its connection be used again:
 *
 *     open ──(last byte of the framing)──▶ complete
 *       ├───(the peer ended in between)──▶ cut
 *       ├───(the connection broke)───────▶ reset
 *       └───(bytes against the grammar)──▶ invalid
 */
import type { ErrorCode } from "../core/errors.ts"
import type { BodyPieces, Framing } from "../core/http/streams.ts"
import { classes, COLON, CR, hexValue, HTAB, isFieldValue, isHex, isToken, LF, SP } from "./characters.ts"
import { isFraming, lastChunk } from "./trailers.ts"

export type BodyState = "open" | "complete" | "cut" | "reset" | "invalid"

export interface BodyLimits {
  /** All chunk extensions of one body together, bytes. */
  readonly chunkExtensionBytesMax: number
  /** The trailer section of one body, bytes. */
  readonly trailerBytesMax: number
}

export const bodyLimitsDefault: BodyLimits = { chunkExtensionBytesMax: 4096, trailerBytesMax: 8192 }

const sizeDigitsMax = 16

/** Larger chunks go on as several: a reader that counts in 32 bits, signed or not, reads the same as we. */
const chunkBytesMax = 0x100_0000

/** More slices than this are copied together: each costs a write, and a hundred bytes of memory while it waits. */
const slicesMax = 4

// Where a chunked body stands in its grammar (RFC 9112 7.1). Between `atSize` and `inData` a size line is being read.
const atSize = 0
const inSize = 1
const afterSize = 2
const atSizeLf = 3
const atExtensionName = 4
const inExtensionName = 5
const afterExtensionName = 6
const atExtensionValue = 7
const inExtensionValue = 8
const inQuoted = 9
const afterBackslash = 10
const afterExtensionValue = 11
const inData = 12
const atDataCr = 13
const atDataLf = 14
const atTrailer = 15
const inTrailerName = 16
const inTrailerValue = 17
const atTrailerLf = 18
const atEndLf = 19

const SEMICOLON = 0x3b
const EQUALS = 0x3d
const QUOTE = 0x22
const BACKSLASH = 0x5c
const DIGIT_9 = 0x39
const LOWER_A = 0x61

/**
 * Reads one body after another. `read` puts what goes on into `output`, as slices of the bytes it was given or as a
 * copy where they are many.
 *
 * A chunked body goes on chunked with every size line and the end verified first: a chunk's size line is sent
 * only when it is whole, the last chunk only when the trailer section has ended. Size lines go on as we would write
 * them: lower case, no leading zero, nothing behind them, and no more than `chunkBytesMax`. One that came like that
 * goes on as it is, with the data around it in one slice. Extensions are checked and left out (RFC 9112 7.1.1), and so
 * are trailers but for those that the caller wants and that may go on (7.1.2). With `decode` only the data goes on.
 */
export class BodyReader implements BodyPieces {
  state: BodyState = "complete"
  framing: Framing = "none"
  /** What the last `read` passed on: `outputCount` slices. Reused by the next `read`. */
  readonly output: Buffer[] = []
  outputCount = 0
  /** Data bytes seen of this body, without framing. */
  dataBytes = 0
  /** Why the state is `invalid`. */
  error: ErrorCode = "invalid_chunk"

  readonly #limits: BodyLimits
  #decode = false
  #remaining = 0
  /** What of a chunk that came does not fit into the one that goes on now. */
  #rest = 0
  #step = atSize
  #digits = 0
  #extensionBytes = 0
  #trailerBytes = 0
  /** The size line being read is not as we would write it. */
  #isOdd = false
  /** The trailer section goes on, but for the fields named here and those that never do; undefined: nothing of it. */
  #nominated: readonly string[] | undefined
  #trailers = ""

  constructor(limits: BodyLimits) {
    this.#limits = limits
  }

  /**
   * Starts a body. `length` counts for framing `length` only; `decode` takes chunked framing off.
   *
   * @param trailers to pass on what may go on of the trailer section: the fields that Connection nominates, in lower
   * case, which may not (`Head.nominations`). Only for a peer that takes trailers (RFC 9110 6.5.1).
   */
  begin(framing: Framing, length: number, decode: boolean, trailers?: readonly string[]): void {
    this.framing = framing
    this.dataBytes = 0
    this.outputCount = 0
    this.#decode = decode
    this.#remaining = framing === "length" ? length : 0
    this.#step = atSize
    this.#digits = 0
    this.#extensionBytes = 0
    this.#trailerBytes = 0
    this.#rest = 0
    this.#isOdd = false
    this.#nominated = decode ? undefined : trailers
    this.#trailers = ""
    this.error = "invalid_chunk"
    this.state = framing === "none" || (framing === "length" && length === 0) ? "complete" : "open"
  }

  /**
   * Takes bytes[from..to) as far as this body reaches. Returns where that is: `to` while the body is open, and after
   * its end the first byte of what follows. Nothing is taken once the body is not open.
   */
  read(bytes: Buffer, from: number, to: number): number {
    this.outputCount = 0
    if (this.state !== "open" || from >= to) return from
    switch (this.framing) {
      case "length": {
        const end = Math.min(to, from + this.#remaining)
        this.#remaining -= end - from
        this.#pass(bytes, from, end)
        this.dataBytes += end - from
        if (this.#remaining === 0) this.state = "complete"
        return end
      }
      case "close":
        this.#pass(bytes, from, to)
        this.dataBytes += to - from
        return to
      case "chunked": {
        const end = this.#readChunked(bytes, from, to)
        if (this.outputCount > slicesMax) this.#join()
        return end
      }
      case "none":
        return from
    }
  }

  /** The trailer section of a chunked body that is complete: whole field lines, latin1; "" when there is none. */
  get trailers(): string {
    return this.#trailers
  }

  /** The peer has sent its last byte: complete for `close` framing, cut for every other that is still open. */
  end(): void {
    if (this.state === "open") this.state = this.framing === "close" ? "complete" : "cut"
  }

  /** The connection broke. */
  reset(): void {
    if (this.state === "open") this.state = "reset"
  }

  #join(): void {
    this.output.length = this.outputCount
    const joined = Buffer.concat(this.output)
    this.output.length = 0
    this.output[0] = joined
    this.outputCount = 1
  }

  #pass(bytes: Buffer, start: number, end: number): void {
    if (start < 0 || end <= start) return
    this.output[this.outputCount++] = start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end)
  }

  #readChunked(bytes: Buffer, from: number, to: number): number {
    const decode = this.#decode
    let at = from
    let step = this.#step
    // From here on bytes are held to go on as one slice; -1: none are.
    let span = step === inData || (!decode && (step === atDataCr || step === atDataLf)) ? from : -1
    // Where the size line being read begins; -1: in bytes before these, of which nothing has been passed on.
    let line = -1
    // Where a whole, plain last chunk begins that waits for the end of the body.
    let last = -1
    while (at < to) {
      const byte = bytes[at]!
      const kind = classes[byte]!
      switch (step) {
        case atSize:
          if ((kind & isHex) === 0) return this.#refuse(at)
          line = at
          this.#remaining = hexValue[byte]!
          this.#digits = 1
          this.#isOdd = isUpperHex(byte)
          step = inSize
          break
        case inSize:
          if ((kind & isHex) !== 0) {
            // A zero before other digits, or a digit in upper case.
            if (this.#remaining === 0 || isUpperHex(byte)) this.#isOdd = true
            this.#remaining = this.#remaining * 16 + hexValue[byte]!
            if (++this.#digits > sizeDigitsMax || this.#remaining > Number.MAX_SAFE_INTEGER)
              return this.#refuse(at)
          } else if (byte === CR) step = atSizeLf
          else {
            this.#isOdd = true
            step = this.#readExtension(afterSize, byte, kind)
            if (step < 0) return this.#refuse(at)
          }
          break
        case atSizeLf:
          if (byte !== LF) return this.#refuse(at)
          if (this.#remaining === 0) {
            if (line === -1 || this.#isOdd || decode) {
              this.#pass(bytes, span, line)
              span = -1
            } else last = line
            step = atTrailer
            break
          }
          if (decode) span = at + 1
          else if (line === -1 || this.#isOdd || this.#remaining > chunkBytesMax) {
            this.#pass(bytes, span, line)
            this.#beginChunk(this.#remaining, "")
            span = at + 1
          } else if (span === -1) span = line
          step = inData
          break
        case inData: {
          const taken = Math.min(this.#remaining, to - at)
          at += taken
          this.dataBytes += taken
          this.#remaining -= taken
          if (this.#remaining > 0) continue
          if (this.#rest > 0) {
            this.#pass(bytes, span, at)
            this.#beginChunk(this.#rest, "\r\n")
            span = at
            continue
          }
          if (decode) {
            this.#pass(bytes, span, at)
            span = -1
          }
          step = atDataCr
          continue
        }
        case atDataCr:
          if (byte !== CR) return this.#refuse(at)
          step = atDataLf
          break
        case atDataLf:
          if (byte !== LF) return this.#refuse(at)
          step = atSize
          break
        case atTrailer:
          if (byte === CR) step = atEndLf
          else if ((kind & isToken) !== 0) {
            if (last !== -1) {
              this.#pass(bytes, span, last)
              span = -1
              last = -1
            }
            step = this.#readTrailer(inTrailerName, byte, kind)
            if (step < 0) return this.#refuse(at)
          } else return this.#refuse(at)
          break
        case atEndLf:
          if (byte !== LF) return this.#refuse(at)
          if (!decode) {
            if (last !== -1) this.#pass(bytes, span === -1 ? last : span, at + 1)
            else this.output[this.outputCount++] = this.#lastChunk()
          }
          this.state = "complete"
          return at + 1
        default:
          step =
            step >= inTrailerName
              ? this.#readTrailer(step, byte, kind)
              : this.#readExtension(step, byte, kind)
          if (step < 0) return this.#refuse(at)
      }
      at++
    }
    this.#step = step
    if (span !== -1) {
      if (last !== -1) this.#pass(bytes, span, last)
      else this.#pass(bytes, span, step > atSize && step < inData ? line : to)
    }
    return to
  }

  /** A size line of our own for as much of `size` as one chunk has, behind the end of the chunk before. */
  #beginChunk(size: number, before: "" | "\r\n"): void {
    this.#remaining = Math.min(size, chunkBytesMax)
    this.#rest = size - this.#remaining
    this.output[this.outputCount++] = Buffer.from(`${before}${this.#remaining.toString(16)}\r\n`, "latin1")
  }

  /**
   * One byte of a chunk extension (RFC 9112 7.1.1), with the blanks around `;` and `=` that a recipient has to take
   * (`BWS`, RFC 9110 5.6.3); -1 against the grammar.
   */
  #readExtension(step: number, byte: number, kind: number): number {
    if (++this.#extensionBytes > this.#limits.chunkExtensionBytesMax)
      return this.#blame("chunk_extensions_too_large")
    const token = (kind & isToken) !== 0
    const blank = byte === SP || byte === HTAB
    switch (step) {
      case atExtensionName:
        if (blank) return step
        return token ? inExtensionName : -1
      case inExtensionName:
        if (token) return step
        if (blank) return afterExtensionName
        return byte === EQUALS ? atExtensionValue : afterExtension(byte)
      case afterExtensionName:
        if (blank) return step
        if (byte === EQUALS) return atExtensionValue
        return byte === SEMICOLON ? atExtensionName : -1
      case atExtensionValue:
        if (blank) return step
        if (byte === QUOTE) return inQuoted
        return token ? inExtensionValue : -1
      case inExtensionValue:
        if (token) return step
        return blank ? afterSize : afterExtension(byte)
      case inQuoted:
        if (byte === QUOTE) return afterExtensionValue
        if (byte === BACKSLASH) return afterBackslash
        return (kind & isFieldValue) !== 0 ? step : -1
      case afterBackslash:
        return (kind & isFieldValue) !== 0 ? inQuoted : -1
      case afterExtensionValue:
        return blank ? afterSize : afterExtension(byte)
      // Behind blanks comes another extension: the grammar has none before the line's end.
      default:
        if (blank) return afterSize
        return byte === SEMICOLON ? atExtensionName : -1
    }
  }

  /** One byte of a trailer line (RFC 9112 7.1.2), which is kept for the last chunk; -1 against the grammar. */
  #readTrailer(step: number, byte: number, kind: number): number {
    if (++this.#trailerBytes > this.#limits.trailerBytesMax) return this.#blame("trailers_too_large")
    this.#trailers += String.fromCharCode(byte)
    switch (step) {
      case inTrailerName:
        if (byte === COLON) return isFraming(this.#trailers) ? this.#blame("invalid_trailer") : inTrailerValue
        return (kind & isToken) !== 0 ? step : -1
      case inTrailerValue:
        if (byte === CR) return atTrailerLf
        return (kind & isFieldValue) !== 0 ? step : -1
      default:
        return byte === LF ? atTrailer : -1
    }
  }

  /** The last chunk with what goes on of the trailer section. */
  #lastChunk(): Buffer {
    return this.#nominated === undefined ? lastChunk("", []) : lastChunk(this.#trailers, this.#nominated)
  }

  #blame(error: ErrorCode): -1 {
    this.error = error
    return -1
  }

  #refuse(at: number): number {
    this.state = "invalid"
    this.outputCount = 0
    return at
  }
}

function isUpperHex(byte: number): boolean {
  return byte > DIGIT_9 && byte < LOWER_A
}

function afterExtension(byte: number): number {
  if (byte === SEMICOLON) return atExtensionName
  return byte === CR ? atSizeLf : -1
}
