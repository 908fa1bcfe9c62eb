// Hot path: once per pick of the policies that fill in a value for every member. Benchmark: bench/choose.ts.
import type { Rng } from "../../core/rng.ts"

/**
 * The place of the least of the first `count` values, −1 when there is none. NaN is no value: that is how a policy
 * leaves a member out. Ties at random, each of the tied equally likely. O(count).
 *
 * Policies that compare by something long fill an array and come here, instead of calling a function for each
 * member: a number that is returned from a call that the compiler does not inline is an object on the heap.
 */
export function leastOf(values: Float64Array, count: number, rng: Rng): number {
  let place = -1
  let least = Infinity
  let tied = 0
  for (let i = 0; i < count; i++) {
    const value = values[i]!
    if (value < least) {
      place = i
      least = value
      tied = 1
    } else if (value === least) {
      tied++
      if (tied === 1 || rng.below(tied) === 0) place = i
    }
  }
  return place
}
