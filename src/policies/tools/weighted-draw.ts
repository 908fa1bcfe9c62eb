// Hot path. Benchmark: bench/choose.ts.
import type { Backend } from "../../core/backend.ts"
import type { Rng } from "../../core/rng.ts"

/**
 * Draws places in proportion to weight, in O(1) whatever the weights: the alias method.
 *
 * Every place owns a column of equal size. A place that deserves less than a column shares its own with one
 * that deserves more, its alias. A draw takes a column, then one of the two in it. O(n) to build.
 *
 * @see Vose, "A linear algorithm for generating random numbers with a given distribution", IEEE TSE 17(9), 1991.
 */
export class WeightedDraw {
  readonly #rng: Rng
  /** How much of its column a place keeps, 0 to 1. */
  #kept = new Float64Array(0)
  #alias = new Int32Array(0)

  constructor(rng: Rng) {
    this.#rng = rng
  }

  /** Cold. */
  rebuild(members: readonly Backend[]): void {
    const count = members.length
    const total = members.reduce((sum, { weight }) => sum + weight, 0)
    const owed = Float64Array.from(members, ({ weight }) => (weight * count) / total)
    const alias = Int32Array.from(members, (_, place) => place)
    const poor: number[] = []
    const rich: number[] = []
    for (const [place, columns] of owed.entries()) (columns < 1 ? poor : rich).push(place)
    while (poor.length > 0 && rich.length > 0) {
      const small = poor.pop()!
      const large = rich.at(-1)!
      alias[small] = large
      owed[large]! -= 1 - owed[small]!
      if (owed[large]! < 1) poor.push(rich.pop()!)
    }
    // A place that is left keeps a whole column but for rounding.
    for (const place of poor) owed[place] = 1
    this.#kept = owed
    this.#alias = alias
  }

  /** Hot. The place of a member; there must be one. */
  next(): number {
    const place = this.#rng.below(this.#kept.length)
    return this.#rng.next() < this.#kept[place]! ? place : this.#alias[place]!
  }
}
