/** One measurement: CPU time of a peer over one run of wrk. */
import type { Load } from "./load.ts"
import { runWrk } from "./load.ts"
import { cpuBetween, cpuTimeOf, memoryOf } from "./proc.ts"

export interface Measurement {
  readonly requests: number
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  /** CPU time of the process tree per request, µs. */
  readonly cpuUs: number
  readonly userUs: number
  readonly systemUs: number
  /** Busy fraction of the core. */
  readonly busy: number
  readonly rssBytes: number
  readonly pssBytes: number
  readonly faults: readonly string[]
}

/**
 * CPU time is read right before wrk starts and right after it has ended, so whatever the peer does for these
 * requests is in it: connections, garbage, its own housekeeping. What wrk no longer counts are the requests under
 * way at its end, at most one per connection; with tens of thousands of requests per run they are below a per mille.
 */
export async function measure(pid: number, load: Load): Promise<Measurement> {
  const before = cpuTimeOf(pid)
  const startedAt = performance.now()
  const result = await runWrk(load)
  const cpu = cpuBetween(before, cpuTimeOf(pid))
  const elapsedUs = (performance.now() - startedAt) * 1_000
  const { requests, perSecond, p50Ms, p99Ms, faults } = result
  return {
    requests,
    perSecond,
    p50Ms,
    p99Ms,
    cpuUs: cpu.totalUs / requests,
    userUs: cpu.userUs / requests,
    systemUs: cpu.systemUs / requests,
    busy: cpu.totalUs / elapsedUs,
    ...memoryOf(pid),
    faults: requests === 0 ? [...faults, "no request got a response"] : faults,
  }
}
