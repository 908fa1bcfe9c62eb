// Hot path. Benchmark: bench/choose.ts.
import type { Backend } from "../../core/backend.ts"
import type { Millis } from "../../core/clock.ts"
import type { LoadReport } from "../../core/load-report.ts"
import { median } from "../../core/median.ts"
import { carried, Places } from "../tools/places.ts"
import type { Parameter, PickRequest, Policy, PolicyContext, PolicyEntry } from "../policy.ts"

const orcaParameters = {
  blackoutMs: {
    summary: "How long a backend must have reported before its reports are used, ms.",
    default: 10_000,
    min: 0,
    max: 3_600_000,
  },
  expiryMs: {
    summary: "How long the last report of a backend is used, ms; then its blackout starts anew.",
    default: 180_000,
    min: 1_000,
    max: 86_400_000,
  },
  updateMs: {
    summary: "How often weights are computed from the reports, ms.",
    default: 1_000,
    min: 100,
    max: 600_000,
  },
  errorPenalty: {
    summary: "How much utilization a backend is charged if all its requests are errors.",
    default: 1,
    min: 0,
    max: 1_000,
  },
  unknownGetMean: {
    summary:
      "What backends without a weight get: 0 the median of the known weights (Envoy), 1 the mean (gRPC).",
    default: 0,
    min: 0,
    max: 1,
    isInteger: true,
  },
  clamp: {
    summary:
      "Weights are kept within the mean divided and multiplied by this, 10 in gRPC; 0 is no bound (Envoy).",
    default: 0,
    min: 0,
    max: 1_000,
  },
  resourceUtilization: {
    summary: "1 takes the largest utilization of the balancer's own resources first, where one is reported.",
    default: 0,
    min: 0,
    max: 1,
    isInteger: true,
  },
} as const satisfies Record<string, Parameter>

/** Requests per second at full utilization; no measurement goes beyond these. */
const weightMin = 1e-6
const weightMax = 1e9

/**
 * Turns in proportion to weights that come from what backends report of themselves:
 *
 *     weight = rps / (utilization + penalty · eps / rps)
 *
 * which is the rate a backend could take at full utilization, less if it errs. Utilization is what the application
 * says, else that of the CPU; with `resourceUtilization` first the largest of the balancer's own resources. A weight
 * is used from `blackoutMs` after a backend's first report until `expiryMs` after its last; those without one get the
 * median of the others. With fewer than two weights known all get equal turns.
 *
 * A report without a rate or without a utilization above 0 yields no weight and is passed over: as in the originals,
 * zero means "not said". So is one with a weight beyond all sense. The rate that the balancer itself sends does not
 * take its place. It is only a part of the backend's when others send as well, and then every balancer would see all
 * backends at the utilization of the sum but the rate of a part, and those it happens to send little to would look
 * worst.
 *
 * Order: earliest deadline first. Each is due again 1/weight after its turn, and first after a random part of that, so
 * that balancers that start together differ. A member that is not admitted keeps its deadline; when it is back it
 * comes first once and is not owed a burst. O(n) per pick.
 *
 * One number for a backend, whatever a request needs: class-blind. Prior art: Envoy's client_side_weighted_round_robin
 * and gRPC's weighted_round_robin (A58).
 */
export class OrcaWeightedRoundRobin implements Policy {
  /** Its row in the table of policies. */
  static readonly entry = {
    summary:
      "Round robin weighted by reported requests per second over utilization; with equal weights without reports.",
    make: (context) => new OrcaWeightedRoundRobin(context),
    parameters: orcaParameters,
    seesDemand: false,
  } as const satisfies PolicyEntry

  readonly name = "orca-weighted-round-robin"
  readonly #context: PolicyContext
  readonly #parameters: PolicyContext["parameters"]
  readonly #places = new Places()
  #members: readonly Backend[] = []
  /** By place: turns for each unit of the schedule's time, 1 on average. */
  #weights = new Float64Array(0)
  #deadlines = new Float64Array(0)
  /** By place, of the reports: the last weight, when the first and when the last one came. NaN for none. */
  #reported = new Float64Array(0)
  #since = new Float64Array(0)
  #heard = new Float64Array(0)
  /** The deadline last reached. In an array, where a double is stored without an object around it. */
  readonly #time = new Float64Array(1)
  #updatedAt = -Infinity

