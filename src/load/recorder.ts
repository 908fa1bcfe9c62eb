/** Hot path: what came of every request, counted by one thread and added up over all. */
import type { Millis } from "../core/clock.ts"
import { Histogram, type HistogramDump } from "../metrics/histogram.ts"
import type { SpamError } from "./channel.ts"

/** Counted requests that were meant to leave within one stretch of time. */
interface Slice {
  sent: number
  answered: number
  failed: number
  readonly latency: Histogram
}

/** What one thread has recorded; plain data. */
export interface Records {
  /** Sent, warm-up left out. */
  readonly sent: number
  /** Sent within the warm-up. */
  readonly warmUp: number
  readonly answered: number
  readonly bytesReceived: number
  readonly bytesSent: number
  /** Responses by status. */
  readonly statuses: Readonly<Record<string, number>>
  readonly errors: Readonly<Record<string, number>>
  /** The first of each kind of error, as the system said it. */
  readonly details: Readonly<Record<string, string>>
  /** Responses by backend, "" where the response named none; and by class within. */
  readonly backends: Readonly<Record<string, readonly number[]>>
  /** From the intended time of sending to the last byte. */
  readonly fromIntended: HistogramDump
  /** From the time at which it was really sent. */
  readonly fromSent: HistogramDump
  /** From the intended time of sending to the real one where a connection was free: the generator's own fault. */
  readonly lateness: HistogramDump
  readonly classes: readonly ClassRecords[]
  readonly slices: readonly SliceRecords[]
  /** Requests sent again because the connection turned out to have been closed before they arrived. */
  readonly resent: number
  readonly connections: number
}

export interface ClassRecords {
  readonly sent: number
  readonly answered: number
  readonly failed: number
  readonly fromIntended: HistogramDump
}

export interface SliceRecords {
  readonly sent: number
  readonly answered: number
  readonly failed: number
  readonly latency: HistogramDump
}

export interface RecorderOptions {
  readonly classes: number
  /** Requests meant for before this are not counted, ms from the start. */
  readonly warmUpMs: Millis
  /** Of the time series. */
  readonly sliceMs: Millis
  /** Responses with this status or a higher one count as failed, and have no latency. */
  readonly failedFrom: number
}

export class LoadRecorder {
  readonly #options: RecorderOptions
  readonly #fromIntended = new Histogram()
  readonly #fromSent = new Histogram()
  readonly #lateness = new Histogram()
  readonly #classes: Slice[]
  readonly #slices: Slice[] = []
  readonly #statuses = new Map<number, number>()
  readonly #errors = new Map<SpamError, number>()
  readonly #details = new Map<SpamError, string>()
  readonly #backends = new Map<string, number[]>()
  #sent = 0
  #warmUp = 0
  #answered = 0
  #failed = 0
  #bytesReceived = 0
  #bytesSent = 0
  #resent = 0
  #connections = 0

  constructor(options: RecorderOptions) {
    this.#options = options
    this.#classes = Array.from({ length: options.classes }, newSlice)
  }

  /** Responses and errors so far. */
  get ended(): number {
    return this.#answered + this.#failed
  }

  get answered(): number {
    return this.#answered
  }

  get failed(): number {
    return this.#failed
  }

  get sent(): number {
    return this.#sent + this.#warmUp
  }

  /** Times are ms from the start. `late`: how late it left for no reason but the generator's, NaN when there was another. */
  onSent(kind: number, intended: Millis, bytes: number, late: Millis): void {
    if (intended < this.#options.warmUpMs) {
      this.#warmUp++
      return
    }
    this.#sent++
    this.#bytesSent += bytes
    this.#lateness.record(late)
    this.#classes[kind]!.sent++
    this.#slice(intended).sent++
  }

