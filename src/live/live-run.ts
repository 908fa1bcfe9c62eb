import { type Balancer, startBalancer } from "../balancer.ts"
import { readConfig } from "../config/config-file.ts"
import { formatEndpoint } from "../core/endpoint.ts"
import type { Millis } from "../core/clock.ts"
import type { NamedAmounts, ResourceTable } from "../core/resources.ts"
import { policies, type PolicySpec } from "../policies/index.ts"
import { formatProblem } from "../text/problem.ts"
import { backendsOf, type FleetBackend } from "../sim/engine/fleet.ts"
import type { Scenario } from "../sim/scenario/scenario.ts"
import type { SpamPlan } from "../load/plan.ts"
import type { Records } from "../load/recorder.ts"
import type { SpamResult } from "../load/result.ts"
import { scenarioLoad } from "./scenario-load.ts"
import { startSpam } from "../load/spam.ts"
import { type Cue, type Timeline, timelineOf } from "./timeline.ts"
import { systemClock, systemTimers } from "../system.ts"
import type { Io } from "../text/io.ts"
import { DemonstrationFleet, untilReady } from "./demonstration-fleet.ts"

/** Backends that are played, each a process of some 40 MB. */
export const liveBackendsMax = 64
/** How long a request may wait for a backend that does not respond; an overload has to be worked off in this. */
const timeoutMs = 60_000
const connectionsMax = 8_192
const waitingMax = 1_000_000
/** Requests that need nothing, to measure what the way alone takes: how many, and how many per second. */
const relayRequests = 60
const relayRate = 100
const drainMsMax = 60_000
const pollMs = 20

export interface LiveOptions {
  readonly scenario: Scenario
  readonly policy: PolicySpec
  readonly seed: number
  /** Scenario seconds in a real one. */
  readonly speed: number
  readonly io: Io
}

export interface LiveResult {
  readonly records: Records
  readonly result: SpamResult
}

/** It could not be started: one sentence. */
export class StageError extends Error {}

/**
 * A scenario's fleet, each backend a process, behind a balancer in this process. Played at any loads one after the
 * other; stop it in the end, whatever happens.
 */
export class LiveStage {
  readonly #options: LiveOptions
  readonly #backends: ReadonlyMap<string, FleetBackend>
  readonly #fleet: DemonstrationFleet
  #balancer: Balancer | undefined
  #stopRun: (() => void) | undefined
  #isStopped = false
  #end: Promise<void> | undefined

  constructor(options: LiveOptions) {
    this.#options = options
    this.#backends = new Map(backendsOf(options.scenario).map((backend) => [backend.name, backend]))
    this.#fleet = new DemonstrationFleet(options.io)
  }

