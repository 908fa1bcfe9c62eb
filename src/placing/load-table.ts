/**
 * Hot path: what every backend carries now, shared by all threads without messages or locks.
 *
 * One SharedArrayBuffer of int32. Row by slot: in-flight attempts, then reserved demand in fixed-point units of
 * each resource's resolution. Totals are changed with atomic adds. Beside them every thread keeps a ledger of its
 * own share, written by no other: when a thread dies, what it held is known exactly and given back.
 */
import type { BackendLoad } from "../core/backend.ts"
import { type ResourceTable, type ResourceVector, unitsMax } from "../core/resources.ts"

/** Plain data that a thread needs to open the table. */
export interface LoadTableShape {
  readonly buffer: SharedArrayBuffer
  readonly slots: number
  readonly workers: number
}

/** Int32 cells before the first row: one counter of requests that drew a simulated demand. */
const headerCells = 16

export class LoadTable {
  readonly shape: LoadTableShape
  readonly #cells: Int32Array
  readonly #resources: ResourceTable
  readonly #stride: number
  readonly #tableCells: number

  /** Opens the table that `create` made, or the same one in another thread. */
  constructor(resources: ResourceTable, shape: LoadTableShape) {
    this.shape = shape
    this.#resources = resources
    this.#stride = strideOf(resources)
    this.#tableCells = shape.slots * this.#stride
    this.#cells = new Int32Array(shape.buffer)
  }

  /** A new table, all zero. */
  static create(resources: ResourceTable, slots: number, workers: number): LoadTable {
    const cells = headerCells + slots * strideOf(resources) * (workers + 1)
    return new LoadTable(resources, { buffer: new SharedArrayBuffer(cells * 4), slots, workers })
  }

