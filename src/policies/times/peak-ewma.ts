// Hot path. Benchmark: bench/choose.ts.
import type { Backend } from "../../core/backend.ts"
import type { Millis } from "../../core/clock.ts"
import { ByLearnedLoad, type LearnedLoad } from "./learned-load.ts"
import { carried, Places } from "../tools/places.ts"
import type { LoadMetric, Parameter, Policy, PolicyContext, PolicyEntry } from "../policy.ts"
import { PowerOfTwoChoices } from "../counts/power-of-two.ts"

/** More than any time: the cost of a backend that is busy and has never responded. About 39 hours. */
const unknownCost = 140_737_488

export const peakEwmaParameters = {
  decayMs: {
    summary: "The time in which an old estimate falls to 1/e, in milliseconds.",
    default: 10_000,
    min: 1,
    max: 86_400_000,
  },
  defaultRttMs: {
    summary: "What a backend is expected to take before its first answer, in milliseconds; 0 is unknown.",
    default: 0,
    min: 0,
    max: 86_400_000,
  },
} as const satisfies Record<string, Parameter>

/**
 * Of two distinct members drawn at random the one with the lower peak time, times attempts in flight. O(1).
 *
 * Prior art: Finagle's `p2cPeakEwma`. There a request lasts until its response has ended, whatever it says,
 * so failing fast looks like being fast; see `penalty-peak-ewma`. Here an attempt that says nothing of the
 * backend (the client left) is not counted, and those of all threads are in flight.
 */
export const peakEwma = {
  summary:
    "Finagle's: of two drawn at random the lower product of recent peak response time and attempts in flight.",
  make({ rng, parameters }: PolicyContext): Policy {
    const peak = new PeakEwma(parameters["decayMs"]!, parameters["defaultRttMs"]!)
    const load: LearnedLoad = {
      metric: peak.metric,
      rebuild: (members) => peak.rebuild(members),
      onSettled(backend, { result, totalMs }, now) {
        if (result !== "ignored") peak.observe(backend, totalMs, now)
      },
    }
    return new ByLearnedLoad(new PowerOfTwoChoices("peak-ewma", rng, load.metric), load)
  },
  parameters: peakEwmaParameters,
  seesDemand: false,
} as const satisfies PolicyEntry

/**
 * A moving average of times that jumps up to every peak and decays down: quick to avoid, slow to forgive.
 * Times attempts in flight with the one to come.
 *
 *     estimate = time                                   when time > estimate
 *     estimate = estimate·w + time·(1 − w)              else, with w = e^(−elapsed / decay)
 *
 * Reading counts as a time of 0, as in the original, and restarts `elapsed`. So an estimate that is read
 * often falls below the times it sees, whatever they are, until the next one is above it and lifts it: it is
 * a saw with the times as its teeth.
 *
 * Before the first response: with a default the estimate starts there, and decays from the first look on.
 * Without, it is 0: an idle backend costs nothing and is tried, one with an attempt in flight costs more than
 * any other until it has responded. O(1), one exponential.
 *
 * Prior art: Finagle's PeakEwma; the default is tower's and linkerd's.
 */
export class PeakEwma {
  readonly #decayMs: number
  readonly #defaultMs: number
  readonly #places = new Places()
  /** By place, milliseconds. */
  #estimates = new Float64Array(0)
  /** By place: when it was last read or told; NaN for never. */
  #touchedAt = new Float64Array(0)

  constructor(decayMs: Millis, defaultMs: Millis) {
    this.#decayMs = decayMs
    this.#defaultMs = defaultMs
  }

  /** Cold. */
  rebuild(members: readonly Backend[]): void {
    const before = this.#places.rebuild(members)
    this.#estimates = carried(this.#estimates, before, this.#defaultMs)
    this.#touchedAt = carried(this.#touchedAt, before, NaN)
  }

  // Small enough to be compiled into a chooser twice: else every estimate would be an object, 12 bytes a
  // pick.
  readonly metric: LoadMetric = (backend, { now }) => {
    const place = this.#places.of(backend)
    const estimates = this.#estimates
    const elapsed = now - this.#touchedAt[place]!
    this.#touchedAt[place] = now
    if (elapsed > 0) estimates[place]! *= Math.exp(-elapsed / this.#decayMs)
    const attempts = backend.load.inFlight
    return estimates[place] === 0 && attempts > 0
      ? unknownCost + attempts
      : estimates[place]! * (attempts + 1)
  }

  /** Hot. An attempt took this long. Of no consequence for a backend that is no member. */
  observe(backend: Backend, time: Millis, now: Millis): void {
    const place = this.#places.of(backend)
    if (place === -1) return
    const estimates = this.#estimates
    const elapsed = now - this.#touchedAt[place]!
    this.#touchedAt[place] = now
    if (time > estimates[place]!) estimates[place] = time
    else if (elapsed > 0) {
      const keep = Math.exp(-elapsed / this.#decayMs)
      estimates[place] = estimates[place]! * keep + time * (1 - keep)
    }
  }
}
