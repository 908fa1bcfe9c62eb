/** Hot path: where the bytes of one backend connection are read to. Benchmark: bench/relay.ts. */

/** How much is read at once. */
const readBytes = 64 * 1024

/** Smaller pieces are copied for a client that is behind. */
const lendBytesMin = 32 * 1024

/**
 * One buffer for one read after the other. What was read last may still have to be written to a client from there: the
 * buffer is lent then, and the next read gets another.
 */
export class ReadBuffer {
  /** Only the pages that reads have reached cost memory. */
  #buffer: Buffer = Buffer.allocUnsafeSlow(readBytes)
  #isLent = false

  /** Where the next read goes. */
  next(): Buffer {
    if (this.#isLent) {
      this.#isLent = false
      this.#buffer = Buffer.allocUnsafeSlow(readBytes)
    }
    return this.#buffer
  }

  /** bytes[0..length) as they may be passed on. A client that is behind must not hold a large buffer for a small piece. */
  lendable(bytes: Buffer, length: number, isHolding: boolean): Buffer {
    return length < lendBytesMin && isHolding ? Buffer.from(bytes.subarray(0, length)) : bytes
  }

  /** Bytes have been passed on as they are. `isHolding`: not all of them have left. */
  lend(isHolding: boolean): void {
    if (isHolding) this.#isLent = true
  }
}
