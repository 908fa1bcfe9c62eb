/** Hot path: `add` is called once a simulated request and allocates nothing. */

/** Buckets of equal width to each doubling: the width is at most 1/128 of the value. */
const bitsWithin = 7
/** From 2^-20 ms on; what is less counts as that. */
const exponentMin = -20
const exponentMax = 40
const lowest = 2 ** exponentMin
const buckets = (exponentMax - exponentMin) << bitsWithin
/** The high word of `lowest` without the bits below a bucket. */
const base = (1023 + exponentMin) << bitsWithin

const number = new Float64Array(1)
const words = new Uint32Array(number.buffer)
const highWord = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1 ? 1 : 0

/**
 * Counts of times in buckets whose width grows with the time: a quantile is off by less than 0.8 % of itself, within
 * a bucket the counted are taken as evenly spread. Mean and maximum are exact. Times are ≥ 0 ms, up to 2^40.
 *
 * The bucket is read off the bits of the number: its exponent and the first digits behind it.
 */
export class LatencyHistogram {
  readonly #counts = new Float64Array(buckets)
  count = 0
  #sum = 0
  #max = 0

  add(ms: number): void {
    this.count++
    this.#sum += ms
    if (ms > this.#max) this.#max = ms
    this.#counts[bucketOf(ms)]!++
  }

  /** 0 when nothing was counted. */
  get mean(): number {
    return this.count === 0 ? 0 : this.#sum / this.count
  }

  get max(): number {
    return this.#max
  }

  /**
   * The time that this share of the counted did not exceed; 0 when nothing was counted. `others` more count as
   * longer than everything here: where the share falls among them the answer is Infinity.
   */
  quantile(share: number, others = 0): number {
    const total = this.count + others
    if (total === 0) return 0
    let rank = Math.max(1, Math.ceil(share * total))
    if (rank > this.count) return Infinity
    for (let bucket = 0; bucket < buckets; bucket++) {
      const count = this.#counts[bucket]!
      if (rank <= count) {
        const from = lowerEdge(bucket)
        const inside = from + (lowerEdge(bucket + 1) - from) * ((rank - 0.5) / count)
        return Math.min(inside, this.#max)
      }
      rank -= count
    }
    return this.#max
  }
}

function bucketOf(ms: number): number {
  if (ms < lowest) return 0
  number[0] = ms
  return Math.min((words[highWord]! >>> (20 - bitsWithin)) - base, buckets - 1)
}

function lowerEdge(bucket: number): number {
  const within = bucket & ((1 << bitsWithin) - 1)
  return 2 ** ((bucket >> bitsWithin) + exponentMin) * (1 + within / (1 << bitsWithin))
}
