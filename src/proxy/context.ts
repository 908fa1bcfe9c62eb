import type { Clock } from "../core/clock.ts"
import type { BackendId } from "../core/backend.ts"
import type { StreamContext } from "../http1/streams/context.ts"
import type { Counters } from "../metrics/counters.ts"
import type { Dialer } from "./backends/dial.ts"
import type { DataPlaneOptions } from "./options.ts"
import type { Descriptors } from "./threads/descriptors.ts"

/** What everything in one data-plane thread shares. */
export interface Context extends StreamContext {
  readonly options: DataPlaneOptions
  /** Which thread this is: its row in the load table and the counters. */
  readonly worker: number
  readonly clock: Clock
  readonly dialer: Dialer
  readonly counters: Counters
  readonly descriptors: Descriptors
  /** Told that a connection to a backend could not be made, so that a check can follow at once. */
  onConnectFailed(id: BackendId): void
}
