import type { Distribution } from "./scenario.ts"

/** The mean of a distribution, in its own unit. */
export function meanOf(distribution: Distribution): number {
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
