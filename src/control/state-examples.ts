/** Examples for the OpenAPI document: a fleet of one backend. A test holds them to their shapes. */

/** What every listing says of it. */
export const memberFactsExample = {
  id: "app-1",
  generation: 1_767_225_600_000,
  address: "10.0.0.7:8080",
  scheme: "http",
  state: "serving",
  reason: "its lease is fresh and its checks pass",
  capacity: { compute: 20, storage: 13 },
  weight: 1,
  zone: "a",
  labels: {},
} as const

export const backendExample = {
  ...memberFactsExample,
  capacityCorrected: { compute: 18.5, storage: 13 },
  penalty: 1,
  reserved: { compute: 4, storage: 2 },
  total: { compute: 51_200, storage: 20_480 },
  utilization: { compute: 0.4 },
  inFlight: 2,
  requests: 10_240,
  failures: 0,
  requestsPerSecond: 120.5,
  lease: { keptBy: "renewals", ttlMs: 10_000, expiresInMs: 8_700 },
  check: { lastPassed: true, lastAgoMs: 1_200 },
} as const

export const routeExample = {
  name: "GET /users/*",
  rate: 120.5,
  demand: [
    {
      resource: "compute",
      source: "reported",
      mean: 5,
      standardError: 0.1,
      samples: 10_240,
      variation: 0.8,
      bySize: null,
    },
  ],
} as const

export const currentPolicyExample = { pool: "", name: "auto", parameters: {} } as const

export const stateExample = {
  name: "linebacker",
  version: "0.1.0",
  at: "2026-01-01T00:00:00.000Z",
  uptimeMs: 85_000,
  policy: "auto",
  policies: [currentPolicyExample],
  demandMode: "declared",
  verdict: { tone: "good", words: "Healthy: the only backend takes traffic", troubles: [] },
  workers: 4,
  faults: { bugs: 0, threadsDied: 0, threadsStill: 0, linesLost: 0 },
  sources: [{ kind: "settings", name: "backends", backends: 0, problems: [] }],
  listeners: { traffic: ":5252", registration: "127.0.0.1:9797", admin: "127.0.0.1:9494" },
  resources: [
    { name: "compute", kind: "rate" },
    { name: "storage", kind: "rate" },
  ],
  totals: {
    backends: 1,
    eligible: 1,
    requests: 10_240,
    requestsPerSecond: 120.5,
    inFlight: 2,
    connections: 16,
    errors: { no_backend: 3 },
    capacity: { compute: 20, storage: 13 },
    reserved: { compute: 4, storage: 2 },
    total: { compute: 51_200, storage: 20_480 },
  },
  backends: [backendExample],
  routes: [routeExample],
} as const
