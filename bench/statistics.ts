/** What many rounds say together. Medians, because one disturbed round must not move the figure. */

export interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
}

/** The middle value; of an even count, the mean of the two in the middle. NaN of nothing. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const upper = sorted.length >> 1
  if (sorted.length % 2 === 1) return sorted[upper]!
  return (sorted[upper - 1]! + sorted[upper]!) / 2
}

export function spreadOf(values: readonly number[]): Spread {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values) }
}

/**
 * How many times `values` is `references`, round by round: a disturbance that lasts longer than a round touches
 * both sides of a ratio, so ratios are steadier than the figures they come from.
 */
export function ratiosOf(values: readonly number[], references: readonly number[]): Spread {
  const rounds = Math.min(values.length, references.length)
  return spreadOf(Array.from({ length: rounds }, (_, round) => values[round]! / references[round]!))
}
