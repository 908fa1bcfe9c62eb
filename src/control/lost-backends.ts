import type { MemberState } from "../cluster/snapshot.ts"
import type { Millis } from "../core/clock.ts"

/** How long a backend that has gone is spoken of. */
const memoryMs = 600_000
const idsMax = 1_000

/**
 * Which backends have gone without leaving in order: they were suspect or ejected when they were seen last. One that comes
 * back is not lost any more; others are forgotten after ten minutes, and the oldest when there are more than 1,000.
 */
export class LostBackends {
  readonly #goneAt = new Map<string, Millis>()
  #last: ReadonlyMap<string, MemberState> = new Map()

  /** To be told of the members about once a second. */
  follow(members: readonly { readonly id: string; readonly state: MemberState }[], now: Millis): void {
    const present = new Map(members.map(({ id, state }) => [id, state]))
    for (const [id, state] of this.#last) {
      if (!present.has(id) && (state === "suspect" || state === "ejected")) this.#goneAt.set(id, now)
    }
    for (const [id, goneAt] of this.#goneAt) {
      if (present.has(id) || now - goneAt > memoryMs || this.#goneAt.size > idsMax) this.#goneAt.delete(id)
    }
    this.#last = present
  }

  /** The last that has gone comes first. */
  get ids(): string[] {
    return [...this.#goneAt.keys()].toReversed()
  }
}
