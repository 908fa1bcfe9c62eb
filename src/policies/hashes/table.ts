/** Policies that send requests of one key to one backend. */
import { IpHash } from "./ip-hash.ts"
import { ketama } from "./ketama.ts"
import { KeyHash } from "./key-hash.ts"
import { balanceFactorOf, balanceFactorParameter } from "./load-bound.ts"
import { maglev, maglevParameters } from "./maglev.ts"
import type { PolicyEntry } from "../policy.ts"
import { Rendezvous } from "./rendezvous.ts"
import { ringHash, ringHashParameters } from "./ring-hash.ts"

export const hashes = {
  "ip-hash": {
    summary: "The same backend for the same network of the client, as nginx's ip_hash.",
    make: ({ rng }) => new IpHash(rng),
    seesDemand: false,
    sticks: true,
  },
  hash: {
    summary:
      "The same backend for the same key, by its hash modulo the weights: a new backend moves most keys.",
    make: ({ rng }) => new KeyHash(rng),
    seesDemand: false,
    sticks: true,
  },
  ketama: {
    summary:
      "The same backend for the same key, by nginx's and memcached's ring: a new backend moves few keys.",
    make: ketama,
    parameters: { balanceFactor: balanceFactorParameter },
    seesDemand: false,
    sticks: true,
  },
  "ring-hash": {
    summary: "The same backend for the same key, by a ring of points: a new backend moves few keys.",
    make: ringHash,
    parameters: ringHashParameters,
    seesDemand: false,
    sticks: true,
  },
  maglev: {
    summary:
      "The same backend for the same key, by a table that backends fill in turns: the most even shares.",
    make: maglev,
    parameters: maglevParameters,
    seesDemand: false,
    sticks: true,
  },
  rendezvous: {
    summary:
      "The same backend for the same key, the one with the best score for it: moves the fewest keys; O(n).",
    make: ({ rng, parameters }) => new Rendezvous(rng, balanceFactorOf(parameters)),
    parameters: { balanceFactor: balanceFactorParameter },
    seesDemand: false,
    sticks: true,
  },
} as const satisfies Record<string, PolicyEntry>
