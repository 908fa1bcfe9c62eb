import type { Backend } from "../../core/backend.ts"
import { xxhash32 } from "../../core/hash.ts"

/**
 * Cold. The members in an order that the seed and their ids alone decide, whoever asks: one who comes or goes moves
 * none of the others among each other. O(n log n).
 *
 * @param seed uint32; orders of different seeds are independent.
 */
export function hashOrder(members: readonly Backend[], seed = 0): Backend[] {
  return members
    .map((member) => ({ member, rank: xxhash32(member.id, seed) }))
    .sort((a, b) => a.rank - b.rank || (a.member.id < b.member.id ? -1 : 1))
    .map(({ member }) => member)
}
