// Cold.
import type { BackendId } from "../core/backend.ts"
import type { Millis } from "../core/clock.ts"

/** How long a backend that has gone is spoken of. */
const memoryMs = 600_000
const idsMax = 1_000

/**
 * Which backends have gone without leaving in order. One that comes back is not lost any more; others are forgotten
 * after ten minutes, and the oldest when there are more than 1,000.
 */
export class LostBackends {
  /** The last that has gone comes last. */
  readonly #goneAt = new Map<BackendId, Millis>()

  add(id: BackendId, now: Millis): void {
    this.#goneAt.delete(id)
    this.#goneAt.set(id, now)
    for (const oldest of this.#goneAt.keys()) {
      if (this.#goneAt.size <= idsMax) break
      this.#goneAt.delete(oldest)
    }
  }

  /** It has come back. */
  delete(id: BackendId): void {
    this.#goneAt.delete(id)
  }

  /** The last that has gone comes first. */
  ids(now: Millis): BackendId[] {
    for (const [id, goneAt] of this.#goneAt) if (now - goneAt > memoryMs) this.#goneAt.delete(id)
    return [...this.#goneAt.keys()].toReversed()
  }
}
