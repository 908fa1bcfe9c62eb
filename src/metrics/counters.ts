/**
 * Hot path: what has happened, counted by thread and read by the control plane. One SharedArrayBuffer of
 * float64 cells, each written by one thread only, so counting is a plain addition; exact up to 2^53. A reader
 * sees a count that is at most a moment old. Free to restart: nothing depends on a count.
 */
import { type ErrorCode, errorCodes } from "../core/errors.ts"

export interface CountersShape {
  readonly buffer: SharedArrayBuffer
  readonly slots: number
  readonly workers: number
  readonly resources: number
}

/** Counts of one thread, not of a backend. */
const threadCells = { accepted: 0, closed: 1, requests: 2, answered: 3 } as const
const threadCellCount = 4
export type ThreadCount = keyof typeof threadCells

const requestsCell = 0
const failuresCell = 1
const totalsCell = 2

export class Counters {
  readonly shape: CountersShape
  readonly #cells: Float64Array
  readonly #slotStride: number
  readonly #workerStride: number
  readonly #slotsStart: number

  constructor(shape: CountersShape) {
    this.shape = shape
    this.#cells = new Float64Array(shape.buffer)
    this.#slotStride = totalsCell + shape.resources
    this.#slotsStart = threadCellCount + errorCodes.length
    this.#workerStride = workerStrideOf(shape.slots, shape.resources)
  }

  static create(slots: number, workers: number, resources: number): Counters {
    const bytes = workerStrideOf(slots, resources) * workers * 8
    return new Counters({ buffer: new SharedArrayBuffer(bytes), slots, workers, resources })
  }

  count(worker: number, what: ThreadCount): void {
    this.#cells[worker * this.#workerStride + threadCells[what]]!++
  }

  countError(worker: number, code: ErrorCode): void {
    this.#cells[worker * this.#workerStride + threadCellCount + errorCodes.indexOf(code)]!++
  }

  /** A backend has responded to a request: its demand counts as carried. `demand` is in fixed-point units. */
  countAnswer(worker: number, slot: number, units: Int32Array): void {
    const cells = this.#cells
    const at = this.#slot(worker, slot)
    cells[at + requestsCell]!++
    for (let r = 0; r < this.shape.resources; r++) cells[at + totalsCell + r]! += units[r]!
  }

  countFailure(worker: number, slot: number): void {
    this.#cells[this.#slot(worker, slot) + failuresCell]!++
  }

  /** Over all threads. */
  total(what: ThreadCount): number {
    return this.#sum(threadCells[what])
  }

  /** A thread that has ended has no open connections: what it accepted counts as closed. */
  closeAll(worker: number): void {
    const at = worker * this.#workerStride
    this.#cells[at + threadCells.closed] = this.#cells[at + threadCells.accepted]!
  }

  /** Errors by code over all threads, those that have happened. */
  errors(): Record<string, number> {
    const counts: Record<string, number> = {}
    for (const [index, code] of errorCodes.entries()) {
      const count = this.#sum(threadCellCount + index)
      if (count > 0) counts[code] = count
    }
    return counts
  }

  requests(slot: number): number {
    return this.#sum(this.#slot(0, slot) + requestsCell)
  }

  failures(slot: number): number {
    return this.#sum(this.#slot(0, slot) + failuresCell)
  }

  /** Demand carried of one resource, in fixed-point units. */
  carriedUnits(slot: number, resource: number): number {
    return this.#sum(this.#slot(0, slot) + totalsCell + resource)
  }

  /** Forgets what was counted for the backend that had this row. Only while no thread can touch the row. */
  clear(slot: number): void {
    for (let worker = 0; worker < this.shape.workers; worker++) {
      const at = this.#slot(worker, slot)
      this.#cells.fill(0, at, at + this.#slotStride)
    }
  }

  #slot(worker: number, slot: number): number {
    return worker * this.#workerStride + this.#slotsStart + slot * this.#slotStride
  }

  #sum(cell: number): number {
    let sum = 0
    for (let worker = 0; worker < this.shape.workers; worker++) {
      sum += this.#cells[worker * this.#workerStride + cell]!
    }
    return sum
  }
}

function workerStrideOf(slots: number, resources: number): number {
  return threadCellCount + errorCodes.length + slots * (totalsCell + resources)
}
