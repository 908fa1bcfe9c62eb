/**
 * The descriptors of the data plane, shared by its threads, so that the system never has to refuse one. When it does,
 * a thread that accepts fails at once, again and again, for as long as a client waits, and no client gets a response.
 *
 * Connections of clients and to backends count alike. The last part is kept for backends: a client that was let in can
 * be served. Two threads that look in the same moment may both take the last one; the budget has room for that.
 */

/** Plain data that a thread needs to take part. */
export interface DescriptorsShape {
  readonly buffer: SharedArrayBuffer
}

const openCell = 0
const mostCell = 1
const clientsMostCell = 2
/** Then a ledger for each lane, in a cache line of its own. */
const stride = 16

const unlimited = 2 ** 31 - 1

export class Descriptors {
  readonly shape: DescriptorsShape
  readonly #cells: Int32Array
  readonly #ledger: number

  /** Opens what `create` made, or the same in another thread. */
  constructor(shape: DescriptorsShape, lane: number) {
    this.shape = shape
    this.#cells = new Int32Array(shape.buffer)
    this.#ledger = (1 + lane) * stride
  }

  /** Without limits, until `limit` sets some. */
  static create(lanes: number): Descriptors {
    const descriptors = new Descriptors({ buffer: new SharedArrayBuffer((1 + lanes) * stride * 4) }, 0)
    descriptors.limit(unlimited, unlimited)
    return descriptors
  }

  /** @param most in all @param clientsMost with so many open no client is let in any more */
  limit(most: number, clientsMost: number): void {
    this.#cells[mostCell] = most
    this.#cells[clientsMostCell] = clientsMost
  }

  /** Those that are open, in all threads. */
  get open(): number {
    return Atomics.load(this.#cells, openCell)
  }

  get hasRoomForClient(): boolean {
    return this.open < this.#cells[clientsMostCell]!
  }

  get hasRoomForBackend(): boolean {
    return this.open < this.#cells[mostCell]!
  }

  /** This thread has opened one. */
  take(): void {
    Atomics.add(this.#cells, openCell, 1)
    this.#cells[this.#ledger]!++
  }

  /** It has closed one. */
  give(): void {
    Atomics.sub(this.#cells, openCell, 1)
    this.#cells[this.#ledger]!--
  }

  /** The thread of this lane has exited, and the system has closed all that it had. */
  giveAll(lane: number): void {
    const ledger = (1 + lane) * stride
    Atomics.sub(this.#cells, openCell, this.#cells[ledger]!)
    this.#cells[ledger] = 0
  }
}
