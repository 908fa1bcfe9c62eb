import type { MemberState, Scheme } from "../membership/snapshot.ts"
import type { NamedAmounts, ResourceKind } from "../core/resources.ts"
import type { Verdict } from "./verdict.ts"

/** One backend as `/api/v1/state`, `/api/v1/backends` and the page show it. */
export interface BackendView {
  readonly id: string
  /** `host:port`, IPv6 in brackets, or `unix:/path`. */
  readonly address: string
  readonly scheme: Scheme
  readonly state: MemberState
  /** One sentence: why it is in this state. */
  readonly reason: string
  readonly generation: number
  readonly incarnation: number | undefined
  readonly zone: string | undefined
  readonly version: string | undefined
  readonly labels: Readonly<Record<string, string>>
  readonly weight: number
  /** As registered. */
  readonly capacity: NamedAmounts
  /** As corrected by what it reported; the same as registered where nothing was to be corrected. */
  readonly capacityCorrected: NamedAmounts
  /** How much dearer it is taken to be for its failures; 1 is none. */
  readonly penalty: number
  /** Demand held by attempts that have not settled. */
  readonly reserved: NamedAmounts
  /** Demand of all requests that it has responded to since it joined. */
  readonly total: NamedAmounts
  /** What it last reported of itself, 0 to 1 per resource, when it did. */
  readonly utilization: NamedAmounts | undefined
  readonly inFlight: number
  /** Requests that it has responded to since it joined. */
  readonly requests: number
  /** Attempts that failed since it joined. */
  readonly failures: number
  readonly requestsPerSecond: number
  readonly lease: {
    readonly keptBy: "renewals" | "ping-acks"
    readonly ttlMs: number
    /** How long until it lapses, ≥ 0; undefined where ping-acks keep it. */
    readonly expiresInMs: number | undefined
  }
  readonly check: {
    /** undefined before the first. */
    readonly lastPassed: boolean | undefined
    readonly lastAgoMs: number | undefined
    /** Why the last one failed. */
    readonly lastError: string | undefined
  }
  /** Why it could not be asked for a load report; undefined when it could, or is never asked. */
  readonly reportError: string | undefined
}

/** What is known of the requests on one route. */
export interface RouteView {
  /** `GET /users/*`, or the name of a rule; "" is all that belong to no other. */
  readonly name: string
  /** Requests per second of late. */
  readonly rate: number
  /** In the order of the resources. */
  readonly demand: readonly DemandView[]
}

/** What is known of one route's demand of one resource. What is not known is null. */
export interface DemandView {
  readonly resource: string
  /** From what the mean is known: what the configuration says counts before all that is learned. */
  readonly source: "configured" | "reported" | "utilization" | "service-time" | "prior"
  readonly mean: number
  /** Of the mean. */
  readonly standardError: number | null
  /** Costs, seconds of reports or requests that it rests on. */
  readonly samples: number
  /** Standard deviation of single requests over their mean, where costs are reported. */
  readonly variation: number | null
  /** The amount at no bytes of body, and for each byte, where the length tells it. */
  readonly bySize: { readonly base: number; readonly perByte: number } | null
}

/** Everything the page shows, sent whole at least once per second on `/api/v1/events` and by `/api/v1/state`. */
export interface StateView {
  readonly name: "linebacker"
  readonly version: string
  /** Wall-clock time of the state, ISO 8601. */
  readonly at: string
  readonly uptimeMs: number
  /** Of the whole balancer. */
  readonly policy: string
  /** The policy of the whole balancer, then those of pools that have their own. */
  readonly policies: readonly {
    readonly pool: string
    readonly name: string
    readonly parameters: Readonly<Record<string, number>>
  }[]
  readonly demandMode: "simulation" | "declared"
  /** How everything is: what the page says on top, and all that is wrong, worst first. */
  readonly verdict: Verdict
  /** Data-plane threads that are alive. */
  readonly workers: number
  /** What went wrong in the balancer itself since it started. */
  readonly faults: {
    /** Those that ended a data-plane thread included; the log has their stacks. */
    readonly bugs: number
    /** Data-plane threads that died, and that stood still; each was replaced. */
    readonly threadsDied: number
    readonly threadsStill: number
    /** Lines of the log and the output that could not be written. */
    readonly linesLost: number
  }
  readonly listeners: {
    readonly traffic: string
    readonly tls?: string
    readonly registration: string
    readonly admin: string
  }
  readonly resources: readonly { readonly name: string; readonly kind: ResourceKind }[]
  readonly totals: {
    readonly backends: number
    readonly eligible: number
    readonly requests: number
    readonly requestsPerSecond: number
    readonly inFlight: number
    /** Open client connections. */
    readonly connections: number
    /** Responses that the balancer itself had to make, by error code. */
    readonly errors: Readonly<Record<string, number>>
    readonly capacity: NamedAmounts
    readonly reserved: NamedAmounts
    readonly total: NamedAmounts
  }
  /** In order of registration. */
  readonly backends: readonly BackendView[]
  /** Route "" first, then those of the configuration in order, then the learned. */
  readonly routes: readonly RouteView[]
}
