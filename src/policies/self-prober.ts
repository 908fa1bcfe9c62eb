// Hot path. Benchmark: bench/choose.ts.
import type { Backend } from "../core/backend.ts"
import type { Millis } from "../core/clock.ts"
import { carried, Places } from "./places.ts"
import type { Outcome } from "./policy.ts"

/** Attempts remembered for each backend. */
const samplesKept = 32
/** How long they are: a backend that was slow then deserves another look. */
const memoryMs = 10_000
/** As many, or all there are, before a median is taken. */
const samplesWanted = 3
/** A failure counts as at least as slow as this, or as long as the backend wants to be left alone. */
const failureMs = 5_000
const retryAfterMsMax = 300_000

/**
 * Answers probes from what the balancer sees itself, where no backend can be asked: the attempts it has in flight
 * there, and the median of the times to first byte of late that it measured with about as many in flight.
 *
 * "With as many" is as of the end of an attempt, itself included; that of its beginning would have to be kept for
 * each. "About" is within a quarter or 1, and twice as far until three are found. Attempts of the last 10 seconds
 * count, at most 32; without any the answer is 0, so whoever is not known is soon tried. Other balancers' attempts
 * are not seen. A failure is recorded as 5 s, or what its Retry-After asks for if that is more, so that a backend
 * that fails fast does not look fast. An ignored attempt says nothing. Nothing is allocated but in `rebuild`.
 */
export class SelfProber {
  readonly #places = new Places()
  /** One row of `samplesKept` a member: in flight, latency and time of each; time −Infinity for none. */
  #inFlight = new Float64Array(0)
  #latency = new Float64Array(0)
  #at = new Float64Array(0)
  /** By place: where in its row the next one goes. */
  #next = new Int32Array(0)
  readonly #near = new Float64Array(samplesKept)

  /** Cold. What was measured stays with its backend. */
  rebuild(members: readonly Backend[]): void {
    const before = this.#places.rebuild(members)
    this.#inFlight = carried(this.#inFlight, before, 0, samplesKept)
    this.#latency = carried(this.#latency, before, 0, samplesKept)
    this.#at = carried(this.#at, before, -Infinity, samplesKept)
    this.#next = Int32Array.from(before, (old) => (old === -1 ? 0 : this.#next[old]!))
  }

  /** Hot: for every attempt that has settled, after it has left the load. */
  onSettled(backend: Backend, outcome: Outcome, now: Millis): void {
    const place = this.#places.of(backend)
    if (place === -1 || outcome.result === "ignored") return
    const { firstByteMs, totalMs, retryAfterMs } = outcome
    let latency = firstByteMs >= 0 ? firstByteMs : totalMs
    if (outcome.result === "failure") {
      if (latency < failureMs) latency = failureMs
      if (retryAfterMs > latency) latency = Math.min(retryAfterMs, retryAfterMsMax)
    }
    const sample = place * samplesKept + this.#next[place]!
    this.#inFlight[sample] = backend.load.inFlight + 1
    this.#latency[sample] = latency
    this.#at[sample] = now
    this.#next[place] = (this.#next[place]! + 1) % samplesKept
  }

  /** Hot: writes the attempts in flight and the latency in ms. O(samples kept). */
  answer(backend: Backend, now: Millis, into: Float64Array): void {
    const place = this.#places.of(backend)
    const { inFlight } = backend.load
    into[0] = inFlight
    into[1] = 0
    if (place === -1) return
    // One more would be in flight.
    const around = inFlight + 1
    const count = this.#nearest(place * samplesKept, around, now)
    if (count === 0) return
    const middle = count >> 1
    const upper = this.#near[middle]!
    into[1] = count % 2 === 1 ? upper : (this.#near[middle - 1]! + upper) / 2
  }

  /** Sorts the latencies that were measured at about `around` into `#near`; answers how many. */
  #nearest(row: number, around: number, now: Millis): number {
    let recent = 0
    for (let i = row; i < row + samplesKept; i++) if (now - this.#at[i]! <= memoryMs) recent++
    if (recent === 0) return 0
    const wanted = Math.min(recent, samplesWanted)
    for (let reach = Math.max(1, around / 4); ; reach *= 2) {
      let count = 0
      for (let i = row; i < row + samplesKept; i++) {
        if (now - this.#at[i]! > memoryMs || Math.abs(this.#inFlight[i]! - around) > reach) continue
        this.#insert(this.#latency[i]!, count++)
      }
      if (count >= wanted) return count
    }
  }

  #insert(latency: number, count: number): void {
    const near = this.#near
    let i = count
    for (; i > 0 && near[i - 1]! > latency; i--) near[i] = near[i - 1]!
    near[i] = latency
  }
}
