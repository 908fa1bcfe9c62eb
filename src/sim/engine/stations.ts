/**
 * Hot path: every rate resource of every backend, each a station that requests pass. Nothing is allocated a request.
 *
 * A station serves all that are in service at one common pace, so one number tells the progress of all: the virtual
 * time, the work that each of them has received since the station was last empty. A request that begins at virtual
 * time v with work w is done at v + w, whatever comes and goes: they wait in a heap by that number, and nothing is
 * touched as time passes. `processor-sharing.ts` is the same idea with objects, for one resource in real time; a
 * test holds one against the other.
 *
 * - `sharing`: all are in service, each at min(capacity / n, lane).
 * - `fifo`: as many as there are servers are in service, the others wait in order of arrival. There are
 *   capacity / lane servers (rounded, one at least), which share the capacity equally.
 */
import type { Millis } from "../../core/clock.ts"
import { DueHeap } from "./event-heap.ts"
import type { Requests } from "./requests.ts"

/** What one station has. */
export interface StationTraits {
  /** Units per second. */
  readonly capacity: number
  /** The most for one request, units per second; Infinity when nothing bounds it. */
  readonly lane: number
  readonly discipline: "sharing" | "fifo"
}

export class Stations {
  readonly #requests: Requests
  readonly #due: DueHeap
  /** Units a millisecond, now; without what is slowed or used by others. */
  readonly #capacity: Float64Array
  readonly #lane: Float64Array
  /** As built: what `#capacity` and `#lane` are at full speed. */
  readonly #capacityFull: Float64Array
  readonly #laneFull: Float64Array
  /** Infinity: sharing. */
  readonly #servers: Float64Array
  readonly #at: Float64Array
  readonly #virtual: Float64Array
  readonly #busyMs: Float64Array
  readonly #count: Int32Array
  readonly #heaps: Int32Array[]
  readonly #waiting: NumberQueue[]
  #sequence = 0

  constructor(stations: readonly StationTraits[], requests: Requests) {
    const count = stations.length
    this.#requests = requests
    this.#due = new DueHeap(count)
    this.#capacityFull = Float64Array.from(stations, ({ capacity }) => capacity / 1_000)
    this.#laneFull = new Float64Array(count)
    this.#servers = new Float64Array(count)
    for (const [s, { capacity, discipline, lane }] of stations.entries()) {
      if (!(capacity >= 0 && capacity < Infinity)) throw new RangeError(`the capacity is ${capacity}`)
      if (!(lane > 0)) throw new RangeError(`the lane is ${lane}`)
      const servers = Math.max(1, Math.round(capacity / lane))
      this.#servers[s] = discipline === "fifo" ? servers : Infinity
      this.#laneFull[s] = (discipline === "fifo" ? capacity / servers : lane) / 1_000
    }
    this.#capacity = Float64Array.from(this.#capacityFull)
    this.#lane = Float64Array.from(this.#laneFull)
    this.#at = new Float64Array(count)
    this.#virtual = new Float64Array(count)
    this.#busyMs = new Float64Array(count)
    this.#count = new Int32Array(count)
    this.#heaps = stations.map(() => new Int32Array(16))
    this.#waiting = stations.map(() => new NumberQueue())
  }

  /** When the next request is done; Infinity when none will be. */
  get dueAt(): Millis {
    return this.#due.dueAt
  }

  /** A request comes to a station with this work, ≥ 0. */
  arrive(station: number, request: number, work: number, now: Millis): void {
    this.#pass(station, now)
    if (this.#count[station]! >= this.#servers[station]!) {
      this.#requests.finish[request] = work
      this.#waiting[station]!.push(request)
      return
    }
    this.#serve(station, request, work)
    this.#schedule(station)
  }

  /** Takes the request that is done at `dueAt`. */
  complete(): number {
    const station = this.#due.first
    const now = this.#due.dueAt
    this.#pass(station, now)
    const heap = this.#heaps[station]!
    const request = heap[0]!
    // Exactly, whatever the rounding of the time was: so the next due is never before this one.
    this.#virtual[station] = this.#requests.finish[request]!
    this.#takeFirst(station)
    const waiting = this.#waiting[station]!
    if (waiting.size > 0) {
      const next = waiting.shift()
      this.#serve(station, next, this.#requests.finish[next]!)
    }
    this.#schedule(station)
    return request
  }

  /** All leave, whatever work they have left. */
  clear(station: number, now: Millis): void {
    this.#pass(station, now)
    this.#count[station] = 0
    this.#virtual[station] = 0
    this.#waiting[station]!.clear()
    this.#schedule(station)
  }

