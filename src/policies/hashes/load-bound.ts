// Hot path. Benchmark: bench/choose.ts.
import type { Backend } from "../../core/backend.ts"
import type { Parameter } from "../policy.ts"

/** The parameter of policies that stick and bound loads. */
export const balanceFactorParameter: Parameter = {
  summary:
    "How much of its fair part of the attempts in flight a backend may carry, in per cent; 0 is no bound, else at least 100.",
  default: 0,
  min: 0,
  max: 1_000,
}

/** A parameter below 100 that is not 0 asks for less than all fair parts together: it is taken as 100. */
export function balanceFactorOf(parameters: Readonly<Record<string, number>>): number {
  const factor = parameters["balanceFactor"]!
  return factor === 0 ? 0 : Math.max(100, factor)
}

/**
 * The most attempts that a backend may have in flight: with F per cent, ceil((all in flight + 1) · F/100) slots are
 * shared out by weight, each part rounded up, so there is at least one for every member. The 1 is the request that is
 * being placed; since the slots are at least as many as that makes, a member always has room.
 *
 * `begin` adds up what is in flight, O(n); `hasRoom` compares with it, O(1).
 *
 * Prior art: HAProxy's `hash-balance-factor`.
 */
export class LoadBound {
  readonly #factor: number
  #members: readonly Backend[] = []
  #weight = 0
  #slots = 0

  /** @param factor per cent, ≥ 100. */
  constructor(factor: number) {
    this.#factor = factor
  }

  rebuild(members: readonly Backend[]): void {
    this.#members = members
    this.#weight = members.reduce((sum, member) => sum + member.weight, 0)
  }

  /** Counts anew. Before the first `hasRoom` of a pick. */
  begin(): void {
    const members = this.#members
    let inFlight = 0
    for (let i = 0; i < members.length; i++) inFlight += members[i]!.load.inFlight
    this.#slots = roundedUp(((inFlight + 1) * this.#factor) / 100)
  }

  /** Whether the member at this place may carry one more. */
  hasRoom(place: number): boolean {
    const { load, weight } = this.#members[place]!
    return load.inFlight < roundedUp((this.#slots * weight) / this.#weight)
  }
}

/** What only rounding of fractions lifts above a whole number is that number. */
function roundedUp(value: number): number {
  return Math.max(1, Math.ceil(value - 1e-9))
}
