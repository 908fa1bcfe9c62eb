import type { ResourceTable } from "../core/resources.ts"
import { LeastConnections } from "./least-connections.ts"
import type { Policy, PolicyContext } from "./policy.ts"
import { price } from "./price.ts"
import { RoundRobin } from "./round-robin.ts"
import { SeedRatio, seedRatioUnsuitable } from "./seed-ratio.ts"
import { WeightedRoundRobin } from "./weighted-round-robin.ts"

export type { AttemptResult, LoadMetric, PickRequest, Policy, PolicyContext } from "./policy.ts"

/** One row of the table of policies. */
export interface PolicyEntry {
  /** One sentence for whoever chooses a policy: what it picks, and from what it knows. */
  readonly summary: string
  /** Throws when the resources are unsuitable: ask first. */
  make(this: void, context: PolicyContext): Policy
  /** Why it cannot work with these resources, as a sentence for the operator, or `undefined` when it can. */
  unsuitable?(this: void, resources: ResourceTable): string | undefined
}

/** The names operators write. A new policy adds its name here and its row below; the exam finds it there. */
export type PolicyName = "price" | "least-connections" | "round-robin" | "weighted-round-robin" | "seed-ratio"

/** All policies by name, in the order in which they are shown. */
export const policies: Readonly<Record<PolicyName, PolicyEntry>> = {
  price: {
    summary: "The backend where what the request needs is cheapest now: demand times backlog, by resource.",
    make: price,
  },
  "least-connections": {
    summary: "The fewest attempts in flight per weight; weighted turns among the tied.",
    make: () => new LeastConnections(),
  },
  "round-robin": {
    summary: "Every backend in turn, whatever it weighs or carries.",
    make: () => new RoundRobin(),
  },
  "weighted-round-robin": {
    summary: "Turns in proportion to weight, spread out evenly.",
    make: () => new WeightedRoundRobin(),
  },
  "seed-ratio": {
    summary:
      "The first backend whose compute to storage ratio is within 20 % of the request's, else the nearest.",
    make: (context) => new SeedRatio(context.resources),
    unsuitable: seedRatioUnsuitable,
  },
}

export const policyDefault: PolicyName = "price"

export function isPolicyName(text: string): text is PolicyName {
  return Object.hasOwn(policies, text)
}

export function makePolicy(name: PolicyName, context: PolicyContext): Policy {
  return policies[name].make(context)
}
