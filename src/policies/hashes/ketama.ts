import { KeyTablePolicy } from "./key-table.ts"
import { balanceFactorOf } from "./load-bound.ts"
import type { Policy, PolicyContext, PolicyEntry } from "../policy.ts"
import { ketamaRing } from "./ketama-ring.ts"
import { balanceFactorParameter } from "./load-bound.ts"

/**
 * Consistent hashing on the ring that nginx and memcached's clients use, so that a fleet of caches can be shared with
 * them: the owner is the same when the key's hash is its CRC-32, and their configuration names each backend by the same
 * host and port.
 *
 * A backend has 160 points per unit of weight, rounded, at least one; where that makes more than 2^20 in all, they are
 * fewer in proportion. Its first point is the CRC-32 of host, zero byte, port and four zero bytes; each further one has
 * the point before in place of those four bytes, least byte first. See `KeyTablePolicy` for the rest.
 *
 * Prior art: nginx's `hash … consistent`, and Cache::Memcached::Fast with 160 points.
 */
export const ketama = {
  summary:
    "The same backend for the same key, by nginx's and memcached's ring: a new backend moves few keys.",
  make({ rng, parameters }: PolicyContext): Policy {
    return new KeyTablePolicy("ketama", rng, balanceFactorOf(parameters), ketamaRing)
  },
  parameters: { balanceFactor: balanceFactorParameter },
  seesDemand: false,
  sticks: true,
} as const satisfies PolicyEntry
