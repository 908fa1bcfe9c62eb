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
