/**
 * Asks backends how they are, beside traffic: a GET that is answered with the same field as responses carry,
 * `endpoint-load-metrics`. One at a time for each backend, all within a limit; whoever does not answer in time is asked
 * again at its next turn, and what went wrong is kept for the page. The traffic never waits for it.
 */
import { type IncomingMessage, request } from "node:http"
import { loadReportOf } from "../cluster/load-report.ts"
import type { Member, Snapshot } from "../cluster/snapshot.ts"
import type { BackendId } from "../core/backend.ts"
import type { Clock, Millis } from "../core/clock.ts"
import type { LoadReport } from "../core/load-report.ts"
import type { ResourceTable } from "../core/resources.ts"
import type { Rng } from "../core/rng.ts"
import { type Destination, destinationOf, type Dialer } from "../proxy/dial.ts"
import type { Timers } from "../system.ts"
import { hostOf, reasonOf } from "./checks.ts"

/** Questions at one time; a backend whose turn comes beyond them is asked at its next one. */
const concurrentMax = 64
const answerMsMax = 5_000
/** Of the head of an answer; no more of it is read. */
const headBytesMax = 32 * 1024

export interface LoadPollsOptions {
  readonly path: string
  readonly intervalMs: Millis
  readonly resources: ResourceTable
  readonly dialer: Dialer
  readonly clock: Clock
  readonly rng: Rng
  readonly timers: Timers
  onReport(id: BackendId, report: LoadReport): void
}

interface Watch {
  readonly generation: number
  readonly destination: Destination
  cancelTimer: () => void
  running: AbortController | undefined
  /** Why the last question brought no report. */
  error: string | undefined
}

export class LoadPolls {
  readonly #options: LoadPollsOptions
  readonly #watches = new Map<BackendId, Watch>()
  #running = 0
  #isClosed = false

  constructor(options: LoadPollsOptions) {
    this.#options = options
  }

  /** Takes a new membership. */
  follow({ members }: Snapshot): void {
    if (this.#isClosed) return
    const present = new Set<BackendId>()
    for (const member of members) {
      present.add(member.id)
      if (this.#watches.get(member.id)?.generation !== member.generation) this.#begin(member)
    }
    for (const id of this.#watches.keys()) if (!present.has(id)) this.#end(id)
  }

  /** Why the last question to this backend brought no report; undefined when it did, or when there was none yet. */
  errorOf(id: BackendId): string | undefined {
    return this.#watches.get(id)?.error
  }

  close(): void {
    this.#isClosed = true
    for (const id of this.#watches.keys()) this.#end(id)
  }

  #begin(member: Member): void {
    this.#end(member.id)
    const watch: Watch = {
      generation: member.generation,
      destination: destinationOf(member),
      cancelTimer: () => {},
      running: undefined,
      error: undefined,
    }
    this.#watches.set(member.id, watch)
    // Backends that came together are not asked together.
    this.#schedule(member.id, watch, this.#options.rng.next())
  }

  #end(id: BackendId): void {
    const watch = this.#watches.get(id)
    this.#watches.delete(id)
    watch?.cancelTimer()
    watch?.running?.abort()
  }

  #schedule(id: BackendId, watch: Watch, part = 1): void {
    const { intervalMs, timers } = this.#options
    watch.cancelTimer = timers.set(intervalMs * part, () => void this.#ask(id, watch), { unref: true })
  }

  async #ask(id: BackendId, watch: Watch): Promise<void> {
    if (this.#running >= concurrentMax) {
      watch.error = `${concurrentMax} other backends had not answered yet`
      this.#schedule(id, watch)
      return
    }
    this.#running++
    watch.running = new AbortController()
    const answer = await this.#report(watch.destination, watch.running.signal)
    this.#running--
    watch.running = undefined
    if (this.#watches.get(id) !== watch) return
    if (typeof answer === "string") watch.error = answer
    else {
      watch.error = undefined
      this.#options.onReport(id, answer)
    }
    this.#schedule(id, watch)
  }

  /** The report, or why there is none. */
  #report(destination: Destination, signal: AbortSignal): Promise<LoadReport | string> {
    const { path, intervalMs, resources, dialer } = this.#options
    const timeoutMs = Math.min(answerMsMax, intervalMs)
    return new Promise((resolve) => {
      const late = AbortSignal.timeout(timeoutMs)
      const call = request({
        createConnection: () => dialer.dial(destination),
        path,
        maxHeaderSize: headBytesMax,
        headers: { Host: hostOf(destination), "User-Agent": "linebacker-report", Connection: "close" },
        signal: AbortSignal.any([signal, late]),
      })
      const settle = (answer: LoadReport | string): void => {
        resolve(answer)
        call.destroy()
      }
      call.on("response", ({ statusCode = 0, headers }) => {
        if (statusCode !== 200) settle(`GET ${path} was answered with ${statusCode}`)
        else settle(reportIn(headers, resources) ?? `GET ${path} was answered without a usable load report`)
      })
      call.on("error", (error) => settle(late.aborted ? `no answer within ${timeoutMs} ms` : reasonOf(error)))
      call.end()
    })
  }
}

function reportIn(headers: IncomingMessage["headers"], resources: ResourceTable): LoadReport | undefined {
  const first = (name: string): string | undefined => {
    const value = headers[name]
    // Node.js joins fields that are there several times; a report has commas of its own, so nothing is split.
    return Array.isArray(value) ? value[0] : value
  }
  return loadReportOf(first("endpoint-load-metrics-bin"), first("endpoint-load-metrics"), resources)
}
