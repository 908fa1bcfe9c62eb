/** Hot path: when requests arrive, of which class they are and what they need. Nothing is allocated a request. */
import type { Millis } from "../../core/clock.ts"
import { mix32, type Rng, seeded } from "../../core/rng.ts"
import { exponential, type Sampler, samplerOf } from "./distributions.ts"
import type { Arrivals, Scenario, TracedRequest } from "../scenario/scenario.ts"

/** When requests arrive. */
interface Gaps {
  /** The next arrival, never before the last. */
  next(): Millis
}

/** The streams of chance of one run, each its own, so that no policy and no load changes what another stream says. */
export type ChanceStream =
  | "gaps"
  | "phases"
  | "classes"
  | "sizes"
  | "holds"
  | "errors"
  | "balancers"
  | "clients"
  | "faults"
  | "checks"
  | "policies"

const streams: readonly ChanceStream[] = [
  "gaps",
  "phases",
  "classes",
  "sizes",
  "holds",
  "errors",
  "balancers",
  "clients",
  "faults",
  "checks",
  "policies",
]

/** The chance of one stream of a run; `part` tells several of one kind apart. */
export function streamOf(seed: number, stream: ChanceStream, part = 0): Rng {
  return seeded(mix32(mix32(seed) ^ mix32(streams.indexOf(stream) + 1) ^ (part * 0x9e37)))
}

/**
 * The requests of one run, in order. After `next` its fields describe the request that came.
 *
 * The same seed gives the same classes and sizes at every rate, and the same gaps but for their scale: runs at
 * several loads or with several policies differ by nothing else.
 */
export class ArrivalProcess {
  at: Millis = 0
  /** Index into the scenario's classes. */
  class = 0
  /** What it needs, one amount a resource. Reused. */
  readonly work: Float64Array
  holdMs: Millis = 0
  readonly #gaps: Gaps
  readonly #classes: Rng
  readonly #sizes: Rng
  readonly #holdRng: Rng
  readonly #cumulated: Float64Array
  /** With the shares of the first and the last class exchanged. */
  readonly #flipped: Float64Array
  readonly #flip: { readonly periodMs: Millis } | undefined
  /** One row a class, one sampler a resource. */
  readonly #samplers: readonly (readonly (Sampler | undefined)[])[]
  readonly #holds: readonly (Sampler | undefined)[]
  readonly #trace: readonly TracedRequest[] | undefined
  #traced = 0

  /** @param rate mean rate, requests per second, > 0. Throws RangeError for a scenario whose numbers make no sense. */
  constructor(scenario: Scenario, rate: number, seed: number) {
    if (!(rate > 0 && rate < Infinity)) throw new RangeError(`the rate of arrivals is ${rate}`)
    const { arrivals, classes, resources } = scenario
    this.#gaps = gapsOf(arrivals, rate / 1_000, streamOf(seed, "gaps"), streamOf(seed, "phases"))
    this.#classes = streamOf(seed, "classes")
    this.#sizes = streamOf(seed, "sizes")
    this.#holdRng = streamOf(seed, "holds")
    this.work = new Float64Array(resources.length)
    const shares = classes.map(({ share }) => share)
    this.#cumulated = cumulated(shares)
    const last = shares.length - 1
    this.#flipped = cumulated(
      shares.map((share, c) => (c === 0 ? shares[last]! : c === last ? shares[0]! : share)),
    )
    this.#flip = arrivals.kind === "diurnal" && arrivals.mixFlip ? arrivals : undefined
    this.#samplers = classes.map(({ demand }) =>
      resources.map(({ name }) => (demand[name] === undefined ? undefined : samplerOf(demand[name]))),
    )
    this.#holds = classes.map(({ holdMs }) => (holdMs === undefined ? undefined : samplerOf(holdMs)))
    this.#trace = arrivals.kind === "trace" ? arrivals.requests : undefined
  }

  next(): void {
    this.at = this.#gaps.next()
    if (this.#trace !== undefined) {
      const request = this.#trace[this.#traced]!
      this.#traced = this.#traced + 1 === this.#trace.length ? 0 : this.#traced + 1
      this.class = request.class
      for (let r = 0; r < this.work.length; r++) this.work[r] = request.demand[r]!
      this.holdMs = request.holdMs
      return
    }
    this.#draw()
  }

  /** A class and what a request of it needs, and nothing about when: for what requests would take alone. */
  drawSize(): void {
    if (this.#trace !== undefined) {
      this.next()
      return
    }
    this.#draw()
  }

  #draw(): void {
    const isEbb = this.#flip !== undefined && Math.sin((2 * Math.PI * this.at) / this.#flip.periodMs) < 0
    const cumulated = isEbb ? this.#flipped : this.#cumulated
    const u = this.#classes.next()
    let chosen = 0
    while (chosen < cumulated.length - 1 && u >= cumulated[chosen]!) chosen++
    this.class = chosen
    const samplers = this.#samplers[chosen]!
    for (let r = 0; r < samplers.length; r++) {
      const sampler = samplers[r]
      this.work[r] = sampler === undefined ? 0 : sampler.sample(this.#sizes)
    }
    const hold = this.#holds[chosen]
    this.holdMs = hold === undefined ? 0 : hold.sample(this.#holdRng)
  }
}

function cumulated(shares: readonly number[]): Float64Array {
  let sum = 0
  return Float64Array.from(shares, (share) => (sum += share))
}

