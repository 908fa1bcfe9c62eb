/** Cold: how long requests take when no other request is there. */
import type { Millis } from "../core/clock.ts"
import { Histogram } from "../metrics/histogram.ts"
import { ArrivalProcess, streamOf } from "./engine/arrivals.ts"
import { aloneMsOn, backendsOf, firstOfEach } from "./engine/fleet.ts"
import type { Scenario } from "./scenario/scenario.ts"

/** At the 99th percentile of an exponential this gives a standard error of 0.4 %. */
const draws = 300_000

/**
 * The 99th percentile of the time that requests of this scenario take alone, in milliseconds: their own work at the
 * speed of one backend, and their hold.
 *
 * Backends differ, so it matters where a request is alone. With `shares` (one row per class, one column per group of
 * backends, as `FluidBounds.shares`) each is drawn where θ* sends its class: what remains of the time at full load when
 * no other request is in the way, whichever policy is measured. Without, each is on the backend that is fastest for it.
 * Sizes are drawn, always the same ones for one scenario; the requests of a trace are taken as they are.
 *
 * Infinity when more than 1 in 100 would go where they cannot be served.
 */
export function unloadedP99(scenario: Scenario, shares?: readonly (readonly number[])[]): Millis {
  const groups = firstOfEach(scenario, backendsOf(scenario))
  const sizes = new ArrivalProcess(scenario, 1, 1)
  const places = streamOf(1, "balancers")
  const times = new Histogram()
  let never = 0
  const { arrivals } = scenario
  const count = arrivals.kind === "trace" ? arrivals.requests.length : draws
  for (let i = 0; i < count; i++) {
    sizes.drawSize()
    const row = shares?.[sizes.class]
    let ms = Infinity
    if (row === undefined) {
      for (const backend of groups) ms = Math.min(ms, aloneMsOn(backend, sizes.work, sizes.holdMs))
    } else ms = aloneMsOn(groups[drawnFrom(row, places.next())]!, sizes.work, sizes.holdMs)
    if (ms < Infinity) times.record(ms)
    else never++
  }
  return times.quantile(0.99, never)
}

/** The one of those with these shares that `u`, from 0 to 1, falls on. */
export function drawnFrom(row: readonly number[], u: number): number {
  let sum = 0
  for (const [group, share] of row.entries()) {
    sum += share
    if (u < sum) return group
  }
  // Rounding has left a little: the last that gets any.
  return row.findLastIndex((share) => share > 0)
}
