/** States of a fleet, for whatever shows them: one plain backend, and what a test wants to be different. */
import type { BackendView, StateView } from "../../src/control/state-view.ts"
import { judge } from "../../src/control/verdict.ts"

export function backendView(id: string, change: Partial<BackendView> = {}): BackendView {
  return {
    id,
    address: "127.0.0.1:5453",
    scheme: "http",
    state: "serving",
    reason: "its lease is fresh and its checks pass",
    generation: 1,
    incarnation: undefined,
    zone: undefined,
    version: undefined,
    labels: {},
    weight: 1,
    capacity: { compute: 20, storage: 20 },
    capacityCorrected: change.capacity ?? { compute: 20, storage: 20 },
    penalty: 1,
    reserved: { compute: 0, storage: 0 },
    total: { compute: 0, storage: 0 },
    utilization: undefined,
    inFlight: 0,
    requests: 0,
    failures: 0,
    requestsPerSecond: 0,
    lease: { keptBy: "renewals", ttlMs: 10_000, expiresInMs: 9_000 },
    check: { lastPassed: true, lastAgoMs: 100, lastError: undefined },
    reportError: undefined,
    ...change,
  }
}

/** A state with these backends; those that serve are eligible, or the suspects when none does. */
export function stateView(
  backends: readonly BackendView[],
  change: Partial<Omit<StateView, "totals">> & { readonly totals?: Partial<StateView["totals"]> } = {},
): StateView {
  const count = (state: BackendView["state"]): number =>
    backends.filter((backend) => backend.state === state).length
  const { totals, ...rest } = change
  const resources = [
    { name: "compute", kind: "rate" },
    { name: "storage", kind: "rate" },
  ] as const
  const eligible = count("serving") || count("suspect")
  return {
    name: "linebacker",
    version: "1.2.3",
    at: "2026-01-01T00:00:00.000Z",
    uptimeMs: 5_000,
    policy: "price",
    policies: [{ pool: "", name: "price", parameters: {} }],
    demandMode: "declared",
    verdict: judge({
      backends,
      sources: rest.sources ?? [],
      resources,
      eligible,
      workers: 1,
      workersWanted: 1,
      isStopping: false,
      recentFaults: { bug: false, threadDied: false, threadStill: false },
      traffic: { requests: 0, errors: {}, backends: {} },
      lost: [],
    }),
    workers: 1,
    sources: [],
    faults: { bugs: 0, threadsDied: 0, threadsStill: 0, linesLost: 0 },
    listeners: { traffic: ":5252", registration: "127.0.0.1:9797", admin: "127.0.0.1:9494" },
    resources,
    backends,
    routes: [],
    ...rest,
    totals: {
      backends: backends.length,
      eligible,
      requests: 0,
      requestsPerSecond: 0,
      inFlight: 0,
      connections: 0,
      errors: {},
      capacity: { compute: 20, storage: 20 },
      reserved: { compute: 0, storage: 0 },
      total: { compute: 0, storage: 0 },
      ...totals,
    },
  }
}
