/** Recorded requests as due times. */
import { seeded } from "../core/rng.ts"
import type { RequestTrace } from "../sim/scenario/trace.ts"
import { PreparedRequests, type RequestTemplate, type RequestList } from "./requests.ts"

/**
 * When the recorded requests are due, the first at 0: as they came, or stretched so that their mean rate is this one
 * (requests per second; n requests last n mean gaps). Which class each is follows from the weights and the seed; what
 * was recorded of their size is no matter here. Requests of one moment stay so. A recording of one moment only is due
 * at once.
 *
 * Cold, O(n log n): recordings need not be in order.
 */
export function recordedList(
  { at }: RequestTrace,
  classes: readonly RequestTemplate[],
  rate: number | undefined,
  seed: number,
): RequestList {
  const atMs = Float64Array.from(at).sort()
  const first = atMs[0] ?? 0
  const spanMs = (atMs.at(-1) ?? 0) - first
  const scale = rate === undefined || spanMs === 0 ? 1 : (((atMs.length - 1) / rate) * 1_000) / spanMs
  const draws = new PreparedRequests(classes, "", seeded(seed))
  const kinds = new Uint16Array(atMs.length)
  for (let i = 0; i < atMs.length; i++) {
    atMs[i] = (atMs[i]! - first) * scale
    kinds[i] = draws.draw()
  }
  return { atMs, kinds, names: [], amounts: new Float64Array(0), declared: undefined }
}
