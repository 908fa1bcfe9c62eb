/**
 * Hot path: how often which value came, in cells whose width grows with the value: 128 to each doubling. The cell is
 * read off the bits of the number: its exponent and the first digits behind it. Recording allocates nothing; two
 * histograms add up exactly.
 *
 * @see Tene, HdrHistogram, for the idea of linear cells within powers of two.
 */

const bitsWithin = 7
/** From 2^-20 on (of milliseconds: a nanosecond); what is less counts as that. */
const exponentMin = -20
/** Up to 2^40 (35 years); what is more falls into the last cell. */
const exponentMax = 40
const lowest = 2 ** exponentMin
const cellCount = (exponentMax - exponentMin) << bitsWithin
/** The high word of `lowest` without the bits below a cell. */
const base = (1023 + exponentMin) << bitsWithin

const number = new Float64Array(1)
const words = new Uint32Array(number.buffer)
const highWord = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1 ? 1 : 0

/**
 * Count, mean, deviation, least and greatest are exact. A quantile lies in the cell of the recorded value that it
 * stands for, so it is off by less than 1 in 128 (0.8 %) of it.
 */
export class Histogram {
  readonly #cells = new Float64Array(cellCount)
  #count = 0
  #sum = 0
  #sumOfSquares = 0
  #min = Infinity
  #max = -Infinity

  get count(): number {
    return this.#count
  }

  /** Exact; NaN when nothing was recorded. */
  get mean(): number {
    return this.#count === 0 ? NaN : this.#sum / this.#count
  }

  /** Of the population; NaN when nothing was recorded. */
  get deviation(): number {
    if (this.#count === 0) return NaN
    const variance = this.#sumOfSquares / this.#count - this.mean ** 2
    return Math.sqrt(Math.max(0, variance))
  }

  /** Exact; NaN when nothing was recorded. */
  get min(): number {
    return this.#count === 0 ? NaN : this.#min
  }

  /** Exact; NaN when nothing was recorded. */
  get max(): number {
    return this.#count === 0 ? NaN : this.#max
  }

  /** A value below 0 counts as 0, one that is no number not at all. */
  record(value: number): void {
    if (Number.isNaN(value)) return
    const at = value > 0 ? value : 0
    this.#cells[cellOf(at)]!++
    this.#count++
    this.#sum += at
    this.#sumOfSquares += at * at
    if (at < this.#min) this.#min = at
    if (at > this.#max) this.#max = at
  }

  /**
   * The value that this part of all does not pass (0 to 1; nearest rank). The values of one cell are taken as spread
   * evenly over it; the result is never outside what was recorded. `beyond` more values count as greater than
   * everything here: where the rank falls among them the result is Infinity. NaN when there is nothing at all.
   */
  quantile(part: number, beyond = 0): number {
    const all = this.#count + beyond
    if (all === 0) return NaN
    let rank = Math.max(1, Math.ceil(part * all))
    if (rank > this.#count) return Infinity
    for (let cell = 0; cell < cellCount; cell++) {
      const times = this.#cells[cell]!
      if (rank <= times) {
        const from = lowerEdge(cell)
        const inside = from + (lowerEdge(cell + 1) - from) * ((rank - 0.5) / times)
        return Math.min(Math.max(inside, this.#min), this.#max)
      }
      rank -= times
    }
    return this.#max
  }

  /** Adds all that the other has recorded. */
  add(other: Histogram): void {
    for (let cell = 0; cell < cellCount; cell++) this.#cells[cell]! += other.#cells[cell]!
    this.#count += other.#count
    this.#sum += other.#sum
    this.#sumOfSquares += other.#sumOfSquares
    this.#min = Math.min(this.#min, other.#min)
    this.#max = Math.max(this.#max, other.#max)
  }

  /** Plain data that `from` makes the same histogram of, also in another thread. */
  dump(): HistogramDump {
    const used: [cell: number, times: number][] = []
    for (let cell = 0; cell < cellCount; cell++) {
      const times = this.#cells[cell]!
      if (times > 0) used.push([cell, times])
    }
    return { used, sum: this.#sum, sumOfSquares: this.#sumOfSquares, min: this.#min, max: this.#max }
  }

  static from({ used, sum, sumOfSquares, min, max }: HistogramDump): Histogram {
    const histogram = new Histogram()
    for (const [cell, times] of used) {
      histogram.#cells[cell] = times
      histogram.#count += times
    }
    histogram.#sum = sum
    histogram.#sumOfSquares = sumOfSquares
    histogram.#min = min
    histogram.#max = max
    return histogram
  }
}

export interface HistogramDump {
  readonly used: readonly (readonly [cell: number, times: number])[]
  readonly sum: number
  readonly sumOfSquares: number
  readonly min: number
  readonly max: number
}

function cellOf(value: number): number {
  if (value < lowest) return 0
  number[0] = value
  return Math.min((words[highWord]! >>> (20 - bitsWithin)) - base, cellCount - 1)
}

function lowerEdge(cell: number): number {
  const within = cell & ((1 << bitsWithin) - 1)
  return 2 ** ((cell >> bitsWithin) + exponentMin) * (1 + within / (1 << bitsWithin))
}
