/** Demand by the length of a request's body, where that tells it. `demandOfSize` is hot, the rest is cold. */
import type { SizeHint } from "../core/knowledge.ts"
import type { ResourceVector } from "../core/resources.ts"

const gainMin = 0.005
/** Requests before the length of their bodies is believed. */
const samplesMin = 50
/** The part of the variance that the length must explain. */
const explainedMin = 0.25
/** A hint stays within these factors of the mean. */
const factorMax = 8

/**
 * What a request with a body of this length is expected to need: by the hint where it tells, else the mean; never
 * less than an eighth nor more than eight times the mean, for a body may lie far outside of what was seen.
 * O(R), allocates nothing.
 *
 * @param bytes length of the body, < 0 when it is not known
 */
export function demandOfSize(
  mean: Readonly<ResourceVector>,
  hint: SizeHint | undefined,
  bytes: number,
  into: ResourceVector,
): void {
  for (let r = 0; r < mean.length; r++) {
    const usual = mean[r]!
    if (hint === undefined || !(bytes >= 0) || !(hint.perByte[r]! > 0)) {
      into[r] = usual
      continue
    }
    const expected = hint.base[r]! + hint.perByte[r]! * bytes
    into[r] = Math.min(Math.max(expected, usual / factorMax), usual * factorMax)
  }
}

/** A line through (bytes, cost), with the last 400 or so samples counting most. Least squares by moments, O(1). */
export class SizeRegression {
  #samples = 0
  #bytes = 0
  #cost = 0
  #bytesVariance = 0
  #costVariance = 0
  #covariance = 0

  /** Bytes that are not known (< 0 or NaN) are left out. */
  add(bytes: number, cost: number): void {
    if (!(bytes >= 0)) return
    const gain = Math.max(1 / ++this.#samples, gainMin)
    const db = bytes - this.#bytes
    const dc = cost - this.#cost
    this.#bytes += gain * db
    this.#cost += gain * dc
    this.#bytesVariance = (1 - gain) * (this.#bytesVariance + gain * db * db)
    this.#costVariance = (1 - gain) * (this.#costVariance + gain * dc * dc)
    this.#covariance = (1 - gain) * (this.#covariance + gain * db * dc)
  }

  /** Whether a longer body costs more, and that explains a quarter of the variance or more, over 50 samples or more. */
  explains(): boolean {
    if (this.#samples < samplesMin || !(this.#covariance > 0)) return false
    const explained = this.#covariance ** 2 / (this.#bytesVariance * this.#costVariance)
    return explained >= explainedMin
  }

  get perByte(): number {
    return this.#covariance / this.#bytesVariance
  }

  get base(): number {
    return this.#cost - this.perByte * this.#bytes
  }
}
