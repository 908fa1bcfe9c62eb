/** What backends tell of themselves: how busy they are, measured now and then, and what one request has cost. */
import type { Backend, BackendId, BackendLoad } from "../../core/backend.ts"
import type { Millis } from "../../core/clock.ts"
import type { LoadReport } from "../../core/load-report.ts"
import type { ResourceTable, ResourceVector } from "../../core/resources.ts"
import type { AttemptResult, Outcome } from "../../policies/policy.ts"
import { SelfProber } from "../../policies/reports/self-prober.ts"
import type { Condition, FleetBackend } from "./fleet.ts"
import type { Rooms } from "./rooms.ts"
import type { Scenario } from "../scenario/scenario.ts"
import type { Stations } from "./stations.ts"

/**
 * The scalars of a report are averages over about this long, as backends make them: gRPC and Envoy ask every 10 s by
 * default. Rates counted over a second in which four requests end are noise, and weights made of them follow it.
 */
const scalarMs = 10_000

/** A report with the cost of one request. Reused. */
class CostReport implements LoadReport {
  readonly requestCost: ResourceVector
  utilization: Readonly<ResourceVector>
  cpuUtilization = NaN
  memUtilization = NaN
  applicationUtilization = NaN
  rpsFractional = NaN
  eps = NaN
  readonly namedMetrics: ReadonlyMap<string, number> = new Map()
  readonly #unknown: Readonly<ResourceVector>

  constructor(resources: number) {
    this.requestCost = new Float64Array(resources)
    this.#unknown = new Float64Array(resources).fill(NaN)
    this.utilization = this.#unknown
  }

  /** What the backend has last measured of itself, when it has. */
  take(last: LoadReport | undefined): void {
    this.utilization = last?.utilization ?? this.#unknown
    this.cpuUtilization = last?.cpuUtilization ?? NaN
    this.memUtilization = last?.memUtilization ?? NaN
    this.applicationUtilization = last?.applicationUtilization ?? NaN
    this.rpsFractional = last?.rpsFractional ?? NaN
    this.eps = last?.eps ?? NaN
  }
}

/** Reports measured at one moment, one per backend; undefined where a backend was down. */
type Reports = readonly (LoadReport | undefined)[]

export class Reporting {
  /** Attempts that each backend works on, of all balancers. */
  readonly inFlight: Int32Array
  readonly #resources: ResourceTable
  readonly #stations: Stations
  readonly #rooms: Rooms | undefined
  readonly #conditions: readonly Condition[]
  readonly #ended: Float64Array
  readonly #failed: Float64Array
  /** At the last measuring, by backend and resource. */
  readonly #busyMs: Float64Array
  readonly #cost: CostReport
  readonly #nothing: Readonly<ResourceVector>
  /** How many resources are rates, each a station of every backend. */
  readonly #rates: number
  /** Averages: of utilization by backend and resource, of requests and errors per second by backend. */
  readonly #smooth: Float64Array
  readonly #rps: Float64Array
  readonly #eps: Float64Array
  #measuredAt: Millis = 0
  #probed: ProbedBackends | undefined
  /** Measured and on their way. */
  readonly #underway: Reports[] = []
  /** The last that arrived. */
  #last: Reports

  constructor(
    scenario: Scenario,
    backends: readonly FleetBackend[],
    stations: Stations,
    rooms: Rooms | undefined,
    conditions: readonly Condition[],
  ) {
    this.#resources = scenario.resources
    this.#stations = stations
    this.#rooms = rooms
    this.#conditions = conditions
    this.inFlight = new Int32Array(backends.length)
    this.#ended = new Float64Array(backends.length)
    this.#failed = new Float64Array(backends.length)
    this.#busyMs = new Float64Array(backends.length * scenario.resources.length)
    this.#smooth = new Float64Array(this.#busyMs.length)
    this.#rps = new Float64Array(backends.length)
    this.#eps = new Float64Array(backends.length)
    this.#cost = new CostReport(scenario.resources.length)
    this.#nothing = new Float64Array(scenario.resources.length).fill(NaN)
    this.#rates = scenario.resources.filter(({ kind }) => kind === "rate").length
    this.#last = backends.map(() => undefined)
  }

  /** Hot: an attempt has begun, and is in flight from now on. */
  begun(backend: number, now: Millis): void {
    this.inFlight[backend]!++
    this.#probed?.begun(backend, now)
  }

  /** Hot: an attempt of this length has ended well, and is not in flight any more. */
  completed(backend: number, ms: Millis, now: Millis): void {
    this.#ended[backend]!++
    this.#probed?.settled(backend, "success", ms, now)
  }

  /** Hot: an attempt has failed, and is not in flight any more. */
  failed(backend: number, now: Millis): void {
    this.#ended[backend]!++
    this.#failed[backend]!++
    this.#probed?.settled(backend, "failure", 0, now)
  }

  /** What a backend reports when it is asked: attempts in flight, and how long those took that had as much company. */
  probe(backend: number, now: Millis, into: Float64Array): void {
    // It is kept only once it is asked for.
    this.#probed ??= new ProbedBackends(this.inFlight)
    this.#probed.answer(backend, now, into)
  }

