import type { Millis } from "../../core/clock.ts"
import type { Timers } from "../../system.ts"

/** Name, HMAC key and AES key of session tickets, as node:tls wants them. */
export const ticketKeyBytes = 48

export interface TicketKeysOptions {
  /** `ticketKeyBytes` that cannot be guessed. */
  readonly newKey: () => Uint8Array
  readonly rotationMs: Millis
  /** How long a session can be resumed, and with it the key before is of use. */
  readonly sessionMs: Millis
  readonly timers: Timers
  readonly onChange: (keys: readonly Uint8Array[]) => void
}

/**
 * The keys of session tickets, made here and handed to all threads. A program that holds a key can read what was
 * resumed with it. So a key lives for one rotation, is accepted for as long again as its tickets last, and is never
 * stored.
 */
export class TicketKeys {
  readonly #options: TicketKeysOptions
  #keys: readonly Uint8Array[]
  #cancelRotation: () => void
  #cancelRetirement = (): void => {}

  constructor(options: TicketKeysOptions) {
    this.#options = options
    this.#keys = [options.newKey()]
    this.#cancelRotation = this.#rotateLater()
  }

  /** The one for new tickets, then the one before while its tickets may be about. */
  get keys(): readonly Uint8Array[] {
    return this.#keys
  }

  close(): void {
    this.#cancelRotation()
    this.#cancelRetirement()
  }

  #rotateLater(): () => void {
    const { timers, rotationMs } = this.#options
    return timers.set(rotationMs, () => this.#rotate(), { unref: true })
  }

  #rotate(): void {
    const { newKey, timers, sessionMs } = this.#options
    this.#cancelRetirement()
    this.#cancelRotation = this.#rotateLater()
    this.#cancelRetirement = timers.set(sessionMs, () => this.#use([this.#keys[0]!]), { unref: true })
    this.#use([newKey(), this.#keys[0]!])
  }

  #use(keys: readonly Uint8Array[]): void {
    this.#keys = keys
    this.#options.onChange(keys)
  }
}
