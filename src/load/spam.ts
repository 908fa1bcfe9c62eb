/** Runs the load generator: threads that start together, progress while they run, one result in the end. */
import { Worker } from "node:worker_threads"
import type { Millis } from "../core/clock.ts"
import { clockOrigin, systemClock, systemTimers } from "../system.ts"
import type { FromSpamWorker, SpamBirth, SpamPlan, SpamProgress, ToSpamWorker } from "./plan.ts"
import { type Records, sumOf } from "./recorder.ts"
import { resultOf, type SpamResult, type ThreadReport } from "./result.ts"

/** Threads that are ready need this long to hear when they start. */
const startMs = 50
/** A thread may take this long until it is ready, on a machine that is busy with something else. */
const readyMsMax = 60_000
/** How long after a stop, or after the last request may have timed out, a thread that says nothing is ended. */
const graceMs = 5_000

export interface SpamRun {
  /** When the first request may leave, in time of `systemClock`; known when all threads are ready. */
  readonly startsAt: Promise<Millis>
  readonly result: Promise<SpamResult>
  /** All that was recorded, of which the result is a summary. */
  readonly records: Promise<Records>
  /** Sends no more; what is under way counts as unfinished. */
  stop(): void
}

/**
 * Starts a run. `onProgress` is told a few times per second.
 *
 * The result rejects only when a thread dies of a bug; a target that does not respond is a result.
 */
export function startSpam(
  plan: SpamPlan,
  targetText: string,
  onProgress: (progress: SpamProgress) => void = () => {},
): SpamRun {
  const progress: SpamProgress[] = []
  const threads = Array.from({ length: plan.threads }, (_, index) => {
    const birth: SpamBirth = { plan, index }
    const entry = new URL(import.meta.url.endsWith(".ts") ? "./worker.ts" : "./worker.js", import.meta.url)
    return new Worker(entry, { workerData: birth, name: `linebacker-spam-${index}` })
  })
  const { promise: startsAt, resolve: start } = Promise.withResolvers<Millis>()
  let unready = threads.length
  let forgo: (() => void) | undefined
  const endAfter = (ms: Millis): void => {
    forgo?.()
    forgo = systemTimers.set(ms, endAll)
  }
  const endAll = (): void => {
    for (const worker of threads) void worker.terminate()
  }
  const onReady = (): void => {
    if (--unready > 0) return
    const at = systemClock.now() + startMs
    for (const worker of threads) {
      worker.postMessage({ kind: "start", startsAt: clockOrigin + at } satisfies ToSpamWorker)
    }
    endAfter(startMs + plan.durationMs + 2 * plan.timeoutMs + graceMs)
    start(at)
  }
  const reports = threads.map(
    (worker, index) =>
      new Promise<ThreadReport>((resolve, reject) => {
        worker.on("message", (message: FromSpamWorker) => {
          if (message.kind === "done") resolve(message)
          else if (message.kind === "ready") onReady()
          else {
            progress[index] = message.progress
            onProgress(totalOf(progress))
          }
        })
        worker.once("error", reject)
        worker.once("exit", () => reject(new Error(`generator thread ${index} ended without a result`)))
      }),
  )
  const finish = async (): Promise<{ readonly result: SpamResult; readonly records: Records }> => {
    endAfter(readyMsMax)
    try {
      const all = await Promise.all(reports)
      const ranMs = Math.max(...all.map((report) => report.ranMs))
      const records = sumOf(all.map((report) => report.records))
      return { result: resultOf(plan, targetText, records, all, ranMs), records }
    } finally {
      forgo?.()
    }
  }
  const finished = finish()
  const records = finished.then((all) => all.records)
  // A caller that looks at the result alone hears of a failure there.
  records.catch(() => {})
  return {
    startsAt,
    result: finished.then(({ result }) => result),
    records,
    stop: () => {
      for (const worker of threads) worker.postMessage({ kind: "stop" } satisfies ToSpamWorker)
      endAfter(graceMs)
    },
  }
}

function totalOf(all: readonly SpamProgress[]): SpamProgress {
  const sum = (of: (progress: SpamProgress) => number): number =>
    all.reduce((total, progress) => total + of(progress), 0)
  return {
    sent: sum((one) => one.sent),
    answered: sum((one) => one.answered),
    failed: sum((one) => one.failed),
    pending: sum((one) => one.pending),
  }
}
