// Hot path. Benchmark: bench/choose.ts.
import type { Backend } from "../../core/backend.ts"
import type { PickRequest } from "../policy.ts"

/**
 * The first member the request admits from this place on, wrapping round; `undefined` when there is none.
 * O(n).
 *
 * What a sampling policy falls back on when none that it sampled is admitted. A member behind refused ones gets their
 * share as well, which matters only while many are refused.
 */
export function firstAdmitted(
  members: readonly Backend[],
  from: number,
  request: PickRequest,
): Backend | undefined {
  const count = members.length
  for (let i = from; i < count; i++) {
    if (request.admits(members[i]!)) return members[i]
  }
  for (let i = 0; i < from; i++) {
    if (request.admits(members[i]!)) return members[i]
  }
  return undefined
}
