import type { Backend } from "../../core/backend.ts"
import { xxhash32 } from "../../core/hash.ts"

/**
 * Cold. The members in an order that only the seed and their ids decide: a member that comes or goes does not move the
 * others among each other. O(n log n).
 *
 * @param seed uint32; orders of different seeds are independent.
 */
export function hashOrder(members: readonly Backend[], seed = 0): Backend[] {
  return members
    .map((member) => ({ member, rank: xxhash32(member.id, seed) }))
    .sort((a, b) => a.rank - b.rank || (a.member.id < b.member.id ? -1 : 1))
    .map(({ member }) => member)
}
