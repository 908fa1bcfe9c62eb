// Hot path. Benchmark: bench/choose.ts.
import type { Backend } from "../../core/backend.ts"
import type { Millis } from "../../core/clock.ts"
import type { LearnedLoad } from "./learned-load.ts"
import { carried, Places } from "../tools/places.ts"
import type { LoadMetric, Outcome, PickRequest } from "../policy.ts"

/** What a new time weighs in the average. */
const gain = 0.05
const stepMs = 20
const mostMs = 5_000

/**
 * Average time of a response, times attempts in flight with the one to come, per weight.
 *
 * All arithmetic is in whole milliseconds, as in the original, and so are its effects:
 * - The average moves by 1/20 of the difference, rounded to the nearest: one of 10 ms or less no longer falls.
 * - It is rounded up to the next step of 20 ms, also when it is on one, so that backends of nearly equal speed
 *   share. Above 5,000 ms all are equally bad, and it is attempts in flight per weight alone that decide.
 * - It is halved for each `failTimeoutSeconds` (plus one second) since the backend was last looked at afresh,
 *   so that a slow one is tried again. A pick is a fresh look only when the time-out has passed since the one
 *   before, so a backend in steady use looks twice as fast for one pick in each time-out. A failure is one
 *   always.
 * - Only successes count, so that failing fast does not look like being fast. A backend without a response yet
 *   is expected to take no time, which is one step.
 * - With `inflight` the time is at least the running average, over picks, of how old unfinished attempts are.
 *   Here they are unfinished until they have settled, and it is the attempts of this thread; the original counts
 *   them until their head has come when that is what it measures.
 *
 * Prior art: nginx's `least_time` (open since 1.31.0).
 */
export class ExpectedTime implements LearnedLoad {
  readonly #usesLastByte: boolean
  readonly #usesAges: boolean
  readonly #failTimeoutSeconds: number
  readonly #places = new Places()
  /** By place, milliseconds; 0 before the first response. */
  #average = new Float64Array(0)
  /** By place, seconds: the last fresh look. */
  #checkedAt = new Float64Array(0)
  /** By place, of the unfinished attempts: how many, the sum of their ages at a moment, that moment, the average. */
  #unfinished = new Float64Array(0)
  #ages = new Float64Array(0)
  #agedAt = new Float64Array(0)
  #averageAge = new Float64Array(0)

  constructor(usesLastByte: boolean, usesAges: boolean, failTimeoutSeconds: number) {
    this.#usesLastByte = usesLastByte
    this.#usesAges = usesAges
    this.#failTimeoutSeconds = failTimeoutSeconds
  }

  rebuild(members: readonly Backend[]): void {
    const before = this.#places.rebuild(members)
    this.#average = carried(this.#average, before, 0)
    this.#checkedAt = carried(this.#checkedAt, before, -Infinity)
    this.#unfinished = carried(this.#unfinished, before, 0)
    this.#ages = carried(this.#ages, before, 0)
    this.#agedAt = carried(this.#agedAt, before, 0)
    this.#averageAge = carried(this.#averageAge, before, 0)
  }

  readonly metric: LoadMetric = (backend, request) => {
    const place = this.#places.inOrder(backend)
    const { now } = request
    const idleSeconds = Math.floor(now / 1_000) - this.#checkedAt[place]!
    let time = this.#average[place]!
    if (time > 0 && idleSeconds > this.#failTimeoutSeconds) {
      time = Math.floor(time / 2 ** Math.floor(idleSeconds / (this.#failTimeoutSeconds + 1)))
    }
    if (this.#usesAges) time = Math.max(time, this.#lookAtAges(place, now))
    if (time > mostMs) time = mostMs
    else time = (Math.floor(time / stepMs) + 1) * stepMs
    return (time * (1 + backend.load.inFlight)) / backend.weight
  }

  onBegun(backend: Backend, { now }: PickRequest): void {
    const place = this.#places.of(backend)
    if (place === -1) return
    const seconds = Math.floor(now / 1_000)
    if (seconds - this.#checkedAt[place]! > this.#failTimeoutSeconds) this.#checkedAt[place] = seconds
    if (!this.#usesAges) return
    this.#age(place, now)
    this.#unfinished[place]!++
  }

  onSettled(backend: Backend, outcome: Outcome, now: Millis): void {
    const place = this.#places.of(backend)
    if (place === -1) return
    // None when the attempt began before this policy was chosen.
    if (this.#usesAges && this.#unfinished[place]! > 0) {
      this.#age(place, now)
      this.#unfinished[place]!--
      const left = Math.max(this.#ages[place]! - outcome.totalMs, 0)
      this.#ages[place] = this.#unfinished[place] === 0 ? 0 : left
    }
    if (outcome.result === "failure") this.#checkedAt[place] = Math.floor(now / 1_000)
    const time = this.#usesLastByte ? outcome.totalMs : outcome.firstByteMs
    if (outcome.result !== "success" || Number.isNaN(time)) return
    this.#average[place] = averaged(this.#average[place]!, Math.floor(time))
  }

  /** Adds up the ages until now. */
  #age(place: number, now: Millis): void {
    this.#ages[place]! += (now - this.#agedAt[place]!) * this.#unfinished[place]!
    this.#agedAt[place] = now
  }

  /** Each look moves the average, as in the original: many picks make it follow faster. */
  #lookAtAges(place: number, now: Millis): number {
    const unfinished = this.#unfinished[place]!
    if (unfinished === 0) return 0
    const age = Math.floor(this.#ages[place]! / unfinished + (now - this.#agedAt[place]!))
    const average = averaged(this.#averageAge[place]!, age)
    this.#averageAge[place] = average
    return average
  }
}

/** The first value as it is, then a moving average in whole milliseconds. */
function averaged(average: number, value: number): number {
  return average === 0 ? value : Math.floor(0.5 + value * gain + average * (1 - gain))
}
