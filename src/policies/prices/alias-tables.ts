// Hot path: `draw`. Benchmark: bench/choose.ts.

/**
 * Draws from several distributions over the same outcomes, each in a few nanoseconds whatever their number.
 *
 * A row of n outcomes is n columns of equal width; a column is its own outcome up to a threshold and one other's
 * above it. One random number chooses the column and, with what is left of it, the side. Filling is O(n) and
 * allocates nothing. Against a search in cumulative sums, at 1,000 outcomes: 15 ns a draw instead of 70, and 13 ns an
 * outcome to fill instead of 2.
 *
 * @see Walker, "An efficient method for generating discrete random variables with general distributions", ACM TOMS
 *   3(3), 1977; Vose, "A linear algorithm for generating random numbers with a given distribution", IEEE TSE 17(9), 1991.
 */
export class AliasTables {
  #outcomes = 0
  #threshold = new Float64Array(0)
  #other = new Int32Array(0)
  #filled = new Uint8Array(0)
  #pending = new Int32Array(0)
  /** What `fill` takes: one weight an outcome, ≥ 0, with a positive sum. Overwritten by it. */
  weights = new Float64Array(0)

  /** Cold: so many rows of so many outcomes, none of them filled. */
  reset(rows: number, outcomes: number): void {
    const size = rows * outcomes
    if (this.#threshold.length < size) {
      this.#threshold = new Float64Array(size)
      this.#other = new Int32Array(size)
    }
    if (this.weights.length !== outcomes) {
      this.weights = new Float64Array(outcomes)
      this.#pending = new Int32Array(outcomes)
    }
    this.#outcomes = outcomes
    this.#filled = new Uint8Array(rows)
  }

  isFilled(row: number): boolean {
    return this.#filled[row] === 1
  }

  /** Makes a row from `weights`. */
  fill(row: number): void {
    const outcomes = this.#outcomes
    const at = row * outcomes
    const { weights } = this
    const pending = this.#pending
    let sum = 0
    for (let i = 0; i < outcomes; i++) sum += weights[i]!
    // From the left those with less than a column's worth, from the right those with as much or more.
    let small = 0
    let large = outcomes
    for (let i = 0; i < outcomes; i++) {
      weights[i] = (weights[i]! / sum) * outcomes
      this.#threshold[at + i] = 1
      this.#other[at + i] = i
      if (weights[i]! < 1) pending[small++] = i
      else pending[--large] = i
    }
    let next = 0
    while (next < small && large < outcomes) {
      const needy = pending[next++]!
      const giver = pending[large]!
      this.#threshold[at + needy] = weights[needy]!
      this.#other[at + needy] = giver
      const left = weights[giver]! - (1 - weights[needy]!)
      weights[giver] = left
      if (left >= 1) continue
      // What the giver has left is less than a column. Its place is free: `small` is never past `large`.
      large++
      pending[small++] = giver
    }
    // One that is left has a column's worth but for rounding, and keeps all of its column.
    this.#filled[row] = 1
  }

  /** An outcome of a filled row; `random` is uniform in [0, 1). */
  draw(row: number, random: number): number {
    const position = random * this.#outcomes
    const column = Math.floor(position)
    const at = row * this.#outcomes + column
    return position - column < this.#threshold[at]! ? column : this.#other[at]!
  }
}
