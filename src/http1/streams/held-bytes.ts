import { Joiner } from "../../core/kept-bytes.ts"

/** Hot path: bytes that have come and were not read yet: a head in parts, or a request before its turn. */
export class HeldBytes {
  /** Undefined when nothing is held. */
  bytes: Buffer | undefined
  /** Made where something is held in parts, and given up with what it was for. */
  #joiner: Joiner | undefined

  /** Holds these behind those that are held already. */
  add(more: Buffer): void {
    if (this.bytes === undefined) this.bytes = more
    else this.bytes = (this.#joiner ??= new Joiner()).join(this.bytes, more)
  }

  get length(): number {
    return this.bytes === undefined ? 0 : this.bytes.length
  }

  take(): Buffer | undefined {
    const { bytes } = this
    this.clear()
    return bytes
  }

  clear(): void {
    this.bytes = undefined
    this.#joiner = undefined
  }
}
