/** Runs the load generator: threads that start together, progress while they run, one result in the end. */
import { Worker } from "node:worker_threads"
import { clockOrigin, systemClock } from "../system.ts"
import type { FromSpamWorker, SpamBirth, SpamPlan, SpamProgress } from "./plan.ts"
import { sumOf } from "./recorder.ts"
import { resultOf, type SpamResult, type ThreadReport } from "./result.ts"

/** Threads need this long until all of them can start at the same moment. */
const startMs = 250
/** How long after the last request may have timed out a thread that says nothing is ended. */
const graceMs = 5_000

export interface SpamRun {
  readonly result: Promise<SpamResult>
  /** Sends no more; what is under way counts as unfinished. */
  stop(): void
}

/**
 * Starts a run. `onProgress` is told a few times a second.
 *
 * The result rejects only when a thread dies of a bug; a target that does not answer is a result.
 */
export function startSpam(
  plan: SpamPlan,
  targetText: string,
  onProgress: (progress: SpamProgress) => void = () => {},
): SpamRun {
  const startsAt = clockOrigin + systemClock.now() + startMs
  const progress: SpamProgress[] = []
  const threads = Array.from({ length: plan.threads }, (_, index) => {
    const birth: SpamBirth = { plan, index, startsAt }
    const entry = new URL(import.meta.url.endsWith(".ts") ? "./worker.ts" : "./worker.js", import.meta.url)
    return new Worker(entry, { workerData: birth, name: `linebacker-spam-${index}` })
  })
  const reports = threads.map(
    (worker, index) =>
      new Promise<ThreadReport>((resolve, reject) => {
        worker.on("message", (message: FromSpamWorker) => {
          if (message.kind === "done") resolve(message)
          else {
            progress[index] = message.progress
            onProgress(totalOf(progress))
          }
        })
        worker.once("error", reject)
        worker.once("exit", () => reject(new Error(`generator thread ${index} ended without a result`)))
      }),
  )
  const finish = async (): Promise<SpamResult> => {
    const late = setTimeout(
      () => {
        for (const worker of threads) void worker.terminate()
      },
      startMs + plan.durationMs + 2 * plan.timeoutMs + graceMs,
    )
    try {
      const all = await Promise.all(reports)
      const ranMs = Math.max(...all.map((report) => report.ranMs))
      return resultOf(plan, targetText, sumOf(all.map(({ records }) => records)), all, ranMs)
    } finally {
      clearTimeout(late)
    }
  }
  return {
    result: finish(),
    stop: () => {
      for (const worker of threads) worker.postMessage("stop")
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
