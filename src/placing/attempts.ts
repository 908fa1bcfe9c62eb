/** Hot path: one try of a request on one backend, and the demand it holds there. */
import type { Backend } from "../core/backend.ts"
import type { Millis } from "../core/clock.ts"
import { type Resource, type ResourceTable, type ResourceVector, unitsMax } from "../core/resources.ts"
import type { AttemptResult, Policy } from "../policies/policy.ts"
import type { Choosing } from "./choosing.ts"
import type { LoadTable } from "./load-table.ts"

/** A backend with its row in the load table. */
export interface PlacedBackend extends Backend {
  readonly slot: number
  /** The most fixed-point units that each resource may hold: its capacity for `space`, else no bound that matters. */
  readonly roomUnits: Int32Array
  /** Until when it is passed over while another will do, after a connection to it could not be made. */
  readonly avoidUntil: Millis
}

/** What `PlacedBackend.roomUnits` is for this capacity. A space capacity is rounded down, a demand up. */
export function roomUnitsOf(resources: ResourceTable, capacity: Readonly<ResourceVector>): Int32Array {
  return Int32Array.from(resources, (resource: Resource, r) =>
    resource.kind === "space" ? Math.floor(capacity[r]! / resource.resolution) : unitsMax,
  )
}

/** By resource the most that a request can hold at one of these backends: Infinity for rates, and of nobody. */
export function roomMostOf(resources: ResourceTable, backends: readonly PlacedBackend[]): ResourceVector {
  return Float64Array.from(resources, ({ kind, resolution }, r) => {
    if (kind === "rate" || backends.length === 0) return Infinity
    return backends.reduce((most, { roomUnits }) => Math.max(most, roomUnits[r]!), 0) * resolution
  })
}

/** Cold: whether one of these backends would have space for so many units were it empty, or there is no backend. */
export function couldHold(
  resources: ResourceTable,
  backends: readonly PlacedBackend[],
  units: Int32Array,
): boolean {
  if (backends.length === 0) return true
  return backends.some(({ roomUnits }) =>
    resources.every(({ kind }, r) => kind === "rate" || units[r]! <= roomUnits[r]!),
  )
}

/** Who is told that an attempt has settled, after its demand has been given back. */
export type OnSettled = (attempt: Attempt, result: AttemptResult, now: Millis) => void

/**
 * Demand held on a backend from `begin` until `settle`, which must come exactly once, whatever ends the attempt.
 * A second settle is a bug and throws: it would give back what somebody else holds.
 */
export class Attempt {
  readonly backend: PlacedBackend
  /** What it holds, in the load table's units. */
  readonly units: Int32Array
  readonly #attempts: Attempts
  #settled = false

  /** For `Attempts.begin` only. */
  constructor(attempts: Attempts, backend: PlacedBackend, units: Int32Array) {
    this.#attempts = attempts
    this.backend = backend
    this.units = units
  }

  settle(result: AttemptResult, now: Millis): void {
    if (this.#settled) throw new Error(`an attempt on ${this.backend.id} was settled twice`)
    this.#settled = true
    this.#attempts.end(this, result, now)
  }
}

/** The attempts of one thread. */
export class Attempts {
  readonly #table: LoadTable
  readonly #worker: number
  readonly #resourceCount: number
  readonly #onSettled: OnSettled

  constructor(table: LoadTable, worker: number, resourceCount: number, onSettled: OnSettled) {
    this.#table = table
    this.#worker = worker
    this.#resourceCount = resourceCount
    this.#onSettled = onSettled
  }

  /** The demand in the load table's units, for any number of attempts. */
  unitsOf(demand: Readonly<ResourceVector>): Int32Array {
    const units = new Int32Array(this.#resourceCount)
    this.#table.toUnits(demand, units)
    return units
  }

  /**
   * Chooses by the policy, and reserves these units of what is asked for on whom it picks; undefined when it picks
   * nobody. A backend that ran full between choosing and reserving (other threads reserve too) is passed over; one that
   * refused a connection a moment ago is used only when no other will do.
   *
   * @param units the demand in the load table's units, as in `begin`
   */
  place(policy: Policy, choosing: Choosing<PlacedBackend>, units: Int32Array): Attempt | undefined {
    const attempt = this.#tryPlace(policy, choosing, units, true)
    if (attempt !== undefined || !choosing.hasAvoided) return attempt
    return this.#tryPlace(policy, choosing, units, false)
  }

  #tryPlace(
    policy: Policy,
    choosing: Choosing<PlacedBackend>,
    units: Int32Array,
    avoids: boolean,
  ): Attempt | undefined {
    choosing.begin(avoids)
    for (;;) {
      const { preferred } = choosing
      const isPreferred = preferred !== undefined && choosing.admits(preferred)
      const backend = isPreferred ? preferred : (policy.pick(choosing) as PlacedBackend | undefined)
      if (backend === undefined) return undefined
      const attempt = this.begin(backend, units)
      if (attempt !== undefined) {
        policy.onBegun?.(backend, choosing)
        return attempt
      }
      if (!choosing.markFull(backend)) return undefined
    }
  }

  /**
   * Reserves the demand; undefined when a space resource of the backend has no room for it now. Of a rate of which the
   * table can hold no more (a million of the default resolution) it holds nothing.
   *
   * @param units the demand in the load table's units (`unitsOf`); must stay as it is until the attempt has settled
   */
  begin(backend: PlacedBackend, units: Int32Array): Attempt | undefined {
    let held: Int32Array | undefined = units
    while (!this.#table.acquire(backend.slot, held, backend.roomUnits, this.#worker)) {
      // With each turn it is fewer rates.
      held = this.#table.withoutFullRates(backend.slot, held)
      if (held === undefined) return undefined
    }
    return new Attempt(this, backend, held)
  }

  /** For `Attempt.settle` only. */
  end(attempt: Attempt, result: AttemptResult, now: Millis): void {
    this.#table.release(attempt.backend.slot, attempt.units, this.#worker)
    this.#onSettled(attempt, result, now)
  }
}