  /** @throws StageError when a backend does not start; StartError when the balancer does not. */
  async start(present: readonly string[]): Promise<void> {
    const { io, scenario } = this.#options
    if (this.#backends.size > liveBackendsMax) {
      throw new StageError(
        `"${scenario.name}" has ${this.#backends.size} backends; at most ${liveBackendsMax} can be played`,
      )
    }
    this.#balancer = await startBalancer(this.#config(), {
      log: (line) => io.err(`${line}\n`),
      linesLost: io.linesLost,
    })
    for (const id of present) this.#startBackend(id)
    const isReady = (): boolean =>
      this.#isStopped || this.#balancer!.state().totals.eligible >= present.length
    if (!(await untilReady(isReady, this.#fleet))) throw new StageError("a backend did not start, see above")
  }

  /** What a request takes that needs nothing, mean, real milliseconds: sockets and the balancer, when all is quiet. */
  async relayMs(): Promise<Millis> {
    const classes = [
      { name: "nothing", method: "GET", path: "/healthz", fields: [], body: undefined, weight: 1 },
    ]
    const durationMs = (relayRequests / relayRate) * 1_000
    const plan = this.#plan({
      classes,
      load: {
        kind: "open",
        phases: [{ from: relayRate, to: relayRate, ms: durationMs }],
        arrivals: "constant",
        waitingMax,
      },
      durationMs,
      warmUpMs: durationMs / 4,
    })
    const { result } = await this.#run(plan, [])
    return result.latency.fromIntended.mean ?? 0
  }

  /**
   * Requests of the scenario that are not counted, for so long (real ms) and with nothing going wrong: the balancer
   * learns once per real second, which is a long time in the scenario, and code is slower the first times that it runs.
   */
  async practise(rate: number, ms: Millis): Promise<void> {
    const { scenario, seed, speed } = this.#options
    const requests = Math.max(1, Math.round((rate * speed * ms) / 1_000))
    const { classes, list, durationMs } = scenarioLoad({ scenario, rate, requests, seed: seed + 1, speed })
    await this.#run(
      this.#plan({ classes, load: { kind: "listed", list, waitingMax }, durationMs, warmUpMs: 0 }),
      [],
    )
    await this.#untilDrained()
  }

  /**
   * Plays one load: `requests` at `rate` (in the scenario's time), with all that happens meanwhile. Resolves when all
   * requests have ended and nothing is left in flight.
   *
   * @throws StageError when a backend ended that should not have.
   */
  async play(rate: number, requests: number): Promise<LiveResult> {
    const { scenario, seed, speed } = this.#options
    const { classes, list, warmUpMs, durationMs } = scenarioLoad({ scenario, rate, requests, seed, speed })
    const { cues } = timelineOf(scenario, durationMs * speed, speed)
    const plan = this.#plan({ classes, load: { kind: "listed", list, waitingMax }, durationMs, warmUpMs })
    const finished = await this.#run(plan, cues)
    await this.#untilDrained()
    if (this.#fleet.hasFailed) throw new StageError("a backend ended in the middle of a run, see above")
    return finished
  }

  /** Ends it, also in the middle of something; once, however often it is asked for. */
  stop(): Promise<void> {
    this.#end ??= this.#stop()
    return this.#end
  }

  async #stop(): Promise<void> {
    this.#isStopped = true
    this.#stopRun?.()
    await this.#fleet.stop()
    await this.#balancer?.close()
  }

  async #run(plan: SpamPlan, cues: readonly Cue[]): Promise<LiveResult> {
    const run = startSpam(plan, "a scenario")
    const cancels: (() => void)[] = []
    const schedule = async (): Promise<void> => {
      const wait = (await run.startsAt) - systemClock.now()
      for (const cue of cues) cancels.push(systemTimers.set(wait + cue.atMs, () => this.#perform(cue)))
    }
    void schedule()
    this.#stopRun = () => run.stop()
    if (this.#isStopped) run.stop()
    try {
      const result = await run.result
      return { result, records: await run.records }
    } finally {
      for (const cancel of cancels) cancel()
      this.#stopRun = undefined
    }
  }

  #perform({ backend, deed }: Cue): void {
    const fleet = this.#fleet
    if (this.#isStopped) return
    switch (deed.kind) {
      case "start":
        this.#startBackend(backend)
        break
      case "retire":
        fleet.retire(backend)
        break
      case "kill":
        fleet.kill(backend)
        break
      case "freeze":
        fleet.freeze(backend)
        break
      case "thaw":
        fleet.thaw(backend)
        break
      case "tell":
        fleet.tell(backend, deed.condition)
        break
    }
  }

  #startBackend(id: string): void {
    const { scenario, speed } = this.#options
    const announce = `http://${formatEndpoint(this.#balancer!.listeners.registration)}`
    const args = backendArguments(scenario, this.#backends.get(id)!, speed)
    this.#fleet.start(id, [...args, `--announce=${announce}`])
  }

  #plan(about: Pick<SpamPlan, "classes" | "load" | "durationMs" | "warmUpMs">): SpamPlan {
    const { port } = this.#balancer!.listeners.traffic
    return {
      ...about,
      target: { host: "127.0.0.1", address: "127.0.0.1", port, secure: false, verify: false },
      host: `127.0.0.1:${port}`,
      connections: connectionsMax,
      threads: 1,
      requestsMax: Infinity,
      timeoutMs,
      failedFrom: 500,
      seed: this.#options.seed,
      // The scenario's milliseconds are long enough; the backends need the core that spinning would take.
      spins: false,
      sliceMs: 1_000,
    }
  }

  async #untilDrained(): Promise<void> {
    const end = systemClock.now() + drainMsMax
    while (!this.#isStopped && systemClock.now() < end) {
      if (this.#balancer!.state().totals.inFlight === 0) return
      await new Promise<void>((resolve) => void systemTimers.set(pollMs, resolve))
    }
  }

  #config(): Parameters<typeof startBalancer>[0] {
    const { policy, scenario, seed } = this.#options
    const config = readConfig({
      file: "scenario",
      text: JSON.stringify(balancerSettings(scenario, policy, seed)),
      policies,
      env: {},
    })
    if (config.ok) return config.value
    throw new StageError(config.error.map(formatProblem).join("; "))
  }
}

