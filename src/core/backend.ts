import type { Millis } from "./clock.ts"
import type { ResourceTable, ResourceVector } from "./resources.ts"

/** The operator's name of a backend: 1 to 128 of `A-Z a-z 0-9 . _ : -`. */
export type BackendId = string & { readonly "~brand": "BackendId" }

const idPattern = /^[A-Za-z0-9._:-]{1,128}$/

export function parseBackendId(text: string): BackendId | undefined {
  return idPattern.test(text) ? (text as BackendId) : undefined
}

/** What a backend carries now, over all data-plane threads. Reading is a few loads from memory, never a call. */
export interface BackendLoad {
  /** Attempts that have not settled. */
  readonly inFlight: number
  /** Demand held by those attempts of the resource with this index, in the resource's own unit. */
  reserved(resource: number): number
}

/** One process that takes requests, as a policy sees it. */
export interface Backend {
  readonly id: BackendId
  /** What it has of each resource, > 0 for at least one; as registered, or as corrected since. */
  readonly capacity: Readonly<ResourceVector>
  /** Relative share for the policies that take weights, > 0. */
  readonly weight: number
  /** Where it is, when it said so. */
  readonly zone: string | undefined
  /** Its tier, 0 first: those behind are for when those before do not suffice. */
  readonly tier: number
  /** Since when it may be chosen; −Infinity when that was so from the start. */
  readonly eligibleSince: Millis
  /** Its address as `host:port` or `unix:/path`, for policies that hash what their originals hash. */
  readonly address: string
  readonly load: BackendLoad
}

/** Whether a backend has room now for this much of every space. O(resources). */
export function hasRoomFor(
  { capacity, load }: Backend,
  demand: Readonly<ResourceVector>,
  resources: ResourceTable,
): boolean {
  for (let r = 0; r < resources.length; r++) {
    if (resources[r]!.kind === "space" && load.reserved(r) + demand[r]! > capacity[r]!) return false
  }
  return true
}