  onAnswer(
    kind: number,
    intended: Millis,
    sentAt: Millis,
    now: Millis,
    status: number,
    bytes: number,
    backend: string,
  ): void {
    if (intended < this.#options.warmUpMs) return
    this.#bytesReceived += bytes
    this.#statuses.set(status, (this.#statuses.get(status) ?? 0) + 1)
    if (status >= this.#options.failedFrom) {
      this.onError(kind, intended, "refused", String(status))
      return
    }
    this.#answered++
    this.#fromIntended.record(now - intended)
    this.#fromSent.record(now - sentAt)
    let counts = this.#backends.get(backend)
    if (counts === undefined) {
      counts = Array.from({ length: this.#options.classes }, () => 0)
      this.#backends.set(backend, counts)
    }
    counts[kind]!++
    for (const slice of [this.#classes[kind]!, this.#slice(intended)]) {
      slice.answered++
      slice.latency.record(now - intended)
    }
  }

  onError(kind: number, intended: Millis, error: SpamError, detail: string): void {
    if (intended < this.#options.warmUpMs) return
    this.#failed++
    this.#errors.set(error, (this.#errors.get(error) ?? 0) + 1)
    if (detail !== "" && !this.#details.has(error)) this.#details.set(error, detail)
    this.#classes[kind]!.failed++
    this.#slice(intended).failed++
  }

  onResent(): void {
    this.#resent++
  }

  onConnection(): void {
    this.#connections++
  }

  dump(): Records {
    return {
      sent: this.#sent,
      warmUp: this.#warmUp,
      answered: this.#answered,
      bytesReceived: this.#bytesReceived,
      bytesSent: this.#bytesSent,
      statuses: Object.fromEntries(this.#statuses),
      errors: Object.fromEntries(this.#errors),
      details: Object.fromEntries(this.#details),
      backends: Object.fromEntries(this.#backends),
      fromIntended: this.#fromIntended.dump(),
      fromSent: this.#fromSent.dump(),
      lateness: this.#lateness.dump(),
      classes: this.#classes.map(({ sent, answered, failed, latency }) => ({
        sent,
        answered,
        failed,
        fromIntended: latency.dump(),
      })),
      slices: this.#slices.map(({ latency, ...counts }) => ({ ...counts, latency: latency.dump() })),
      resent: this.#resent,
      connections: this.#connections,
    }
  }

  #slice(intended: Millis): Slice {
    const at = Math.floor((intended - this.#options.warmUpMs) / this.#options.sliceMs)
    while (this.#slices.length <= at) this.#slices.push(newSlice())
    return this.#slices[at]!
  }
}

function newSlice(): Slice {
  return { sent: 0, answered: 0, failed: 0, latency: new Histogram() }
}

/** What several threads have recorded, as if one had. At least one. */
export function sumOf(all: readonly Records[]): Records {
  const [first] = all
  const total = (of: (records: Records) => number): number => all.reduce((sum, one) => sum + of(one), 0)
  const slices = Math.max(...all.map((one) => one.slices.length))
  return {
    sent: total((one) => one.sent),
    warmUp: total((one) => one.warmUp),
    answered: total((one) => one.answered),
    bytesReceived: total((one) => one.bytesReceived),
    bytesSent: total((one) => one.bytesSent),
    statuses: sumByKey(all.map((one) => one.statuses)),
    errors: sumByKey(all.map((one) => one.errors)),
    details: Object.assign({}, ...all.map((one) => one.details)) as Record<string, string>,
    backends: sumRows(all.map((one) => one.backends)),
    fromIntended: sumOfHistograms(all.map((one) => one.fromIntended)),
    fromSent: sumOfHistograms(all.map((one) => one.fromSent)),
    lateness: sumOfHistograms(all.map((one) => one.lateness)),
    classes: first!.classes.map((_, index) => {
      const parts = all.map((one) => one.classes[index]!)
      return {
        sent: parts.reduce((sum, part) => sum + part.sent, 0),
        answered: parts.reduce((sum, part) => sum + part.answered, 0),
        failed: parts.reduce((sum, part) => sum + part.failed, 0),
        fromIntended: sumOfHistograms(parts.map((part) => part.fromIntended)),
      }
    }),
    slices: Array.from({ length: slices }, (_, index) => {
      const parts = all.flatMap((one) => one.slices[index] ?? [])
      return {
        sent: parts.reduce((sum, part) => sum + part.sent, 0),
        answered: parts.reduce((sum, part) => sum + part.answered, 0),
        failed: parts.reduce((sum, part) => sum + part.failed, 0),
        latency: sumOfHistograms(parts.map((part) => part.latency)),
      }
    }),
    resent: total((one) => one.resent),
    connections: total((one) => one.connections),
  }
}

function sumByKey(all: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const sums: Record<string, number> = {}
  for (const one of all) {
    for (const [key, count] of Object.entries(one)) sums[key] = (sums[key] ?? 0) + count
  }
  return sums
}

function sumRows(all: readonly Readonly<Record<string, readonly number[]>>[]): Record<string, number[]> {
  const sums: Record<string, number[]> = {}
  for (const one of all) {
    for (const [key, row] of Object.entries(one)) {
      const before = sums[key]
      sums[key] = row.map((count, index) => count + (before?.[index] ?? 0))
    }
  }
  return sums
}

function sumOfHistograms(dumps: readonly HistogramDump[]): HistogramDump {
  const sum = new Histogram()
  for (const dump of dumps) sum.add(Histogram.from(dump))
  return sum.dump()
}
