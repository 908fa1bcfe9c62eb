import type { Millis } from "../../core/clock.ts"

/**
 * One resource of rate kind, shared equally among the jobs in it: egalitarian processor sharing. With n jobs
 * each is served at min(capacity / n, laneMax) units per second, as a CPU or a disk under many requests is.
 *
 * Since all jobs progress alike, one number describes the progress of all: the virtual time, which is the work
 * that a job present since the resource was last empty has received. A job that arrives at virtual time v with
 * work w completes at virtual time v + w whatever else arrives or leaves. So the jobs wait in a heap by that
 * number (ties: by order of arrival) and nothing is touched per job as time passes: O(log n) per arrival, completion
 * or abort. The virtual time starts again at zero whenever the resource is empty, which keeps its precision.
 *
 * Pure: time is an argument and must not go back (an earlier `now` counts as the latest seen). A completion
 * and an abort at the same instant: the completion wins. `advance(nextCompletionAt(now))` always completes at
 * least one job, however small the work or large the time, so a caller that goes from one to the next ends.
 *
 * @see Kleinrock, "Time-shared Systems: a Theoretical Treatment", JACM 14(2), 1967; for the virtual time,
 *   Parekh and Gallager, "A Generalized Processor Sharing Approach to Flow Control", IEEE/ACM ToN 1(3), 1993.
 */
export class ProcessorSharing<Job> {
  #capacity: number
  #laneMax: number
  readonly #heap: RunningJob<Job>[] = []
  readonly #entries = new Map<Job, RunningJob<Job>>()
  /** Completed, not yet handed out by `advance`. */
  #completed: Job[] = []
  /** The time up to which all is accounted for. */
  #at: Millis = 0
  #virtual = 0
  #busyMs: Millis = 0
  #sequence = 0

  /**
   * @param capacity work units per second, finite, ≥ 0. With 0 only jobs without work complete.
   * @param laneMax the most that one job may take, units per second, > 0.
   * @throws RangeError on other numbers.
   */
  constructor(capacity: number, laneMax: number = Infinity) {
    if (!(capacity >= 0 && capacity < Infinity)) throw new RangeError(`capacity is ${capacity}`)
    if (!(laneMax > 0)) throw new RangeError(`laneMax is ${laneMax}`)
    this.#capacity = capacity
    this.#laneMax = laneMax
  }

  /** Jobs that had neither completed nor been removed at the latest time seen. */
  get jobs(): number {
    return this.#heap.length
  }

