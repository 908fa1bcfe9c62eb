import type { Backend } from "../../core/backend.ts"
import { type Knowledge, nothingKnown } from "../../core/knowledge.ts"
import { MixPolicy, scannedMax } from "./mix.ts"
import type { PickRequest, Policy, PolicyContext, PolicyEntry } from "../policy.ts"
import { Price } from "./price.ts"
import { mixParameters } from "./mix.ts"

/** Whether so many members are drawn from. */
function drawsFrom(members: number): boolean {
  return members > scannedMax
}

/**
 * The default: `price` up to `scannedMax` members, `mix` above. To look at every member is best where it is cheap;
 * drawing costs the same for any number. Which of the two it is changes only when membership does.
 */
export class Auto implements Policy {
  /** Its row in the table of policies. */
  static readonly entry = {
    summary: "What suits the size of the fleet: price up to 64 backends, mix above.",
    make: (context) => new Auto(context),
    parameters: mixParameters,
    seesDemand: true,
    readsMix: drawsFrom,
  } as const satisfies PolicyEntry

  readonly name = "auto"
  readonly #price: Price
  readonly #mix: MixPolicy
  #current: Price | MixPolicy
  #knowledge: Knowledge = nothingKnown

  constructor(context: PolicyContext) {
    this.#price = new Price(context)
    this.#mix = new MixPolicy(context)
    this.#current = this.#price
  }

  rebuild(members: readonly Backend[]): void {
    const before = this.#current
    this.#current = drawsFrom(members.length) ? this.#mix : this.#price
    this.#current.rebuild(members)
    if (this.#current === before) return
    this.#current.learn(this.#knowledge)
    // It is not asked any more and must not keep members that have left.
    before.rebuild([])
  }

  pick(request: PickRequest): Backend | undefined {
    return this.#current.pick(request)
  }

  learn(knowledge: Knowledge): void {
    this.#knowledge = knowledge
    this.#current.learn(knowledge)
  }

  tick(): void {
    this.#current.tick()
  }
}
