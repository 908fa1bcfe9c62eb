/** Policies that look at nothing but turns, or chance. */
import { EdfRoundRobin } from "./edf-round-robin.ts"
import { First } from "./first.ts"
import { Random } from "./random.ts"
import { RoundRobin } from "./round-robin.ts"
import { WeightedRandom } from "./weighted-random.ts"
import { WeightedRoundRobin } from "./weighted-round-robin.ts"
import type { PolicyEntry } from "../policy.ts"

export const turns = {
  "round-robin": RoundRobin.entry,
  "weighted-round-robin": WeightedRoundRobin.entry,
  "edf-round-robin": EdfRoundRobin.entry,
  random: Random.entry,
  "weighted-random": WeightedRandom.entry,
  first: First.entry,
} as const satisfies Record<string, PolicyEntry>
