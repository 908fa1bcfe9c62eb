/** Cold: what backends really have, from the work that they were given and how busy it made them. */
import type { BackendId } from "../core/backend.ts"
import type { Millis } from "../core/clock.ts"
import { median } from "../core/median.ts"
import type { ResourceTable, ResourceVector } from "../core/resources.ts"

/** Corrected capacity over registered capacity, at least and at most. */
const correctionMin = 0.25
const correctionMax = 1.5
/** After its first report a backend's capacity stays as registered for so long, and again so long after its last. */
const blackoutMs = 10_000
const expiryMs = 180_000
/** Work and utilization count for as long as so many requests take to come; within these bounds. */
const windowRequests = 400
const windowMinMs = 5_000
const windowMaxMs = 60_000
/** Standard errors that a ratio has to be away from the usual one before it counts. */
const errorsMin = 2
/** How far more where all work is only believed: demands that were fitted are off in ways of their own. */
const belief = 0.15
/** A correction moves down, and up, by all but 1/e of the way in this time. */
const downMs = 2_000
const upMs = 20_000
/** Below it, a utilization is too near to 0 to divide by. */
const utilizationMin = 0.05
/** A smaller change is not worth that all policies prepare anew. */
const changeMin = 0.05

/** What a backend was given to do in some seconds. */
export interface GivenWork {
  readonly seconds: number
  readonly requests: number
  readonly utilization: Readonly<ResourceVector>
  /** By resource, in the unit of demand. */
  readonly work: Readonly<ResourceVector>
  /** Which part of it was reported by the backend, 0 to 1; the rest is what requests are believed to need. */
  readonly reported: Readonly<ResourceVector>
}

/** Sums by resource over the window. */
interface Estimate {
  readonly work: ResourceVector
  readonly busy: ResourceVector
  readonly requests: ResourceVector
  readonly believed: ResourceVector
  readonly workSquare: ResourceVector
  readonly busySquare: ResourceVector
  readonly product: ResourceVector
  /** As it moves, and as it was published last. */
  readonly moving: ResourceVector
  readonly published: ResourceVector
  readonly since: Millis
  until: Millis
}

/**
 * Corrections of the capacities of rate resources; spaces are as registered.
 *
 * For each backend and resource: the ratio of the work it was given per second to utilization × registered capacity,
 * over the time of 400 requests, from five seconds to a minute. What counts is that ratio over the fleet's median, so a
 * factor that is common to all (demand in other units than capacity, background work everywhere) changes nothing, and a
 * single backend is never corrected. The standard error of a ratio is what its stretches scatter by, at least 1/√n for
 * n requests; a correction within two of it is none. Where the work is only believed it is 15 % more, for a backend
 * that gets other requests than most shows the errors of their demands. It goes down within seconds and up within
 * a minute, and stays between 0.25 and 1.5.
 *
 * Changes of less than 5 % are not published. O(backends · R) per call; 9R numbers per backend.
 */
export class CapacityEstimator {
  readonly #resources: ResourceTable
  readonly #known = new Map<BackendId, Estimate>()
  #learnedAt: Millis = NaN

  constructor(resources: ResourceTable) {
    this.#resources = resources
  }

  /** Some seconds of a backend, with the capacity that it registered. */
  add(id: BackendId, given: GivenWork, registered: Readonly<ResourceVector>, now: Millis): void {
    const estimate = this.#estimateOf(id, now)
    estimate.until = now
    const { requests, seconds } = given
    const aimMs = ((windowRequests * seconds) / requests) * 1_000
    const kept = Math.exp((-seconds * 1_000) / Math.min(Math.max(aimMs, windowMinMs), windowMaxMs))
    for (const [r, { kind }] of this.#resources.entries()) {
      const utilization = given.utilization[r]!
      if (kind !== "rate" || !(utilization >= utilizationMin) || registered[r] === 0) continue
      const work = given.work[r]!
      const busy = utilization * registered[r]! * seconds
      const { believed, busySquare, product, workSquare } = estimate
      estimate.work[r] = estimate.work[r]! * kept + work
      estimate.busy[r] = estimate.busy[r]! * kept + busy
      estimate.requests[r] = estimate.requests[r]! * kept + requests
      believed[r] = believed[r]! * kept + work * (1 - given.reported[r]!)
      workSquare[r] = workSquare[r]! * kept + work * work
      busySquare[r] = busySquare[r]! * kept + busy * busy
      product[r] = product[r]! * kept + work * busy
    }
  }

