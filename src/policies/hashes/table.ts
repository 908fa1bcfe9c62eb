/** Policies that send requests of one key to one backend. */
import { IpHash } from "./ip-hash.ts"
import { KeyHash } from "./key-hash.ts"
import { Rendezvous } from "./rendezvous.ts"
import { ketama } from "./ketama.ts"
import { maglev } from "./maglev.ts"
import { ringHash } from "./ring-hash.ts"
import type { PolicyEntry } from "../policy.ts"

export const hashes = {
  "ip-hash": IpHash.entry,
  hash: KeyHash.entry,
  ketama,
  "ring-hash": ringHash,
  maglev,
  rendezvous: Rendezvous.entry,
} as const satisfies Record<string, PolicyEntry>
