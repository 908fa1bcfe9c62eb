/** Policies that give every resource of every backend a price. */
import { Auto } from "./auto.ts"
import { ExponentialPrice } from "./exponential-price.ts"
import { MixPolicy } from "./mix.ts"
import { Price } from "./price.ts"
import { ShadowPrice } from "./shadow-price.ts"
import type { PolicyEntry } from "../policy.ts"

export const prices = {
  auto: Auto.entry,
  price: Price.entry,
  mix: MixPolicy.entry,
  "exponential-price": ExponentialPrice.entry,
  "shadow-price": ShadowPrice.entry,
} as const satisfies Record<string, PolicyEntry>
