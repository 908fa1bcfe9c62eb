/** Cold: backends that fail look dearer, so that failing fast never looks like being free. */
import type { BackendId } from "../core/backend.ts"
import type { Millis } from "../core/clock.ts"
import { penaltyMax } from "../core/knowledge.ts"

/** What was seen counts for about this long. */
const memoryMs = 10_000
/**
 * The last so many attempts of a backend count for this long: one that is hardly used any more because it fails would
 * else be as good as new after a few seconds, and be sent all requests again.
 */
const keptAttempts = 10
const keptMemoryMs = 100_000
/** As if every backend had these successes behind it, so that one failure among few says little. */
const successesAssumed = 10
/**
 * By this power an attempt that fails is worse than one that has to be made again: most are not made again, and a
 * client sees the failure.
 */
const severity = 4
/** A smaller penalty is none, and a smaller change is not published. */
const changeMin = 0.05
/** What weighs less than this is forgotten, in attempts. */
const weightMin = 0.01
/** Pairs of backend and route that are remembered; of those beyond, failures are the backend's fault. */
const talliesMax = 65_536

interface Tally {
  succeeded: number
  failed: number
}

interface FailureRecord extends Tally {
  at: Millis
  published: number
  /** By route, of those on which some backend fails. */
  readonly routes: Map<number, Tally>
}

/** So many standard deviations of chance are left out; among a few hundred backends one is further off. */
const deviations = 3

/** A backend that has had fewer attempts of a route than this says nothing about the route. */
const toldMin = 0.1
/** While some backend says nothing about a route, its failures are held against the others for so long. */
const untoldMs = 10_000
/** If so much more of the route fails than before, that time begins anew. */
const partStep = 0.1

const nothing: Tally = { succeeded: 0, failed: 0 }

/** The least part of a route's attempts that may fail on any backend, which one that is, and the least on any other. */
interface LeastPart {
  part: number
  id: BackendId
  next: number
}

/** Since when a route has failed on every backend that says something about it, and how much: the least part. */
interface Doubt {
  since: Millis
  part: number
}

/**
 * The penalty of a backend is the fourth power of the number of attempts that one success takes there:
 * (1 − part of attempts that failed)⁻⁴, at most 16, over about ten seconds. One in twenty failing makes a request seem to
 * cost a quarter more, one in three five times as much, one in two sixteen. Attempts that clients cut off count neither
 * way. When the failures end it goes back to 1 with what succeeds, and slowly with time. Where all backends fail alike
 * all look dearer alike, which changes no choice.
 *
 * What fails everywhere is no backend's fault: of the attempts on a route the part that fails on the best of the other
 * backends is left out, and what chance adds to that, so a route that is broken on all of them penalises none. The best
 * one has to be good at it only, not to have much of it: however many failing backends there are, one that works tells
 * of them all. One that has had none of the route's requests may be good at it: for ten seconds the others are
 * penalised, so that it gets some. If it has none after that it is none for this route, as where a pool serves it.
 *
 * One entry per backend, and one per backend and route where requests of the route fail somewhere.
 *
 * @see linkerd2-proxy's penalty of failures in its peak EWMA: a failure there counts as a very slow response.
 */
export class Penalties {
  readonly #records = new Map<BackendId, FailureRecord>()
  /** Routes on which some backend fails. */
  #failing = new Set<number>()
  /** By route, where some backend says nothing about it. */
  readonly #doubts = new Map<number, Doubt>()
  #tallies = 0

