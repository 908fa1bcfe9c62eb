/**
 * What all backends together would carry as one machine: a yardstick for policies where arrivals come in bursts,
 * backends come and go, or faults take a part of them. Of all that θ* knows nothing.
 */
import type { Millis } from "../core/clock.ts"
import type { ResourceTable } from "../core/resources.ts"
import { ArrivalProcess, streamOf } from "./engine/arrivals.ts"
import { EventHeap } from "./engine/event-heap.ts"
import { aloneMsOn, backendsOf, checkFaults, firstOfEach, type FleetBackend } from "./engine/fleet.ts"
import { useOf } from "./fluid.ts"
import { Histogram } from "../metrics/histogram.ts"
import type { FluidBounds, RunResult } from "./report/results.ts"
import { isSteadyAt } from "./run.ts"
import type { Scenario } from "./scenario/scenario.ts"
import { type BackendState, stateAtStart, turnsOf } from "./turns.ts"
import { drawnFrom } from "./unloaded.ts"

export interface OneMachineRun {
  readonly scenario: Scenario
  readonly bounds: Pick<FluidBounds, "thetaStar" | "shares" | "prices">
  /** As a share of θ*. */
  readonly load: number
  readonly requests: number
  readonly seed: number
}

/** As the fields of `RunResult` of these names. */
export type OneMachineResult = Pick<RunResult, "p99Served" | "isSteady">

/**
 * How requests fare when the fleet is one machine that shares its time among all that it has.
 *
 * The prices of the linear program say what a unit of each resource is worth. A request is worth as much as it takes
 * where that is cheapest for it, and what the backends that are there can do is worth so much per second. No policy can
 * clear the work that has come in faster than that (the prices are a feasible point of the dual, whatever is there).
 * Requests go on as fast as alone where θ* sends their class, and all slower by one factor while they are too many.
 *
 * It is not a bound: a policy that serves in another order can be late for fewer. Errors of backends are not counted,
 * nor is it what spaces make of it when requests are slow.
 *
 * @see Harrison, "Brownian models of open processing networks: canonical representation of workload", Annals of Applied
 * Probability 10(1), 2000, for pooling resources by the prices of the static plan.
 */
export function runOneMachine(run: OneMachineRun): OneMachineResult {
  const { bounds, load, requests, scenario, seed } = run
  const { resources } = scenario
  const groups = firstOfEach(scenario, backendsOf(scenario))
  const prices = bounds.prices.map((price) => resources.map(({ name }) => price[name] ?? 0))
  const rate = load * bounds.thetaStar
  const arrivals = new ArrivalProcess(scenario, rate, seed)
  const places = streamOf(seed, "balancers")
  const first = Math.floor(scenario.warmUp * requests)
  const midway = first + Math.floor((requests - first) / 2)
  const times = new Histogram()
  let never = 0
  let activeMidway = 0
  const machine = new SharedMachine(supplyOf(scenario, prices, (requests / rate) * 1_000), (index, ms) => {
    if (index >= first) times.record(ms)
  })
  for (let index = 0; index < requests; index++) {
    arrivals.next()
    const { at, holdMs, work } = arrivals
    machine.advance(at)
    if (index === midway) activeMidway = machine.active
    const place = groups[drawnFrom(bounds.shares[arrivals.class]!, places.next())]!
    const aloneMs = aloneMsOn(place, work, holdMs)
    if (aloneMs < Infinity) machine.arrive(index, aloneMs, worthOf(scenario, prices, work, holdMs))
    else if (index >= first) never++
  }
  const isSteady = isSteadyAt(activeMidway, machine.active, requests - midway)
  machine.advance(Infinity)
  return { p99Served: times.quantile(0.99, never + machine.active), isSteady }
}

/** Stretches of one rate: from when on, and how much is done per millisecond. */
interface RateSpan {
  readonly fromMs: Millis
  readonly rate: number
}

/**
 * All that is in it goes on at the same part of its own full speed, so it is the order in which requests would end
 * alone that counts: each ends when the machine has lived through its time alone, by a clock that is slow while it is
 * full.
 */
