/** Hot path: what is to happen, by time. Arrays of numbers that grow by doubling; nothing is allocated an event. */
import type { Millis } from "../../core/clock.ts"

/**
 * A queue of events, each a time and three whole numbers. The earliest comes first; among those of one time, the
 * one that was pushed first. O(log n) a push and a pop.
 */
export class EventHeap {
  #times = new Float64Array(64)
  #sequences = new Float64Array(64)
  /** Three numbers per event: its kind, what it is about, and what else. */
  #facts = new Int32Array(3 * 64)
  #count = 0
  #sequence = 0
  /** The event that `pop` took. */
  kind = 0
  subject = 0
  detail = 0

  get size(): number {
    return this.#count
  }

  /** When the next is due; Infinity when there is none. */
  get dueAt(): Millis {
    return this.#count === 0 ? Infinity : this.#times[0]!
  }

  /** `at` is finite; the numbers are int32. */
  push(at: Millis, kind: number, subject: number, detail: number): void {
    if (this.#count === this.#times.length) this.#grow()
    const times = this.#times
    const sequences = this.#sequences
    let index = this.#count++
    while (index > 0) {
      const parent = (index - 1) >> 1
      // The newcomer has the highest sequence, so an equal time stays above it.
      if (times[parent]! <= at) break
      this.#copy(parent, index)
      index = parent
    }
    times[index] = at
    sequences[index] = this.#sequence++
    this.#facts[3 * index] = kind
    this.#facts[3 * index + 1] = subject
    this.#facts[3 * index + 2] = detail
  }

  /** Takes the next event; its numbers are in `kind`, `subject` and `detail`. There must be one. */
  pop(): void {
    const times = this.#times
    const sequences = this.#sequences
    const facts = this.#facts
    this.kind = facts[0]!
    this.subject = facts[1]!
    this.detail = facts[2]!
    const last = --this.#count
    const at = times[last]!
    const sequence = sequences[last]!
    let index = 0
    for (;;) {
      let child = 2 * index + 1
      if (child >= last) break
      const right = child + 1
      if (right < last && isBefore(times, sequences, right, times[child]!, sequences[child]!)) child = right
      if (!isBefore(times, sequences, child, at, sequence)) break
      this.#copy(child, index)
      index = child
    }
    if (index !== last) this.#copy(last, index)
  }

  #copy(from: number, to: number): void {
    this.#times[to] = this.#times[from]!
    this.#sequences[to] = this.#sequences[from]!
    this.#facts[3 * to] = this.#facts[3 * from]!
    this.#facts[3 * to + 1] = this.#facts[3 * from + 1]!
    this.#facts[3 * to + 2] = this.#facts[3 * from + 2]!
  }

  #grow(): void {
    this.#times = grown(this.#times)
    this.#sequences = grown(this.#sequences)
    const facts = new Int32Array(2 * this.#facts.length)
    facts.set(this.#facts)
    this.#facts = facts
  }
}

/**
 * The times at which a fixed number of things are due, each at most once. Ties: the lower number. `set` is
 * O(log n), the earliest O(1).
 */
export class DueHeap {
  readonly #times: Float64Array
  readonly #heap: Int32Array
  readonly #places: Int32Array

  /** Nothing is due. */
  constructor(count: number) {
    this.#times = new Float64Array(count).fill(Infinity)
    this.#heap = Int32Array.from({ length: count }, (_, index) => index)
    this.#places = Int32Array.from(this.#heap)
  }

  /** Which is due first; undefined only when there are no things at all. */
  get first(): number {
    return this.#heap[0]!
  }

  /** When the first is due; Infinity when none is. */
  get dueAt(): Millis {
    return this.#heap.length === 0 ? Infinity : this.#times[this.#heap[0]!]!
  }

  /** `at` may be Infinity: not due. */
  set(thing: number, at: Millis): void {
    const times = this.#times
    const heap = this.#heap
    const places = this.#places
    const count = heap.length
    times[thing] = at
    let place = places[thing]!
    while (place > 0) {
      const parent = (place - 1) >> 1
      const above = heap[parent]!
      const time = times[above]!
      if (time < at || (time === at && above < thing)) break
      heap[place] = above
      places[above] = place
      place = parent
    }
    for (;;) {
      let child = 2 * place + 1
      if (child >= count) break
      const right = child + 1
      if (right < count) {
        const l = heap[child]!
        const r = heap[right]!
        const timeLeft = times[l]!
        const timeRight = times[r]!
        if (timeRight < timeLeft || (timeRight === timeLeft && r < l)) child = right
      }
      const below = heap[child]!
      const time = times[below]!
      if (at < time || (at === time && thing < below)) break
      heap[place] = below
      places[below] = place
      place = child
    }
    heap[place] = thing
    places[thing] = place
  }
}

function isBefore(
  times: Float64Array,
  sequences: Float64Array,
  index: number,
  at: Millis,
  sequence: number,
): boolean {
  const time = times[index]!
  return time < at || (time === at && sequences[index]! < sequence)
}

function grown(numbers: Float64Array<ArrayBuffer>): Float64Array<ArrayBuffer> {
  const twice = new Float64Array(2 * numbers.length)
  twice.set(numbers)
  return twice
}
