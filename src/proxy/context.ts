import type { Clock } from "../core/clock.ts"
import type { BackendId } from "../core/backend.ts"
import type { Counters } from "../metrics/counters.ts"
import type { Head } from "../http1/head.ts"
import type { FieldNames } from "../http1/field-names.ts"
import type { Descriptors } from "./threads/descriptors.ts"
import type { Dialer } from "./backends/dial.ts"
import type { Deadlines } from "../net/deadlines.ts"
import type { HeadLimits } from "../http1/limits.ts"
import type { DataPlaneOptions } from "./options.ts"

/** What everything in one data-plane thread shares. */
export interface Context {
  readonly options: DataPlaneOptions
  /** What of `limits` and `requests` is about heads. */
  readonly headLimits: HeadLimits
  /** Which thread this is: its row in the load table and the counters. */
  readonly worker: number
  readonly clock: Clock
  readonly deadlines: Deadlines
  readonly dialer: Dialer
  readonly counters: Counters
  readonly descriptors: Descriptors
  readonly names: FieldNames
  /**
   * The one head that requests are parsed into, and the one for responses: a head is read in the turn in which it
   * is parsed, so that connections need none of their own.
   */
  readonly requestHead: Head
  readonly responseHead: Head
  /** Told that a connection to a backend could not be made, so that a check can follow at once. */
  onConnectFailed(id: BackendId): void
  /** The current HTTP date (RFC 9110 5.6.7), accurate to a second. */
  httpDate(): string
}
