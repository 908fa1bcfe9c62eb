// Hot path.
import type { Rng } from "../../core/rng.ts"
import type { PickRequest } from "../policy.ts"

/**
 * The key of policies that stick: `affinityHash`, or one at random where a request has nothing to stick to.
 *
 * As an int32 with the same bits, because handing on a uint32 from 2^31 on may allocate; chance comes in two draws for
 * the same reason.
 */
export function keyOf({ affinityHash }: PickRequest, rng: Rng): number {
  return affinityHash === undefined ? (rng.below(2 ** 16) << 16) | rng.below(2 ** 16) : affinityHash | 0
}
