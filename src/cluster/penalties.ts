/** Cold: backends that fail look dearer, so that failing fast never looks like being free. */
import type { BackendId } from "../core/backend.ts"
import type { Millis } from "../core/clock.ts"

/** What was seen counts for about this long. */
const memoryMs = 10_000
/** As if every backend had these successes behind it, so that one failure among few says little. */
const successesAssumed = 10
export const penaltyMax = 16
/** By this power an attempt that fails is worse than one that has to be made again: most are not, and somebody sees it. */
const severity = 4
/** A smaller penalty is none, and a smaller change is not published. */
const changeMin = 0.05

interface FailureRecord {
  succeeded: number
  failed: number
  at: Millis
  published: number
}

/**
 * The penalty of a backend is the fourth power of the number of attempts that one success takes there:
 * (1 − part of attempts that failed)⁻⁴, at most 16, over about ten seconds. One in twenty failing makes a request seem to
 * cost a quarter more, one in three five times as much, one in two sixteen. Attempts that clients cut off count neither
 * way. When the failures end it goes back to 1 with the seconds; and at 16 so few are sent there that it goes back until
 * the next ones tell. Where all backends fail alike all look dearer alike, which changes no choice.
 *
 * One entry a backend.
 *
 * @see linkerd2-proxy's penalty of failures in its peak EWMA: a failure there counts as a very slow answer.
 */
export class Penalties {
  readonly #records = new Map<BackendId, FailureRecord>()

  add(id: BackendId, succeeded: number, failed: number, now: Millis): void {
    let record = this.#records.get(id)
    if (record === undefined) {
      if (failed === 0) return
      record = { succeeded: 0, failed: 0, at: now, published: 1 }
      this.#records.set(id, record)
    }
    decay(record, now)
    record.succeeded += succeeded
    record.failed += failed
  }

  /** Those above 1. A backend that has not failed for a minute or so is forgotten. */
  learn(now: Millis): Map<BackendId, number> {
    const penalties = new Map<BackendId, number>()
    for (const [id, record] of this.#records) {
      decay(record, now)
      const attempts = record.succeeded + record.failed + successesAssumed
      const penalty = Math.min(penaltyMax, (attempts / (attempts - record.failed)) ** severity)
      if (Math.abs(penalty / record.published - 1) >= changeMin) record.published = penalty
      if (penalty < 1 + changeMin) record.published = 1
      if (record.published > 1) penalties.set(id, record.published)
      if (record.failed < 0.01) this.#records.delete(id)
    }
    return penalties
  }

  /** Forgets the backends for which `isMember` is false. */
  retain(isMember: (id: BackendId) => boolean): void {
    for (const id of this.#records.keys()) if (!isMember(id)) this.#records.delete(id)
  }
}

function decay(record: FailureRecord, now: Millis): void {
  const kept = Math.exp(-Math.max(0, now - record.at) / memoryMs)
  record.succeeded *= kept
  record.failed *= kept
  record.at = now
}
