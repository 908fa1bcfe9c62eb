/** Hot path: the heads of responses in what a backend sends, in whatever pieces. Benchmark: bench/exchange.ts. */
import type { Tick } from "../../net/deadlines.ts"
import { LF } from "../characters.ts"
import { incomplete, invalid } from "../head.ts"
import { isBent, straightened } from "../lenient-head.ts"
import { parseResponseHead } from "../response-head.ts"
import type { StreamContext } from "./context.ts"
import { HeldBytes } from "./held-bytes.ts"

/** What `limits.interimBytesPerSecondMax` is of. */
const secondMs = 1_000

const nothing = Buffer.alloc(0)

export class ResponseHeads {
  /** Behind the head that was found last, bytes[at..to) have come. */
  bytes: Buffer = nothing
  at = 0
  to = 0
  /** Why `next` said that a head is invalid. */
  error = ""
  readonly #context: StreamContext
  /** A head that comes in parts. */
  readonly #held = new HeldBytes()
  /** Interim responses since the tick behind it, bytes. */
  #interimBytes = 0
  #interimsSince: Tick = 0

  constructor(context: StreamContext) {
    this.#context = context
  }

  /** bytes[from..to) have come. False while a head that drips in is not worth another look. */
  take(bytes: Buffer, from: number, to: number): boolean {
    if (this.#held.bytes === undefined) {
      this.#look(bytes, from, to)
      return true
    }
    const more = bytes.subarray(from, to)
    this.#held.add(more)
    this.#look(this.#held.bytes, 0, this.#held.bytes.length)
    // It is read again for each of its lines, not for each of its bytes.
    return more.includes(LF) || this.#held.length > this.#context.options.limits.headBytesMax
  }

  /** Looks for the next head. `head`: it is in the context's `responseHead`; `part`: more has to come. */
  next(): "head" | "part" | "invalid" {
    const { headLimits, names, options, responseHead: head } = this.#context
    let end = parseResponseHead(head, this.bytes, this.at, this.to, headLimits, names)
    if (end === invalid && options.upstream.lenientHeads && isBent(head)) end = this.#straighten()
    if (end === invalid) return this.#refuse(head.error)
    if (end === incomplete) {
      if (this.to - this.at > headLimits.headBytesMax) return this.#refuse("head_too_large")
      if (this.at < this.to && this.#held.bytes === undefined)
        this.#held.add(Buffer.from(this.bytes.subarray(this.at, this.to)))
      return "part"
    }
    this.#held.clear()
    const length = end - this.at
    this.at = end
    const isInterim = head.status < 200 && head.status !== 101
    return isInterim && this.#isFlood(length) ? this.#refuse("a flood of 1xx") : "head"
  }

  /** Forgets what has come. */
  clear(): void {
    this.#look(nothing, 0, 0)
    this.#held.clear()
  }

  #look(bytes: Buffer, at: number, to: number): void {
    this.bytes = bytes
    this.at = at
    this.to = to
  }

  /** The head as the grammar has it, if that can be told. */
  #straighten(): number {
    const { headLimits, names, responseHead: head } = this.#context
    const straight = straightened(this.bytes, this.at, this.to)
    if (straight === undefined) return incomplete
    this.#look(straight, 0, straight.length)
    return parseResponseHead(head, straight, 0, straight.length, headLimits, names)
  }

  /**
   * Whether interim responses come faster than they may. There may be any number of them (RFC 9110 15.2), as long as
   * the final one comes in its time (`timeouts.responseHead`).
   */
  #isFlood(bytes: number): boolean {
    const { deadlines, options } = this.#context
    if (deadlines.tick - this.#interimsSince >= deadlines.ticksOf(secondMs)) {
      this.#interimsSince = deadlines.tick
      this.#interimBytes = 0
    }
    this.#interimBytes += bytes
    return this.#interimBytes > options.limits.interimBytesPerSecondMax
  }

  #refuse(error: string): "invalid" {
    this.error = error
    return "invalid"
  }
}
