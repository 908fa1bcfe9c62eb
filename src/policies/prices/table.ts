/** Policies that give every resource of every backend a price. */
import { Auto, drawsFrom } from "./auto.ts"
import { betaRate, betaSpace, ExponentialPrice } from "./exponential-price.ts"
import { MixPolicy, mixParameters } from "./mix.ts"
import type { PolicyEntry } from "../policy.ts"
import { Price } from "./price.ts"
import { gamma, kappa, ShadowPrice, targetUtilization } from "./shadow-price.ts"

export const prices = {
  auto: {
    summary: "What suits the size of the fleet: price up to 64 backends, mix above.",
    make: (context) => new Auto(context),
    parameters: mixParameters,
    seesDemand: true,
    readsMix: drawsFrom,
  },
  price: {
    summary: "The backend where what the request needs is cheapest now: demand times backlog, by resource.",
    make: (context) => new Price(context),
    seesDemand: true,
  },
  mix: {
    summary: "The cheapest of a few drawn from the mix that is best for the request's route.",
    make: (context) => new MixPolicy(context),
    parameters: mixParameters,
    seesDemand: true,
    readsMix: () => true,
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
