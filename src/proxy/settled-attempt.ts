import type { Millis } from "../core/clock.ts"
import type { AttemptResult, Outcome } from "../policies/policy.ts"

/** How the attempt that has just settled went. One per thread: it is used up at once. */
export class SettledAttempt implements Outcome {
  result: AttemptResult = "success"
  status = 0
  firstByteMs: Millis = NaN
  totalMs: Millis = 0
  retryAfterMs: Millis = NaN
  route = 0
  isExact = false
}
