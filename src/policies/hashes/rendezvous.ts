// Hot path. Benchmark: bench/choose.ts.
import type { Backend } from "../../core/backend.ts"
import { xxhash32 } from "../../core/hash.ts"
import { mix32, type Rng } from "../../core/rng.ts"
import { LoadBound } from "./load-bound.ts"
import type { PickRequest, Policy, PolicyEntry } from "../policy.ts"
import { keyOf } from "./request-key.ts"
import { balanceFactorOf } from "./load-bound.ts"
import { balanceFactorParameter } from "./load-bound.ts"

/**
 * Rendezvous hashing, or highest random weight: each backend has a score for the key, and of those admitted the best
 * has it.
 *
 * The score is weight / −ln u, with u in (0, 1) from a hash of key and id: so a backend wins in exact proportion to
 * its weight, a backend that comes or goes moves only keys that are then or were its own, and a change of weight
 * moves as few as can be. With equal weights the logarithm is left out; it would change no order. A request
 * without a key is given one at random. Nothing is prepared but one hash a member. O(n) per pick.
 *
 * With bounded loads, only those below their bound take part; when no admitted one is, all do.
 *
 * @see Thaler and Ravishankar, "Using Name-Based Mappings to Increase Hit Rates", IEEE/ACM ToN 6(1), 1998; Schindelhauer and
 * Schomaker, "Weighted Distributed Hash Tables", SPAA 2005. Prior art: Traefik's `hrw`, Caddy's hashes.
 */
export class Rendezvous implements Policy {
  /** Its row in the table of policies. */
  static readonly entry = {
    summary:
      "The same backend for the same key, the one with the best score for it: moves the fewest keys; O(n).",
    make: ({ rng, parameters }) => new Rendezvous(rng, balanceFactorOf(parameters)),
    parameters: { balanceFactor: balanceFactorParameter },
    seesDemand: false,
    sticks: true,
  } as const satisfies PolicyEntry

  readonly name = "rendezvous"
  readonly #rng: Rng
  readonly #bound: LoadBound | undefined
  #members: readonly Backend[] = []
  #hashes = new Uint32Array(0)
  #equal = true

  /** @param balanceFactor see `KeyTablePolicy`. */
  constructor(rng: Rng, balanceFactor: number) {
    this.#rng = rng
    this.#bound = balanceFactor === 0 ? undefined : new LoadBound(balanceFactor)
  }

  rebuild(members: readonly Backend[]): void {
    this.#members = members
    this.#hashes = Uint32Array.from(members, ({ id }) => xxhash32(id))
    this.#equal = members.every(({ weight }) => weight === members[0]!.weight)
    this.#bound?.rebuild(members)
  }

  pick(request: PickRequest): Backend | undefined {
    const members = this.#members
    const hashes = this.#hashes
    const equal = this.#equal
    const bound = this.#bound
    const key = mix32(keyOf(request, this.#rng))
    let best: Backend | undefined
    let bestScore = -1
    let bestHasRoom = bound === undefined
    bound?.begin()
    for (let i = 0; i < members.length; i++) {
      const member = members[i]!
      const hash = mix32(key ^ hashes[i]!)
      const score = equal ? hash : member.weight / -Math.log((hash + 0.5) / 2 ** 32)
      if (bestHasRoom && score <= bestScore) continue
      if (!request.admits(member)) continue
      const hasRoom = bound === undefined || bound.hasRoom(i)
      // One with room beats any without, and one that is like the best so far needs the better score.
      if (hasRoom === bestHasRoom ? score <= bestScore : bestHasRoom) continue
      best = member
      bestScore = score
      bestHasRoom = hasRoom
    }
    return best
  }
}
