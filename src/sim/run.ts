/** Cold: one run of the simulator and what it yields. */
import type { Millis } from "../core/clock.ts"
import { type NamedAmounts, namedOf, type ResourceTable } from "../core/resources.ts"
import type { Rng } from "../core/rng.ts"
import { jain } from "../metrics/jain.ts"
import { makePolicy, type PolicySpec } from "../policies/index.ts"
import type { Policy, PolicyContext, Prober } from "../policies/policy.ts"
import { Engine, type EngineLimits } from "./engine/engine.ts"
import { type Hopeless, Recording } from "./engine/recording.ts"
import type { BackendResult, ClassResult, RunResult } from "./report/results.ts"
import type { Scenario } from "./scenario/scenario.ts"

/** Part of the arrivals by which the requests in the system may grow over the second half of a run. */
const growthMax = 0.01

/**
 * Whether as many requests are in the system at the end of a run as half way, but for chance: had the load been 1 %
 * less it would still have been too much; and numbers in a system that is not overloaded vary by about their root, each
 * of the two.
 *
 * @param arrived between the two moments
 */
export function isSteadyAt(activeMidway: number, activeAtEnd: number, arrived: number): boolean {
  return activeAtEnd - activeMidway <= growthMax * arrived + 4 * Math.sqrt(2 * activeMidway)
}

/** A policy that is in no table: the user's own. */
export interface PolicyFactory {
  readonly name: string
  readonly make: (context: Omit<PolicyContext, "parameters">) => Policy
}

export interface RunInput {
  readonly scenario: Scenario
  readonly policy: PolicySpec | PolicyFactory
  /** Rate of arrivals as a share of θ*, > 0. */
  readonly load: number
  /** θ*, requests per second. */
  readonly thetaStar: number
  readonly seed: number
  /** The scenario's own when absent. */
  readonly balancers?: number | undefined
  /** Of the run, the warm-up included; the scenario's own when absent. */
  readonly requests?: number | undefined
  readonly limits?: Partial<EngineLimits> | undefined
  /** Ends the run as soon as it is certain that more than 1 in 100 is slower than that, or fails. */
  readonly hopeless?: Hopeless | undefined
}

/**
 * Plays a scenario with one policy at one load. The same input gives the same result, to the bit, on every machine;
 * runs that differ in policy or load alone see the same requests in the same order.
 *
 * What is counted are the requests that arrive after the warm-up, until the last of them has ended; utilization is
 * taken from the end of the warm-up to the last arrival. A run of n requests costs O(n · (pick + log of those in
 * flight)).
 *
 * @throws RangeError when a number of the input makes no sense; Error when the policy cannot work with the resources.
 */
export function runScenario(input: RunInput): RunResult {
  const { load, policy, scenario, seed, thetaStar } = input
  const { resources } = scenario
  const balancers = input.balancers ?? scenario.balancers
  const requests = input.requests ?? scenario.requests
  check(scenario, balancers, requests, load)
  const first = Math.min(requests - 1, Math.floor(requests * scenario.warmUp))

  let meter: UtilizationMeter | undefined
  let learned: readonly (NamedAmounts | undefined)[] = []
  const recording = new Recording(
    requests,
    first,
    scenario.classes.length,
    scenario.backends.reduce((sum, { count }) => sum + count, 0),
    input.hopeless,
    () => (meter = new UtilizationMeter(engine)),
    () => {
      meter!.stop()
      learned = learnedOf(scenario, engine)
    },
  )
  const engine = new Engine({
    scenario,
    rate: load * thetaStar,
    requests,
    balancers,
    seed,
    recorder: recording,
    makePolicy: (rng, prober) => policyOf(policy, rng, resources, prober),
    limits: input.limits,
  })
  engine.run()
  if (meter === undefined) throw new Error("the run has not begun to count")
  return resultOf(input, balancers, engine, recording, meter, learned)
}

/** How busy everything was between two moments. */
class UtilizationMeter {
  readonly #engine: Engine
  readonly #startedAt: Millis
  readonly #before: Float64Array
  #passedMs: Millis = 0
  /** By backend and resource: 0 to 1, of the time in which it was there. */
  utilization = new Float64Array(0)

  constructor(engine: Engine) {
    this.#engine = engine
    this.#startedAt = engine.now
    this.#before = engine.busyMs()
  }

