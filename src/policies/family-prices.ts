/** Policies that give every resource of every backend a price. */
import { betaRate, betaSpace, ExponentialPrice } from "./exponential-price.ts"
import type { PolicyEntry } from "./policy.ts"
import { price } from "./price.ts"
import { gamma, kappa, ShadowPrice, targetUtilization } from "./shadow-price.ts"

export const prices = {
  price: {
    summary: "The backend where what the request needs is cheapest now: demand times backlog, by resource.",
    make: price,
    seesDemand: true,
  },
  "exponential-price": {
    summary: "As price, with prices that rise exponentially with load: shy of limits.",
    make: (context) => new ExponentialPrice(context),
    parameters: { betaRate, betaSpace },
    seesDemand: true,
  },
  "shadow-price": {
    summary: "As price, plus prices that remember what each backend has been assigned of late.",
    make: (context) => new ShadowPrice(context),
    parameters: { kappa, gamma, targetUtilization },
    seesDemand: true,
  },
} as const satisfies Record<string, PolicyEntry>
