// Hot path. Benchmark: bench/choose.ts.
import type { Backend } from "../../core/backend.ts"
import type { Knowledge } from "../../core/knowledge.ts"
import type { PickRequest, Policy, PolicyContext, PolicyEntry } from "../policy.ts"
import { PriceList } from "./price-list.ts"

/**
 * Every request goes where what it needs is cheapest now, ties at random.
 *
 * Capacity splits into kinds by itself: a request that needs much storage bids against the backlog of storage
 * alone, so it leaves the compute-heavy backends to others without any rule that says so. O(n·R) per pick.
 */
export class Price implements Policy {
  /** Its row in the table of policies. */
  static readonly entry = {
    summary: "The backend where what the request needs is cheapest now: demand times backlog, by resource.",
    make: (context) => new Price(context),
    seesDemand: true,
  } as const satisfies PolicyEntry

  readonly name = "price"
  readonly #prices: PriceList

  constructor({ resources, rng }: PolicyContext) {
    this.#prices = new PriceList(resources, rng)
  }

  rebuild(members: readonly Backend[]): void {
    this.#prices.rebuild(members)
  }

  pick(request: PickRequest): Backend | undefined {
    return this.#prices.trial(request) ?? this.#prices.cheapest(request)
  }

  learn(knowledge: Knowledge): void {
    this.#prices.learn(knowledge)
  }

  tick(): void {
    this.#prices.refresh()
  }
}
