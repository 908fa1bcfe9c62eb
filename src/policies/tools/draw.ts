// Hot path.
import type { Rng } from "../../core/rng.ts"
import { mix32 } from "../../core/rng.ts"
import type { PickRequest } from "../policy.ts"

/** A number from 0 to drawMax - 1 for a request. A small integer, so that handing it on allocates nothing. */
export type Draw = (request: PickRequest) => number

const drawMax = 2 ** 30

/** Draws anew for each request. */
export function drawAtRandom(rng: Rng): Draw {
  return () => rng.below(drawMax)
}

/**
 * Draws the same for the same key, and anew where there is none. Draws with different salts are independent.
 *
 * @param keyOf the key of a request as an int32, or undefined.
 */
export function drawByKey(rng: Rng, salt: number, keyOf: (request: PickRequest) => number | undefined): Draw {
  const pepper = mix32(salt)
  return (request) => {
    const key = keyOf(request)
    return key === undefined ? rng.below(drawMax) : mix32(mix32(key) ^ pepper) >>> 2
  }
}

/** The key of policies that stick to `affinityHash`. */
export function affinityKey({ affinityHash }: PickRequest): number | undefined {
  return affinityHash === undefined ? undefined : affinityHash | 0
}

/**
 * Shares as limits of draws: a draw belongs to the share with the first limit above it. The shares are ≥ 0 and need not
 * add up to 1; when all are 0, all are equal. A share of 0 is never drawn.
 */
export function drawLimits(shares: readonly number[]): Int32Array {
  const sum = shares.reduce((total, share) => total + share, 0)
  let before = 0
  return Int32Array.from(shares, (share) => {
    before += sum > 0 ? share / sum : 1 / shares.length
    // What the additions lost is far less than half a draw, so the last limit is drawMax.
    return Math.round(before * drawMax)
  })
}

/** The index of the share that a draw belongs to; `limits` has at least one entry. */
export function drawn(limits: Int32Array, draw: number): number {
  let i = 0
  while (draw >= limits[i]!) i++
  return i
}
