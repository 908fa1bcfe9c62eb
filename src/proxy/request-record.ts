/**
 * Hot path: what is known of a request when it is over. One per thread, filled and read within one call, so that a
 * request costs no object: a reader that wants to keep something of it copies that.
 */
import type { Millis } from "../core/clock.ts"
import type { ErrorCode } from "../core/errors.ts"
import type { PlacedBackend } from "../placing/placed-backend.ts"
import type { BackendPool } from "./backends/backend-pool.ts"

/**
 * How a request ended.
 *
 * - `complete`: a backend's response has been written to its end
 * - `tunnel`: it became a tunnel, and both sides have ended that
 * - `own`: the balancer itself is what was asked, or sent the client elsewhere: OPTIONS that goes no further, a redirect
 * - `refused`: it could not begin; `error` says why
 * - `failed`: it had begun, and the client was sent an error of the balancer's own; `error` says why
 * - `cut`: the client had got a part of a response or a tunnel, and saw that it was cut; `error` says why
 * - `gone`: the client left first; `error` is `client_gone`, but undefined for a tunnel, which a client may leave
 */
export type RequestEnding = "complete" | "tunnel" | "own" | "refused" | "failed" | "cut" | "gone"

/**
 * One request, from its head to its end. Where it was when it ended is what it has of the moments: one that was
 * collected or queued has no `placedAt`, one whose backend was being connected to no `readyAt`, and one that waited for
 * its backend no `firstByteAt`.
 */
export class RequestRecord {
  ending: RequestEnding = "complete"
  /** Undefined where nothing went wrong. */
  error: ErrorCode | undefined = undefined
  /** Of the response that the client was sent, or a part of; 0 when there was none. */
  status = 0
  /** Number of its route; 0 is the rest, and every request that was refused. */
  route = 0
  /** Attempts in all; one that was repeated on a fresh connection counts once. */
  attempts = 0
  /** Of the last one, which has settled; undefined when there was none. */
  backend: PlacedBackend<BackendPool> | undefined = undefined
  /** What it held there, in the load table's units; means nothing when there was none. */
  held: Int32Array = new Int32Array(0)
  /** See `ClientStream`: all of the request that was read, and all of the response that was written. */
  bytesIn = 0
  bytesOut = 0

  /** Its head had been read; NaN when it was refused. */
  beganAt: Millis = NaN
  /** Its last attempt began: a backend was chosen. NaN before. */
  placedAt: Millis = NaN
  /** That attempt had a connection. */
  readyAt: Millis = NaN
  /** The final head of the response came. */
  firstByteAt: Millis = NaN
  /** It was over. */
  endedAt: Millis = NaN
  /**
   * The moments are exact. Else they are those of the last sweep, up to `sweepMs` early: right in the mean, and a single
   * difference of two is no measurement.
   */
  isExact = false
}
