/**
 * How much this machine bears when backends, balancer and generator share its cores: the rate at which the
 * demonstration is loaded, and how fast a scenario is played.
 */
import type { NamedAmounts } from "../core/resources.ts"

/** How much faster a second of a demonstration backend runs: capacity 20 at speed 50 works off 1,000 units per second. */
export const speedDefault = 50

/** Of the demonstration's load: the part of what the fleet carries, and the most requests per second for each core. */
export const demoLoad = 0.6
export const demoRatePerCore = 100
/** What simulated requests need of each resource on average: uniform on 1..10. */
const demandMean = 5.5

/** Of a scenario that is played: requests per second for each core at load 1, and its seconds in a real one. */
export const ratePerCore = 200
export const speedMax = 50

/**
 * The rate at which the demonstration is loaded: six tenths of what the fleet carries at most (of each resource the
 * capacities at the backends' speed over the mean demand; the scarcest counts), so that queues form and vanish on the
 * page, and at most 100 requests per second for each core. One request costs up to 1.7 ms of CPU of backends, balancer
 * and generator together (measured on two slow cores), so that is a sixth of the machine at most.
 */
export function demoRate(backends: readonly { readonly capacity: NamedAmounts }[], cores: number): number {
  const names = Object.keys(backends[0]?.capacity ?? {})
  const carried = names.map(
    (name) =>
      (backends.reduce((sum, { capacity }) => sum + (capacity[name] ?? 0), 0) * speedDefault) / demandMean,
  )
  return Math.max(1, Math.round(Math.min(demoLoad * Math.min(...carried), demoRatePerCore * cores)))
}

/** So fast that load 1 is about 200 requests per second for each core, and at most 50 times. */
export function speedFor(thetaStar: number, cores: number): number {
  return Number(Math.min(speedMax, (ratePerCore * cores) / thetaStar).toPrecision(3))
}
