// Hot path. Benchmark: bench/choose.ts.
import type { Backend } from "../../core/backend.ts"
import type { Millis } from "../../core/clock.ts"
import { carried, Places } from "../tools/places.ts"
import type { Outcome } from "../policy.ts"

/** Attempts remembered for each backend. */
const samplesKept = 32
/** How long they are: a backend that was slow then deserves another look. */
const memoryMs = 10_000
/** As many, or all there are, before a median is taken. */
const samplesWanted = 3
/** A failure counts as at least as slow as this, or as long as the backend wants to be left alone. */
const failureMs = 5_000
const retryAfterMsMax = 300_000
/** Changes of what is in flight that are remembered for each backend, and the part of it that is none. */
const levelsKept = 64
const sameLevel = 1 / 8

/**
 * Responds to probes from what the balancer sees itself, where no backend can be asked: the attempts it has in flight
 * there, and the median of the times to first byte of late that it measured with about as many in flight.
 *
 * "With as many" is as of the begin of an attempt, itself included. One that ends as the last of a crowd took as long
 * as a crowd takes: by what is in flight at its end an idle backend would look slow for as long as it is remembered to
 * have been busy. "About" is within a quarter or 1; where there are fewer than three such, also those with less
 * company, nearest first, and never those with more: what a backend needs for one more is at least what it needed for
 * fewer, and may be much less than what it needed for many. Without any the response is 0, so a backend that is not
 * known is soon tried. Attempts of the last 10 seconds count, at most 32. A failure is recorded as 5 s, or what its
 * Retry-After asks for if that is more, so that a backend that fails fast does not look fast. An ignored attempt says
 * nothing, nor does the end of a tunnel, which was opened an unknown time ago. Nothing is allocated but in `rebuild`.
 *
 * What was in flight at the begin is what was last seen before, at the begin of another, its end or a response; 64
 * changes are remembered, of which one by less than an eighth is none.
 */
export class SelfProber {
  readonly #places = new Places()
  /** One row of `samplesKept` per member: in flight, latency and time of each; time −Infinity for none. */
  #inFlight = new Float64Array(0)
  #latency = new Float64Array(0)
  #at = new Float64Array(0)
  /** By place: where in its row the next one goes. */
  #next = new Int32Array(0)
  /** One row of `levelsKept` a member: what was in flight, and since when; −Infinity for nothing. */
  #level = new Float64Array(0)
  #levelAt = new Float64Array(0)
  #nextLevel = new Int32Array(0)
  readonly #near = new Float64Array(samplesKept)
  /** The moment of what is going on. In an array: to hand a double on makes an object of it. */
  readonly #now = new Float64Array(1)

  /** Cold. What was measured stays with its backend. */
  rebuild(members: readonly Backend[]): void {
    const before = this.#places.rebuild(members)
    this.#inFlight = carried(this.#inFlight, before, 0, samplesKept)
    this.#latency = carried(this.#latency, before, 0, samplesKept)
    this.#at = carried(this.#at, before, -Infinity, samplesKept)
    this.#next = before.map((old) => this.#next[old] ?? 0)
    this.#level = carried(this.#level, before, 0, levelsKept)
    this.#levelAt = carried(this.#levelAt, before, -Infinity, levelsKept)
    this.#nextLevel = before.map((old) => this.#nextLevel[old] ?? 0)
  }

  /** Hot: for every attempt that has begun and is in flight now. */
  onBegun(backend: Backend, now: Millis): void {
    const place = this.#places.of(backend)
    if (place === -1) return
    this.#now[0] = now
    this.#see(place, backend.load.inFlight - 1)
  }

  /** Hot: for every attempt that has settled, after it has left the load. */
  onSettled(backend: Backend, outcome: Outcome, now: Millis): void {
    const place = this.#places.of(backend)
    if (place === -1) return
    this.#now[0] = now
    this.#see(place, backend.load.inFlight)
    const { result, status, firstByteMs, totalMs, retryAfterMs } = outcome
    if (result === "ignored" || (status === 101 && result === "success")) return
    let latency = firstByteMs >= 0 ? firstByteMs : totalMs
    if (result === "failure") {
      if (latency < failureMs) latency = failureMs
      if (retryAfterMs > latency) latency = Math.min(retryAfterMs, retryAfterMsMax)
    }
    const sample = place * samplesKept + this.#next[place]!
    this.#inFlight[sample] = this.#levelOf(place, now - outcome.totalMs) + 1
    this.#latency[sample] = latency
    this.#at[sample] = now
    this.#next[place] = (this.#next[place]! + 1) % samplesKept
  }

  /** Hot: writes the attempts in flight and the latency in ms before the moment that stands third. O(samples kept). */
  respond(backend: Backend, into: Float64Array): void {
    const place = this.#places.of(backend)
    const { inFlight } = backend.load
    into[0] = inFlight
    into[1] = 0
    if (place === -1) return
    this.#now[0] = into[2]!
    this.#see(place, inFlight)
    // One more would be in flight.
    const around = inFlight + 1
    const count = this.#nearest(place * samplesKept, around)
    if (count === 0) return
    const middle = count >> 1
    const upper = this.#near[middle]!
    into[1] = count % 2 === 1 ? upper : (this.#near[middle - 1]! + upper) / 2
  }

  /** Remembers that so many are in flight now, unless about as many were before. */
  #see(place: number, inFlight: number): void {
    const row = place * levelsKept
    const next = this.#nextLevel[place]!
    const last = row + (next === 0 ? levelsKept - 1 : next - 1)
    const level = this.#level[last]!
    if (Math.abs(inFlight - level) <= level * sameLevel && this.#levelAt[last]! > -Infinity) return
    this.#level[row + next] = inFlight
    this.#levelAt[row + next] = this.#now[0]!
    this.#nextLevel[place] = (next + 1) % levelsKept
  }

  /** What was in flight at that time, or as long before now as is remembered. */
  #levelOf(place: number, time: Millis): number {
    const row = place * levelsKept
    let i = row + this.#nextLevel[place]!
    let level = 0
    for (let n = 0; n < levelsKept; n++) {
      i = i === row ? row + levelsKept - 1 : i - 1
      const since = this.#levelAt[i]!
      if (since === -Infinity) return level
      level = this.#level[i]!
      if (since <= time) return level
    }
    return level
  }

  /** Sorts the latencies that were measured at about `around`, or with less, into `#near`; returns how many. */
  #nearest(row: number, around: number): number {
    const since = this.#now[0]! - memoryMs
    const reach = Math.max(1, around / 4)
    let known = 0
    for (let i = row; i < row + samplesKept; i++) {
      if (this.#at[i]! >= since && this.#inFlight[i]! <= around + reach) known++
    }
    if (known === 0) return 0
    const wanted = Math.min(known, samplesWanted)
    for (let below = reach; ; below *= 2) {
      let count = 0
      for (let i = row; i < row + samplesKept; i++) {
        const inFlight = this.#inFlight[i]!
        if (this.#at[i]! < since || inFlight > around + reach || inFlight < around - below) continue
        this.#insert(i, count++)
      }
      if (count >= wanted) return count
    }
  }

  #insert(sample: number, count: number): void {
    const near = this.#near
    const latency = this.#latency[sample]!
    let i = count
    for (; i > 0 && near[i - 1]! > latency; i--) near[i] = near[i - 1]!
    near[i] = latency
  }
}
