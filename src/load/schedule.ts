/**
 * Hot path, once per request: when requests are meant to leave in an open loop, whether earlier ones have their
 * response or not.
 */
import type { Millis } from "../core/clock.ts"
import type { Rng } from "../core/rng.ts"

/** A stretch of time in which the rate goes from one value to another in a straight line; a step when both are equal. */
export interface Phase {
  /** Requests per second at its start and at its end, ≥ 0. */
  readonly from: number
  readonly to: number
  readonly ms: Millis
}

/** When requests are due, one after the other. */
export interface DueTimes {
  /** The intended time of the next request, ms from the start; Infinity when there are no more. */
  readonly next: Millis
  /** Takes the next request; returns its intended time. */
  take(): Millis
}

/**
 * Due times that follow from a rate.
 *
 * `constant`: the n-th request is due when n requests' worth of rate has passed, so gaps are even at an even rate.
 * `poisson`: gaps are exponential in that measure: independent arrivals, as of many users who do not know each other.
 * Each time follows from the schedule alone, never from when something was really sent: no error adds up.
 *
 * The integral of a rate that goes from a to b over T is a·t + (b−a)/(2T)·t²; the next time is where that has grown by
 * the next gap. O(1) per request.
 */
export class Schedule implements DueTimes {
  readonly #phases: readonly Phase[]
  readonly #rng: Rng | undefined
  /** This thread's part of all requests. */
  readonly #part: number
  #phase = 0
  /** Start of the phase. */
  #startedAt: Millis = 0
  /** Requests due since the start of the phase; those before a phase begins with the part of a gap left over. */
  #due: number
  #next: Millis

  /**
   * @param phases at least one.
   * @param part of the rate that is for this schedule, above 0 and at most 1.
   * @param offset of constant arrivals, 0 to 1 gaps: so that several threads do not send at the same instants.
   * @param rng draws exponential gaps; without it arrivals are constant.
   */
  constructor(phases: readonly Phase[], part: number, offset: number, rng: Rng | undefined) {
    this.#phases = phases
    this.#part = part
    this.#rng = rng
    this.#due = rng === undefined ? offset : this.#gap()
    this.#next = this.#solve()
  }

  /** How long all phases take together. */
  static lengthOf(phases: readonly Phase[]): Millis {
    return phases.reduce((sum, { ms }) => sum + ms, 0)
  }

  get next(): Millis {
    return this.#next
  }

  take(): Millis {
    const taken = this.#next
    this.#due += this.#gap()
    this.#next = this.#solve()
    return taken
  }

  #gap(): number {
    return this.#rng === undefined ? 1 : -Math.log(1 - this.#rng.next())
  }

  /** When so many requests are due; goes on to the next phase where this one does not have as many. */
  #solve(): Millis {
    for (; this.#phase < this.#phases.length; this.#phase++) {
      const { from, to, ms } = this.#phases[this.#phase]!
      // Requests a millisecond.
      const a = (from * this.#part) / 1_000
      const slope = ((to - from) * this.#part) / 1_000 / ms
      const whole = a * ms + (slope * ms * ms) / 2
      if (this.#due < whole) return this.#startedAt + timeOf(this.#due, a, slope)
      this.#due -= whole
      this.#startedAt += ms
    }
    return Infinity
  }
}

/** The t with a·t + slope/2·t² = due, in the form that loses no digits when the slope is small. */
function timeOf(due: number, a: number, slope: number): Millis {
  if (due === 0) return 0
  return (2 * due) / (a + Math.sqrt(Math.max(0, a * a + 2 * slope * due)))
}
