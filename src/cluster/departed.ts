import type { BackendId } from "../core/backend.ts"
import type { Millis } from "../core/clock.ts"

/**
 * The last incarnations of backends that have left, so that a process which was already replaced cannot come
 * back after its successor has gone.
 *
 * Bounded in time and number: beyond `memoryMs`, or when more than `idsMax` have left since, an id is as good as
 * new. Forgetting is safe: it only lets an old process in again, which then has to pass its checks.
 */
export class Departed {
  readonly #memoryMs: Millis
  readonly #idsMax: number
  /** In order of departure. */
  readonly #known = new Map<BackendId, { readonly incarnation: number; readonly until: Millis }>()

  constructor(memoryMs: Millis, idsMax: number) {
    this.#memoryMs = memoryMs
    this.#idsMax = idsMax
  }

  add(id: BackendId, incarnation: number, now: Millis): void {
    this.#known.delete(id)
    this.#known.set(id, { incarnation, until: now + this.#memoryMs })
    for (const [oldest, { until }] of this.#known) {
      if (this.#known.size <= this.#idsMax && until > now) break
      this.#known.delete(oldest)
    }
  }

  incarnationOf(id: BackendId, now: Millis): number | undefined {
    const known = this.#known.get(id)
    return known === undefined || known.until <= now ? undefined : known.incarnation
  }
}
