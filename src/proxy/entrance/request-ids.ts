// Hot path: once per request. Benchmark: bench/exchange.ts.
import { CR, LF } from "../../http1/characters.ts"
import type { LineWriter } from "../../http1/serialize.ts"

const digits = 8
const hexDigits = Buffer.from("0123456789abcdef")

/**
 * The line `X-Request-Id: 9f3c2a61-0-0000002a`: a prefix for the thread's life and a counter, so that ids are unique
 * without asking for chance each time. It repeats after 2^32 requests of one thread.
 */
export class RequestIds implements LineWriter {
  readonly bytesMax: number
  readonly #start: string
  #next = 0

  /** @param prefix what tells this thread's requests from all others; visible ASCII */
  constructor(prefix: string) {
    this.#start = `X-Request-Id: ${prefix}-`
    this.bytesMax = this.#start.length + digits + 2
  }

  write(out: Buffer, at: number): number {
    const id = this.#next
    this.#next = (id + 1) | 0
    const from = at + out.write(this.#start, at, "latin1")
    for (let digit = 0; digit < digits; digit++) {
      out[from + digit] = hexDigits[(id >>> (4 * (digits - 1 - digit))) & 15]!
    }
    const end = from + digits
    out[end] = CR
    out[end + 1] = LF
    return end + 2
  }
}
