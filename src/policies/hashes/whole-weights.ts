import type { Backend } from "../../core/backend.ts"

/** Beyond this the finest fraction of a weight is rounded. */
const finest = 10

/**
 * Members side by side on a line of whole numbers, each as long as its weight: for policies that follow originals
 * which take a number modulo the sum of whole weights.
 *
 * Weights that are whole are kept. Others are all multiplied by the least number up to 10 that makes them whole, or by
 * 10 and rounded, to at least 1.
 */
export class WholeWeights {
  /** The sum; 0 without members. */
  readonly total: number
  readonly #members: readonly Backend[]
  /** One above the last number that is a member's, by place. */
  readonly #ends: Int32Array

  constructor(members: readonly Backend[]) {
    this.#members = members
    let multiple = 1
    while (multiple < finest && !members.every(({ weight }) => isWhole(weight * multiple))) multiple++
    let end = 0
    this.#ends = Int32Array.from(members, ({ weight }) => (end += Math.max(1, Math.round(weight * multiple))))
    this.total = end
  }

  /** Hot. The member that has this number, from 0 to total − 1. O(log n). */
  at(number: number): Backend {
    const ends = this.#ends
    let low = 0
    let high = ends.length - 1
    while (low < high) {
      const middle = (low + high) >>> 1
      if (ends[middle]! <= number) low = middle + 1
      else high = middle
    }
    return this.#members[low]!
  }
}

function isWhole(value: number): boolean {
  return Math.abs(value - Math.round(value)) < 1e-9
}
