/** Hot path: what a backend is sent, and what it has taken of that. Benchmark: bench/relay.ts. */
import type { Socket } from "node:net"
import { BoundedWrites } from "../../net/bounded-writes.ts"
import { outliveWriteErrors } from "../../net/write-errors.ts"

export class BackendOutput {
  /** See `BackendStream.hasTaken`. */
  hasTaken = false
  /** The backend takes no more: it has reset the connection, but what it said before that is still to be read. */
  hasFailed = false
  readonly #socket: Socket
  readonly #writes: BoundedWrites
  /** A failed write does not end the connection. */
  #outlives = false

  /** @param onTaken see `BoundedWrites` */
  constructor(socket: Socket, onTaken: () => void) {
    this.#socket = socket
    this.#writes = new BoundedWrites(socket, onTaken)
  }

  /** It takes no more for now. */
  get isBehind(): boolean {
    return this.#socket.writableNeedDrain
  }

  /** Everything that was written has left. */
  get isEmpty(): boolean {
    return this.#socket.writableLength === 0
  }

  /** Requests of several exchanges, whole. */
  sendAll(requests: Buffer): void {
    this.#socket.write(requests)
  }

  /**
   * The head of a request; false when the backend is behind.
   *
   * @param hasBody more follows: the backend may respond and go before it has read all of that
   */
  send(head: Buffer, hasBody: boolean): boolean {
    if (hasBody && !this.#outlives) {
      this.#outlives = true
      outliveWriteErrors(this.#socket, () => (this.hasFailed = true))
    }
    const took = this.#socket.write(head)
    this.#look()
    return took
  }

  /** More of a request, or of what goes through the tunnel; false when the backend is behind. */
  write(bytes: Buffer): boolean {
    return this.#writes.write(bytes)
  }

  cork(): void {
    this.#socket.cork()
  }

  uncork(): void {
    this.#socket.uncork()
    this.#look()
  }

  /** Nothing more follows; what was written leaves. */
  end(): void {
    this.#socket.end()
  }

  /** The system is asked at once: when it refused the first write, the backend has taken nothing. */
  #look(): void {
    this.hasTaken = this.#socket.errored === null && !this.hasFailed
  }
}
