// Hot path: `next` once a pick. Which member that fails is tried, so that one that works again comes back.
import type { Backend, BackendId } from "../../core/backend.ts"
import { penaltyMax } from "../../core/knowledge.ts"
import { averageFrom } from "./believed.ts"

/** A fleet counts as this many members at least: with a penalty of 16 one request in 96 is a trial. */
const fleetMin = 6

/**
 * A member that fails may get no requests at all, and then nothing tells when it works again. So each is tried with
 * one request in so many as would be its part of them all over its penalty, and that only while nothing runs there:
 * what runs will tell. The more of its trials succeed the lower its penalty becomes, and the more it is tried, until
 * the penalty is so low that prices give it requests again: from there on a trial, which asks for no price, is rare.
 *
 * Counts requests and not time: whatever the load, the part of them that fails because of trials is the same. At most
 * one trial a refresh. Memory: a number a member with a penalty.
 */
export class Trials {
  #members: readonly Backend[] = []
  #penalties: Readonly<Float64Array> = new Float64Array(0)
  #asked = 0
  /** At which number of requests a member is tried. */
  #at = new Map<BackendId, number>()
  /** The one that is next, −1 for none. */
  #due = -1

  /** Cold. Penalties by member, over the least of them: 1 is none. O(members). */
  rebuild(members: readonly Backend[], penalties: Readonly<Float64Array>): void {
    this.#members = members
    this.#penalties = penalties
    this.refresh()
  }

  /** Cold, several times per second: looks which one is next. O(members). */
  refresh(): void {
    this.#due = -1
    const at = new Map<BackendId, number>()
    for (const [index, { id }] of this.#members.entries()) {
      const penalty = this.#penalties[index]!
      if (penalty === 1) continue
      // A turn that has been given comes no later because the penalty has changed.
      const latest = this.#asked + this.#interval(index)
      const turn = Math.min(this.#at.get(id) ?? latest, latest)
      at.set(id, turn)
      if (this.#due < 0 && turn <= this.#asked) this.#due = index
    }
    this.#at = at
  }

  /** The index of the member to which the request that is asked about should go if it can, −1 for none. */
  next(): number {
    this.#asked++
    const index = this.#due
    return index >= 0 && this.#members[index]!.load.inFlight === 0 ? index : -1
  }

  /** The request does go there. */
  begun(index: number): void {
    this.#due = -1
    this.#at.set(this.#members[index]!.id, this.#asked + this.#interval(index))
  }

  #interval(index: number): number {
    const penalty = this.#penalties[index]!
    return Math.max(fleetMin, this.#members.length) * (penalty >= averageFrom ? penalty : penaltyMax)
  }
}
