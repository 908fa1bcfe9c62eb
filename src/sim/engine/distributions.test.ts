import assert from "node:assert/strict"
import { test } from "node:test"
import { seeded } from "../../core/rng.ts"
import { samplerOf } from "./distributions.ts"
import { meanOf } from "../scenario/mean-of.ts"
import type { Distribution } from "../scenario/scenario.ts"

const draws = 200_000

interface Case {
  readonly distribution: Distribution
  readonly mean: number
  /** Variance and fourth central moment: how far the sample's mean and variance may be off follows from them. */
  readonly variance: number
  readonly fourth: number
}

const lognormalCv = 0.5
const w = 1 + lognormalCv ** 2
const cases: readonly Case[] = [
  { distribution: { kind: "constant", mean: 3 }, mean: 3, variance: 0, fourth: 0 },
  { distribution: { kind: "exponential", mean: 2 }, mean: 2, variance: 4, fourth: 9 * 16 },
  { distribution: { kind: "uniform", min: 1, max: 5 }, mean: 3, variance: 16 / 12, fourth: 4 ** 4 / 80 },
  // Six equally likely values, 1 to 6: 35/12, and Σ(x − 3.5)⁴ / 6.
  { distribution: { kind: "integer", min: 1, max: 6 }, mean: 3.5, variance: 35 / 12, fourth: 14.729_166_7 },
  {
    // Kurtosis w⁴ + 2w³ + 3w² − 3 with w = 1 + cv².
    distribution: { kind: "lognormal", mean: 4, cv: lognormalCv },
    mean: 4,
    variance: (4 * lognormalCv) ** 2,
    fourth: (w ** 4 + 2 * w ** 3 + 3 * w ** 2 - 3) * (4 * lognormalCv) ** 4,
  },
  {
    // Shape 8, least 7/8: variance m²a / ((a−1)²(a−2)), excess kurtosis 6(a³+a²−6a−2) / (a(a−3)(a−4)).
    distribution: { kind: "pareto", mean: 1, shape: 8 },
    mean: 1,
    variance: ((7 / 8) ** 2 * 8) / (49 * 6),
    fourth: (3 + (6 * (512 + 64 - 48 - 2)) / (8 * 5 * 4)) * (((7 / 8) ** 2 * 8) / (49 * 6)) ** 2,
  },
  {
    // 10 with probability 0.2, else 1: p(1−p)·9², and p(1−p)((1−p)³ + p³)·9⁴.
    distribution: { kind: "bimodal", small: 1, large: 10, often: 0.2 },
    mean: 2.8,
    variance: 0.16 * 81,
    fourth: 0.16 * (0.512 + 0.008) * 6561,
  },
]

test("every distribution has the mean and the variance that it names", () => {
  // 4σ of a sample's mean is 4·√(variance / n), of its variance 4·√((fourth − variance²) / n).
  for (const { distribution, fourth, mean, variance } of cases) {
    const sampler = samplerOf(distribution)
    const rng = seeded(1)
    const drawn = Float64Array.from({ length: draws }, () => sampler.sample(rng))
    const found = drawn.reduce((sum, x) => sum + x, 0) / draws
    const spread = drawn.reduce((sum, x) => sum + (x - mean) ** 2, 0) / draws

    assert.ok(Math.abs(meanOf(distribution) - mean) < 1e-12, `${distribution.kind}: ${meanOf(distribution)}`)
    const meanOff = 4 * Math.sqrt(variance / draws) + 1e-9
    assert.ok(Math.abs(found - mean) <= meanOff, `${distribution.kind} has mean ${found}`)
    const varianceOff = 4 * Math.sqrt(Math.max(0, fourth - variance ** 2) / draws) + 1e-9
    assert.ok(Math.abs(spread - variance) <= varianceOff, `${distribution.kind} has variance ${spread}`)
  }
})

test("values stay where the distribution says", () => {
  const bounds: readonly (readonly [Distribution, number, number])[] = [
    [{ kind: "uniform", min: 1, max: 5 }, 1, 5],
    [{ kind: "integer", min: 1, max: 6 }, 1, 6],
    [{ kind: "pareto", mean: 1, shape: 2 }, 0.5, Infinity],
    [{ kind: "bimodal", small: 1, large: 10, often: 0.5 }, 1, 10],
    [{ kind: "exponential", mean: 1 }, 0, Infinity],
    [{ kind: "lognormal", mean: 0, cv: 1 }, 0, 0],
  ]
  for (const [distribution, min, max] of bounds) {
    const sampler = samplerOf(distribution)
    const rng = seeded(2)
    const values = new Set<number>()
    for (let i = 0; i < 10_000; i++) {
      const value = sampler.sample(rng)
      assert.ok(value >= min && value <= max, `${distribution.kind} drew ${value}`)
      values.add(value)
    }
    if (distribution.kind === "integer") assert.deepEqual(values, new Set([1, 2, 3, 4, 5, 6]))
  }
})

test("numbers that make no sense are refused", () => {
  const wrong: readonly Distribution[] = [
    { kind: "constant", mean: -1 },
    { kind: "exponential", mean: NaN },
    { kind: "uniform", min: 2, max: 1 },
    { kind: "integer", min: 0.5, max: 2 },
    { kind: "lognormal", mean: 1, cv: -1 },
    { kind: "pareto", mean: 1, shape: 1 },
    { kind: "bimodal", small: 1, large: 2, often: 1.5 },
  ]
  for (const distribution of wrong)
    assert.throws(() => samplerOf(distribution), RangeError, distribution.kind)
})
