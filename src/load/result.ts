/** What a run of the load generator yields: plain data, the same for people, programs and plots. */
import type { Millis } from "../core/clock.ts"
import { Histogram, type HistogramDump } from "../metrics/histogram.ts"
import { jain } from "../metrics/jain.ts"
import type { SpamPlan } from "./plan.ts"
import type { Records } from "./recorder.ts"

export interface SpamResult {
  readonly target: string
  readonly mode: "closed" | "open"
  readonly seed: number
  readonly threads: number
  readonly connections: number
  /** Connections that were opened in all. */
  readonly connectionsOpened: number
  /** Counted time, ms: the warm-up is left out. */
  readonly countedMs: Millis
  readonly requests: {
    /** Counted, and sent within the warm-up. */
    readonly sent: number
    readonly warmUp: number
    readonly answered: number
    readonly failed: number
    /** Sent once more, because the connection had been closed while it was idle. */
    readonly resent: number
  }
  /** Requests per second: meant to be sent (open loop only), sent, and with a response. */
  readonly rate: { readonly asked: number | undefined; readonly sent: number; readonly answered: number }
  readonly bytes: { readonly sent: number; readonly received: number }
  readonly statuses: Readonly<Record<string, number>>
  /** By kind, with the first detail of each. */
  readonly errors: Readonly<Record<string, { readonly count: number; readonly detail: string }>>
  readonly latency: {
    /** From the intended time of sending: what a user sees. In a closed loop both are the same. */
    readonly fromIntended: LatencySummary
    /** From the real time of sending: what the target takes, which leaves out the waiting for a stalled one. */
    readonly fromSent: LatencySummary
  }
  readonly classes: readonly {
    readonly name: string
    readonly sent: number
    readonly answered: number
    readonly failed: number
    readonly latency: LatencySummary
  }[]
  /** The backends that responded; empty where no response names one. */
  readonly backends: readonly {
    readonly id: string
    readonly answered: number
    /** Of all responses. */
    readonly share: number
    /** Responses by class, in the order of `classes`. */
    readonly byClass: readonly number[]
  }[]
  /** Jain's index of the responses by backend, 1/n to 1; undefined where no response names a backend. */
  readonly fairness: number | undefined
  readonly series: readonly {
    /** Start of the slice, from the end of the warm-up. */
    readonly atMs: Millis
    readonly sent: number
    readonly answered: number
    readonly failed: number
    readonly p50: Millis
    readonly p99: Millis
  }[]
  readonly generator: {
    /** How late requests left although a connection was free. */
    readonly lateness: LatencySummary
    /** The busiest thread's part of time with something to do, 0 to 1; undefined where it spun to be on time. */
    readonly busy: number | undefined
    readonly cpuMsPerRequest: Millis
    /** Why the figures may say more about the generator than about the target. */
    readonly warnings: readonly string[]
  }
}

/** Milliseconds. All undefined where nothing was recorded. */
export interface LatencySummary {
  readonly count: number
  readonly min: Millis | undefined
  readonly mean: Millis | undefined
  readonly deviation: Millis | undefined
  readonly p50: Millis | undefined
  readonly p75: Millis | undefined
  readonly p90: Millis | undefined
  readonly p95: Millis | undefined
  readonly p99: Millis | undefined
  readonly p999: Millis | undefined
  readonly p9999: Millis | undefined
  readonly max: Millis | undefined
}

/** What the threads say of themselves at the end. */
export interface ThreadReport {
  readonly records: Records
  readonly busyPart: number
  readonly cpuMs: Millis
  readonly ranMs: Millis
}

/** The part of one second that a thread may be busy in a closed loop before it counts as the bottleneck. */
const busyMax = 0.95

