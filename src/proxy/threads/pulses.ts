/** The pulse of the data-plane threads: how the main thread sees that one of them stands still. */
import type { Millis } from "../../core/clock.ts"

/** Cells of one thread. Threads write all the time: no two of them in one cache line. */
const stride = 16

/** Plain data that a thread needs to show its pulse. */
export interface PulsesShape {
  readonly buffer: SharedArrayBuffer
}

/** One counter per lane, which only the thread on that lane advances. */
export class Pulses {
  readonly shape: PulsesShape
  readonly #cells: Int32Array

  /** Opens what `create` made, or the same in another thread. */
  constructor(shape: PulsesShape) {
    this.shape = shape
    this.#cells = new Int32Array(shape.buffer)
  }

  static create(lanes: number): Pulses {
    return new Pulses({ buffer: new SharedArrayBuffer(lanes * stride * 4) })
  }

  /** The thread of this lane is alive. To be called several times per second. */
  beat(lane: number): void {
    Atomics.add(this.#cells, lane * stride, 1)
  }

  /** Changes with each beat. */
  read(lane: number): number {
    return Atomics.load(this.#cells, lane * stride)
  }
}

/** How often a pulse is looked at. */
export const lookMs: Millis = 250
/**
 * How long one thread has stood still, to be asked each `lookMs`. No look counts for more: one that comes later says
 * that the looking thread itself was held up, by a suspended machine, a stopped process or a busy processor. That may
 * have held the other thread up as well. So the time that it takes to be sure grows with how busy the machine is.
 */
export class Stillness {
  #pulse: number
  #lookedAt: Millis
  #stillMs: Millis = 0

  /** @param pulse as it was when the thread was started */
  constructor(pulse: number, now: Millis) {
    this.#pulse = pulse
    this.#lookedAt = now
  }

  /** How long it had stood still at the last look, ms. */
  get stillMs(): Millis {
    return this.#stillMs
  }

  /** How long the pulse has been the same, ms; 0 when it has changed since the last look. */
  look(pulse: number, now: Millis): Millis {
    const passed = Math.min(now - this.#lookedAt, lookMs)
    this.#lookedAt = now
    this.#stillMs = pulse === this.#pulse ? this.#stillMs + passed : 0
    this.#pulse = pulse
    return this.#stillMs
  }
}
