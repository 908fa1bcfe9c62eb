/**
 * Hot path: all simulated requests that have not ended, a number each. The numbers of those that have ended are given
 * out again, so the arrays are as long as the most that were ever there at once. Fields are arrays, not objects: a
 * request costs no allocation.
 */
import type { Demand } from "../../placing/demand.ts"
import type { ResourceVector } from "../../core/resources.ts"

/** `away`: at no backend. `room`: waits at its backend for space. `working`: at a station. `holding`: its work is done. */
export const phases = { away: 0, room: 1, working: 2, holding: 3 } as const

/** Which arrival of the run it is, when it arrived, what it would take alone, and how long it holds its space. */
export const facts = { index: 0, arrivedAt: 1, aloneMs: 2, holdMs: 3 } as const

/** Numbers in a row of `Requests.facts`. */
export const factCount = 4

/** What a request says that it needs; written anew for each request of this number. */
export interface Declared extends Demand {
  readonly vector: ResourceVector
}

export class Requests {
  readonly resources: number
  size = 0
  /** `factCount` numbers per request, in the order of `facts`: what is read together lies together. */
  facts = new Float64Array(0)
  /** What it really needs, `resources` numbers a request. */
  work = new Float64Array(0)
  balancer = new Int32Array(0)
  /** Number of its client, for what sticks. */
  client = new Int32Array(0)
  /** The backend that its attempt is on, by number in the fleet; −1 while there is none. */
  backend = new Int32Array(0)
  /** The next resource of its backend that it has to visit. */
  stage = new Int32Array(0)
  /** Where it stands: `phases`. */
  phase = new Uint8Array(0)
  /** Changes whenever an attempt ends, so that an event meant for it can tell that it comes too late. */
  epoch = new Int32Array(0)
  /** The virtual time at which its station completes it, and where in the heap of that station it is. */
  finish = new Float64Array(0)
  order = new Float64Array(0)
  /** Where requests say what they need: as they say it. */
  readonly declared: Declared[] = []
  readonly #declares: boolean
  #free = new Int32Array(0)
  #freeCount = 0

  constructor(resources: number, declares: boolean) {
    this.resources = resources
    this.#declares = declares
  }

  /** Those that have not ended. */
  get active(): number {
    return this.size - this.#freeCount
  }

  /** A number for a new request. All its fields are as the last one left them, but for `epoch`. */
  take(): number {
    if (this.#freeCount === 0) this.#grow()
    return this.#free[--this.#freeCount]!
  }

  give(request: number): void {
    this.epoch[request]!++
    this.phase[request] = phases.away
    this.#free[this.#freeCount++] = request
  }

  #grow(): void {
    const { resources } = this
    const before = this.size
    const size = before === 0 ? 256 : 2 * before
    this.facts = floats(this.facts, size * factCount)
    this.work = floats(this.work, size * resources)
    this.balancer = ints(this.balancer, size)
    this.client = ints(this.client, size)
    this.backend = ints(this.backend, size).fill(-1, before)
    this.stage = ints(this.stage, size)
    this.epoch = ints(this.epoch, size)
    this.finish = floats(this.finish, size)
    this.order = floats(this.order, size)
    this.phase = bytes(this.phase, size)
    for (let request = before; this.#declares && request < size; request++) {
      this.declared.push({ vector: new Float64Array(resources), units: new Int32Array(resources) })
    }
    this.#free = new Int32Array(size)
    // The lowest number is given out first.
    for (let request = size - 1; request >= before; request--) this.#free[this.#freeCount++] = request
    this.size = size
  }
}

function floats(before: Float64Array<ArrayBuffer>, length: number): Float64Array<ArrayBuffer> {
  const grown = new Float64Array(length)
  grown.set(before)
  return grown
}

function bytes(before: Uint8Array<ArrayBuffer>, length: number): Uint8Array<ArrayBuffer> {
  const grown = new Uint8Array(length)
  grown.set(before)
  return grown
}

function ints(before: Int32Array<ArrayBuffer>, length: number): Int32Array<ArrayBuffer> {
  const grown = new Int32Array(length)
  grown.set(before)
  return grown
}
