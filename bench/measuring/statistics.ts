/** What many rounds say together. Medians, because one disturbed round must not move the figure. */

import { median } from "../../src/core/median.ts"

export interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
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
