// Hot path. Benchmark: bench/choose.ts.
import type { Backend } from "../../core/backend.ts"
import { carried, Places } from "../tools/places.ts"
import type { Turns } from "../tools/turns.ts"

/**
 * Turns by earliest deadline among candidates that may be others each time: the one that takes a turn is due again
 * 1/weight after it was due. The earlier candidate wins ties. O(candidates).
 *
 * A newcomer is due 1/weight after the latest deadline given so far, so those that start together take their
 * first turns in order, each a period after the one before, and a late one is never owed anything.
 *
 * A backend that was no candidate for long has kept its deadline and takes the turns it missed, one after the other,
 * when it is one again. Prior art: how Traefik breaks ties in `leasttime`.
 */
export class DeadlineTurns implements Turns {
  readonly #places = new Places()
  #weights = new Float64Array(0)
  #deadlines = new Float64Array(0)
  #latest = 0

  rebuild(members: readonly Backend[]): void {
    const before = this.#places.rebuild(members)
    this.#weights = Float64Array.from(members, ({ weight }) => weight)
    this.#deadlines = carried(this.#deadlines, before, NaN)
    for (const [place, old] of before.entries()) {
      if (old !== -1) continue
      this.#latest += 1 / this.#weights[place]!
      this.#deadlines[place] = this.#latest
    }
  }

  next(candidates: Int32Array, count: number): number {
    const deadlines = this.#deadlines
    let due = candidates[0]!
    for (let i = 1; i < count; i++) {
      const place = candidates[i]!
      if (deadlines[place]! < deadlines[due]!) due = place
    }
    const deadline = deadlines[due]! + 1 / this.#weights[due]!
    deadlines[due] = deadline
    if (deadline > this.#latest) this.#latest = deadline
    return due
  }
}
