/**
 * Hot path: bytes that have come in pieces and have to wait. A `Buffer` costs about a hundred bytes however little is
 * in it, and joining all anew with each piece costs time that grows with the square: here small pieces are copied
 * together.
 */

/** Memory that is taken for a few bytes at first. */
const firstBytes = 512
/** Larger pieces are kept as they are: their own cost is nothing beside what is in them. */
const pieceBytesMin = 16 * 1024
/** So much is copied together at most. */
const chunkBytesMax = 64 * 1024
const nothing = Buffer.alloc(0)

/** Appends to bytes that it has joined before without copying them again, as long as its memory lasts. */
export class Joiner {
  #memory: Buffer = nothing
  #joined: Buffer = nothing

  /** `before` and `more` as one; what was handed out earlier stays as it is. All pieces together cost O(bytes). */
  join(before: Buffer, more: Buffer): Buffer {
    const length = before.length + more.length
    if (before !== this.#joined || length > this.#memory.length) {
      this.#memory = Buffer.allocUnsafeSlow(Math.max(firstBytes, 2 * length))
      before.copy(this.#memory)
    }
    more.copy(this.#memory, before.length)
    this.#joined = this.#memory.subarray(0, length)
    return this.#joined
  }
}

/**
 * Bytes in order, in a few buffers however small they came. The first piece is kept as it is: often it is the only one.
 */
export class KeptBytes {
  readonly pieces: Buffer[] = []
  #joiner: Joiner | undefined

  add(piece: Buffer): void {
    const { pieces } = this
    const last = pieces.at(-1)
    const isAlone = last === undefined || piece.length >= pieceBytesMin
    if (isAlone || last.length + piece.length > chunkBytesMax) {
      pieces.push(piece)
      return
    }
    this.#joiner ??= new Joiner()
    pieces[pieces.length - 1] = this.#joiner.join(last, piece)
  }
}
