/** Policies that give every resource of every backend a price. */
import { Auto } from "./auto.ts"
import { Mix, mixParameters } from "./mix.ts"
import type { PolicyEntry } from "./policy.ts"
import { Price } from "./price.ts"

export const prices = {
  auto: {
    summary: "What suits the size of the fleet: price up to 64 backends, mix above.",
    make: (context) => new Auto(context),
    parameters: mixParameters,
    seesDemand: true,
  },
  price: {
    summary: "The backend where what the request needs is cheapest now: demand times backlog, by resource.",
    make: (context) => new Price(context),
    seesDemand: true,
  },
  mix: {
    summary: "The cheapest of a few drawn from the mix that is best for the request's route.",
    make: (context) => new Mix(context),
    parameters: mixParameters,
    seesDemand: true,
  },
} as const satisfies Record<string, PolicyEntry>
