/** Entry point of a generator thread. */
import { performance } from "node:perf_hooks"
import { parentPort, workerData } from "node:worker_threads"
import { mix32, seeded } from "../core/rng.ts"
import { clockOrigin, systemClock, systemTimers } from "../system.ts"
import { dialerOf } from "./connection.ts"
import { Generator } from "./generator.ts"
import { SystemPacer } from "./pacer.ts"
import type { FromSpamWorker, SpamBirth, SpamPlan, ToSpamWorker } from "./plan.ts"
import { LoadRecorder } from "./recorder.ts"
import { ListedRequests, PreparedRequests } from "./requests.ts"
import { Schedule } from "./schedule.ts"

const progressMs = 250

const port = parentPort
if (port === null) throw new Error("a generator thread cannot run by itself")

const { plan, index } = workerData as SpamBirth
const { load, threads, seed } = plan
const tell = (message: FromSpamWorker): void => port.postMessage(message)
/** Each thread draws its own chance, the same again with the same seed; and each stream its own of that. */
const rngOf = (stream: number): ReturnType<typeof seeded> =>
  seeded(mix32(seed ^ mix32(index * 2 + stream + 1)))

const listed =
  load.kind === "listed" ? new ListedRequests(load.list, plan.classes, plan.host, index, threads) : undefined
const recorder = new LoadRecorder({
  classes: plan.classes.length,
  warmUpMs: plan.warmUpMs,
  sliceMs: plan.sliceMs,
  failedFrom: plan.failedFrom,
})
const generator = new Generator({
  clock: systemClock,
  timers: systemTimers,
  pacer: new SystemPacer(systemClock, systemTimers, plan.spins && load.kind !== "closed"),
  dial: dialerOf(plan.target),
  requests: listed ?? new PreparedRequests(plan.classes, plan.host, rngOf(0)),
  recorder,
  connections: partOf(plan.connections),
  timeoutMs: plan.timeoutMs,
  durationMs: plan.durationMs,
  requestsMax: plan.requestsMax === Infinity ? Infinity : partOf(plan.requestsMax),
  schedule: listed ?? scheduleOf(load),
  waitingMax: load.kind === "closed" ? 0 : partOf(load.waitingMax),
})

const start = await new Promise<number>((resolve) => {
  port.on("message", (message: ToSpamWorker) => {
    if (message.kind === "start") resolve(message.startsAt - clockOrigin)
    else generator.stop()
  })
  tell({ kind: "ready" })
})
const endTicks = systemTimers.every(progressMs, () => {
  const { sent, answered, failed } = recorder
  tell({ kind: "progress", progress: { sent, answered, failed, pending: generator.pending } })
})

const before = performance.eventLoopUtilization()
const cpuBefore = process.threadCpuUsage()
await generator.run(start)
const { user, system } = process.threadCpuUsage(cpuBefore)
endTicks()
// Spinning is not being busy, but looks like it: what counts then is the lateness.
const busyPart =
  plan.spins && load.kind !== "closed" ? NaN : performance.eventLoopUtilization(before).utilization
tell({
  kind: "done",
  records: recorder.dump(),
  busyPart,
  cpuMs: (user + system) / 1_000,
  ranMs: systemClock.now() - start,
})
port.close()

function scheduleOf(load: SpamPlan["load"]): Schedule | undefined {
  if (load.kind !== "open") return undefined
  const rng = load.arrivals === "poisson" ? rngOf(1) : undefined
  return new Schedule(load.phases, 1 / threads, index / threads, rng)
}

/** This thread's part of a whole number. */
function partOf(whole: number): number {
  return Math.floor(whole / threads) + (index < whole % threads ? 1 : 0)
}
