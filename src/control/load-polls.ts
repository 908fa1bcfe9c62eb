/**
 * Asks backends how busy they are, beside traffic: a GET whose response has the same field as other responses,
 * `endpoint-load-metrics`. One at a time for each backend, all within a limit. A backend that does not respond in time
 * is asked again at its next turn, and what went wrong is kept for the page. The traffic never waits for it.
 */
import type { IncomingHttpHeaders } from "node:http"
import { loadReportOf } from "../learning/load-report.ts"
import type { Snapshot } from "../membership/snapshot.ts"
import type { BackendId } from "../core/backend.ts"
import type { Clock, Millis } from "../core/clock.ts"
import type { LoadReport } from "../core/load-report.ts"
import type { ResourceTable } from "../core/resources.ts"
import type { Rng } from "../core/rng.ts"
import { headLimitsDefault } from "../http1/limits.ts"
import type { Destination, Dialer } from "../proxy/backends/dial.ts"
import type { Timers } from "../system.ts"
import { ask } from "./ask.ts"
import { type Watch, Watches } from "./watches.ts"

/** Questions at one time; a backend whose turn comes beyond them is asked at its next one. */
const concurrentMax = 64
const answerMsMax = 5_000
/** Of the head of a response, whose report may have 16 KiB of it. */
const { headBytesMax } = headLimitsDefault

export interface LoadPollsOptions {
  readonly path: string
  readonly intervalMs: Millis
  readonly resources: ResourceTable
  readonly dialer: Dialer
  readonly clock: Clock
  readonly rng: Rng
  readonly timers: Timers
  /** Questions at one time, when they are to be fewer than 64. */
  readonly concurrentMax?: number
  onReport(id: BackendId, report: LoadReport): void
  /** Told of failures that are bugs. Polls go on. */
  readonly onBug?: (error: unknown) => void
}

export class LoadPolls {
  readonly #options: LoadPollsOptions
  readonly #watches: Watches<LoadReport | string>
  /** Why the last question brought no report. */
  readonly #errors = new WeakMap<Watch, string>()

  constructor(options: LoadPollsOptions) {
    const { clock, intervalMs, rng, timers } = options
    const most = Math.min(concurrentMax, options.concurrentMax ?? concurrentMax)
    this.#options = options
    this.#watches = new Watches(
      {
        concurrentMax: most,
        // Backends that came together are not asked together.
        firstMs: () => intervalMs * rng.next(),
        ask: ({ destination }, signal) => this.#report(destination, signal),
        answered: (watch, answer) => this.#answered(watch, answer),
        crowded: (watch) => {
          this.#errors.set(watch, `${most} other backends had not responded yet`)
          this.#watches.schedule(watch, intervalMs)
        },
      },
      clock,
      timers,
      options.onBug,
    )
  }

  /** Takes a new membership. */
  follow(snapshot: Snapshot): void {
    this.#watches.follow(snapshot)
  }

  /** Why the last question to this backend brought no report; undefined when it did, or when there was none yet. */
  errorOf(id: BackendId): string | undefined {
    const watch = this.#watches.get(id)
    return watch === undefined ? undefined : this.#errors.get(watch)
  }

  close(): void {
    this.#watches.close()
  }

  #answered(watch: Watch, answer: LoadReport | string): void {
    if (typeof answer === "string") this.#errors.set(watch, answer)
    else {
      this.#errors.delete(watch)
      this.#options.onReport(watch.id, answer)
    }
    this.#watches.schedule(watch, this.#options.intervalMs)
  }

  /** The report, or why there is none. */
  async #report(destination: Destination, signal: AbortSignal): Promise<LoadReport | string> {
    const { path, intervalMs, resources, dialer } = this.#options
    const timeoutMs = Math.min(answerMsMax, intervalMs)
    const question = { path, agent: "linebacker-report", timeoutMs, headBytesMax }
    const answer = await ask(dialer, destination, question, signal)
    if (!answer.ok) return answer.error.reason
    const { status, headers } = answer.value
    if (status !== 200) return `GET ${path} returned ${status}`
    return reportIn(headers, resources) ?? `GET ${path} returned no usable load report`
  }
}

function reportIn(headers: IncomingHttpHeaders, resources: ResourceTable): LoadReport | undefined {
  const first = (name: string): string | undefined => {
    const value = headers[name]
    // Node.js joins fields that are there several times; a report has commas of its own, so nothing is split.
    return Array.isArray(value) ? value[0] : value
  }
  return loadReportOf(first("endpoint-load-metrics-bin"), first("endpoint-load-metrics"), resources)
}