  /** Attempts of one route that have ended at this backend. */
  add(id: BackendId, route: number, succeeded: number, failed: number, now: Millis): void {
    if (failed > 0) this.#failing.add(route)
    let record = this.#records.get(id)
    if (record === undefined) {
      if (!this.#failing.has(route)) return
      record = { succeeded: 0, failed: 0, at: now, published: 1, routes: new Map() }
      this.#records.set(id, record)
    }
    decay(record, now)
    record.succeeded += succeeded
    record.failed += failed
    const tally = this.#failing.has(route) ? this.#tallyOf(record, route) : undefined
    if (tally === undefined) return
    tally.succeeded += succeeded
    tally.failed += failed
  }

  #tallyOf({ routes }: FailureRecord, route: number): Tally | undefined {
    let tally = routes.get(route)
    if (tally !== undefined) return tally
    if (this.#tallies >= talliesMax) return undefined
    this.#tallies++
    tally = { succeeded: 0, failed: 0 }
    routes.set(route, tally)
    return tally
  }

  /**
   * Those above 1, where these backends may be chosen. One that has not failed for some minutes is forgotten.
   * O(backends · routes that fail).
   */
  learn(eligible: readonly { readonly id: BackendId }[], now: Millis): Map<BackendId, number> {
    for (const record of this.#records.values()) decay(record, now)
    this.#forget()
    const least = this.#leastParts()
    for (const [route, found] of least) if (this.#isInDoubt(route, found, eligible, now)) least.delete(route)
    const penalties = new Map<BackendId, number>()
    for (const [id, record] of this.#records) {
      const blamed = record.failed - excusedOf(id, record, least)
      const attempts = record.succeeded + blamed + successesAssumed
      const penalty = Math.min(penaltyMax, (attempts / (attempts - blamed)) ** severity)
      if (Math.abs(penalty / record.published - 1) >= changeMin) record.published = penalty
      if (penalty < 1 + changeMin) record.published = 1
      if (record.published > 1) penalties.set(id, record.published)
    }
    return penalties
  }

  /** Forgets the backends for which `isMember` is false. */
  retain(isMember: (id: BackendId) => boolean): void {
    for (const [id, { routes }] of this.#records) {
      if (isMember(id)) continue
      this.#tallies -= routes.size
      this.#records.delete(id)
    }
  }

  /** Routes on which no backend fails any more, and backends that say nothing about any other. */
  #forget(): void {
    const failing = new Set<number>()
    for (const { routes } of this.#records.values()) {
      for (const [route, { failed }] of routes) if (failed >= weightMin) failing.add(route)
    }
    this.#failing = failing
    for (const route of this.#doubts.keys()) if (!failing.has(route)) this.#doubts.delete(route)
    this.#tallies = 0
    for (const [id, record] of this.#records) {
      for (const route of record.routes.keys()) if (!failing.has(route)) record.routes.delete(route)
      this.#tallies += record.routes.size
      if (record.failed < weightMin && record.routes.size === 0) this.#records.delete(id)
    }
  }

  /** Whether some backend that says nothing about the route may be better at it than all that do. */
  #isInDoubt(
    route: number,
    { part }: LeastPart,
    eligible: readonly { readonly id: BackendId }[],
    now: Millis,
  ): boolean {
    const hasTold = ({ id }: { readonly id: BackendId }): boolean => {
      const { failed, succeeded } = this.#records.get(id)?.routes.get(route) ?? nothing
      return failed + succeeded >= toldMin
    }
    if (part === 0 || eligible.every(hasTold)) {
      this.#doubts.delete(route)
      return false
    }
    const doubt = this.#doubts.get(route)
    if (doubt === undefined || part > doubt.part + partStep) {
      this.#doubts.set(route, { since: now, part })
      return true
    }
    doubt.part = Math.min(doubt.part, part)
    return now - doubt.since < untoldMs
  }

  #leastParts(): Map<number, LeastPart> {
    const least = new Map<number, LeastPart>()
    for (const [id, { routes }] of this.#records) {
      for (const [route, { failed, succeeded }] of routes) {
        const attempts = failed + succeeded
        if (attempts < toldMin) continue
        const mean = failed / attempts
        const part = Math.min(1, mean + deviations * Math.sqrt((mean * (1 - mean)) / attempts))
        const known = least.get(route)
        if (known === undefined) least.set(route, { part, id, next: Infinity })
        else if (part < known.part) least.set(route, { part, id, next: known.part })
        else known.next = Math.min(known.next, part)
      }
    }
    return least
  }
}

/** How many of a backend's failures every other backend would have had too, on the routes of which that is known. */
function excusedOf(
  id: BackendId,
  { routes }: FailureRecord,
  leastParts: ReadonlyMap<number, LeastPart>,
): number {
  let excused = 0
  for (const [route, { failed, succeeded }] of routes) {
    const least = leastParts.get(route)
    if (least === undefined || failed === 0) continue
    const part = least.id === id ? least.next : least.part
    // No other backend has had any of these requests.
    if (part === Infinity) continue
    const usual = part * (failed + succeeded)
    excused += Math.min(failed, usual + deviations * Math.sqrt(usual * (1 - part)))
  }
  return excused
}

/** The weight of all attempts falls in `memoryMs`, and in `keptMemoryMs` once it is down to `keptAttempts`. */
function decay(record: FailureRecord, now: Millis): void {
  const elapsed = Math.max(0, now - record.at)
  record.at = now
  const weight = record.succeeded + record.failed
  if (elapsed === 0 || weight === 0) return
  const slow = Math.exp(-elapsed / keptMemoryMs) * Math.min(1, keptAttempts / weight)
  const kept = Math.max(Math.exp(-elapsed / memoryMs), slow)
  scale(record, kept)
  for (const tally of record.routes.values()) scale(tally, kept)
}

function scale(tally: Tally, factor: number): void {
  tally.succeeded *= factor
  tally.failed *= factor
}
