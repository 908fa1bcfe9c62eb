/** The backends of a scenario one by one, as they really are at any moment: speed, room, faults. Balancers see none of it. */
import type { Millis } from "../../core/clock.ts"
import type { NamedAmounts, ResourceTable } from "../../core/resources.ts"
import type { BackendGroup, Fault, Scenario } from "../scenario/scenario.ts"

/** One backend. */
export interface FleetBackend {
  /** `group-1`, `group-2`, …: its id. */
  readonly name: string
  readonly group: BackendGroup
  /** Index into the scenario's groups. */
  readonly groupIndex: number
  /** What it really has, in the order of the resources. */
  readonly capacity: Float64Array
  /** What it says it has. */
  readonly registered: NamedAmounts
  /** Its speed for one request alone, units per second of each rate; 0 where it has none. */
  readonly alone: Float64Array
}

/** @throws RangeError when a number makes no sense, or two backends would have one name. */
export function backendsOf(scenario: Scenario): readonly FleetBackend[] {
  const { resources } = scenario
  const backends = scenario.backends.flatMap((group, groupIndex) =>
    Array.from({ length: group.count }, (_, index): FleetBackend => {
      const actual = group.actual ?? group.capacity
      const capacity = vector(resources, actual, 0)
      const lane = vector(resources, group.lane, Infinity)
      const alone = Float64Array.from(resources, ({ kind }, r) =>
        kind === "rate" ? aloneOf(group, capacity[r]!, lane[r]!) : 0,
      )
      const registered = Object.fromEntries(resources.map(({ name }) => [name, group.capacity[name] ?? 0]))
      return { name: `${group.name}-${index + 1}`, group, groupIndex, capacity, registered, alone }
    }),
  )
  if (new Set(backends.map(({ name }) => name)).size < backends.length) {
    throw new RangeError("two groups of backends have the same name")
  }
  return backends
}

/** A backend of each group that has any: the others of it are like it. */
export function firstOfEach(scenario: Scenario, backends: readonly FleetBackend[]): FleetBackend[] {
  return scenario.backends.flatMap(
    (_, group) => backends.find(({ groupIndex }) => groupIndex === group) ?? [],
  )
}

/** How long a request lasts that is alone on this backend; Infinity when it lacks what the request needs. */
export function aloneMsOn(backend: FleetBackend, work: Readonly<Float64Array>, holdMs: Millis): Millis {
  let ms = holdMs
  for (let r = 0; r < work.length; r++) {
    const amount = work[r]!
    if (amount === 0) continue
    if (backend.capacity[r] === 0) return Infinity
    const speed = backend.alone[r]!
    if (speed > 0) ms += (amount / speed) * 1_000
  }
  return ms
}

/** What the faults that last now make of one backend. */
export class Condition {
  /** The backend does not respond. */
  isDown = false
  /** Of its full speed. */
  speed = 1
  /** By resource: the part that another program uses. */
  readonly taken: Float64Array
  /** Of its requests, the part that gets an error. */
  failing = 0
  /** Its reports are this many times the truth. */
  lie = 1
  /** It repeats its last report. */
  isStale = false
  readonly #resources: ResourceTable
  readonly #faults = new Set<Fault>()

  constructor(resources: ResourceTable) {
    this.#resources = resources
    this.taken = new Float64Array(resources.length)
  }

  begin(fault: Fault): void {
    this.#faults.add(fault)
    this.#sum()
  }

  end(fault: Fault): void {
    this.#faults.delete(fault)
    this.#sum()
  }

  #sum(): void {
    this.isDown = false
    this.speed = 1
    this.taken.fill(0)
    let working = 1
    this.lie = 1
    this.isStale = false
    for (const fault of this.#faults) {
      switch (fault.kind) {
        case "crash":
        case "flapping":
          this.isDown = true
          break
        case "slow":
          this.speed *= fault.factor
          break
        case "noisy-neighbour": {
          const r = this.#resources.findIndex(({ name }) => name === fault.resource)
          // Several neighbours: each takes its part of what the others have left.
          this.taken[r] = 1 - (1 - this.taken[r]!) * (1 - fault.part)
          break
        }
        case "lying-reports":
          this.lie *= fault.factor
          break
        case "stale-reports":
          this.isStale = true
          break
        case "fast-failures":
          working *= 1 - fault.part
          break
      }
    }
    this.failing = 1 - working
  }
}

/** @throws RangeError when a fault names no backend or has a number that makes no sense. */
export function checkFaults(scenario: Scenario, backends: readonly FleetBackend[]): void {
  for (const fault of scenario.faults) {
    if (!backends.some(({ name }) => name === fault.backend)) {
      throw new RangeError(`a fault is of ${fault.backend}, which is no backend of ${scenario.name}`)
    }
    switch (fault.kind) {
      case "slow":
        // One that stands still for good would never let its requests end.
        if (!(fault.factor > 0 || fault.forMs !== undefined)) throw wrong(fault, "factor 0 for good")
        if (!(fault.factor >= 0 && fault.factor < Infinity)) throw wrong(fault, `factor ${fault.factor}`)
        break
      case "lying-reports":
        if (!(fault.factor > 0 && fault.factor < Infinity)) throw wrong(fault, `factor ${fault.factor}`)
        break
      case "flapping":
        if (!(fault.everyMs > 0)) throw wrong(fault, `everyMs ${fault.everyMs}`)
        break
      case "noisy-neighbour":
        if (!(fault.part >= 0 && fault.part < 1)) throw wrong(fault, `part ${fault.part}`)
        if (!scenario.resources.some(({ name }) => name === fault.resource)) {
          throw wrong(fault, `resource ${fault.resource}`)
        }
        break
      case "fast-failures":
        if (!(fault.part >= 0 && fault.part <= 1)) throw wrong(fault, `part ${fault.part}`)
        break
      case "crash":
      case "stale-reports":
        break
    }
  }
}

function wrong(fault: Fault, what: string): RangeError {
  return new RangeError(`the fault ${fault.kind} of ${fault.backend} has ${what}`)
}

function aloneOf(group: BackendGroup, capacity: number, lane: number): number {
  if (group.discipline === "sharing") return Math.min(capacity, lane)
  return capacity / Math.max(1, Math.round(capacity / lane))
}

function vector(resources: ResourceTable, amounts: NamedAmounts, missing: number): Float64Array {
  return Float64Array.from(resources, ({ name }) => amounts[name] ?? missing)
}
