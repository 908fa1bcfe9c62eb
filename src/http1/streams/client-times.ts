/**
 * Hot path: until when a client may take its time, by what it is waited for. A limit is one store of a small integer
 * (net/deadlines.ts). Benchmark: bench/relay.ts.
 */
import { type Limited, never, type Tick } from "../../net/deadlines.ts"
import type { ClientOutput } from "./client-output.ts"
import type { StreamContext } from "./context.ts"

export class ClientTimes implements Limited {
  deadlineAt: Tick
  readonly #context: StreamContext
  readonly #output: ClientOutput
  readonly #connection: { onLate(): void }
  /** When the exchange has to be over. */
  #exchangeEndsAt: Tick = never
  /** The tick at which the body's time began. */
  #bodyBeganAt: Tick = 0
  #pausedAt: Tick = 0
  /** By when a client that has been told to go has to have gone; `never` until it has been sent everything. */
  #lingerEndsAt: Tick = never

  constructor(context: StreamContext, output: ClientOutput, connection: { onLate(): void }) {
    this.#context = context
    this.#output = output
    this.#connection = connection
    this.deadlineAt = context.deadlines.after(context.options.timeouts.clientHeadMs)
    context.deadlines.add(this)
  }

  onDeadline(): void {
    this.#connection.onLate()
  }

  /** The exchange has taken all of its own time. */
  get isExchangeLate(): boolean {
    return this.#context.deadlines.tick >= this.#exchangeEndsAt
  }

  /** The connection has gone. */
  end(): void {
    this.#context.deadlines.delete(this)
  }

  idle(): void {
    this.#exchangeEndsAt = never
    this.deadlineAt = this.#context.deadlines.after(this.#context.options.timeouts.clientIdleMs)
  }

  /** No request may begin any more, but one that is on its way: no later than this. */
  shorten(ms: number): void {
    this.deadlineAt = Math.min(this.deadlineAt, this.#context.deadlines.after(ms))
  }

  head(): void {
    this.deadlineAt = this.#context.deadlines.after(this.#context.options.timeouts.clientHeadMs)
  }

  beginExchange(): void {
    const { deadlines, options } = this.#context
    const { exchangeMs } = options.timeouts
    this.#exchangeEndsAt = exchangeMs === 0 ? never : deadlines.after(exchangeMs)
    this.#bodyBeganAt = deadlines.tick
    this.#pausedAt = this.#bodyBeganAt
  }

  /** Only the time in which the body may come counts against its rate. */
  pauseBody(): void {
    this.#pausedAt = this.#context.deadlines.tick
  }

  resumeBody(): void {
    this.#bodyBeganAt += this.#context.deadlines.tick - this.#pausedAt
  }

  /** The next piece of the body has its time, and all `bytes` of them together come at some rate. */
  body(bytes: number): void {
    const { deadlines, options } = this.#context
    const { clientBodyMs } = options.timeouts
    this.#within(clientBodyMs)
    const rate = options.limits.bodyBytesPerSecondMin
    if (rate === 0) return
    const slowestMs = clientBodyMs + (1_000 * bytes) / rate
    this.deadlineAt = Math.min(this.deadlineAt, this.#bodyBeganAt + deadlines.ticksOf(slowestMs))
  }

  /**
   * Nothing is expected of it now but that it takes what it is sent: while it does not, its own time limit runs, and
   * every byte that it takes sets it back. So it is for one that may have gone unseen: it `hasEnded` its side, or it
   * has sent so much more that it `isUnread`.
   */
  response(hasEnded: boolean, isUnread: boolean): void {
    const { betweenBytesMs, clientHalfClosedMs } = this.#context.options.timeouts
    if (this.#output.isBehind) this.#taking()
    else if (hasEnded) this.#within(clientHalfClosedMs)
    else if (isUnread) this.#within(betweenBytesMs)
    else this.deadlineAt = this.#exchangeEndsAt
  }

  tunnel(): void {
    this.deadlineAt = this.#context.deadlines.after(this.#context.options.timeouts.streamIdleMs)
  }

  /** It has still to take what it was sent. */
  finish(): void {
    this.deadlineAt = this.#context.deadlines.after(this.#context.options.timeouts.betweenBytesMs)
  }

  /** It has been sent everything: only such a client is waited for so short. */
  beginLingering(): void {
    this.#lingerEndsAt = this.#context.deadlines.after(this.#context.options.timeouts.lingerMs)
    this.linger()
  }

  /** It sends on, or goes. */
  linger(): void {
    if (this.#lingerEndsAt === never) return
    const { deadlines, options } = this.#context
    this.deadlineAt = Math.min(deadlines.after(options.timeouts.lingerIdleMs), this.#lingerEndsAt)
  }

  /** The next piece of the response has its time, and all that the client was behind with is taken at some rate. */
  #taking(): void {
    const { deadlines, options } = this.#context
    const { betweenBytesMs } = options.timeouts
    this.#within(betweenBytesMs)
    const rate = options.limits.responseBytesPerSecondMin
    if (rate === 0) return
    const slowestMs = betweenBytesMs + (1_000 * this.#output.bytes) / rate
    this.deadlineAt = Math.min(this.deadlineAt, this.#output.behindFrom + deadlines.ticksOf(slowestMs))
  }

  /** Within an exchange: no later than its own end. */
  #within(ms: number): void {
    this.deadlineAt = Math.min(this.#context.deadlines.after(ms), this.#exchangeEndsAt)
  }
}
