/** Policies that look at nothing but whose turn it is, or at chance. */
import type { PolicyEntry } from "./policy.ts"
import { RoundRobin } from "./round-robin.ts"
import { WeightedRoundRobin } from "./weighted-round-robin.ts"

export const turns = {
  "round-robin": {
    summary: "Every backend in turn, whatever it weighs or carries.",
    make: () => new RoundRobin(),
    seesDemand: false,
  },
  "weighted-round-robin": {
    summary: "Turns in proportion to weight, spread out evenly.",
    make: () => new WeightedRoundRobin(),
    seesDemand: false,
  },
} as const satisfies Record<string, PolicyEntry>
