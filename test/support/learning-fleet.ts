// A small fleet in virtual time that is learned from: requests in, reports and responses out. No sockets, no real time.
import type { Knowledge } from "../../src/core/knowledge.ts"
import type { LoadReport } from "../../src/core/load-report.ts"
import { seeded, type Rng } from "../../src/core/rng.ts"
import { Learner, type Planner } from "../../src/learning/learner.ts"
import { loadReport } from "../../src/learning/load-report.ts"
import { Observer } from "../../src/learning/observer.ts"
import type { RouteList } from "../../src/routing/routes.ts"
import type { Member, Snapshot } from "../../src/membership/snapshot.ts"
import { ProcessorSharing } from "../../src/sim/engine/processor-sharing.ts"
import { outcome, resourcesOf } from "./backends.ts"
import { memberAt } from "./members.ts"

/** A response carried this report, and no other that says what its request has cost: as a placer tells an observer. */
export function reportTo(
  observer: Observer,
  slot: number,
  route: number,
  report: LoadReport,
  bodyBytes: number,
): void {
  observer.load(slot, report)
  observer.cost(slot, route, report.requestCost, bodyBytes)
}

export interface FleetOptions {
  /** Registered capacity, one row per backend; and what it really has where that is something else. */
  readonly capacities: readonly (readonly number[])[]
  readonly actual?: (backend: number, now: number) => readonly number[]
  /**
   * Requests of these kinds, each a route from 1 on: mean demand, its coefficient of variation, requests per second.
   */
  readonly classes: readonly {
    readonly mean: readonly number[]
    readonly cv?: number
    readonly rate: number
    /** Whether its backends report what it cost. */
    readonly reportsCost?: boolean
  }[]
  readonly seconds: number
  readonly seed?: number
  /** When utilization is reported: with each response, once per second, or never. */
  readonly reports?: "responses" | "renewals" | "never"
  /** Reported costs are this many times the work in units of capacity seconds. */
  readonly unit?: number
  /** What another program uses of each backend, 0 to 1, at this time. */
  readonly background?: (backend: number, now: number) => number
  /** Standard deviation of reported utilization around the truth. */
  readonly noise?: number
  /** Which backend gets a request of this class; by lot otherwise. */
  readonly choose?: (kind: number, rng: Rng, now: number) => number
  /** Whether there are requests at this time. */
  readonly isBusy?: (now: number) => boolean
  readonly planner?: Planner
  readonly onLearned?: (knowledge: Knowledge, now: number) => void
}

export interface Rehearsed {
  readonly learner: Learner
  readonly knowledge: Knowledge
  readonly requests: number
}

interface Job {
  readonly kind: number
  readonly work: readonly number[]
  readonly beganAt: number
  stage: number
}

/** Members with these capacities, by slot; named b0, b1, … */
export function snapshotOf(capacities: readonly (readonly number[])[]): Snapshot {
  const members = capacities.map((capacity, slot): Member => {
    const named = Object.fromEntries(capacity.map((amount, r) => [`r${r}`, amount]))
    return memberAt(slot, { host: "127.0.0.1", port: 80 }, named)
  })
  return { version: 1, members, eligible: members }
}

