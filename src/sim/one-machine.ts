/**
 * What all backends together would carry as one machine: a yardstick for policies where arrivals come in bursts,
 * backends come and go, or faults take a part of them. Of all that θ* knows nothing.
 */
import type { Millis } from "../core/clock.ts"
import { ArrivalProcess, streamOf } from "./arrivals.ts"
import { EventHeap } from "./event-heap.ts"
import { aloneMsOn, backendsOf, checkFaults, Condition, type FleetBackend } from "./fleet.ts"
import { useOf } from "./fluid.ts"
import { Histogram } from "../metrics/histogram.ts"
import type { FluidBounds, RunResult } from "./results.ts"
import { isSteadyAt } from "./run.ts"
import type { Scenario } from "./scenario.ts"
import { drawnFrom, firstOfEach } from "./unloaded.ts"

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
 * where that is cheapest for it, and what the backends that are there can do is worth so much a second. No policy can
 * clear the work that has come in faster than that (the prices are a feasible point of the dual, whatever is there).
 * Requests go on as fast as alone where θ* sends their class, and all slower by one factor while they are too many.
 *
 * It is not a bound: who serves in another order can be late for fewer. Errors that backends answer are not counted,
 * nor is it what spaces make of it when requests are slow.
 *
 * @see Harrison, "Brownian models of open processing networks: canonical representation of workload", Annals of Applied
 * Probability 10(1), 2000, for pooling resources by the prices of the static plan.
 */
export function runOneMachine(run: OneMachineRun): OneMachineResult {
  const { bounds, load, requests, scenario, seed } = run
  const { resources } = scenario
  const groups = firstOfEach(scenario)
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

/** Stretches of one rate: from when on, and how much is done a millisecond. */
interface Stretch {
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
  readonly #supply: readonly Stretch[]
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

  constructor(supply: readonly Stretch[], onEnd: (index: number, ms: Millis) => void) {
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

interface Change {
  readonly atMs: Millis
  readonly backend: FleetBackend
  readonly condition: Condition
  readonly apply: () => void
}

/** What the backends that are there can do, as worth by the prices. */
function supplyOf(
  scenario: Scenario,
  prices: readonly (readonly number[])[],
  untilMs: Millis,
): readonly Stretch[] {
  const { resources } = scenario
  const rates = new Map<FleetBackend, number>()
  const present = new Set<FleetBackend>()
  const stretches = changesOf(scenario, untilMs, present)
    .sort((a, b) => a.atMs - b.atMs)
    .map(({ apply, atMs, backend, condition }) => {
      apply()
      const rate = resources.reduce((sum, { kind }, r) => {
        const part = (1 - condition.taken[r]!) * (kind === "rate" ? condition.speed : 1)
        return sum + backend.capacity[r]! * part * prices[backend.groupIndex]![r]!
      }, 0)
      rates.set(backend, present.has(backend) && !condition.isDown ? rate : 0)
      const total = [...rates.values()].reduce((sum, one) => sum + one, 0)
      return { fromMs: atMs, rate: total / 1_000 }
    })
  return [{ fromMs: 0, rate: 0 }, ...stretches]
}

function changesOf(scenario: Scenario, untilMs: Millis, present: Set<FleetBackend>): Change[] {
  const backends = backendsOf(scenario)
  checkFaults(scenario, backends)
  return backends.flatMap((backend) => {
    const condition = new Condition(scenario.resources)
    const { joinsAtMs, leavesAtMs } = backend.group
    const at = (atMs: Millis, apply: () => void): Change => ({ atMs, backend, condition, apply })
    const changes = [at(Math.max(0, joinsAtMs), () => void present.add(backend))]
    if (leavesAtMs !== undefined) changes.push(at(leavesAtMs, () => void present.delete(backend)))
    for (const fault of scenario.faults) {
      if (fault.backend !== backend.name) continue
      const endsAt = Math.min(untilMs, fault.atMs + (fault.forMs ?? Infinity))
      const stepMs = fault.kind === "flapping" ? fault.everyMs : Infinity
      for (let from = fault.atMs; from < endsAt; from += stepMs) {
        changes.push(at(from, () => condition.begin(fault)))
        const to = fault.kind === "flapping" ? Math.min(endsAt, from + stepMs / 2) : endsAt
        if (to < untilMs) changes.push(at(to, () => condition.end(fault)))
      }
    }
    return changes
  })
}
