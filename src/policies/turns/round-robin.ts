import type { Backend } from "../../core/backend.ts"
import type { PickRequest, Policy, PolicyEntry } from "../policy.ts"

/**
 * Every member in turn, in order of registration, whatever it weighs or carries.
 *
 * A member the request does not admit loses its turn to the next one. A change of membership keeps the turn
 * where it was; a newcomer waits for the end of the round. O(1) per pick, O(n) when few are admitted.
 */
export class RoundRobin implements Policy {
  /** Its row in the table of policies. */
  static readonly entry = {
    summary: "Every backend in turn, whatever it weighs or carries.",
    make: () => new RoundRobin(),
    seesDemand: false,
  } as const satisfies PolicyEntry

  readonly name = "round-robin"
  #members: readonly Backend[] = []
  #next = 0

  rebuild(members: readonly Backend[]): void {
    this.#next = this.#turnAmong(members)
    this.#members = members
  }

  pick(request: PickRequest): Backend | undefined {
    const members = this.#members
    const count = members.length
    for (let step = 0; step < count; step++) {
      const turn = this.#next
      this.#next = turn + 1 === count ? 0 : turn + 1
      const backend = members[turn]!
      if (request.admits(backend)) return backend
    }
    return undefined
  }

  /** Where in the new order the first one stands that was due in the old order and has stayed. */
  #turnAmong(members: readonly Backend[]): number {
    const places = new Map(members.map((member, place) => [member.id, place]))
    const old = this.#members
    for (let step = 0; step < old.length; step++) {
      const place = places.get(old[(this.#next + step) % old.length]!.id)
      if (place !== undefined) return place
    }
    return 0
  }
}