  constructor(context: PolicyContext) {
    this.#context = context
    this.#parameters = context.parameters
  }

  rebuild(members: readonly Backend[]): void {
    const before = this.#places.rebuild(members)
    this.#weights = carried(this.#weights, before, 1)
    this.#deadlines = carried(this.#deadlines, before, NaN)
    for (const [place, old] of before.entries()) {
      if (old === -1) this.#deadlines[place] = this.#time[0]! + this.#context.rng.next()
    }
    this.#reported = carried(this.#reported, before, NaN)
    this.#since = carried(this.#since, before, NaN)
    this.#heard = carried(this.#heard, before, NaN)
    this.#members = members
    // Newcomers get the weight that is due to them with the next tick.
    this.#updatedAt = -Infinity
  }

  pick(request: PickRequest): Backend | undefined {
    const members = this.#members
    const deadlines = this.#deadlines
    let due = -1
    for (let i = 0; i < members.length; i++) {
      if (request.admits(members[i]!) && (due === -1 || deadlines[i]! < deadlines[due]!)) due = i
    }
    if (due === -1) return undefined
    const time = this.#time
    if (deadlines[due]! > time[0]!) time[0] = deadlines[due]!
    deadlines[due] = time[0]! + 1 / this.#weights[due]!
    return members[due]
  }

  onReport(backend: Backend, report: LoadReport, now: Millis): void {
    const place = this.#places.of(backend)
    if (place === -1) return
    const { rpsFractional: rps } = report
    const utilization = this.#utilization(report)
    if (!(rps > 0 && utilization > 0)) return
    const errors = report.eps > 0 ? report.eps / rps : 0
    const weight = rps / (utilization + this.#parameters["errorPenalty"]! * errors)
    // Numbers without sense must not make weights of which there are no proportions.
    if (!(weight >= weightMin && weight <= weightMax)) return
    if (Number.isNaN(this.#since[place])) this.#since[place] = now
    this.#heard[place] = now
    this.#reported[place] = weight
  }

  tick(now: Millis): void {
    if (now - this.#updatedAt < this.#parameters["updateMs"]!) return
    this.#updatedAt = now
    const known: number[] = []
    for (let place = 0; place < this.#members.length; place++) {
      if (this.#isValid(place, now)) known.push(this.#reported[place]!)
    }
    if (known.length < 2) {
      for (let place = 0; place < this.#members.length; place++) this.#setWeight(place, 1)
      return
    }
    const mean = known.reduce((sum, weight) => sum + weight, 0) / known.length
    const unknown = this.#parameters["unknownGetMean"] === 1 ? mean : median(known)
    const clamp = this.#parameters["clamp"]!
    for (let place = 0; place < this.#members.length; place++) {
      const weight = (this.#isValid(place, now) ? this.#reported[place]! : unknown) / mean
      this.#setWeight(place, clamp === 0 ? weight : Math.min(Math.max(weight, 1 / clamp), clamp))
    }
  }

  #isValid(place: number, now: Millis): boolean {
    if (now - this.#heard[place]! >= this.#parameters["expiryMs"]!) this.#since[place] = NaN
    // NaN, for one that was never heard of or not for long, is no less than anything.
    return now - this.#since[place]! >= this.#parameters["blackoutMs"]!
  }

  /** What is left of the present period is stretched with it, so that a new weight moves no turn far. */
  #setWeight(place: number, weight: number): void {
    const time = this.#time[0]!
    const left = this.#deadlines[place]! - time
    if (left > 0) this.#deadlines[place] = time + (left * this.#weights[place]!) / weight
    this.#weights[place] = weight
  }

  /** 0 or NaN when it was not said. */
  #utilization(report: LoadReport): number {
    if (this.#parameters["resourceUtilization"] === 1) {
      let largest = 0
      for (let r = 0; r < report.utilization.length; r++) {
        if (report.utilization[r]! > largest) largest = report.utilization[r]!
      }
      if (largest > 0) return largest
    }
    return report.applicationUtilization > 0 ? report.applicationUtilization : report.cpuUtilization
  }
}
