// Hot path. Benchmark: bench/choose.ts.
import type { Backend, BackendId } from "../../core/backend.ts"
import type { Turns } from "./turns.ts"

/**
 * Weighted turns that are spread out: with weights 5, 1, 1 the order is a a b a c a a, not a a a a a b c.
 *
 * Each candidate earns its weight in credit, the richest takes the turn (the earlier one on ties) and pays what
 * all of them earned together, so credit is only moved, never made. The candidates may be others each time;
 * a member that is not one keeps its credit. Weights may be fractional. O(candidates), nothing allocated.
 *
 * Credit stays with a backend through changes of membership, and a newcomer starts at the mean, so that
 * frequent changes do not favour the first in the order.
 *
 * Prior art: nginx's default balancing ("smooth" weighted round robin, since 1.3.1), without its lowering of
 * weights on failure, which is the work of health and outliers here.
 */
export class SmoothTurns implements Turns {
  #ids: readonly BackendId[] = []
  #weights: Float64Array = new Float64Array(0)
  #credits: Float64Array = new Float64Array(0)

  /** Cold. */
  rebuild(members: readonly Backend[]): void {
    const known = new Map(this.#ids.map((id, place) => [id, this.#credits[place]!]))
    const stayed = members.map((member) => known.get(member.id)).filter((credit) => credit !== undefined)
    const mean = stayed.length === 0 ? 0 : stayed.reduce((sum, credit) => sum + credit, 0) / stayed.length

    this.#ids = members.map((member) => member.id)
    this.#weights = Float64Array.from(members, (member) => member.weight)
    // Measured from the mean, or the credit that leavers take along would add up over many changes.
    this.#credits = Float64Array.from(members, (member) => (known.get(member.id) ?? mean) - mean)
  }

  /** Hot. The place of the member that has its turn among the first `count` places in `candidates`, ≥ 1. */
  next(candidates: Int32Array, count: number): number {
    const weights = this.#weights
    const credits = this.#credits
    let richest = candidates[0]!
    let most = -Infinity
    let earned = 0
    for (let i = 0; i < count; i++) {
      const place = candidates[i]!
      const credit = credits[place]! + weights[place]!
      credits[place] = credit
      earned += weights[place]!
      if (credit > most) {
        most = credit
        richest = place
      }
    }
    credits[richest] = most - earned
    return richest
  }
}