  stop(): void {
    const { backends } = this.#engine
    const { now } = this.#engine
    this.#passedMs = now - this.#startedAt
    const resources = this.#before.length / backends.length
    this.utilization = this.#engine.busyMs().map((busyMs, cell) => {
      const presentMs = this.presentMs(Math.floor(cell / resources))
      return presentMs > 0 ? (busyMs - this.#before[cell]!) / presentMs : 0
    })
  }

  /** How long this backend was there, as far as the scenario says. */
  presentMs(backend: number): Millis {
    const { joinsAtMs, leavesAtMs = Infinity } = this.#engine.backends[backend]!.group
    const from = Math.max(this.#startedAt, joinsAtMs)
    const to = Math.min(this.#startedAt + this.#passedMs, leavesAtMs)
    return Math.max(0, to - from)
  }
}

function resultOf(
  input: RunInput,
  balancers: number,
  engine: Engine,
  recording: Recording,
  meter: UtilizationMeter,
  learned: readonly (NamedAmounts | undefined)[],
): RunResult {
  const { load, policy, scenario, seed } = input
  const { latency } = recording
  const completed = latency.count
  return {
    policy: policy.name,
    balancers,
    seed,
    load,
    requests: recording.requests,
    completed,
    failed: { ...recording.failures },
    mean: timeOf(latency.mean),
    p50: timeOf(latency.quantile(0.5)),
    p90: timeOf(latency.quantile(0.9)),
    p99: timeOf(latency.quantile(0.99)),
    p999: timeOf(latency.quantile(0.999)),
    max: timeOf(latency.max),
    slowdown: completed === 0 ? 0 : recording.slowdownSum / completed,
    utilization: fleetUtilization(scenario.resources, engine, meter),
    fairness: jain(dominantOf(engine, meter)) ?? 1,
    backends: backendResults(scenario.resources, engine, recording, meter),
    classes: classResults(scenario, engine, recording, learned),
    attempts: recording.requests === 0 ? 0 : recording.attempts / recording.requests,
    queued: recording.queued,
    p99Served: timeOf(latency.quantile(0.99, recording.failedCount)),
    ...growthOf(recording),
  }
}

/** 0 where nothing was counted. */
function timeOf(ms: Millis): Millis {
  return Number.isNaN(ms) ? 0 : ms
}

/** As `RunResult.growth`. A run that was given up has not got to its end: it does not count as steady. */
function growthOf(recording: Recording): Pick<RunResult, "growth" | "isSteady"> {
  const { activeAtEnd, activeMidway, hasEnded, requests } = recording
  if (!hasEnded) return { growth: NaN, isSteady: false }
  const arrived = requests / 2
  return {
    growth: (activeAtEnd - activeMidway) / arrived,
    isSteady: isSteadyAt(activeMidway, activeAtEnd, arrived),
  }
}

function fleetUtilization(resources: ResourceTable, engine: Engine, meter: UtilizationMeter): NamedAmounts {
  return Object.fromEntries(
    resources.map(({ name }, r) => {
      let used = 0
      let whole = 0
      for (const [backend, { capacity }] of engine.backends.entries()) {
        const there = capacity[r]! * meter.presentMs(backend)
        used += (meter.utilization[backend * resources.length + r] ?? 0) * there
        whole += there
      }
      return [name, whole === 0 ? 0 : used / whole]
    }),
  )
}

/** The utilization of the busiest resource of each backend that was there. */
function dominantOf(engine: Engine, meter: UtilizationMeter): number[] {
  const resources = meter.utilization.length / engine.backends.length
  return engine.backends.flatMap((_, backend) => {
    if (meter.presentMs(backend) === 0) return []
    const from = backend * resources
    return [Math.max(...meter.utilization.subarray(from, from + resources))]
  })
}

function backendResults(
  resources: ResourceTable,
  engine: Engine,
  { byClass, carried }: Recording,
  { utilization }: UtilizationMeter,
): BackendResult[] {
  const backends = engine.backends.length
  return engine.backends.map(({ group, name }, backend) => ({
    id: name,
    group: group.name,
    requests: byClass.reduce((sum, _, c) => sum + carried[c * backends + backend]!, 0),
    utilization: Object.fromEntries(
      resources.map((resource, r) => [resource.name, utilization[backend * resources.length + r] ?? 0]),
    ),
  }))
}

function classResults(
  scenario: Scenario,
  engine: Engine,
  { byClass, carried }: Recording,
  learned: readonly (NamedAmounts | undefined)[],
): ClassResult[] {
  const backends = engine.backends.length
  return scenario.classes.map(({ name }, c) => {
    const latency = byClass[c]!
    const shares: Record<string, number> = Object.fromEntries(
      scenario.backends.map((group) => [group.name, 0]),
    )
    for (const [backend, { group }] of engine.backends.entries()) {
      if (latency.count > 0) shares[group.name]! += carried[c * backends + backend]! / latency.count
    }
    return {
      name,
      requests: latency.count,
      mean: timeOf(latency.mean),
      p50: timeOf(latency.quantile(0.5)),
      p99: timeOf(latency.quantile(0.99)),
      shares,
      learned: learned[c],
    }
  })
}

/**
 * What the first balancer has learned, by class; undefined where it was told, or has learned nothing. Asked when the
 * last request has arrived: of those that end after that, ever more are large.
 */
function learnedOf(scenario: Scenario, engine: Engine): (NamedAmounts | undefined)[] {
  if (scenario.knowledge.demand === "known") return []
  const { routes } = engine.balancers[0]!.placer.knowledge
  return scenario.classes.map((_, index) => {
    const route = routes[index + 1]
    return route?.isLearned === true ? namedOf(scenario.resources, route.mean) : undefined
  })
}

function policyOf(
  policy: PolicySpec | PolicyFactory,
  rng: Rng,
  resources: ResourceTable,
  prober: Prober,
): Policy {
  const context = { rng, resources, prober }
  return "make" in policy ? policy.make(context) : makePolicy(policy, context)
}

function check(scenario: Scenario, balancers: number, requests: number, load: number): void {
  if (!(Number.isInteger(balancers) && balancers >= 1 && balancers <= 16)) {
    throw new RangeError(`there are ${balancers} balancers, not 1 to 16`)
  }
  if (!(Number.isInteger(requests) && requests >= 1)) throw new RangeError(`${requests} requests are none`)
  if (!(scenario.warmUp >= 0 && scenario.warmUp < 1)) {
    throw new RangeError(`the warm-up is ${scenario.warmUp}, not from 0 to below 1`)
  }
  if (!(load > 0 && load < Infinity)) throw new RangeError(`the load is ${load}`)
}