/** The backends that are there at the start, and whether anything happens to the fleet in a run of this length. */
export function stagePlan(scenario: Scenario, lengthMs: Millis, speed: number): Timeline {
  return timelineOf(scenario, lengthMs, speed)
}

/** A balancer for this scenario, as a configuration file has it: JSON is YAML. */
function balancerSettings(scenario: Scenario, policy: PolicySpec, seed: number): unknown {
  const { resources } = scenario
  return {
    listen: "127.0.0.1:0",
    registration: { listen: "127.0.0.1:0" },
    admin: { listen: "127.0.0.1:0" },
    // One, as in the simulator: each thread has a policy of its own.
    workers: 1,
    policy: { name: policy.name, ...policy.parameters },
    seed,
    resources,
    // A route for each class, as the simulator has them. What a request declares is taken as it is.
    routes: scenario.classes.map(({ name }) => ({ name, path: `/${name}`, trusted: true })),
    checks: { kind: "http", path: "/healthz" },
    response: { backendHeader: true },
    limits: {
      connectionsMax: connectionsMax + 16,
      connectionsPerBackendMax: connectionsMax,
      idlePerBackendMax: connectionsMax > 1_024 ? 1_024 : connectionsMax,
      requestsPerConnectionMax: 1_000_000_000,
    },
    timeouts: { responseHead: "10m", betweenBytes: "10m", unready: "0s" },
  }
}

/** The arguments of `linebacker backend` for one backend of a scenario. */
function backendArguments(
  { resources, knowledge }: Scenario,
  { group, registered }: FleetBackend,
  speed: number,
): string[] {
  const actual = group.actual ?? group.capacity
  const spaces = resources.filter(({ kind }) => kind === "space").map(({ name }) => name)
  const lanes = resources
    .filter(({ kind, name }) => kind === "rate" && Number.isFinite(group.lane[name] ?? Infinity))
    .map(({ name }) => name)
  return [
    "--port=127.0.0.1:0",
    `--capacity=${written(resources, actual)}`,
    `--registers=${written(resources, registered)}`,
    ...(lanes.length === 0
      ? []
      : [`--lane=${lanes.map((name) => `${name}=${plain(group.lane[name]!)}`).join(",")}`]),
    ...(spaces.length === 0 ? [] : [`--spaces=${spaces.join(",")}`]),
    `--discipline=${group.discipline}`,
    `--reports=${knowledge.reports}`,
    `--speed=${speed}`,
    `--weight=${group.weight}`,
    ...(group.zone === undefined ? [] : [`--zone=${group.zone}`]),
    ...(group.tier === 0 ? [] : [`--tier=${group.tier}`]),
  ]
}

/** All resources in the order of the table, which is the order in which requests visit them. */
function written(resources: ResourceTable, amounts: NamedAmounts): string {
  return resources.map(({ name }) => `${name}=${plain(amounts[name] ?? 0)}`).join(",")
}

/** Without an exponent. */
function plain(amount: number): string {
  return Number.isInteger(amount) ? String(amount) : amount.toFixed(9).replace(/0+$/, "")
}
