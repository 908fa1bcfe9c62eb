/**
 * Hot path where there are resources of space kind: what is really held on each backend. A request that finds no room
 * there waits at the backend, first come, first served, as a model server keeps requests while its cache is full.
 */
import type { Millis } from "../../core/clock.ts"
import type { Requests } from "./requests.ts"
import { NumberQueue } from "./stations.ts"

export class Rooms {
  readonly waiting: readonly NumberQueue[]
  readonly #requests: Requests
  /** Indices of the space resources. */
  readonly #spaces: Int32Array
  readonly #stride: number
  /** By backend and resource of the table; without what others take. */
  readonly #capacity: Float64Array
  readonly #full: Float64Array
  readonly #held: Float64Array
  readonly #heldMs: Float64Array
  readonly #at: Float64Array

  /** @param capacities one vector a backend, in the order of the resources. */
  constructor(
    capacities: readonly Readonly<Float64Array>[],
    spaces: readonly number[],
    stride: number,
    requests: Requests,
  ) {
    this.#requests = requests
    this.#spaces = Int32Array.from(spaces)
    this.#stride = stride
    this.#full = new Float64Array(capacities.length * stride)
    for (const [backend, capacity] of capacities.entries()) this.#full.set(capacity, backend * stride)
    this.#capacity = Float64Array.from(this.#full)
    this.#held = new Float64Array(this.#full.length)
    this.#heldMs = new Float64Array(this.#full.length)
    this.#at = new Float64Array(capacities.length)
    this.waiting = capacities.map(() => new NumberQueue())
  }

  /** Whether it could ever hold the request, were it alone there. */
  canHold(backend: number, request: number): boolean {
    return this.#fits(backend, request, false)
  }

  /** Takes the room if there is enough and no other waits before it; else it waits. */
  enter(backend: number, request: number, now: Millis): boolean {
    if (this.waiting[backend]!.size > 0 || !this.#fits(backend, request, true)) {
      this.waiting[backend]!.push(request)
      return false
    }
    this.#take(backend, request, 1, now)
    return true
  }

  leave(backend: number, request: number, now: Millis): void {
    this.#take(backend, request, -1, now)
  }

  /** Lets the one in that has waited longest, when it fits now; else −1. */
  admitNext(backend: number, now: Millis): number {
    const waiting = this.waiting[backend]!
    if (waiting.size === 0 || !this.#fits(backend, waiting.peek(), true)) return -1
    const request = waiting.shift()
    this.#take(backend, request, 1, now)
    return request
  }

  /** Cold: takes out those that wait for more than there can ever be now. */
  takeUnfit(backend: number): readonly number[] {
    const waiting = this.waiting[backend]!
    const unfit: number[] = []
    for (let left = waiting.size; left > 0; left--) {
      const request = waiting.shift()
      if (this.canHold(backend, request)) waiting.push(request)
      else unfit.push(request)
    }
    return unfit
  }

  /** All have gone. */
  clear(backend: number, now: Millis): void {
    this.#pass(backend, now)
    for (let r = 0; r < this.#stride; r++) this.#held[backend * this.#stride + r] = 0
    this.waiting[backend]!.clear()
  }

  /** Another program takes this part of each resource. */
  setTaken(backend: number, taken: Readonly<Float64Array>): void {
    for (let r = 0; r < this.#stride; r++) {
      const cell = backend * this.#stride + r
      this.#capacity[cell] = this.#full[cell]! * (1 - taken[r]!)
    }
  }

  /** The part that was held, summed over time: grows as fast as `now` while all of it is. */
  heldMs(backend: number, resource: number, now: Millis): Millis {
    this.#pass(backend, now)
    const cell = backend * this.#stride + resource
    return this.#full[cell] === 0 ? 0 : this.#heldMs[cell]! / this.#full[cell]!
  }

  #fits(backend: number, request: number, beside: boolean): boolean {
    const spaces = this.#spaces
    const { work } = this.#requests
    for (let i = 0; i < spaces.length; i++) {
      const r = spaces[i]!
      const cell = backend * this.#stride + r
      const amount = work[request * this.#stride + r]!
      // Sums of what came and went are off by their rounding; 1e-9 of the whole does not matter.
      if (amount + (beside ? this.#held[cell]! : 0) > this.#capacity[cell]! * (1 + 1e-9)) return false
    }
    return true
  }

  #take(backend: number, request: number, sign: 1 | -1, now: Millis): void {
    this.#pass(backend, now)
    const spaces = this.#spaces
    for (let i = 0; i < spaces.length; i++) {
      const r = spaces[i]!
      this.#held[backend * this.#stride + r]! += sign * this.#requests.work[request * this.#stride + r]!
    }
  }

  #pass(backend: number, now: Millis): void {
    const passed = now - this.#at[backend]!
    if (passed <= 0) return
    this.#at[backend] = now
    for (let i = 0; i < this.#spaces.length; i++) {
      const cell = backend * this.#stride + this.#spaces[i]!
      this.#heldMs[cell]! += passed * this.#held[cell]!
    }
  }
}
