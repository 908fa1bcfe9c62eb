/**
 * Hot path: writes to a socket whose other side may be behind. What waits is bounded in number too, since each piece
 * costs a hundred bytes and more however small it is. Benchmark: bench/relay.ts.
 */
import type { Socket } from "node:net"

/** So many pieces wait for the other side to take them. */
const waitingPiecesMax = 256

export class BoundedWrites {
  readonly #socket: Socket
  readonly #onTaken: () => void
  /** Writes since all that was written had left. */
  #waitingPieces = 0

  /**
   * @param onTaken told that a piece has left of which `write` said false, where the socket's `drain` does not tell it
   */
  constructor(socket: Socket, onTaken: () => void) {
    this.#socket = socket
    this.#onTaken = onTaken
  }

  /** False when no more should be written until `onTaken` or the socket's `drain`. */
  write(bytes: Buffer): boolean {
    const socket = this.#socket
    if (socket.writableLength === 0) this.#waitingPieces = 0
    else if (++this.#waitingPieces > waitingPiecesMax) {
      // Of bytes that are so few the socket itself would not tell.
      socket.write(bytes, this.#onTaken)
      return false
    }
    return socket.write(bytes)
  }
}
