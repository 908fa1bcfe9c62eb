/** What is rehearsed: a fleet, its requests, how they arrive, and what goes wrong. Plain data, complete and checked. */
import type { Millis } from "../../core/clock.ts"
import type { NamedAmounts, ResourceTable } from "../../core/resources.ts"

/** What is simulated: backends, classes of requests, when they arrive, and what fails. */
export interface Scenario {
  readonly name: string
  /** One sentence for a person: what it is and what it shows. */
  readonly summary: string
  readonly resources: ResourceTable
  readonly backends: readonly BackendGroup[]
  readonly classes: readonly RequestClass[]
  readonly arrivals: Arrivals
  readonly faults: readonly Fault[]
  /** Balancers before the fleet; each sees only what it sends itself. 1 to 16. */
  readonly balancers: number
  /** What the balancers know of a request's demand before they have learned anything. */
  readonly knowledge: {
    /** `learned`: nothing at first; `known`: the true means of the classes; `declared`: each request says its own. */
    readonly demand: "learned" | "known" | "declared"
    /** What backends tell: the cost of each request, only their utilization, or nothing but responses. */
    readonly reports: "costs" | "utilization" | "none"
    /** How often a backend reports its utilization. */
    readonly reportEveryMs: Millis
    /** How old a report is when it arrives. */
    readonly reportDelayMs: Millis
  }
  /** Requests of one run, the warm-up included. */
  readonly requests: number
  /** The first part of a run that is not counted, 0 to 1. */
  readonly warmUp: number
  /** Loads to run at when none are asked for, as shares of θ*. */
  readonly loads: readonly number[]
}

/** Backends that are alike. */
export interface BackendGroup {
  /** Backends are named after it: `compute-1`, `compute-2`, … */
  readonly name: string
  readonly count: number
  /** What one of them has, and registers: units per second of a rate, units of a space. */
  readonly capacity: NamedAmounts
  /** What it really has where it registers something else. */
  readonly actual: NamedAmounts | undefined
  readonly weight: number
  readonly zone: string | undefined
  readonly tier: number
  /** How a rate resource serves: all at once in equal parts, or one request per lane in order of arrival. */
  readonly discipline: "sharing" | "fifo"
  /** The most of each rate resource that one request can use, units per second: the speed of one core. */
  readonly lane: NamedAmounts
  /** When it announces itself and when it leaves (draining), ms from the start; 0 and never as a rule. */
  readonly joinsAtMs: Millis
  readonly leavesAtMs: Millis | undefined
}

/** Requests that are alike: one route. */
export interface RequestClass {
  /** Also its route's name. */
  readonly name: string
  /** Its part of all requests; the shares of all classes sum to 1. */
  readonly share: number
  /** Of each resource. Of a rate: work. Of a space: what is held from dispatch until the response has ended. */
  readonly demand: Readonly<Record<string, Distribution>>
  /** Time it lasts beside its work, in which it uses nothing but the space it holds, ms. */
  readonly holdMs: Distribution | undefined
  /** Where demand is declared: how wrong, as the coefficient of variation of a lognormal factor; and a bias. */
  readonly declaredError: number
  readonly declaredBias: number
}

/** Every distribution has the mean that it names. */
export type Distribution =
  | { readonly kind: "constant"; readonly mean: number }
  | { readonly kind: "exponential"; readonly mean: number }
  | { readonly kind: "uniform"; readonly min: number; readonly max: number }
  /** Whole numbers from min to max. */
  | { readonly kind: "integer"; readonly min: number; readonly max: number }
  /** `cv`: standard deviation over mean. */
  | { readonly kind: "lognormal"; readonly mean: number; readonly cv: number }
  /** `shape` > 1, or there were no mean. */
  | { readonly kind: "pareto"; readonly mean: number; readonly shape: number }
  /** `large` with probability `often`, else `small`. */
  | { readonly kind: "bimodal"; readonly small: number; readonly large: number; readonly often: number }

export type Arrivals =
  | { readonly kind: "poisson" }
  /** On and off phases of exponential lengths; in the on phases `factor` times the mean rate, in the others the rest. */
  | {
      readonly kind: "bursty"
      readonly onMs: Millis
      readonly offMs: Millis
      /** 1 to (on + off) / on. */
      readonly factor: number
    }
  /** A sine around the mean rate; `depth` 0 to 1; `mixFlip` swaps the shares of the first and the last class at the ebb. */
  | {
      readonly kind: "diurnal"
      readonly periodMs: Millis
      readonly depth: number
      readonly mixFlip: boolean
    }
  /** Requests as they were recorded, their gaps scaled to the load that is asked for. Played again from the start when they run out. */
  | { readonly kind: "trace"; readonly requests: readonly TracedRequest[] }

export interface TracedRequest {
  readonly atMs: Millis
  /** Index into `classes`. */
  readonly class: number
  /** Amounts in the order of `resources`; then `holdMs`. */
  readonly demand: readonly number[]
  readonly holdMs: Millis
}

/** Something that goes wrong with `backend` (its name, `group-1`) at `atMs`, for `forMs` or for good. */
export type Fault = {
  readonly backend: string
  readonly atMs: Millis
  readonly forMs: Millis | undefined
} & (
  | {
      /** Every attempt on it fails at once, those in flight too, until its lease has ended or it is back. */ readonly kind: "crash"
    }
  | { /** Works at this part of its speed. */ readonly kind: "slow"; readonly factor: number }
  | { /** Crashes and comes back, this often. */ readonly kind: "flapping"; readonly everyMs: Millis }
  | {
      /** Another program uses this part of this resource. */ readonly kind: "noisy-neighbour"
      readonly resource: string
      readonly part: number
    }
  | { /** Reports this many times the truth. */ readonly kind: "lying-reports"; readonly factor: number }
  | { /** Goes on to report what it reported when this began. */ readonly kind: "stale-reports" }
  | {
      /** Responds to this part of its requests with an error at once, without working. */ readonly kind: "fast-failures"
      readonly part: number
    }
)
