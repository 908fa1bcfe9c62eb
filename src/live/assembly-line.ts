import type { Clock, Millis } from "../core/clock.ts"
import { ProcessorSharing } from "../sim/engine/processor-sharing.ts"
import type { Timers } from "../system.ts"

export interface Job {
  /** By resource; 0 of those that are only held. */
  readonly work: readonly number[]
  /** Called when all its work is done. */
  readonly done: () => void
  /** Index of the resource that it occupies. */
  stage: number
}

export interface StageTraits {
  /** Units per second. */
  readonly rate: number
  /** The most that one job can use, units per second. */
  readonly lane: number
  readonly discipline: "sharing" | "fifo"
}

/** Mean age of what the utilization is made of, as a window of one second has; 86 % of it is younger than 1 s. */
const utilizationMsMean = 500

/**
 * Shared resources in a row. Each completion is worked through at its own time, in order over all resources,
 * even when the timer is late: lateness delays a response but loses no capacity.
 */
export class AssemblyLine {
  readonly #clock: Clock
  readonly #timers: Timers
  readonly #stages: readonly Stage[]
  readonly #busy: readonly BusyFraction[]
  /** The time up to which all is accounted for. */
  #at: Millis
  #cancelTimer: () => void = () => {}

  constructor(stages: readonly StageTraits[], clock: Clock, timers: Timers) {
    this.#clock = clock
    this.#timers = timers
    this.#at = clock.now()
    this.#stages = stages.map((traits) => new Stage(traits))
    this.#busy = stages.map(() => new BusyFraction(this.#at))
  }

  /** One resource works at this part of its speed from now on, and others use this part of that. */
  setSpeed(index: number, factor: number, taken: number): void {
    this.#catchUp()
    this.#stages[index]!.setSpeed(factor, taken, this.#at)
    this.#setTimer()
  }

  add(job: Job): void {
    this.#catchUp()
    this.#stages[job.stage]!.add(job, this.#at)
    this.#catchUp()
    this.#setTimer()
  }

  /** Takes a job out wherever it is; does nothing when it is done or has not come. */
  remove(job: Job): void {
    this.#catchUp()
    this.#stages[job.stage]?.remove(job, this.#at)
    this.#setTimer()
  }

  /** Busy fraction of each resource over about the last second. */
  utilization(): readonly number[] {
    this.#catchUp()
    return this.#busy.map((busy) => busy.value)
  }

  #catchUp(): void {
    const now = this.#clock.now()
    const done: Job[] = []
    for (let next = this.#next(); next !== undefined && next.at <= now; next = this.#next()) {
      this.#observe(next.at)
      for (const job of next.stage.advance(next.at)) {
        job.stage++
        if (job.stage === this.#stages.length) done.push(job)
        else this.#stages[job.stage]!.add(job, next.at)
      }
    }
    this.#observe(now)
    for (const job of done) job.done()
  }

  #next(): { readonly at: Millis; readonly stage: Stage } | undefined {
    let earliest: { readonly at: Millis; readonly stage: Stage } | undefined
    for (const stage of this.#stages) {
      const at = stage.sharing.nextCompletionAt(this.#at)
      if (at !== undefined && (earliest === undefined || at < earliest.at)) earliest = { at, stage }
    }
    return earliest
  }

  #observe(at: Millis): void {
    this.#at = at
    for (const [index, { sharing }] of this.#stages.entries()) {
      this.#busy[index]!.observe(sharing.busyMs(at), at)
    }
  }

  #setTimer(): void {
    this.#cancelTimer()
    const next = this.#next()
    if (next === undefined) return
    const work = (): void => {
      this.#catchUp()
      this.#setTimer()
    }
    this.#cancelTimer = this.#timers.set(Math.max(0, next.at - this.#clock.now()), work, { unref: true })
  }
}

/**
 * One resource. In order of arrival it has as many servers as lanes (rounded, one at least), which share its rate
 * equally, as `Stations` of the simulator has it.
 */
class Stage {
  readonly sharing: ProcessorSharing<Job>
  readonly #rate: number
  readonly #lane: number
  /** Infinity: all jobs are served at once. */
  readonly #servers: number
  readonly #waiting: Job[] = []

  constructor({ rate, lane, discipline }: StageTraits) {
    const servers = Math.max(1, Math.round(rate / lane))
    this.#rate = rate
    this.#servers = discipline === "fifo" ? servers : Infinity
    this.#lane = discipline === "fifo" && rate > 0 ? rate / servers : lane
    this.sharing = new ProcessorSharing(rate, this.#lane)
  }

  add(job: Job, now: Millis): void {
    if (this.sharing.jobs < this.#servers) this.sharing.add(job, workOf(job), now)
    else this.#waiting.push(job)
  }

  remove(job: Job, now: Millis): void {
    const place = this.#waiting.indexOf(job)
    if (place !== -1) this.#waiting.splice(place, 1)
    else if (this.sharing.remove(job, now) !== undefined) this.#admit(now)
  }

  advance(now: Millis): readonly Job[] {
    const done = this.sharing.advance(now)
    this.#admit(now)
    return done
  }

  setSpeed(factor: number, taken: number, now: Millis): void {
    const left = factor * (1 - taken)
    // A neighbour takes whole servers' time, so a lane is as fast as before until they are short; not so in order of
    // arrival, where it slows every server alike.
    const part = this.#servers < Infinity ? left : factor
    this.sharing.setCapacity(this.#rate * left, now, this.#lane === Infinity ? Infinity : this.#lane * part)
  }

  #admit(now: Millis): void {
    while (this.#waiting.length > 0 && this.sharing.jobs < this.#servers) {
      const next = this.#waiting.shift()!
      this.sharing.add(next, workOf(next), now)
    }
  }
}

function workOf(job: Job): number {
  return job.work[job.stage]!
}

/** The busy fraction of the recent past, older times counting exponentially less. */
class BusyFraction {
  value = 0
  #at: Millis
  #busyMs: Millis = 0

  constructor(now: Millis) {
    this.#at = now
  }

  observe(busyMs: Millis, now: Millis): void {
    const passed = now - this.#at
    if (passed <= 0) return
    const fraction = Math.min(1, (busyMs - this.#busyMs) / passed)
    const kept = Math.exp(-passed / utilizationMsMean)
    this.value = this.value * kept + fraction * (1 - kept)
    this.#at = now
    this.#busyMs = busyMs
  }
}
