import type { Millis } from "../../core/clock.ts"
import { never, type Tick } from "../../net/deadlines.ts"
import type { StreamContext } from "./context.ts"

/** How much earlier than the backend an idle connection is closed: a coarse sweep and the way there take their time. */
const hintMarginMs = 1_000

/**
 * How long a connection to a backend is of use. It carries so many requests and lives for so long, each connection a
 * little less than the most: another is made then, which goes where the backend's name leads by that time.
 */
export class ConnectionLife {
  readonly #context: StreamContext
  /** From then on it carries no further request. */
  readonly #endsAt: Tick
  #requestsLeft: number
  /** For how long it may be idle. */
  #idleMs: Millis = 0

  constructor(context: StreamContext) {
    const { deadlines, options } = context
    const { backendAgeMs } = options.timeouts
    this.#context = context
    this.#endsAt = backendAgeMs === 0 ? never : deadlines.after(deadlines.spread(backendAgeMs))
    this.#requestsLeft = Math.ceil(deadlines.spread(options.limits.requestsPerBackendConnectionMax))
  }

  /** It carries one request more. */
  take(): void {
    this.#requestsLeft--
  }

  /** It may carry another request. */
  get hasRequests(): boolean {
    return this.#requestsLeft > 0
  }

  get isSpent(): boolean {
    return this.#requestsLeft <= 0 || this.#context.deadlines.tick >= this.#endsAt
  }

  /** The backend lets it be idle at all. */
  get mayIdle(): boolean {
    return this.#idleMs > 0
  }

  /**
   * How long it may be idle: shorter than the backend lets it be, so that the backend does not close it just when a
   * request is on its way (RFC 9112 9.3.1).
   *
   * @param seconds what the Keep-Alive field of its last response says, or -1
   */
  hint(seconds: number): void {
    const { backendIdleMs } = this.#context.options.timeouts
    this.#idleMs = seconds === -1 ? backendIdleMs : Math.min(backendIdleMs, seconds * 1_000 - hintMarginMs)
  }

  /** Until when it may be idle from now on. One that a client has to itself by authentication ends with that client. */
  idleUntil(isAuthenticated: boolean): Tick {
    const until = this.#context.deadlines.after(this.#idleMs)
    return isAuthenticated ? until : Math.min(until, this.#endsAt)
  }
}
