/** What a run of the load generator is told. Plain data: it travels to the threads as it is. */
import type { Millis } from "../core/clock.ts"
import type { Target } from "./connection.ts"
import type { RequestTemplate, RequestList } from "./requests.ts"
import type { Phase } from "./schedule.ts"
import type { Records } from "./recorder.ts"

export interface SpamPlan {
  readonly target: Target
  /** What the field Host says. */
  readonly host: string
  readonly classes: readonly RequestTemplate[]
  readonly load: ClosedLoad | OpenLoad | ListedLoad
  /** Connections of all threads together. */
  readonly connections: number
  readonly threads: number
  readonly durationMs: Millis
  /** Requests in all, Infinity when the duration alone ends it. */
  readonly requestsMax: number
  readonly warmUpMs: Millis
  readonly timeoutMs: Millis
  /** Responses with this status or a higher one count as failed, and have no latency; Infinity counts none. */
  readonly failedFrom: number
  readonly seed: number
  /** Whether the generator may take a core by itself to be on time. */
  readonly spins: boolean
  /** Width of the time series' slices. */
  readonly sliceMs: Millis
}

export interface ClosedLoad {
  readonly kind: "closed"
}

/** Requests one by one as they are listed. */
export interface ListedLoad {
  readonly kind: "listed"
  readonly list: RequestList
  readonly waitingMax: number
}

export interface OpenLoad {
  readonly kind: "open"
  readonly phases: readonly Phase[]
  readonly arrivals: "constant" | "poisson"
  /** Requests that may wait for a connection, over all threads. */
  readonly waitingMax: number
}

/** What a thread gets at its start. */
export interface SpamBirth {
  readonly plan: SpamPlan
  /** Which thread this is, from 0 on. */
  readonly index: number
}

/** What a thread is told. */
export type ToSpamWorker =
  /** When to start, ms since 1970 with fractions. */
  { readonly kind: "start"; readonly startsAt: number } | { readonly kind: "stop" }

/** What a thread says. */
export type FromSpamWorker =
  /** It can start at once. */
  | { readonly kind: "ready" }
  | { readonly kind: "progress"; readonly progress: SpamProgress }
  | {
      readonly kind: "done"
      readonly records: Records
      /** Part of the time in which the thread had something to do; NaN where it spun. */
      readonly busyPart: number
      readonly cpuMs: Millis
      /** From the start to the last response. */
      readonly ranMs: Millis
    }

/** Counts of one thread so far, warm-up included in `sent` alone. */
export interface SpamProgress {
  readonly sent: number
  readonly answered: number
  readonly failed: number
  readonly pending: number
}
