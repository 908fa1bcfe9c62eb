/** What the connections of one thread share, clients' and backends'. */
import type { Config } from "../../config/config.ts"
import type { Deadlines } from "../../net/deadlines.ts"
import type { FieldNames } from "../field-names.ts"
import type { Head } from "../head.ts"
import type { HeadLimits } from "../limits.ts"
import type { EventLoop } from "../../system.ts"

/** The settings that connections go by. */
export type StreamOptions = Pick<
  Config,
  "name" | "upstream" | "limits" | "requests" | "response" | "timeouts"
>

export interface StreamContext {
  readonly options: StreamOptions
  /** What of `limits` and `requests` is about heads. */
  readonly headLimits: HeadLimits
  readonly deadlines: Deadlines
  readonly timers: EventLoop
  readonly names: FieldNames
  /**
   * The one head that requests are parsed into, and the one for responses: a head is read in the turn in which it is
   * parsed, so that connections need none of their own.
   */
  readonly requestHead: Head
  readonly responseHead: Head
  /** The current HTTP date (RFC 9110 5.6.7), accurate to a second. */
  httpDate(): string
}
