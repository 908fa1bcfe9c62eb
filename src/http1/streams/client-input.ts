/** Hot path: what comes from a client, and whether more is wanted. Benchmark: bench/relay.ts. */
import type { Socket } from "node:net"
import { readDirectly, readOn } from "../../net/direct-reading.ts"
import { HeldBytes } from "./held-bytes.ts"

export class ClientInput {
  /** What has come before it was wanted. */
  readonly held = new HeldBytes()
  /** No more bytes are wanted for now; what comes all the same is to be held. */
  isPaused = false
  readonly #socket: Socket
  /** The socket has been told so, and reads no more by itself. */
  #hasStopped = false

  /** @param take gets all that comes, in order */
  constructor(socket: Socket, take: (bytes: Buffer) => void) {
    this.#socket = socket
    readDirectly(socket, (bytes) => {
      take(bytes)
      this.#hasStopped = this.isPaused
      return !this.isPaused
    })
  }

  resume(): void {
    this.isPaused = false
    if (!this.#hasStopped) return
    this.#hasStopped = false
    readOn(this.#socket)
  }
}
