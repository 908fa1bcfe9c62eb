// Hot path. Benchmark: bench/choose.ts.
import type { Backend } from "../../core/backend.ts"
import { crc32Byte, crc32End, crc32More, crc32Start } from "../../core/hash.ts"
import type { Rng } from "../../core/rng.ts"
import type { PickRequest, Policy, PolicyEntry } from "../policy.ts"
import { keyOf } from "./request-key.ts"
import { WeightedRoundRobin } from "../turns/weighted-round-robin.ts"
import { WholeWeights } from "./whole-weights.ts"

const triesMax = 21
/** The numbers of the tries as nginx puts them before the key. */
const digits: readonly string[] = Array.from({ length: triesMax }, (_, tries) => String(tries))

/**
 * Sends the same key to the same backend by its hash modulo the sum of weights, as nginx does without `consistent`.
 *
 * Of the key's CRC-32, 15 bits (from the 17th on) are taken. When their backend is not admitted, the key is hashed
 * again with the number of the try before it and the result is added to the sum, up to 21 times in all; then weighted
 * turns. The first is as in nginx when `affinityHash` is the CRC-32 of the key; since the key itself is not
 * known here, further ones hash the four bytes of that. A request without a key is given one at random.
 *
 * Where nginx's 15 bits would not reach the last backends, that is with a sum of weights above 2^15, 31 bits are taken.
 * Not consistent: when a backend comes or goes, most keys move. O(log n) per pick; O(n) for turns.
 *
 * Prior art: nginx's `hash`, Cache::Memcached.
 */
export class KeyHash implements Policy {
  /** Its row in the table of policies. */
  static readonly entry = {
    summary:
      "The same backend for the same key, by its hash modulo the weights: a new backend moves most keys.",
    make: ({ rng }) => new KeyHash(rng),
    seesDemand: false,
    sticks: true,
  } as const satisfies PolicyEntry

  readonly name = "hash"
  readonly #rng: Rng
  readonly #turns = new WeightedRoundRobin()
  #weights = new WholeWeights([])

  constructor(rng: Rng) {
    this.#rng = rng
  }

  rebuild(members: readonly Backend[]): void {
    this.#weights = new WholeWeights(members)
    this.#turns.rebuild(members)
  }

  pick(request: PickRequest): Backend | undefined {
    const weights = this.#weights
    if (weights.total === 0) return undefined
    const key = keyOf(request, this.#rng)
    const isWide = weights.total > 2 ** 15
    let sum = 0
    for (let tries = 0; tries < triesMax; tries++) {
      const hash = tries === 0 ? key : hashAgain(key, tries) | 0
      sum += isWide ? hash >>> 1 : (hash >>> 16) & 0x7fff
      const member = weights.at(sum % weights.total)
      if (request.admits(member)) return member
    }
    return this.#turns.pick(request)
  }
}

function hashAgain(key: number, tries: number): number {
  let sum = crc32More(crc32Start, digits[tries]!)
  for (let shift = 24; shift >= 0; shift -= 8) sum = crc32Byte(sum, key >>> shift)
  return crc32End(sum)
}
