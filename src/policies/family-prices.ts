/** Policies that give every resource of every backend a price. */
import type { PolicyEntry } from "./policy.ts"
import { price } from "./price.ts"

export const prices = {
  price: {
    summary: "The backend where what the request needs is cheapest now: demand times backlog, by resource.",
    make: price,
    seesDemand: true,
  },
} as const satisfies Record<string, PolicyEntry>