  /** From now on it works at this part of its full speed, ≥ 0, of which others take `part`, 0 to 1. */
  setSpeed(station: number, factor: number, part: number, now: Millis): void {
    this.#pass(station, now)
    this.#capacity[station] = this.#capacityFull[station]! * factor * (1 - part)
    // A neighbour takes whole servers' time, so a lane is as fast as before until they are short; not so in fifo,
    // where it slows every server alike.
    const isFifo = this.#servers[station]! < Infinity
    this.#lane[station] = this.#laneFull[station]! * factor * (isFifo ? 1 - part : 1)
    this.#schedule(station)
  }

  /** In service and waiting. */
  present(station: number): number {
    return this.#count[station]! + this.#waiting[station]!.size
  }

  /**
   * Work done so far over what could have been done, in milliseconds: grows as fast as `now` while all of the
   * capacity is in use.
   */
  busyMs(station: number, now: Millis): Millis {
    this.#pass(station, now)
    return this.#busyMs[station]!
  }

  /** Units a millisecond for each in service. */
  #pace(station: number): number {
    return Math.min(this.#capacity[station]! / this.#count[station]!, this.#lane[station]!)
  }

  #pass(station: number, now: Millis): void {
    const count = this.#count[station]!
    const passed = now - this.#at[station]!
    if (passed <= 0) return
    this.#at[station] = now
    if (count === 0) return
    const pace = this.#pace(station)
    const first = this.#requests.finish[this.#heaps[station]![0]!]!
    // Rounding must not carry the virtual time past what is not done yet.
    this.#virtual[station] = Math.min(this.#virtual[station]! + passed * pace, first)
    const capacity = this.#capacity[station]!
    if (capacity > 0) this.#busyMs[station]! += (passed * pace * count) / capacity
  }

  #schedule(station: number): void {
    if (this.#count[station] === 0) {
      this.#due.set(station, Infinity)
      return
    }
    const left = this.#requests.finish[this.#heaps[station]![0]!]! - this.#virtual[station]!
    this.#due.set(station, left > 0 ? this.#at[station]! + left / this.#pace(station) : this.#at[station]!)
  }

  #serve(station: number, request: number, work: number): void {
    const { finish, order } = this.#requests
    let index = this.#count[station]!++
    let heap = this.#heaps[station]!
    if (index === heap.length) {
      heap = new Int32Array(2 * index)
      heap.set(this.#heaps[station]!)
      this.#heaps[station] = heap
    }
    const end = this.#virtual[station]! + work
    finish[request] = end
    order[request] = this.#sequence++
    while (index > 0) {
      const parent = (index - 1) >> 1
      const above = heap[parent]!
      // The newcomer came last, so an equal finish stays above it.
      if (finish[above]! <= end) break
      heap[index] = above
      index = parent
    }
    heap[index] = request
  }

  #takeFirst(station: number): void {
    const { finish, order } = this.#requests
    const heap = this.#heaps[station]!
    const count = --this.#count[station]!
    if (count === 0) {
      // Begins anew, which keeps the virtual time precise.
      this.#virtual[station] = 0
      return
    }
    const last = heap[count]!
    const end = finish[last]!
    const rank = order[last]!
    let index = 0
    for (;;) {
      let child = 2 * index + 1
      if (child >= count) break
      let below = heap[child]!
      if (child + 1 < count) {
        const right = heap[child + 1]!
        const less = finish[right]! - finish[below]!
        if (less < 0 || (less === 0 && order[right]! < order[below]!)) {
          child++
          below = right
        }
      }
      const more = finish[below]! - end
      if (more > 0 || (more === 0 && order[below]! > rank)) break
      heap[index] = below
      index = child
    }
    heap[index] = last
  }
}

/** Whole numbers, first in, first out. Grows by doubling. */
export class NumberQueue {
  #ring = new Int32Array(16)
  #first = 0
  size = 0

  push(value: number): void {
    if (this.size === this.#ring.length) this.#grow()
    this.#ring[(this.#first + this.size++) & (this.#ring.length - 1)] = value
  }

  /** The first; there must be one. */
  peek(): number {
    return this.#ring[this.#first]!
  }

  shift(): number {
    const value = this.#ring[this.#first]!
    this.#first = (this.#first + 1) & (this.#ring.length - 1)
    this.size--
    return value
  }

  clear(): void {
    this.size = 0
  }

  #grow(): void {
    const ring = new Int32Array(2 * this.size)
    for (let i = 0; i < this.size; i++) ring[i] = this.#ring[(this.#first + i) & (this.size - 1)]!
    this.#ring = ring
    this.#first = 0
  }
}