/** @param rate requests a millisecond */
function gapsOf(arrivals: Arrivals, rate: number, rng: Rng, phases: Rng): Gaps {
  switch (arrivals.kind) {
    case "poisson":
      return new PoissonGaps(rate, rng)
    case "bursty":
      return new BurstyGaps(arrivals, rate, rng, phases)
    case "diurnal":
      return new DiurnalGaps(arrivals, rate, rng)
    case "trace":
      return new TracedGaps(arrivals.requests, rate)
  }
}

class PoissonGaps implements Gaps {
  readonly #mean: Millis
  readonly #rng: Rng
  #at: Millis = 0

  constructor(rate: number, rng: Rng) {
    this.#mean = 1 / rate
    this.#rng = rng
  }

  next(): Millis {
    this.#at += exponential(this.#rng) * this.#mean
    return this.#at
  }
}

/**
 * Markov-modulated: a unit of "expected arrivals", exponential, is used up at the rate of the phase. Where a phase
 * ends before it is used up, the rest of it is used up at the rate of the next.
 */
class BurstyGaps implements Gaps {
  readonly #rates: readonly [on: number, off: number]
  readonly #means: readonly [on: Millis, off: Millis]
  readonly #rng: Rng
  readonly #phases: Rng
  #phase: 0 | 1
  #phaseEndsAt: Millis
  #at: Millis = 0

  constructor(arrivals: Arrivals & { readonly kind: "bursty" }, rate: number, rng: Rng, phases: Rng) {
    const { factor, offMs, onMs } = arrivals
    if (!(onMs > 0 && offMs > 0)) throw new RangeError(`phases of ${onMs} and ${offMs} ms are none`)
    const partOn = onMs / (onMs + offMs)
    if (!(factor >= 1 && factor * partOn <= 1 + 1e-9)) {
      throw new RangeError(`the factor of a burst is ${factor}, not from 1 to ${1 / partOn}`)
    }
    this.#rates = [rate * factor, (rate * Math.max(0, 1 - factor * partOn)) / (1 - partOn)]
    this.#means = [onMs, offMs]
    this.#rng = rng
    this.#phases = phases
    // Begins as it would be found at any time.
    this.#phase = phases.next() < partOn ? 0 : 1
    this.#phaseEndsAt = exponential(phases) * this.#means[this.#phase]
  }

  next(): Millis {
    let expected = exponential(this.#rng)
    for (;;) {
      const rate = this.#rates[this.#phase]
      const until = (this.#phaseEndsAt - this.#at) * rate
      if (expected < until) {
        this.#at += expected / rate
        return this.#at
      }
      expected -= until
      this.#at = this.#phaseEndsAt
      this.#phase = this.#phase === 0 ? 1 : 0
      this.#phaseEndsAt += exponential(this.#phases) * this.#means[this.#phase]
    }
  }
}

/** Rate λ(1 + depth · sin 2πt/P). The next arrival is where the integral of it has grown by an exponential. */
class DiurnalGaps implements Gaps {
  readonly #rate: number
  readonly #depth: number
  readonly #omega: number
  readonly #rng: Rng
  #at: Millis = 0

  constructor(arrivals: Arrivals & { readonly kind: "diurnal" }, rate: number, rng: Rng) {
    const { depth, periodMs } = arrivals
    if (!(periodMs > 0)) throw new RangeError(`the period is ${periodMs} ms`)
    if (!(depth >= 0 && depth <= 1)) throw new RangeError(`the depth is ${depth}, not from 0 to 1`)
    this.#rate = rate
    this.#depth = depth
    this.#omega = (2 * Math.PI) / periodMs
    this.#rng = rng
  }

  next(): Millis {
    const target = this.#expected(this.#at) + exponential(this.#rng) / this.#rate
    // The integral differs from time by at most 2 · depth / omega.
    let low = Math.max(this.#at, target - (2 * this.#depth) / this.#omega)
    let high = Math.max(low, target)
    let at = low + (high - low) / 2
    for (let step = 0; step < 60 && high - low > 1e-9 * high; step++) {
      const excess = this.#expected(at) - target
      if (excess > 0) high = at
      else low = at
      // Newton's step where it stays within what is known, else the middle.
      const next = at - excess / (1 + this.#depth * Math.sin(this.#omega * at))
      at = next > low && next < high ? next : low + (high - low) / 2
    }
    this.#at = Math.max(this.#at, at)
    return this.#at
  }

  /** The integral of the rate over the mean rate. */
  #expected(at: Millis): number {
    return at + (this.#depth / this.#omega) * (1 - Math.cos(this.#omega * at))
  }
}

/** As recorded, scaled to the rate, again and again; between two rounds lies one mean gap. */
class TracedGaps implements Gaps {
  readonly #requests: readonly TracedRequest[]
  readonly #scale: number
  readonly #spanMs: Millis
  #next = 0
  #round = 0

  constructor(requests: readonly TracedRequest[], rate: number) {
    const first = requests[0]
    const last = requests.at(-1)
    if (first === undefined || last === undefined || !(last.atMs > first.atMs)) {
      throw new RangeError("a trace needs requests at two different times at least")
    }
    this.#requests = requests
    const recordedMs = last.atMs - first.atMs
    this.#spanMs = recordedMs + recordedMs / (requests.length - 1)
    this.#scale = requests.length / this.#spanMs / rate
  }

  next(): Millis {
    const { atMs } = this.#requests[this.#next]!
    const at = (atMs - this.#requests[0]!.atMs + this.#round * this.#spanMs) * this.#scale
    if (++this.#next === this.#requests.length) {
      this.#next = 0
      this.#round++
    }
    return at
  }
}
