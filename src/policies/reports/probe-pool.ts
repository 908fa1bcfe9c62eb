// Hot path. Benchmark: bench/choose.ts.
import type { Backend, BackendId } from "../../core/backend.ts"
import type { Millis } from "../../core/clock.ts"
import type { Rng } from "../../core/rng.ts"
import type { PickRequest } from "../policy.ts"

/** The most responses of late from which the quantile is taken. */
const recentMax = 64

/**
 * Responses to probes, the oldest first, one per backend; and the quantile of in-flight counts among the responses of
 * late, above which a backend is hot. The rules are told at `Prequal`. Flat arrays, nothing allocated but in `rebuild`.
 */
export class ProbePool {
  readonly size = 16
  readonly #rng: Rng
  readonly #quantile: number
  readonly #backends: (Backend | undefined)[] = Array.from({ length: this.size })
  readonly #inFlight = new Float64Array(this.size)
  readonly #latency = new Float64Array(this.size)
  readonly #at = new Float64Array(this.size)
  readonly #uses = new Float64Array(this.size)
  #byId: ReadonlyMap<BackendId, Backend> = new Map()
  #count = 0
  /** How often a response may be used, ≥ 1; may be Infinity. */
  #usesMax = Infinity
  /** In-flight counts of late in the order in which they came, a ring, and the same sorted. */
  readonly #recent = new Float64Array(recentMax)
  readonly #sorted = new Float64Array(recentMax)
  #recentCount = 0
  #recentNext = 0
  #removesOldest = false

  constructor(rng: Rng, quantile: number) {
    this.#rng = rng
    this.#quantile = quantile
  }

  get count(): number {
    return this.#count
  }

  /** Cold. Responses of those that are no members any more are forgotten. */
  rebuild(members: readonly Backend[], usesMax: number): void {
    const byId = new Map<BackendId, Backend>(members.map((member) => [member.id, member]))
    for (let i = this.#count - 1; i >= 0; i--) {
      const now = byId.get(this.#backends[i]!.id)
      if (now === undefined) this.#remove(i)
      else this.#backends[i] = now
    }
    this.#byId = byId
    this.#usesMax = usesMax
  }

  /**
   * A response has come: how many are in flight, the latency in ms, and now. In an array, since a double that is handed
   * on becomes an object. It takes the place of an earlier response of the same backend, or of the oldest.
   */
  add(backend: Backend, response: Readonly<Float64Array>): void {
    const inFlight = response[0]!
    // It may have left, or come back as another object, since it was asked.
    const member = this.#byId.get(backend.id)
    if (member === undefined) return
    this.#note(inFlight)
    for (let i = 0; i < this.#count; i++) {
      if (this.#backends[i] !== member) continue
      this.#remove(i)
      break
    }
    if (this.#count === this.size) this.#remove(0)
    const i = this.#count++
    this.#backends[i] = member
    this.#inFlight[i] = inFlight
    this.#latency[i] = response[1]!
    this.#at[i] = response[2]!
    const whole = Math.floor(this.#usesMax)
    this.#uses[i] = whole < this.#usesMax && this.#rng.next() < this.#usesMax - whole ? whole + 1 : whole
  }

  /** Forgets responses from before `time`. */
  expire(time: Millis): void {
    while (this.#count > 0 && this.#at[0]! < time) this.#remove(0)
  }

  /** The best of those that the request admits, and one more in flight there from now on. */
  use(request: PickRequest): Backend | undefined {
    const best = this.#best(request)
    if (best === -1) return undefined
    const backend = this.#backends[best]
    this.#inFlight[best] = this.#inFlight[best]! + 1
    this.#uses[best] = this.#uses[best]! - 1
    if (!(this.#uses[best] > 0)) this.#remove(best)
    return backend
  }

  /** In turns the oldest and the worst: the hot one with the most in flight, or without a hot one the slowest. */
  removeOne(): void {
    if (this.#count === 0) return
    this.#removesOldest = !this.#removesOldest
    this.#remove(this.#removesOldest ? 0 : this.#worst())
  }

  /** Ties in latency by what is in flight, then at random. */
  #best(request: PickRequest): number {
    const hotRank = this.#hotRank()
    let best = -1
    let tied = 0
    for (let i = 0; i < this.#count; i++) {
      if (!request.admits(this.#backends[i]!)) continue
      if (best === -1 || this.#isBetter(i, best, hotRank)) {
        best = i
        tied = 1
      } else if (!this.#isBetter(best, i, hotRank)) {
        tied++
        if (this.#rng.below(tied) === 0) best = i
      }
    }
    return best
  }

  #worst(): number {
    const hotRank = this.#hotRank()
    let worst = 0
    for (let i = 1; i < this.#count; i++) if (this.#isBetter(worst, i, hotRank)) worst = i
    return worst
  }

  #isBetter(one: number, other: number, hotRank: number): boolean {
    const isHot = this.#isHot(one, hotRank)
    if (isHot !== this.#isHot(other, hotRank)) return !isHot
    if (!isHot && this.#latency[one] !== this.#latency[other])
      return this.#latency[one]! < this.#latency[other]!
    return this.#inFlight[one]! < this.#inFlight[other]!
  }

  #isHot(place: number, hotRank: number): boolean {
    return hotRank === -1 || this.#inFlight[place]! > this.#sorted[hotRank]!
  }

  /** Where among the sorted counts the quantile stands; −1 when all are hot. */
  #hotRank(): number {
    return Math.ceil(this.#quantile * this.#recentCount) - 1
  }

  #note(inFlight: number): void {
    const sorted = this.#sorted
    let count = this.#recentCount
    if (count === recentMax) {
      const oldest = sorted.indexOf(this.#recent[this.#recentNext]!)
      sorted.copyWithin(oldest, oldest + 1, count--)
    }
    this.#recent[this.#recentNext] = inFlight
    this.#recentNext = (this.#recentNext + 1) % recentMax
    let i = count
    for (; i > 0 && sorted[i - 1]! > inFlight; i--) sorted[i] = sorted[i - 1]!
    sorted[i] = inFlight
    this.#recentCount = count + 1
  }

  #remove(index: number): void {
    const last = --this.#count
    for (let i = index; i < last; i++) {
      this.#backends[i] = this.#backends[i + 1]
      this.#inFlight[i] = this.#inFlight[i + 1]!
      this.#latency[i] = this.#latency[i + 1]!
      this.#at[i] = this.#at[i + 1]!
      this.#uses[i] = this.#uses[i + 1]!
    }
    // A backend that has left is not kept in memory.
    this.#backends[last] = undefined
  }
}
