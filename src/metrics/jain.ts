/**
 * Jain's index of fairness: (Σx)² / (n Σx²), 1 when all are equal, 1/n when one has everything. Undefined when there is
 * nothing to share.
 *
 * @param values none below 0.
 * @see Jain, Chiu and Hawe, "A Quantitative Measure of Fairness and Discrimination", DEC-TR-301, 1984.
 */
export function jain(values: readonly number[]): number | undefined {
  let sum = 0
  let squares = 0
  for (const value of values) {
    sum += value
    squares += value * value
  }
  return squares === 0 ? undefined : (sum * sum) / (values.length * squares)
}
