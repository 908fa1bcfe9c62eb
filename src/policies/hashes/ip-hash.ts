// Hot path. Benchmark: bench/choose.ts.
import type { Backend } from "../../core/backend.ts"
import type { Rng } from "../../core/rng.ts"
import type { PickRequest, Policy, PolicyEntry } from "../policy.ts"
import { WeightedRoundRobin } from "../turns/weighted-round-robin.ts"
import { WholeWeights } from "./whole-weights.ts"

const hashStart = 89
const hashRange = 6_271
const triesMax = 21

/**
 * Sends clients of one network to one backend: by the first three octets of an IPv4 address, or the whole of an IPv6
 * one, exactly as nginx does.
 *
 * The hash begins at 89, becomes (113 · hash + octet) mod 6271 for each octet, and modulo the sum of weights it is a
 * backend's. One that is not admitted: the octets are added once more, up to 21 times in all; then weighted turns. A
 * request whose address is not known is given a hash at random. Not consistent: when a backend comes or
 * goes, most clients move. With a sum of weights beyond 6271, the last get nothing but turns. O(log n) per
 * pick; O(n) for turns.
 *
 * Prior art: nginx's `ip_hash`.
 */
export class IpHash implements Policy {
  /** Its row in the table of policies. */
  static readonly entry = {
    summary: "The same backend for the same network of the client, as nginx's ip_hash.",
    make: ({ rng }) => new IpHash(rng),
    seesDemand: false,
    sticks: true,
  } as const satisfies PolicyEntry

  readonly name = "ip-hash"
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
    const address = request.clientAddress
    let hash = hashStart
    for (let tries = 0; tries < triesMax; tries++) {
      hash = address === undefined ? this.#rng.below(hashRange) : hashOf(address, hash)
      const member = weights.at(hash % weights.total)
      if (request.admits(member)) return member
    }
    return this.#turns.pick(request)
  }
}

/** What this policy sticks to. */
export function clientKey({ clientAddress }: PickRequest): number | undefined {
  return clientAddress === undefined ? undefined : hashOf(clientAddress, hashStart)
}

function hashOf(address: Uint8Array, start: number): number {
  const octets = address.length === 4 ? 3 : address.length
  let hash = start
  for (let i = 0; i < octets; i++) hash = (hash * 113 + address[i]!) % hashRange
  return hash
}