/** @param records of all threads together */
export function resultOf(
  plan: SpamPlan,
  target: string,
  records: Records,
  threads: readonly ThreadReport[],
  ranMs: Millis,
): SpamResult {
  const countedMs = Math.max(1, Math.min(plan.durationMs, ranMs) - plan.warmUpMs)
  const perSecond = (count: number): number => (count / countedMs) * 1_000
  const failed = Object.values(records.errors).reduce((sum, count) => sum + count, 0)
  const lateness = summaryOf(records.lateness)
  const fromIntended = summaryOf(records.fromIntended)
  const busy = Math.max(...threads.map(({ busyPart }) => busyPart))
  const asked = askedRate(plan)
  const cpuMs = threads.reduce((sum, thread) => sum + thread.cpuMs, 0)
  const named = Object.entries(records.backends).filter(([id]) => id !== "")
  const counts = named.map(([, row]) => row.reduce((sum, count) => sum + count, 0))
  return {
    target,
    mode: plan.load.kind === "closed" ? "closed" : "open",
    seed: plan.seed,
    threads: plan.threads,
    connections: plan.connections,
    connectionsOpened: records.connections,
    countedMs,
    requests: {
      sent: records.sent,
      warmUp: records.warmUp,
      answered: records.answered,
      failed,
      resent: records.resent,
    },
    rate: { asked, sent: perSecond(records.sent), answered: perSecond(records.answered) },
    bytes: { sent: records.bytesSent, received: records.bytesReceived },
    statuses: records.statuses,
    errors: Object.fromEntries(
      Object.entries(records.errors).map(([kind, count]) => [
        kind,
        { count, detail: records.details[kind] ?? "" },
      ]),
    ),
    latency: { fromIntended, fromSent: summaryOf(records.fromSent) },
    classes: records.classes.map((one, index) => ({
      name: plan.classes[index]!.name,
      sent: one.sent,
      answered: one.answered,
      failed: one.failed,
      latency: summaryOf(one.fromIntended),
    })),
    backends: named
      .map(([id, byClass], index) => ({
        id,
        answered: counts[index]!,
        share: counts[index]! / Math.max(1, records.answered),
        byClass,
      }))
      .toSorted((a, b) => a.id.localeCompare(b.id, "en", { numeric: true })),
    fairness: jain(counts),
    series: records.slices.map((slice, index) => {
      const { p50 = NaN, p99 = NaN } = summaryOf(slice.latency)
      const { sent, answered, failed } = slice
      return { atMs: index * plan.sliceMs, sent, answered, failed, p50, p99 }
    }),
    generator: {
      lateness,
      busy: Number.isNaN(busy) ? undefined : busy,
      cpuMsPerRequest: cpuMs / Math.max(1, records.sent + records.warmUp),
      warnings: warningsOf(lateness, fromIntended, busy, asked, perSecond(records.sent)),
    },
  }
}

/** The mean rate after the warm-up that the schedule asks for; undefined in a closed loop. */
function askedRate({ load, warmUpMs, durationMs }: SpamPlan): number | undefined {
  if (load.kind === "closed") return undefined
  if (load.kind === "listed") {
    const counted = load.list.atMs.filter((at) => at >= warmUpMs && at < durationMs).length
    return (counted / Math.max(1, durationMs - warmUpMs)) * 1_000
  }
  let at = 0
  let requests = 0
  for (const { from, to, ms } of load.phases) {
    const start = Math.min(Math.max(warmUpMs - at, 0), ms)
    const end = Math.min(Math.max(durationMs - at, 0), ms)
    const rateAt = (t: number): number => from + ((to - from) * t) / ms
    requests += ((rateAt(start) + rateAt(end)) / 2) * Math.max(0, end - start)
    at += ms
  }
  return requests / Math.max(1, Math.min(at, durationMs) - warmUpMs)
}

function warningsOf(
  lateness: LatencySummary,
  latency: LatencySummary,
  busy: number,
  asked: number | undefined,
  sent: number,
): string[] {
  const warnings: string[] = []
  if (busy > busyMax) {
    warnings.push(
      `the generator was busy ${Math.round(busy * 100)} % of the time: the rate is its own limit; try --threads`,
    )
  }
  const { p99: late } = lateness
  if (late !== undefined && late > Math.max(1, 0.1 * (latency.p50 ?? 0))) {
    warnings.push(
      `one request in a hundred left ${late.toFixed(1)} ms late or more through the generator's own fault: ` +
        `latencies are too large by as much; try --threads, or a machine with more cores`,
    )
  }
  if (asked !== undefined && sent < asked * 0.99) {
    warnings.push(
      `${sent.toFixed(1)} requests per second were sent where ${asked.toFixed(1)} were meant: ` +
        `too few connections for the target's latency; try --connections`,
    )
  }
  return warnings
}

function known(value: number): number | undefined {
  return Number.isNaN(value) ? undefined : value
}

function summaryOf(dump: HistogramDump): LatencySummary {
  const histogram = Histogram.from(dump)
  const at = (part: number): number | undefined => known(histogram.quantile(part))
  return {
    count: histogram.count,
    min: known(histogram.min),
    mean: known(histogram.mean),
    deviation: known(histogram.deviation),
    p50: at(0.5),
    p75: at(0.75),
    p90: at(0.9),
    p95: at(0.95),
    p99: at(0.99),
    p999: at(0.999),
    p9999: at(0.9999),
    max: known(histogram.max),
  }
}
