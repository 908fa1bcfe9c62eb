/** What a few measured values say of all that could have been measured. */

/** The mean; NaN of none. */
export function average(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

/** The variance, without bias: its sum over one less than there are values. At least two. */
export function varianceOf(values: readonly number[]): number {
  const mean = average(values)
  return values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1)
}

/** Two-sided 95 % quantiles of Student's t by degrees of freedom, from 1 on. */
const studentT = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131,
  2.12, 2.11, 2.101, 2.093, 2.086, 2.08, 2.074, 2.069, 2.064, 2.06, 2.056, 2.052, 2.048, 2.045, 2.042,
]

/** The mean and half the width of its 95 % interval; Infinity for one value, which says nothing of the others. */
export function interval95(values: readonly number[]): { readonly mean: number; readonly halfWidth: number } {
  const count = values.length
  const mean = average(values)
  if (count < 2) return { mean, halfWidth: Infinity }
  // Beyond 30 the quantile falls from 2.04 to 1.96; the larger is the safer.
  const t = studentT[Math.min(count - 1, studentT.length) - 1]!
  return { mean, halfWidth: t * Math.sqrt(varianceOf(values) / count) }
}