  /** Hot: the report on a response. Its costs are `resources` numbers of `work` from `from` on. */
  costOf(backend: number, work: Readonly<Float64Array>, from: number): LoadReport {
    const report = this.#cost
    const { lie } = this.#conditions[backend]!
    report.take(this.#last[backend])
    for (let r = 0; r < report.requestCost.length; r++) report.requestCost[r] = work[from + r]! * lie
    return report
  }

  /** All backends look at themselves; `arrive` hands that out. */
  measure(now: Millis): void {
    const passed = now - this.#measuredAt
    const latest = this.#underway.at(-1) ?? this.#last
    this.#measuredAt = now
    this.#underway.push(
      this.#conditions.map((condition, backend) => {
        const report = this.#measure(backend, condition, passed, now)
        if (condition.isDown) return undefined
        return condition.isStale ? latest[backend] : report
      }),
    )
  }

  /** The oldest of the reports that were on their way has arrived. */
  arrive(): Reports {
    this.#last = this.#underway.shift() ?? this.#last
    return this.#last
  }

  /** What the newest interval counts for; while it has not run for long, its part of all that was. */
  #gainOf(passed: Millis, now: Millis): number {
    return Math.max(1 - Math.exp(-passed / scalarMs), passed / now)
  }

  #measure(backend: number, { lie, taken }: Condition, passed: Millis, now: Millis): LoadReport {
    const resources = this.#resources
    const utilization = new Float64Array(resources.length)
    let rate = 0
    let busiestRate = NaN
    let fullestSpace = NaN
    const gain = this.#gainOf(passed, now)
    for (const [r, { kind }] of resources.entries()) {
      const cell = backend * resources.length + r
      let busyMs: Millis
      if (kind === "space") busyMs = this.#rooms!.heldMs(backend, r, now)
      else busyMs = this.#stations.busyMs(backend * this.#rates + rate++, now)
      const own = (busyMs - this.#busyMs[cell]!) / passed
      this.#busyMs[cell] = busyMs
      // What it sees of itself is of the whole machine, so it includes what its neighbours use.
      const all = kind === "space" ? own + taken[r]! : own * (1 - taken[r]!) + taken[r]!
      utilization[r] = all * lie
      const smooth = (this.#smooth[cell]! += gain * (all - this.#smooth[cell]!))
      if (kind === "space") fullestSpace = larger(fullestSpace, smooth * lie)
      else busiestRate = larger(busiestRate, smooth * lie)
    }
    const rps = (this.#ended[backend]! / passed) * 1_000
    const eps = (this.#failed[backend]! / passed) * 1_000
    const smoothRps = (this.#rps[backend]! += gain * (rps - this.#rps[backend]!))
    const smoothEps = (this.#eps[backend]! += gain * (eps - this.#eps[backend]!))
    this.#ended[backend] = 0
    this.#failed[backend] = 0
    return {
      requestCost: this.#nothing,
      utilization,
      cpuUtilization: busiestRate,
      memUtilization: fullestSpace,
      applicationUtilization: larger(busiestRate, fullestSpace),
      rpsFractional: smoothRps * lie,
      eps: smoothEps * lie,
      namedMetrics: new Map(),
    }
  }
}

/** What the policies' own responses to probes are made of, over the attempts of all balancers. */
class ProbedBackends {
  readonly #prober = new SelfProber()
  readonly #answer = new Float64Array(3)
  readonly #backends: readonly Backend[]
  readonly #outcome: { -readonly [key in keyof Outcome]: Outcome[key] } = {
    result: "success",
    status: 0,
    firstByteMs: NaN,
    totalMs: 0,
    retryAfterMs: NaN,
    route: 0,
    isExact: true,
  }

  constructor(inFlight: Int32Array) {
    this.#backends = Array.from(inFlight, (_, index): Backend => {
      const load: BackendLoad = {
        get inFlight() {
          return inFlight[index]!
        },
        reserved: () => 0,
      }
      return {
        id: `${index}` as BackendId,
        capacity: new Float64Array(0),
        weight: 1,
        zone: undefined,
        tier: 0,
        eligibleSince: -Infinity,
        address: "",
        load,
      }
    })
    this.#prober.rebuild(this.#backends)
  }

  begun(backend: number, now: Millis): void {
    this.#prober.onBegun(this.#backends[backend]!, now)
  }

  settled(backend: number, result: AttemptResult, ms: Millis, now: Millis): void {
    const outcome = this.#outcome
    outcome.result = result
    outcome.totalMs = ms
    this.#prober.onSettled(this.#backends[backend]!, outcome, now)
  }

  answer(backend: number, now: Millis, into: Float64Array): void {
    const answer = this.#answer
    answer[2] = now
    this.#prober.respond(this.#backends[backend]!, answer)
    into[0] = answer[0]!
    into[1] = answer[1]!
  }
}

/** NaN is nothing. */
function larger(a: number, b: number): number {
  if (Number.isNaN(a)) return b
  return Number.isNaN(b) ? a : Math.max(a, b)
}
