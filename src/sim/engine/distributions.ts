/** Hot path: one amount drawn from a distribution. Nothing is allocated a draw. */
import type { Rng } from "../../core/rng.ts"
import type { Distribution } from "../scenario/scenario.ts"

/** A distribution made ready for drawing. */
export interface Sampler {
  /** One draw, ≥ 0. Takes the same number of draws from `rng` every time: two for a lognormal, one for the others. */
  sample(rng: Rng): number
}

/**
 * The sampler of a distribution. All are drawn by inversion, but for the lognormal, which is made from a normal.
 *
 * @throws RangeError when a number of it makes no sense: a negative amount, a minimum above the maximum, a shape at
 *   which there is no mean.
 * @see Box and Muller, "A Note on the Generation of Random Normal Deviates", Annals of Math. Stat. 29(2), 1958.
 */
export function samplerOf(distribution: Distribution): Sampler {
  switch (distribution.kind) {
    case "constant":
      return new Constant(amount("mean", distribution.mean))
    case "exponential":
      return new Exponential(amount("mean", distribution.mean))
    case "uniform":
      ordered(distribution.min, distribution.max)
      return new Uniform(distribution.min, distribution.max)
    case "integer":
      ordered(distribution.min, distribution.max)
      return new Integer(distribution.min, distribution.max)
    case "lognormal":
      return new Lognormal(amount("mean", distribution.mean), amount("cv", distribution.cv))
    case "pareto":
      if (!(distribution.shape > 1)) throw new RangeError(`the shape is ${distribution.shape}, not above 1`)
      return new Pareto(amount("mean", distribution.mean), distribution.shape)
    case "bimodal":
      if (!(distribution.often >= 0 && distribution.often <= 1)) {
        throw new RangeError(`often is ${distribution.often}, not from 0 to 1`)
      }
      return new Bimodal(
        amount("small", distribution.small),
        amount("large", distribution.large),
        distribution.often,
      )
  }
}

/** Exponential with mean 1, from one draw. */
export function exponential(rng: Rng): number {
  return -Math.log(1 - rng.next())
}

class Constant implements Sampler {
  readonly #amount: number

  constructor(amount: number) {
    this.#amount = amount
  }

  sample(rng: Rng): number {
    rng.next()
    return this.#amount
  }
}

class Exponential implements Sampler {
  readonly #mean: number

  constructor(mean: number) {
    this.#mean = mean
  }

  sample(rng: Rng): number {
    return exponential(rng) * this.#mean
  }
}

class Uniform implements Sampler {
  readonly #min: number
  readonly #range: number

  constructor(min: number, max: number) {
    this.#min = min
    this.#range = max - min
  }

  sample(rng: Rng): number {
    return this.#min + rng.next() * this.#range
  }
}

class Integer implements Sampler {
  readonly #min: number
  readonly #count: number

  constructor(min: number, max: number) {
    if (!Number.isInteger(min) || !Number.isInteger(max)) {
      throw new RangeError(`${min} to ${max} are not whole numbers`)
    }
    this.#min = min
    this.#count = max - min + 1
  }

  sample(rng: Rng): number {
    return this.#min + Math.floor(rng.next() * this.#count)
  }
}

class Lognormal implements Sampler {
  readonly #mu: number
  readonly #sigma: number

  constructor(mean: number, cv: number) {
    const variance = Math.log(1 + cv * cv)
    this.#mu = Math.log(mean) - variance / 2
    this.#sigma = Math.sqrt(variance)
  }

  sample(rng: Rng): number {
    const radius = Math.sqrt(2 * exponential(rng))
    return Math.exp(this.#mu + this.#sigma * radius * Math.cos(2 * Math.PI * rng.next()))
  }
}

class Pareto implements Sampler {
  readonly #least: number
  readonly #power: number

  constructor(mean: number, shape: number) {
    this.#least = (mean * (shape - 1)) / shape
    this.#power = -1 / shape
  }

  sample(rng: Rng): number {
    return this.#least * (1 - rng.next()) ** this.#power
  }
}

class Bimodal implements Sampler {
  readonly #small: number
  readonly #large: number
  readonly #often: number

  constructor(small: number, large: number, often: number) {
    this.#small = small
    this.#large = large
    this.#often = often
  }

  sample(rng: Rng): number {
    return rng.next() < this.#often ? this.#large : this.#small
  }
}

function amount(name: string, value: number): number {
  if (!(value >= 0 && value < Infinity)) throw new RangeError(`the ${name} is ${value}, not a finite amount`)
  return value
}

function ordered(min: number, max: number): void {
  if (!(min >= 0 && max >= min && max < Infinity)) {
    throw new RangeError(`from ${min} to ${max} is no range of amounts`)
  }
}
