import type { Distribution } from "./scenario.ts"

/** The mean of a distribution, in its own unit; 0 of one that is not there. */
export function meanOf(distribution: Distribution | undefined): number {
  if (distribution === undefined) return 0
  switch (distribution.kind) {
    case "uniform":
    case "integer":
      return (distribution.min + distribution.max) / 2
    case "bimodal":
      return distribution.small + (distribution.large - distribution.small) * distribution.often
    case "constant":
    case "exponential":
    case "lognormal":
    case "pareto":
      return distribution.mean
  }
}