class SharedMachine {
  active = 0
  readonly #supply: readonly RateSpan[]
  readonly #onEnd: (index: number, ms: Millis) => void
  readonly #ends = new EventHeap()
  readonly #arrivedAt: Millis[] = []
  readonly #speeds: number[] = []
  #stretch = 0
  #now: Millis = 0
  /** What has been lived through. */
  #lived: Millis = 0
  /** What all would do a millisecond at full speed. */
  #wanted = 0

  constructor(supply: readonly RateSpan[], onEnd: (index: number, ms: Millis) => void) {
    this.#supply = supply
    this.#onEnd = onEnd
  }

  arrive(index: number, aloneMs: Millis, worth: number): void {
    this.#arrivedAt[index] = this.#now
    this.#speeds[index] = aloneMs > 0 ? worth / aloneMs : 0
    this.#wanted += this.#speeds[index]
    this.active++
    this.#ends.push(this.#lived + aloneMs, 0, index, 0)
  }

  /** Until then, or until nothing more happens. */
  advance(until: Millis): void {
    for (;;) {
      const { rate } = this.#supply[this.#stretch]!
      const changesAt = this.#supply[this.#stretch + 1]?.fromMs ?? Infinity
      const pace = this.#wanted > rate ? rate / this.#wanted : 1
      // While nothing is done nothing ends, be it due or not.
      const endsAt =
        this.active === 0 || pace === 0 ? Infinity : this.#now + (this.#ends.dueAt - this.#lived) / pace
      const next = Math.min(until, changesAt, endsAt)
      if (next === Infinity) return
      this.#lived += (next - this.#now) * pace
      this.#now = next
      if (next === endsAt) this.#end()
      else if (next === changesAt) this.#stretch++
      else return
    }
  }

  #end(): void {
    const ends = this.#ends
    this.#lived = ends.dueAt
    ends.pop()
    const index = ends.subject
    this.active--
    // Sums of differences do not come down to exactly nothing by themselves.
    this.#wanted = this.active === 0 ? 0 : this.#wanted - this.#speeds[index]!
    this.#onEnd(index, this.#now - this.#arrivedAt[index]!)
  }
}

function worthOf(
  { backends, resources }: Scenario,
  prices: readonly (readonly number[])[],
  work: Readonly<Float64Array>,
  holdMs: Millis,
): number {
  let least = Infinity
  for (const [g, group] of backends.entries()) {
    const use = useOf(resources, group, work, holdMs)
    // What no backend of the group has is Infinity of use, and worth nothing there.
    const worth = use.reduce((sum, amount, r) => (amount === 0 ? sum : sum + amount * prices[g]![r]!), 0)
    if (worth < least) least = worth
  }
  return least
}

/** What the backends that are there can do, as worth by the prices. */
function supplyOf(
  scenario: Scenario,
  prices: readonly (readonly number[])[],
  untilMs: Millis,
): readonly RateSpan[] {
  const { faults, resources } = scenario
  const backends = backendsOf(scenario)
  checkFaults(scenario, backends)
  const states = backends.map((backend) => stateAtStart(backend, resources))
  const rates = backends.map((backend, b) => rateOf(backend, states[b]!, prices, resources))
  const stretchFrom = (fromMs: Millis): RateSpan => ({
    fromMs,
    rate: rates.reduce((sum, rate) => sum + rate, 0) / 1_000,
  })
  const stretches = [stretchFrom(0)]
  const turns = backends.flatMap((backend, b) =>
    turnsOf(backend, faults, untilMs).map(({ atMs, change }) => ({ atMs, change, b })),
  )
  for (const { atMs, b, change } of turns.toSorted((one, other) => one.atMs - other.atMs)) {
    change(states[b]!)
    rates[b] = rateOf(backends[b]!, states[b]!, prices, resources)
    stretches.push(stretchFrom(atMs))
  }
  return stretches
}

/** What a backend can do per second. */
function rateOf(
  { capacity, groupIndex }: FleetBackend,
  { condition, isThere }: BackendState,
  prices: readonly (readonly number[])[],
  resources: ResourceTable,
): number {
  if (!isThere || condition.isDown) return 0
  return resources.reduce((sum, { kind }, r) => {
    const part = (1 - condition.taken[r]!) * (kind === "rate" ? condition.speed : 1)
    return sum + capacity[r]! * part * prices[groupIndex]![r]!
  }, 0)
}
