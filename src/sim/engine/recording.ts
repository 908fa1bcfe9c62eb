/** Hot path: what is counted of a run, told by the engine. Nothing is allocated a request. */
import type { Millis } from "../../core/clock.ts"
import { Histogram } from "../../metrics/histogram.ts"
import type { EndedRequest, Failure, Recorder } from "./engine.ts"

/** When to give a run up: it has become certain that it does not keep an objective. */
export interface Hopeless {
  readonly p99Max: Millis
}

export class Recording implements Recorder {
  readonly latency = new Histogram()
  readonly byClass: readonly Histogram[]
  /** Completed, by class and backend. */
  readonly carried: Float64Array
  readonly failures: Partial<Record<Failure, number>> = {}
  requests = 0
  failedCount = 0
  slowdownSum = 0
  attempts = 0
  queued = 0
  /** When the first counted request arrived and when the last did. */
  startedAt: Millis = 0
  lastArrivalAt: Millis = 0
  /** Requests that had not ended when half of the counted had arrived, and when all had. */
  activeMidway = 0
  activeAtEnd = 0
  hasEnded = false
  /** Longer than `p99Max` or failed. */
  #bad = 0
  isHopeless = false
  readonly #first: number
  readonly #midway: number
  readonly #total: number
  readonly #backends: number
  readonly #p99Max: Millis
  readonly #badMax: number
  readonly #onStart: () => void
  readonly #onEnd: () => void

  /**
   * @param first the first request that counts; `total` is how many arrive in all.
   * @param onStart called before that one arrives; `onEnd` after the last has.
   */
  constructor(
    total: number,
    first: number,
    classes: number,
    backends: number,
    hopeless: Hopeless | undefined,
    onStart: () => void,
    onEnd: () => void,
  ) {
    this.#first = first
    this.#midway = first + Math.floor((total - first) / 2)
    this.#total = total
    this.#backends = backends
    this.byClass = Array.from({ length: classes }, () => new Histogram())
    this.carried = new Float64Array(classes * backends)
    this.#p99Max = hopeless?.p99Max ?? Infinity
    this.#badMax = hopeless === undefined ? Infinity : 0.01 * (total - first)
    this.#onStart = onStart
    this.#onEnd = onEnd
  }

  arrived(index: number, active: number, now: Millis): boolean {
    if (index === this.#first) {
      this.startedAt = now
      this.#onStart()
    }
    if (index >= this.#first) this.requests++
    if (index === this.#midway) this.activeMidway = active
    if (index === this.#total - 1) {
      this.lastArrivalAt = now
      this.activeAtEnd = active
      this.hasEnded = true
      this.#onEnd()
    }
    return this.isHopeless
  }

  completed(request: EndedRequest, latencyMs: Millis, aloneMs: Millis): void {
    if (request.index < this.#first) return
    this.latency.record(latencyMs)
    this.byClass[request.class]!.record(latencyMs)
    this.carried[request.class * this.#backends + request.backend]!++
    this.slowdownSum += aloneMs > 0 ? latencyMs / aloneMs : 1
    this.#count(request)
    if (latencyMs > this.#p99Max) this.#isBad()
  }

  failed(request: EndedRequest, failure: Failure): void {
    if (request.index < this.#first) return
    this.failedCount++
    this.failures[failure] = (this.failures[failure] ?? 0) + 1
    this.#count(request)
    this.#isBad()
  }

  #count(request: EndedRequest): void {
    this.attempts += request.attempts
    if (request.hasWaited) this.queued++
  }

  #isBad(): void {
    if (++this.#bad > this.#badMax) this.isHopeless = true
  }
}