  /** The number of this draw among all threads' draws, from 0 on, so that simulated demand is repeatable. */
  nextDraw(): number {
    return Atomics.add(this.#cells, 0, 1) >>> 0
  }

  /** Fixed-point units of each resource, rounded up so that a demand never counts as less than it is. */
  toUnits(demand: Readonly<ResourceVector>, units: Int32Array): void {
    const resources = this.#resources
    for (let r = 0; r < resources.length; r++) {
      units[r] = Math.min(Math.ceil(demand[r]! / resources[r]!.resolution), unitsMax)
    }
  }

  /**
   * Adds one attempt with this demand, or changes nothing and returns false when a space resource would pass
   * `roomUnits` or a cell would pass what it can hold. Exact under concurrency: what no longer fits when it has
   * been added is taken back.
   */
  acquire(slot: number, units: Int32Array, roomUnits: Int32Array, worker: number): boolean {
    const cells = this.#cells
    const row = this.#row(slot)
    const resources = this.#resources
    for (let r = 0; r < resources.length; r++) {
      const amount = units[r]!
      const before = Atomics.add(cells, row + 1 + r, amount)
      if (before + amount <= roomUnits[r]!) continue
      for (let undo = r; undo >= 0; undo--) Atomics.sub(cells, row + 1 + undo, units[undo]!)
      return false
    }
    Atomics.add(cells, row, 1)
    const ledger = row + (worker + 1) * this.#tableCells
    cells[ledger]!++
    for (let r = 0; r < resources.length; r++) cells[ledger + 1 + r]! += units[r]!
    return true
  }

  /**
   * Cold, for a demand that was not acquired: the same without the rates of which the row can hold no more. A rate may
   * be any size and keeps no request out; only its cell has an end, and at that all backends look equally full.
   * Undefined when no rate was the reason.
   */
  withoutFullRates(slot: number, units: Int32Array): Int32Array | undefined {
    const row = this.#row(slot)
    let less: Int32Array | undefined
    for (const [r, { kind }] of this.#resources.entries()) {
      if (kind !== "rate" || units[r] === 0) continue
      if (units[r]! <= unitsMax - Atomics.load(this.#cells, row + 1 + r)) continue
      less ??= units.slice()
      less[r] = 0
    }
    return less
  }

  /** Takes one attempt with this demand away again: exactly what its `acquire` added. */
  release(slot: number, units: Int32Array, worker: number): void {
    const cells = this.#cells
    const row = this.#row(slot)
    const ledger = row + (worker + 1) * this.#tableCells
    const count = this.#resources.length
    Atomics.sub(cells, row, 1)
    cells[ledger]!--
    for (let r = 0; r < count; r++) {
      Atomics.sub(cells, row + 1 + r, units[r]!)
      cells[ledger + 1 + r]! -= units[r]!
    }
  }

  /** Gives back everything that a thread which is no more still held. */
  releaseAll(worker: number): void {
    const cells = this.#cells
    const ledger = headerCells + (worker + 1) * this.#tableCells
    for (let i = 0; i < this.#tableCells; i++) {
      const held = cells[ledger + i]!
      if (held === 0) continue
      Atomics.sub(cells, headerCells + i, held)
      cells[ledger + i] = 0
    }
  }

  inFlight(slot: number): number {
    return this.#cells[this.#row(slot)]!
  }

  /** Reserved demand in the resource's own unit. */
  reserved(slot: number, resource: number): number {
    return this.#cells[this.#row(slot) + 1 + resource]! * this.#resources[resource]!.resolution
  }

  /** Whether a row is all zero: nothing on it has still to settle. */
  isIdle(slot: number): boolean {
    const row = this.#row(slot)
    for (let i = 0; i < this.#stride; i++) if (Atomics.load(this.#cells, row + i) !== 0) return false
    return true
  }

  /** The accessor that policies read. */
  loadOf(slot: number): BackendLoad {
    return new SlotLoad(this.#cells, this.#row(slot), this.#resources)
  }

  #row(slot: number): number {
    return headerCells + slot * this.#stride
  }
}

/** In-flight and one cell a resource, filled up so that the rows of two slots seldom share a cache line. */
function strideOf(resources: ResourceTable): number {
  return Math.ceil((1 + resources.length) / 4) * 4
}

class SlotLoad implements BackendLoad {
  readonly #cells: Int32Array
  readonly #row: number
  readonly #resolutions: Float64Array

  constructor(cells: Int32Array, row: number, resources: ResourceTable) {
    this.#cells = cells
    this.#row = row
    this.#resolutions = Float64Array.from(resources, (resource) => resource.resolution)
  }

  get inFlight(): number {
    return this.#cells[this.#row]!
  }

  reserved(resource: number): number {
    return this.#cells[this.#row + 1 + resource]! * this.#resolutions[resource]!
  }
}

/**
 * Which rows are free. A row whose member has gone is given out again only after every thread has taken a
 * snapshot without that member and the last attempt on it has settled.
 */
export class SlotAllocator {
  readonly #table: LoadTable
  readonly #onReclaim: (slot: number) => void
  readonly #free: number[] = []
  readonly #retired = new Map<number, number>()

  /** `onReclaim` is told of each row before it can be given out again (to zero what is counted by row). */
  constructor(table: LoadTable, onReclaim: (slot: number) => void) {
    this.#table = table
    this.#onReclaim = onReclaim
    for (let slot = table.shape.slots - 1; slot >= 0; slot--) this.#free.push(slot)
  }

  /** A free row, or undefined when the table is full. */
  allocate(): number | undefined {
    return this.#free.pop()
  }

  /** The member of this row has left with the snapshot of this version. */
  retire(slot: number, version: number): void {
    this.#retired.set(slot, version)
  }

  /** Frees the retired rows that no thread can touch any more; `version` is what all threads have taken. */
  reclaim(version: number): void {
    for (const [slot, retiredAt] of this.#retired) {
      if (retiredAt > version || !this.#table.isIdle(slot)) continue
      this.#retired.delete(slot)
      this.#onReclaim(slot)
      this.#free.push(slot)
    }
  }
}
