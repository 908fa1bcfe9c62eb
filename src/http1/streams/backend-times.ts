/**
 * Hot path: until when a backend may take its time, by what it is waited for. While its response is held back its time
 * stands still: that is the client's. A limit is one store of a small integer (net/deadlines.ts).
 */
import type { Millis } from "../../core/clock.ts"
import { type Limited, never, sweepMs, type Tick } from "../../net/deadlines.ts"
import type { StreamContext } from "./context.ts"

/** Where other exchanges wait behind a response, that has no longer than this. */
const slowMs = 500

export class BackendTimes implements Limited {
  deadlineAt: Tick
  /** The response is held back. */
  isPaused = false
  /** How long the response may stand still. */
  pieceMs: Millis = 0
  readonly #context: StreamContext
  readonly #connection: { onLate(): void }
  #pausedAt: Tick = 0

  constructor(context: StreamContext, connection: { onLate(): void }) {
    this.#context = context
    this.#connection = connection
    this.deadlineAt = context.deadlines.after(context.options.timeouts.connectMs)
    context.deadlines.add(this)
  }

  onDeadline(): void {
    this.#connection.onLate()
  }

  /** For how long the response has been held back without a break. */
  get pausedMs(): Millis {
    return this.isPaused ? (this.#context.deadlines.tick - this.#pausedAt) * sweepMs : 0
  }

  pause(): void {
    if (!this.isPaused) this.#pausedAt = this.#context.deadlines.tick
    this.isPaused = true
  }

  /** Nothing is waited for that has a limit here. */
  none(): void {
    this.deadlineAt = never
  }

  /** The head of the response has its time. `isAwaited`: by others behind it, too. */
  head(isAwaited: boolean): void {
    this.#within(this.#context.options.timeouts.responseHeadMs, isAwaited)
  }

  /** The next piece of the response has its time. */
  piece(isAwaited: boolean): void {
    this.#within(this.pieceMs, isAwaited)
  }

  /** It has still to take what came through the tunnel. */
  ending(): void {
    this.deadlineAt = this.#context.deadlines.after(this.#context.options.timeouts.betweenBytesMs)
  }

  idle(until: Tick): void {
    this.deadlineAt = until
  }

  /** The connection has gone. */
  end(): void {
    this.#context.deadlines.delete(this)
  }

  #within(ms: Millis, isAwaited: boolean): void {
    // Its interim responses may have held it back already.
    if (this.isPaused) this.deadlineAt = never
    else this.deadlineAt = this.#context.deadlines.after(isAwaited ? Math.min(ms, slowMs) : ms)
  }
}
