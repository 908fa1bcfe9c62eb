import type { Backend, BackendId } from "../core/backend.ts"
import type { Millis } from "../core/clock.ts"
import type { Knowledge } from "../core/knowledge.ts"
import type { LoadReport } from "../core/load-report.ts"
import type { ResourceTable, ResourceVector } from "../core/resources.ts"
import type { Rng } from "../core/rng.ts"

/**
 * How to choose a backend. `rebuild` prepares when membership changes; `pick` only reads and keeps its own
 * cursors. A policy asks no clock, opens no socket and draws chance only from the `Rng` it was given.
 */
export interface Policy {
  /** As in the table of policies. */
  readonly name: string
  /**
   * Cold: the eligible members in order of registration. May allocate. Replaces what was known before. Called again
   * when a member's capacity or weight has changed, with the same or another object for it; `id` says which it is.
   */
  rebuild(members: readonly Backend[]): void
  /**
   * Hot: no allocation, no I/O. `undefined` when the request admits none of the members, or had better wait for one
   * that lacks room now: it is asked again when an attempt has settled.
   */
  pick(request: PickRequest): Backend | undefined
  /** Hot: an attempt has begun on this backend, the one picked; its demand is reserved and it counts in flight. */
  onBegun?(backend: Backend, request: PickRequest): void
  /**
   * Hot: told once per attempt, when it has settled. For a policy with this method all times are exact, here and in
   * `pick`, unless its entry says that it `ignoresTimes`; for others they are accurate to a quarter of a second.
   */
  onSettled?(backend: Backend, outcome: Outcome, now: Millis): void
  /** A backend has reported on itself; before `onSettled` when that came with a response. Hot. */
  onReport?(backend: Backend, report: LoadReport, now: Millis): void
  /** Cold: what has been learned, about once per second. Keeps the object if it likes: knowledge is replaced. */
  learn?(knowledge: Knowledge): void
  /** Cold: time has passed; several times per second. For what is recomputed now and then. */
  tick?(now: Millis): void
}

/** One choosing. The object is reused by the data plane: keep nothing of it. */
export interface PickRequest {
  /** The time, exact for a policy that measures. */
  readonly now: Millis
  /** What this request will use: declared by itself, or what is known of its route. */
  readonly demand: Readonly<ResourceVector>
  /** Number of its route in `Knowledge.routes`; 0 when it belongs to none. */
  readonly route: number
  /** uint32, when the request has something to stick to. */
  readonly affinityHash: number | undefined
  /** The client's IP address, 4 or 16 bytes, where it is known. */
  readonly clientAddress: Uint8Array | undefined
  /** The backend that an earlier response has bound this client to. */
  readonly boundTo: BackendId | undefined
  /** Not yet tried by this exchange, and has room. */
  admits(backend: Backend): boolean
}

/** How to compare: lower is better, Infinity is "only when there is nothing else". */
export type LoadMetric = (backend: Backend, request: PickRequest) => number

/**
 * How an attempt ended. `ignored`: says nothing about the backend (the client left, the balancer is stopping);
 * an early ending must not look like a fast success.
 */
export type AttemptResult = "success" | "failure" | "ignored"

/** How one attempt went. The object is reused: keep nothing of it. */
export interface Outcome {
  /** How the attempt ended. */
  readonly result: AttemptResult
  /** The response's status; 0 when none came. */
  readonly status: number
  /** From the attempt's begin to the first byte of its response; NaN when none came. */
  readonly firstByteMs: Millis
  /** From the attempt's begin to its end. */
  readonly totalMs: Millis
  /** What the backend asked clients to wait (Retry-After, in seconds); NaN when it did not. */
  readonly retryAfterMs: Millis
  /** Number of its route in `Knowledge.routes`; 0 when it belongs to none. */
  readonly route: number
  /** Each of its times is exact. Else they are right in the mean, and a single one is no measurement. */
  readonly isExact: boolean
}

/** Asks backends how they are, for policies that want to know before they choose (Prequal). */
export interface Prober {
  /**
   * Asks; `respond` is called once if a response comes, at once or later, and never within `pick` of another request.
   */
  probe(backend: Backend, respond: (inFlight: number, latencyMs: Millis, now: Millis) => void): void
}

/** What a policy is made from. */
export interface PolicyContext {
  /** All the chance that the policy may draw. */
  readonly rng: Rng
  /** What requests need and backends have; the order of every vector. */
  readonly resources: ResourceTable
  /** The policy's parameters by name, complete: `parametersOf` fills in what is not given. */
  readonly parameters: Readonly<Record<string, number>>
  /** Undefined where no backend can be asked; then a policy must live on what it sees itself. */
  readonly prober?: Prober | undefined
}

/** A number that tunes a policy. */
export interface Parameter {
  /** One sentence: what it is, with its unit. */
  readonly summary: string
  /** What it is when none is given. */
  readonly default: number
  /** The least that is allowed. */
  readonly min: number
  /** The most that is allowed. */
  readonly max: number
  /** Whether only whole numbers are allowed; false when absent. */
  readonly isInteger?: boolean
}

/** One row of the table of policies. */
export interface PolicyEntry {
  /** One sentence for a person who chooses a policy: what it picks, and from what it knows. */
  readonly summary: string
  /** Throws when the resources are unsuitable: ask first. */
  make(this: void, context: PolicyContext): Policy
  /** Why it cannot work with these resources, as a sentence for the operator, or `undefined` when it can. */
  unsuitable?(this: void, resources: ResourceTable): string | undefined
  /** The numbers that tune it, by name; none when absent. */
  readonly parameters?: Readonly<Record<string, Parameter>>
  /**
   * Whether its choice, given the state of the backends, depends on what a request needs. Those that do not send
   * every backend the same mix of requests, so none of them carries more than the class-blind ceiling.
   */
  readonly seesDemand: boolean
  /** Whether it sends requests of one key to one backend; then its mix is an accident of the keys. */
  readonly sticks?: boolean
  /** It wants to know when attempts settle, but no times: reading the exact clock for it would be for nothing. */
  readonly ignoresTimes?: boolean
  /** Whether it chooses by `Knowledge.mix` among so many members, which is planned only where a policy does. */
  readsMix?(this: void, members: number): boolean
}
