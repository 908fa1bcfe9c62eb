import type { Writable } from "node:stream"
import type { Millis } from "../../core/clock.ts"
import type { Timers } from "../../system.ts"
import type { Stream } from "../api/call.ts"
import type { StateView } from "../state-view.ts"

export interface StreamLimits {
  /** Event streams at the same time; each is one of the connections. */
  readonly streamsMax: number
  /** Time between two states on a stream. */
  readonly stateEveryMs: Millis
  /** How many states in a row a reader may be too slow to take before its stream is ended. */
  readonly statesMissedMax: number
}

/** A comment goes with one state in so many: to some proxies only comments are a sign of life. */
const heartbeatEvery = 30

/** The streams that are open. One state is computed per tick, made bytes once, and written to each that can take it. */
export class StateStreams {
  readonly #state: () => StateView
  readonly #timers: Timers
  readonly #limits: StreamLimits
  readonly #readers = new Map<Writable, { missed: number }>()
  #latest: Uint8Array | undefined
  #ticks = 0
  #stopTicking: (() => void) | undefined
  #ended = false

  /** @param state the state now; asked once per tick for all streams, and only while there are any */
  constructor(state: () => StateView, timers: Timers, limits: StreamLimits) {
    this.#state = state
    this.#timers = timers
    this.#limits = limits
  }

  /** A stream that begins with the state now; undefined when there are enough. It counts from when it is begun. */
  open(): Stream | undefined {
    if (this.#ended || this.#readers.size >= this.#limits.streamsMax) return undefined
    const first = this.#latest ?? this.#message()
    return (response) => {
      this.#latest ??= first
      this.#begin(response, first)
    }
  }

  /** Ends them all; a reader that has not taken the last state yet is cut off. */
  end(): void {
    this.#ended = true
    // No tick may come between the end and the moment in which the connection is gone.
    this.#stopTicking?.()
    this.#stopTicking = undefined
    for (const response of this.#readers.keys()) {
      if (response.writableNeedDrain) response.destroy()
      else response.end()
    }
    this.#readers.clear()
  }

  #begin(response: Writable, first: Uint8Array): void {
    response.write("retry: 1000\n\n")
    response.write(first)
    this.#readers.set(response, { missed: 0 })
    response.once("close", () => this.#forget(response))
    this.#stopTicking ??= this.#tickLater()
  }

  #tickLater(): () => void {
    return this.#timers.set(this.#limits.stateEveryMs, () => this.#tick(), { unref: true })
  }

  #tick(): void {
    this.#stopTicking = this.#tickLater()
    const message = this.#message()
    this.#latest = message
    for (const [response, reader] of this.#readers) {
      // A state supersedes the one before it, so a reader that is behind misses it rather than have it queued.
      if (!response.writableNeedDrain) {
        reader.missed = 0
        response.write(message)
      } else if (++reader.missed >= this.#limits.statesMissedMax) {
        response.destroy()
      }
    }
  }

  #message(): Uint8Array {
    const beat = this.#ticks++ % heartbeatEvery === 0 ? ": linebacker\n\n" : ""
    return Buffer.from(`${beat}event: state\ndata: ${JSON.stringify(this.#state())}\n\n`)
  }

  #forget(response: Writable): void {
    this.#readers.delete(response)
    if (this.#readers.size > 0) return
    this.#stopTicking?.()
    this.#stopTicking = undefined
    this.#latest = undefined
  }
}
