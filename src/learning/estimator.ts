/** Cold: what requests of one route need, from costs that backends reported one by one. */
import type { SizeHint } from "../core/knowledge.ts"
import type { ResourceVector } from "../core/resources.ts"
import { RunningMean } from "./running-mean.ts"
import { SizeRegression } from "./size-hint.ts"

/** A prior counts as much as this many requests. */
const priorWeight = 20

/** What requests of one route cost, by resource. Memory: about 2 KB per resource. */
export class CostEstimator {
  readonly #means: readonly RunningMean[]
  readonly #sizes: readonly SizeRegression[]

  constructor(resources: number) {
    this.#means = Array.from({ length: resources }, () => new RunningMean())
    this.#sizes = Array.from({ length: resources }, () => new SizeRegression())
  }

  /**
   * One request's cost, read from `values` at `at` on: the length of its body, then its cost by resource, NaN where
   * none was reported.
   */
  add(values: Float64Array, at: number): void {
    const bytes = values[at]!
    for (let r = 0; r < this.#means.length; r++) {
      const cost = values[at + 1 + r]!
      if (!(cost >= 0 && cost < Infinity)) continue
      this.#means[r]!.add(cost)
      this.#sizes[r]!.add(bytes, cost)
    }
  }

  /** How often the cost of this resource was reported. */
  samples(resource: number): number {
    return this.#means[resource]!.samples
  }

  /** Without the prior; NaN when nothing was reported. */
  observed(resource: number): number {
    return this.#means[resource]!.value
  }

  /** (k·prior + n·observed) / (k + n) with k = 20: the prior alone at first, hardly any of it after hundreds. */
  mean(resource: number, prior: number): number {
    const { samples, value } = this.#means[resource]!
    return samples === 0 ? prior : (priorWeight * prior + samples * value) / (priorWeight + samples)
  }

  standardError(resource: number): number {
    return this.#means[resource]!.standardError
  }

  variation(resource: number): number {
    return this.#means[resource]!.variation
  }

  /** How the length of the body tells the cost; undefined where it does not, for any resource. */
  sizeHint(): SizeHint | undefined {
    const base: ResourceVector = new Float64Array(this.#means.length).fill(NaN)
    const perByte: ResourceVector = new Float64Array(this.#means.length)
    let isKnown = false
    for (const [r, size] of this.#sizes.entries()) {
      if (!size.explains()) continue
      isKnown = true
      base[r] = size.base
      perByte[r] = size.perByte
    }
    return isKnown ? { base, perByte } : undefined
  }
}
