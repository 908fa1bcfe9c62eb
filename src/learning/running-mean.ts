/** A new sample moves a mean by at least this part of its distance: about the last 400 samples count. */
const gainMin = 0.005
/** The same for what is cut off, which is rare and large, so that its mean needs longer. */
const excessGainMin = 0.0005
/** Samples that the 99th percentile is taken from; and after how many it is taken again. */
const recentMax = 256
const quantileEvery = 32
const quantile = 0.99

/**
 * The mean of amounts that may be far apart, as it moves.
 *
 * A sample above the running 99th percentile counts as that percentile for the quick mean; what was cut off goes into
 * a mean of its own that moves ten times more slowly. The sum of both has no bias, whatever the tail, and yet one giant
 * does not throw the estimate over. The percentile is that of the last 256 samples, so it follows when all change.
 *
 * Memory: 2 KB.
 */
export class RunningMean {
  #samples = 0
  #mean = 0
  #variance = 0
  #excess = 0
  #excessSquare = 0
  #cut = Infinity
  readonly #recent = new Float64Array(recentMax)

  /** How many were added. */
  get samples(): number {
    return this.#samples
  }

  /** NaN without a sample. */
  get value(): number {
    return this.#samples === 0 ? NaN : this.#mean + this.#excess
  }

  /** Standard deviation of single samples over their mean; 0 when all are 0, NaN without a sample. */
  get variation(): number {
    const { value } = this
    return value === 0 ? 0 : Math.sqrt(this.#spread()) / value
  }

  /** Of the value; NaN with fewer than two samples. O(1). */
  get standardError(): number {
    if (this.#samples < 2) return NaN
    const counted = Math.min(this.#samples, 2 / gainMin - 1)
    return Math.sqrt(this.#spread() / counted)
  }

  /** A finite amount ≥ 0. O(1), every 32nd time a pass over 256. */
  add(amount: number): void {
    this.#recent[this.#samples % recentMax] = amount
    const count = ++this.#samples
    const cut = Math.min(amount, this.#cut)
    const gain = Math.max(1 / count, gainMin)
    const distance = cut - this.#mean
    this.#mean += gain * distance
    this.#variance = (1 - gain) * (this.#variance + gain * distance * distance)
    const slow = Math.max(1 / count, excessGainMin)
    const above = amount - cut
    this.#excess += slow * (above - this.#excess)
    this.#excessSquare += slow * (above * above - this.#excessSquare)
    if (count % quantileEvery === 0) this.#cutAnew(count)
  }

  #cutAnew(count: number): void {
    // With fewer samples the percentile is the largest of them, and cuts nothing worth cutting.
    if (count < recentMax / 4) return
    const size = Math.min(count, recentMax)
    // The one that `above` others are larger than or equal to: `above` is 3 at most, so one pass finds it.
    const above = size - 1 - Math.floor(quantile * (size - 1))
    this.#cut = largest(this.#recent, size, above)
  }

  #spread(): number {
    return this.#variance + Math.max(0, this.#excessSquare - this.#excess * this.#excess)
  }
}

/** The largest, in `size` values, but for `above`, which is at most 3. */
function largest(values: Float64Array, size: number, above: number): number {
  let first = -Infinity
  let second = -Infinity
  let third = -Infinity
  let fourth = -Infinity
  for (let i = 0; i < size; i++) {
    const value = values[i]!
    if (value <= fourth) continue
    if (value > first) {
      fourth = third
      third = second
      second = first
      first = value
    } else if (value > second) {
      fourth = third
      third = second
      second = value
    } else if (value > third) {
      fourth = third
      third = value
    } else fourth = value
  }
  return above === 0 ? first : above === 1 ? second : above === 2 ? third : fourth
}
