import type { ResourceVector } from "./resources.ts"

/**
 * What a backend says of itself: on a response (`endpoint-load-metrics`), with a renewal, or when it is asked.
 * What it did not say is NaN. Amounts of resources that the balancer does not know are left out.
 *
 * @see cncf/xds, `xds.data.orca.v3.OrcaLoadReport`.
 */
export interface LoadReport {
  /** What this one request cost, in the resource's own unit: a demand. NaN for a resource that was not named. */
  readonly requestCost: Readonly<ResourceVector>
  /** The fraction in use of each resource, 0 to 1 and more when overloaded. NaN for one that was not named. */
  readonly utilization: Readonly<ResourceVector>
  readonly cpuUtilization: number
  readonly memUtilization: number
  /** The application's own measure of its bottleneck; may pass 1. */
  readonly applicationUtilization: number
  /** Requests per second over the whole backend, whichever balancer sent them. */
  readonly rpsFractional: number
  /** Errors per second. */
  readonly eps: number
  /** Everything under `named_metrics`. */
  readonly namedMetrics: ReadonlyMap<string, number>
}
