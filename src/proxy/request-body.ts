/**
 * Hot path for requests that have a body: what of it is kept, so that it can be sent from its beginning, and what is
 * still to be written of that. Bodies are kept as they go on, in the form that the kept head names.
 */
import type { BackendStream } from "../core/http/streams.ts"
import { KeptBytes } from "../core/kept-bytes.ts"
import type { Budget } from "./budget.ts"

/** One per exchange, for one request after the other. */
export class RequestBody {
  /** Bytes that have come. */
  bytes = 0
  readonly #budget: Budget
  readonly #keptBytesMax: number
  /** Undefined: there is no body, or it has grown too large to be kept. */
  #kept: KeptBytes | undefined
  /** Bytes that are taken from the budget. */
  #collected = 0
  /** Which of the kept pieces is to be written next; -1 while none is left over. */
  #next = -1

  /** @param keptBytesMax so much is kept, and more only until a backend takes it */
  constructor(budget: Budget, keptBytesMax: number) {
    this.#budget = budget
    this.#keptBytesMax = keptBytesMax
  }

  /** A request begins. */
  begin(hasBody: boolean): void {
    this.bytes = 0
    this.#kept = hasBody ? new KeptBytes() : undefined
    this.#next = -1
  }

  add(slice: Buffer): void {
    this.bytes += slice.length
    this.#kept?.add(slice)
  }

  /** All of it that has come is here: it can be sent, or sent again. */
  get isWhole(): boolean {
    return this.#kept !== undefined || this.bytes === 0
  }

  /** More has come than is to be kept. */
  get isLarge(): boolean {
    return this.bytes > this.#keptBytesMax
  }

  /** Some of it is kept, or will be. */
  get isKept(): boolean {
    return this.#kept !== undefined
  }

  /** Pieces are left over that the backend had no room for. */
  get isLeft(): boolean {
    return this.#next !== -1
  }

  /** Takes memory for what has come from the budget of all bodies that are collected; false when there is none left. */
  collect(): boolean {
    if (!this.#budget.take(this.bytes - this.#collected)) return false
    this.#collected = this.bytes
    return true
  }

  /** Another attempt begins: nothing of it has been written to that. */
  rewind(): void {
    this.#next = -1
  }

  /** Writes what is kept, from its beginning. */
  writeFirst(stream: BackendStream, hasEnded: boolean): void {
    this.#next = 0
    this.writeOn(stream, hasEnded)
  }

  /** Writes on from what was left over: a whole body as fast as it is taken, the beginning of one at once. */
  writeOn(stream: BackendStream, hasEnded: boolean): void {
    const { pieces } = this.#kept!
    while (this.#next < pieces.length) {
      const took = stream.write(pieces[this.#next++]!)
      if (!took && hasEnded) break
    }
    if (this.#next < pieces.length) return
    this.#next = -1
    this.#giveBack()
    if (this.isLarge) this.drop()
  }

  /** What has been written of it is not kept any longer. */
  drop(): void {
    this.#kept = undefined
  }

  /** The request is over. */
  forget(): void {
    this.#kept = undefined
    this.#next = -1
    this.#giveBack()
  }

  #giveBack(): void {
    if (this.#collected === 0) return
    this.#budget.give(this.#collected)
    this.#collected = 0
  }
}
