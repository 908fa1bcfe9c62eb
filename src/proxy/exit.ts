/**
 * Hot path: the one way out. Every request leaves here once, with its record: one that was relayed, one that failed and
 * one that could not even begin. What is counted per request is counted here. Benchmark: bench/exchange.ts.
 */
import type { Counters } from "../metrics/counters.ts"
import { RequestRecord } from "./request-record.ts"

/** Is shown each request that has ended. The record is another request's when the call has returned. */
export type OnRequestEnd = (record: RequestRecord) => void

export class Exit {
  /** To be filled whole before `leave`. */
  readonly record = new RequestRecord()
  readonly #counters: Counters
  readonly #worker: number
  readonly #onEnd: OnRequestEnd | undefined

  constructor(counters: Counters, worker: number, onEnd: OnRequestEnd | undefined) {
    this.#counters = counters
    this.#worker = worker
    this.#onEnd = onEnd
  }

  /** A request has ended as the record says. */
  leave(): void {
    const { record } = this
    const worker = this.#worker
    const { backend, ending, error, held } = record
    if (error !== undefined) this.#counters.countError(worker, error)
    if (ending === "complete" || ending === "tunnel") {
      this.#counters.countAnswer(worker, backend!.slot, held)
      this.#counters.count(worker, "answered")
    } else if (ending === "own") this.#counters.count(worker, "answered")
    this.#onEnd?.(record)
  }
}