  /** Renews the corrections. Call it about once a stretch. */
  learn(now: Millis): void {
    const passed = Number.isNaN(this.#learnedAt) ? 0 : Math.max(0, now - this.#learnedAt)
    this.#learnedAt = now
    for (const [r, { kind }] of this.#resources.entries()) {
      if (kind === "rate") this.#learnResource(r, passed, now)
    }
    for (const [id, estimate] of this.#known) {
      const isExpired = now - estimate.until > expiryMs
      for (let r = 0; r < this.#resources.length; r++) {
        const moving = estimate.moving[r]!
        const change = Math.abs(moving / estimate.published[r]! - 1)
        if (isExpired) estimate.published[r] = 1
        else if (change >= changeMin) estimate.published[r] = moving
        // On its way back to 1 it may be nearer than any change worth publishing.
        else if (Math.abs(moving - 1) < changeMin / 4) estimate.published[r] = 1
      }
      if (isExpired) this.#known.delete(id)
    }
  }

  /** Factors on the registered capacity by resource; undefined where all are 1. */
  correctionOf(id: BackendId): Readonly<ResourceVector> | undefined {
    const published = this.#known.get(id)?.published
    return published?.some((factor) => factor !== 1) === true ? published : undefined
  }

  /** Forgets the backends for which `isMember` is false. */
  retain(isMember: (id: BackendId) => boolean): void {
    for (const id of this.#known.keys()) if (!isMember(id)) this.#known.delete(id)
  }

  #learnResource(r: number, passed: Millis, now: Millis): void {
    const ratios: number[] = []
    for (const { work, busy } of this.#known.values()) {
      if (busy[r]! > 0 && work[r]! > 0) ratios.push(work[r]! / busy[r]!)
    }
    const usual = median(ratios)
    for (const estimate of this.#known.values()) {
      const { busy, moving, since, work } = estimate
      if (now - since < blackoutMs || !(busy[r]! > 0) || !(work[r]! > 0)) continue
      const aim = clamped(withoutNoise(work[r]! / busy[r]! / usual, noiseOf(estimate, r)))
      const step = 1 - Math.exp(-passed / (aim < moving[r]! ? downMs : upMs))
      moving[r]! += (aim - moving[r]!) * step
    }
  }

  #estimateOf(id: BackendId, now: Millis): Estimate {
    const known = this.#known.get(id)
    if (known !== undefined) return known
    const count = this.#resources.length
    const estimate = {
      work: new Float64Array(count),
      busy: new Float64Array(count),
      requests: new Float64Array(count),
      believed: new Float64Array(count),
      workSquare: new Float64Array(count),
      busySquare: new Float64Array(count),
      product: new Float64Array(count),
      moving: new Float64Array(count).fill(1),
      published: new Float64Array(count).fill(1),
      since: now,
      until: now,
    }
    this.#known.set(id, estimate)
    return estimate
  }
}

/** What the ratio of work to busy time may be off by, as a part of it. */
function noiseOf(estimate: Estimate, r: number): number {
  const work = estimate.work[r]!
  const ratio = work / estimate.busy[r]!
  const rest =
    estimate.workSquare[r]! - 2 * ratio * estimate.product[r]! + ratio * ratio * estimate.busySquare[r]!
  // Successive stretches are not independent, which roughly offsets that older ones count less.
  const scatter = Math.sqrt(Math.max(0, rest)) / work
  const fewest = 1 / Math.sqrt(Math.max(1, estimate.requests[r]!))
  return errorsMin * Math.max(scatter, fewest) + (belief * estimate.believed[r]!) / work
}

/** 0 for a distance within the noise, nearly all of one far beyond it (James and Stein's shrinking, held at 0). */
function withoutNoise(ratio: number, noise: number): number {
  const distance = Math.log(ratio)
  if (distance === 0) return 1
  return Math.exp(distance * Math.max(0, 1 - (noise / distance) ** 2))
}

function clamped(ratio: number): number {
  return Math.min(Math.max(ratio, correctionMin), correctionMax)
}
