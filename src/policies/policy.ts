import type { Backend } from "../core/backend.ts"
import type { Millis } from "../core/clock.ts"
import type { ResourceTable, ResourceVector } from "../core/resources.ts"
import type { Rng } from "../core/rng.ts"

/**
 * How to choose a backend. `rebuild` prepares when membership changes; `pick` only reads and keeps its own
 * cursors. A policy asks no clock, opens no socket and draws chance only from the `Rng` it was given.
 */
export interface Policy {
  readonly name: string
  /** Cold: the eligible members in order of registration. May allocate. Replaces what was known before. */
  rebuild(members: readonly Backend[]): void
  /** Hot: no allocation, no I/O. `undefined` when the request admits none of the members. */
  pick(request: PickRequest): Backend | undefined
  /**
   * Told once per attempt, when it has settled. For a policy with this method `now` is exact, here and in `pick`; for
   * others it is accurate to a quarter of a second.
   */
  onSettled?(backend: Backend, result: AttemptResult, now: Millis): void
}

/** One choosing. The object is reused by the data plane: keep nothing of it. */
export interface PickRequest {
  readonly now: Millis
  readonly demand: Readonly<ResourceVector>
  /** uint32, when the request has something to stick to. */
  readonly affinityHash: number | undefined
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

/** What a policy is made from. */
export interface PolicyContext {
  readonly rng: Rng
  readonly resources: ResourceTable
}
