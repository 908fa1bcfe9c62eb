/** Hot path: what a client is sent, and how far it is behind with taking it. Benchmark: bench/relay.ts. */
import type { Socket } from "node:net"
import { BoundedWrites } from "../../net/bounded-writes.ts"
import type { Deadlines, Tick } from "../../net/deadlines.ts"

export class ClientOutput {
  /** Bytes of the present exchange. */
  bytes = 0
  /** It takes no more for now; the socket's `drain` follows, or `onTaken`. */
  isBehind = false
  readonly #socket: Socket
  readonly #writes: BoundedWrites
  readonly #deadlines: Deadlines
  /** Within TLS a write has never left when it returns. */
  readonly #isPlain: boolean
  /** Since when it has been behind, and for how long in all during the present exchange. */
  #behindSince: Tick = 0
  #behindTicks: Tick = 0

  /** @param onTaken see `BoundedWrites` */
  constructor(socket: Socket, isPlain: boolean, deadlines: Deadlines, onTaken: () => void) {
    this.#socket = socket
    this.#isPlain = isPlain
    this.#deadlines = deadlines
    this.#writes = new BoundedWrites(socket, onTaken)
  }

  /** Not all that was written has left yet. */
  get isHolding(): boolean {
    return this.#socket.writableLength > 0
  }

  /** What is written now will most likely have left when the write returns. */
  get isPrompt(): boolean {
    return this.#isPlain && this.#socket.writableLength === 0
  }

  /** The tick from which on it has been behind for as long as it has been in all. */
  get behindFrom(): Tick {
    return this.#behindSince - this.#behindTicks
  }

  /** Another exchange begins. */
  begin(): void {
    this.bytes = 0
    this.#behindTicks = 0
  }

  /** False when no more should be written for now. */
  write(bytes: Buffer): boolean {
    const took = this.#writes.write(bytes)
    this.bytes += bytes.length
    if (!took && !this.isBehind) this.#behindSince = this.#deadlines.tick
    this.isBehind = !took
    return took
  }

  /** Several writes until `uncork` leave together. */
  cork(): void {
    this.#socket.cork()
  }

  uncork(): void {
    this.#socket.uncork()
  }

  /** It takes more again. */
  onDrain(): void {
    if (this.isBehind) this.#behindTicks += this.#deadlines.tick - this.#behindSince
    this.isBehind = false
  }
}
