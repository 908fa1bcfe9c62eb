/** Policies that look at nothing but turns, or chance. */
import { EdfRoundRobin } from "./edf-round-robin.ts"
import { First, firstParameters } from "./first.ts"
import type { PolicyEntry } from "../policy.ts"
import { Random } from "./random.ts"
import { RoundRobin } from "./round-robin.ts"
import { WeightedRandom } from "./weighted-random.ts"
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
  "edf-round-robin": {
    summary: "Turns in proportion to weight by earliest deadline, as in Envoy: for many backends.",
    make: ({ rng }) => new EdfRoundRobin(rng),
    seesDemand: false,
  },
  random: {
    summary: "Any backend, each equally likely.",
    make: ({ rng }) => new Random(rng),
    seesDemand: false,
  },
  "weighted-random": {
    summary: "Any backend, each as likely as its weight says.",
    make: ({ rng }) => new WeightedRandom(rng),
    seesDemand: false,
  },
  first: {
    summary: "The one registered first that has room: as few backends as will do.",
    make: ({ parameters }) => new First(parameters["connections"]!),
    parameters: firstParameters,
    seesDemand: false,
  },
} as const satisfies Record<string, PolicyEntry>