  /**
   * Puts a job in. Without work it completes at `now`.
   *
   * @param work units, finite, ≥ 0.
   * @throws RangeError on other work, Error when the job is already in.
   */
  add(job: Job, work: number, now: Millis): void {
    if (!(work >= 0 && work < Infinity)) throw new RangeError(`work is ${work}`)
    this.#catchUp(now)
    if (this.#entries.has(job)) throw new Error("the job is already in this resource")
    const entry = { job, finish: this.#virtual + work, sequence: this.#sequence++, index: this.#heap.length }
    this.#entries.set(job, entry)
    this.#heap.push(entry)
    this.#siftUp(entry)
  }

  /** Takes a job out before its end. Returns the work it had left; `undefined` when it is not in or is done. */
  remove(job: Job, now: Millis): number | undefined {
    this.#catchUp(now)
    const entry = this.#entries.get(job)
    if (entry === undefined) return undefined
    const left = entry.finish - this.#virtual
    this.#take(entry)
    return left
  }

  /** When the next job completes if none comes or leaves before: `now` or later, `undefined` when none will. */
  nextCompletionAt(now: Millis): Millis | undefined {
    if (this.#completed.length > 0) return now
    const first = this.#heap[0]
    if (first === undefined) return undefined
    const due = this.#dueAt(first)
    return due === Infinity ? undefined : Math.max(due, now)
  }

  /**
   * From now on it works at another speed; jobs keep what they have received.
   *
   * @param capacity work units per second, finite, ≥ 0. With 0 all stand still until it changes again.
   * @param laneMax ≥ 0; as before when absent.
   * @throws RangeError on another number.
   */
  setCapacity(capacity: number, now: Millis, laneMax: number = this.#laneMax): void {
    if (!(capacity >= 0 && capacity < Infinity)) throw new RangeError(`capacity is ${capacity}`)
    if (!(laneMax >= 0)) throw new RangeError(`laneMax is ${laneMax}`)
    this.#catchUp(now)
    this.#capacity = capacity
    this.#laneMax = laneMax
  }

  /** Lets time pass and hands out the jobs completed since the last call, in order of completion. */
  advance(now: Millis): readonly Job[] {
    this.#catchUp(now)
    if (this.#completed.length === 0) return none
    const completed = this.#completed
    this.#completed = []
    return completed
  }

  /**
   * Work done so far over capacity, in milliseconds. It grows as fast as `now` while the capacity is used in
   * full, so its difference over an interval is the utilization of the interval, 0 to 1.
   */
  busyMs(now: Millis): Millis {
    this.#catchUp(now)
    return this.#busyMs
  }

  /** Units per second that each job gets now. */
  #rate(): number {
    return Math.min(this.#capacity / this.#heap.length, this.#laneMax)
  }

  #dueAt(first: RunningJob<Job>): Millis {
    const left = first.finish - this.#virtual
    return left > 0 ? this.#at + (left / this.#rate()) * 1_000 : this.#at
  }

  /** Goes from completion to completion up to `now`: each one changes the rate of the others. */
  #catchUp(now: Millis): void {
    for (let first = this.#heap[0]; first !== undefined; first = this.#heap[0]) {
      // The same expression decides here and gives nextCompletionAt, so rounding cannot part the two.
      const due = this.#dueAt(first)
      if (due > now && due > this.#at) break
      this.#pass(due)
      this.#virtual = first.finish
      this.#take(first)
      this.#completed.push(first.job)
    }
    if (now <= this.#at) return
    const first = this.#heap[0]
    if (first !== undefined) {
      // Rounding must not carry the virtual time past a completion that has not happened.
      const virtual = this.#virtual + ((now - this.#at) / 1_000) * this.#rate()
      this.#virtual = Math.min(virtual, first.finish)
    }
    this.#pass(now)
  }

  #pass(to: Millis): void {
    if (this.#heap.length > 0 && this.#capacity > 0) {
      this.#busyMs += (to - this.#at) * Math.min(1, (this.#heap.length * this.#laneMax) / this.#capacity)
    }
    this.#at = to
  }

  #take(entry: RunningJob<Job>): void {
    this.#entries.delete(entry.job)
    const last = this.#heap.pop()!
    if (last !== entry) {
      last.index = entry.index
      this.#heap[entry.index] = last
      this.#siftUp(last)
      this.#siftDown(last)
    }
    if (this.#heap.length === 0) this.#virtual = 0
  }

  #siftUp(entry: RunningJob<Job>): void {
    const heap = this.#heap
    while (entry.index > 0) {
      const parent = heap[(entry.index - 1) >> 1]!
      if (!before(entry, parent)) return
      swap(heap, entry, parent)
    }
  }

  #siftDown(entry: RunningJob<Job>): void {
    const heap = this.#heap
    for (;;) {
      const left = heap[2 * entry.index + 1]
      if (left === undefined) return
      const right = heap[2 * entry.index + 2]
      const child = right !== undefined && before(right, left) ? right : left
      if (!before(child, entry)) return
      swap(heap, child, entry)
    }
  }
}

interface RunningJob<Job> {
  readonly job: Job
  /** The virtual time at which it completes. */
  readonly finish: number
  readonly sequence: number
  /** Where it is in the heap. */
  index: number
}

const none: readonly never[] = []

function before(a: RunningJob<unknown>, b: RunningJob<unknown>): boolean {
  return a.finish < b.finish || (a.finish === b.finish && a.sequence < b.sequence)
}

function swap<Job>(heap: RunningJob<Job>[], a: RunningJob<Job>, b: RunningJob<Job>): void {
  const index = a.index
  a.index = b.index
  b.index = index
  heap[a.index] = a
  heap[b.index] = b
}