/** Runs the fleet and learns from it once per second. */
export function rehearse(options: FleetOptions): Rehearsed {
  const { capacities, classes, seconds, seed = 1, unit = 1, noise = 0 } = options
  const count = capacities[0]!.length
  const resources = resourcesOf(...capacities[0]!.map(() => "rate" as const))
  const rng = seeded(seed)
  const list: RouteList = {
    version: 1,
    rules: classes.map((_, index) => ({
      name: `class-${index}`,
      method: undefined,
      host: undefined,
      path: "/",
    })),
    learned: [],
  }
  const snapshot = snapshotOf(capacities)
  const observer = new Observer(resources, capacities.length)
  const learner = new Learner({
    resources,
    prior: new Float64Array(count).fill(1),
    routes: () => list,
    planner: options.planner,
  })
  const backends = capacities.map((_, index) => new FleetBackend(index, options))
  const rate = classes.reduce((sum, one) => sum + one.rate, 0)

  const reportOf = (backend: FleetBackend, now: number, cost: readonly number[] | undefined) =>
    loadReport(resources, {
      requestCost: Float64Array.from({ length: count }, (_, r) =>
        cost === undefined ? NaN : cost[r]! * unit,
      ),
      utilization: backend.utilization(now).map((value) => Math.max(0, value + noise * normal(rng))),
    })

  let requests = 0
  let nextArrival = exponential(rng) * (1_000 / rate)
  let nextSecond = 1_000
  let knowledge: Knowledge | undefined
  while (nextSecond <= seconds * 1_000) {
    const completions = backends.map((backend) => backend.nextCompletionAt())
    const completion = Math.min(...completions)
    const now = Math.min(nextArrival, nextSecond, completion)
    if (now === completion) {
      const backend = backends[completions.indexOf(completion)]!
      for (const job of backend.advance(now)) {
        const kind = classes[job.kind]!
        const cost = kind.reportsCost === true ? job.work : undefined
        const isHeard = cost !== undefined || options.reports === "responses"
        if (isHeard) {
          const { requestCost, utilization } = reportOf(backend, now, cost)
          const heard = options.reports === "responses" ? utilization : utilization.fill(NaN)
          reportTo(
            observer,
            backend.slot,
            job.kind + 1,
            loadReport(resources, { requestCost, utilization: heard }),
            0,
          )
        }
        const took = now - job.beganAt
        observer.settled(
          backend.slot,
          job.kind + 1,
          outcome({ totalMs: took, firstByteMs: took, route: job.kind + 1 }),
        )
      }
    } else if (now === nextSecond) {
      if (options.reports === "renewals") {
        for (const [slot, { id }] of snapshot.members.entries()) {
          learner.report(id, reportOf(backends[slot]!, now, undefined), now)
        }
      }
      const batch = observer.take(now)
      if (batch !== undefined) learner.ingest(batch, snapshot.members, now)
      knowledge = learner.learn(snapshot, now)
      options.onLearned?.(knowledge, now)
      nextSecond += 1_000
    } else {
      nextArrival = now + exponential(rng) * (1_000 / rate)
      if (options.isBusy?.(now) === false) continue
      let kind = 0
      for (let left = rng.next() * rate - classes[0]!.rate; left > 0; left -= classes[kind]!.rate) kind++
      const { mean, cv = 0 } = classes[kind]!
      const factor = lognormal(rng, cv)
      const slot = options.choose?.(kind, rng, now) ?? rng.below(backends.length)
      backends[slot]!.add({ kind, work: mean.map((amount) => amount * factor), beganAt: now, stage: 0 }, now)
      requests++
    }
  }
  return { learner, knowledge: knowledge!, requests }
}

/** One stage a resource, each shared among its jobs; a job visits one after the other. */
class FleetBackend {
  readonly slot: number
  readonly #options: FleetOptions
  readonly #busy: { value: number; at: number; busyMs: number }[]
  readonly #stages: readonly ProcessorSharing<Job>[]
  #now = 0

  constructor(slot: number, options: FleetOptions) {
    this.slot = slot
    this.#options = options
    this.#stages = options.capacities[slot]!.map((capacity) => new ProcessorSharing<Job>(capacity))
    this.#busy = this.#stages.map(() => ({ value: 0, at: 0, busyMs: 0 }))
  }

  add(job: Job, now: number): void {
    this.#observe(now)
    this.#stages[0]!.add(job, job.work[0]! * this.#slowness(0, now), now)
  }

  nextCompletionAt(): number {
    return Math.min(...this.#stages.map((stage) => stage.nextCompletionAt(this.#now) ?? Infinity))
  }

  advance(now: number): Job[] {
    this.#observe(now)
    const done: Job[] = []
    for (const stage of this.#stages) {
      for (const job of stage.advance(now)) {
        job.stage++
        const next = this.#stages[job.stage]
        if (next === undefined) done.push(job)
        else next.add(job, job.work[job.stage]! * this.#slowness(job.stage, now), now)
      }
    }
    return done
  }

  /** Mean of about the last second, newer times counting more, with what others use beside. */
  utilization(now: number): Float64Array {
    this.#observe(now)
    const background = this.#options.background?.(this.slot, now) ?? 0
    return Float64Array.from(this.#busy, ({ value }) => background + (1 - background) * value)
  }

  /** What a unit of work takes here, over what it should: slower backends are given more work in the same time. */
  #slowness(r: number, now: number): number {
    const free = 1 - (this.#options.background?.(this.slot, now) ?? 0)
    const registered = this.#options.capacities[this.slot]!
    const has = this.#options.actual?.(this.slot, now) ?? registered
    return registered[r]! / (has[r]! * free)
  }

  #observe(now: number): void {
    this.#now = now
    for (const [r, busy] of this.#busy.entries()) {
      const passed = now - busy.at
      if (passed <= 0) continue
      const total = this.#stages[r]!.busyMs(now)
      const kept = Math.exp(-passed / 500)
      busy.value = busy.value * kept + Math.min(1, (total - busy.busyMs) / passed) * (1 - kept)
      busy.at = now
      busy.busyMs = total
    }
  }
}

export function exponential(rng: Rng): number {
  return -Math.log(1 - rng.next())
}

export function normal(rng: Rng): number {
  return Math.sqrt(2 * exponential(rng)) * Math.cos(2 * Math.PI * rng.next())
}

/** Mean 1 and this coefficient of variation. */
export function lognormal(rng: Rng, cv: number): number {
  const variance = Math.log(1 + cv * cv)
  return Math.exp(Math.sqrt(variance) * normal(rng) - variance / 2)
}
