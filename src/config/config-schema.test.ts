import assert from "node:assert/strict"
import { test } from "node:test"
import { configJsonSchema } from "./config-schema.ts"
import { parseConfig } from "./config-parse.ts"
import { durationPattern, parseDuration } from "../text/duration.ts"
import { fail } from "../core/result.ts"
import { xxhash32 } from "../core/hash.ts"
import { plainPolicy } from "../policies/index.ts"
import type { CookieOptions } from "./config.ts"

const context = { policies: { auto: {}, price: {} }, readFile: () => fail("there are no files here") }

const cookieDefault: CookieOptions = {
  sameSite: "Lax",
  secure: false,
  partitioned: false,
  maxAgeSeconds: 0,
  domain: "",
  path: "/",
}

test("these are the defaults", () => {
  const config = parseConfig({}, context)
  assert.ok(config.ok)
  // A setting that comes later need not be here: the next test sees that it has the default that it shows.
  assert.partialDeepStrictEqual(config.value, {
    name: "linebacker",
    listen: { host: "", port: 5252 },
    tls: undefined,
    discovery: { files: [], dns: [] },
    proxyProtocol: { accept: [] },
    trustedProxies: [],
    via: { toBackends: true, toClients: false },
    forwarded: false,
    workers: "auto",
    policy: plainPolicy("auto"),
    choosing: {
      slowStart: { windowMs: 0, aggression: 1, minShare: 0.1 },
      zone: undefined,
      tiers: undefined,
      subset: undefined,
      aperture: undefined,
    },
    pools: [],
    routes: [],
    affinity: { kind: "none", name: "", caching: "private", cookie: cookieDefault },
    cookieKey: undefined,
    learning: { routesMax: 64 },
    seed: undefined,
    resources: [
      { name: "compute", kind: "rate", resolution: 1 / 1024 },
      { name: "storage", kind: "rate", resolution: 1 / 1024 },
    ],
    demand: { mode: "declared", default: { compute: 1, storage: 1 }, trusted: [] },
    registration: {
      listen: { host: "127.0.0.1", port: 9797 },
      token: undefined,
      allow: undefined,
      hosts: [],
      allowForeignAddresses: false,
      unixFolders: [],
      legacyPort: 80,
      ttlMs: 10_000,
      renewMs: 2_000,
      suspectMs: 5_000,
      backendsMax: 1_024,
    },
    admin: {
      listen: { host: "127.0.0.1", port: 9494 },
      token: undefined,
      allow: ["127.0.0.0/8", "::1/128"],
      hosts: [],
    },
    checks: {
      kind: "tcp",
      path: "/healthz",
      statuses: [{ from: 200, to: 299 }],
      intervalMs: 5_000,
      timeoutMs: 2_000,
      fall: 3,
      rise: 2,
    },
    upstream: {
      nameTtlMs: 5_000,
      nameKeepMs: 3_600_000,
      resolver: "direct",
      proxyProtocol: "none",
      lenientHeads: false,
      askLoadReports: "none",
      loadReports: undefined,
      tls: { ca: undefined, verify: true, serverName: undefined, cert: undefined, key: undefined },
      tlsFiles: { ca: undefined, cert: undefined, key: undefined },
    },
    limits: {
      descriptorsMax: undefined,
      headBytesMax: 32_768,
      fieldsMax: 100,
      targetBytesMax: 8_192,
      fieldLineBytesMax: 8_192,
      attemptsMax: 3,
      replayBytesMax: 65_536,
      collectedBytesMax: 1_048_576,
      collectedBytesTotalMax: 33_554_432,
      connectionsMax: 10_000,
      connectionsPerBackendMax: 1_024,
      pipelinedMax: 1,
      idlePerBackendMax: 64,
      requestsPerConnectionMax: 1_000,
      requestsPerBackendConnectionMax: 10_000,
      chunkExtensionBytesMax: 4_096,
      trailerBytesMax: 8_192,
      interimBytesPerSecondMax: 1_048_576,
      queueMax: 1_024,
      bodyBytesMax: Number.MAX_SAFE_INTEGER,
      bodyBytesPerSecondMin: 240,
      responseBytesPerSecondMin: 240,
    },
    timeouts: {
      clientHeadMs: 10_000,
      tlsHandshakeMs: 10_000,
      clientIdleMs: 75_000,
      clientBodyMs: 60_000,
      clientHalfClosedMs: 1_000,
      lingerMs: 30_000,
      lingerIdleMs: 5_000,
      connectMs: 3_000,
      responseHeadMs: 30_000,
      betweenBytesMs: 60_000,
      streamIdleMs: 3_600_000,
      exchangeMs: 0,
      backendIdleMs: 55_000,
      backendAgeMs: 600_000,
      queueMs: 5_000,
      drainMs: 30_000,
      firstMemberMs: 5_000,
      unreadyMs: 1_000,
      threadStillMs: 5_000,
    },
    requests: {
      upgrade: true,
      underscores: "collisions",
      hostConflicts: "port",
      host: undefined,
      trailers: "drop",
    },
    response: { backendHeader: false, loadReports: "strip", trailers: "asked" },
  })
})

test("each setting of a section is read under its name, a duration as milliseconds, with the default that is shown", () => {
  const config = parseConfig({}, context)
  assert.ok(config.ok)
  const { properties } = configJsonSchema(["price"]) as JsonSchema
  let compared = 0
  for (const section of ["limits", "timeouts", "requests", "response", "via", "checks"] as const) {
    const read = config.value[section] as Readonly<Record<string, unknown>>
    const settings = Object.entries(properties![section]!.properties!)
    assert.equal(Object.keys(read).length, settings.length, section)
    for (const [key, { anyOf, default: shown }] of settings) {
      const isDuration = anyOf?.[0]?.pattern === durationPattern
      const value = read[isDuration ? `${key}Ms` : key]
      // Statuses are written as text and read as ranges.
      if (key !== "statuses") assert.equal(value, isDuration ? parseDuration(shown as string) : shown, key)
      compared++
    }
  }
  assert.ok(compared > 50, `${compared} settings were compared`)
})

test("a balancer among others needs only to know which of how many it is, or its name", () => {
  const alike = parseConfig({ choosing: { aperture: { balancers: 3, balancer: 2 } } }, context)
  const drawn = parseConfig({ name: "b", choosing: { subset: {} } }, context)
  assert.ok(alike.ok && drawn.ok)
  assert.deepEqual(alike.value.choosing.aperture, { size: 12, balancers: 3, balancer: 2 })
  assert.deepEqual(drawn.value.choosing.subset, { size: 20, seed: xxhash32("b") })
})

test("the configuration can be posted to a thread", () => {
  const config = parseConfig({}, context)
  assert.ok(config.ok)
  assert.deepEqual(structuredClone(config.value), config.value)
})

test("a resource that demand does not name is needed once", () => {
  const resources = [
    { name: "cpu", kind: "rate" },
    { name: "memory", kind: "space", resolution: 2 },
  ]
  const config = parseConfig({ resources, demand: { default: { memory: 16 } } }, context)
  assert.deepEqual(config.ok && config.value.demand.default, { cpu: 1, memory: 16 })
})

test("parsing changes nothing of what it was given", () => {
  const input = Object.freeze({ checks: null, registration: Object.freeze({ renew: "bad", nonsense: 1 }) })
  assert.ok(!parseConfig(input, context).ok)
  assert.deepEqual(input, { checks: null, registration: { renew: "bad", nonsense: 1 } })
})

interface JsonSchema {
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly description?: string
  readonly enum?: readonly string[]
  readonly additionalProperties?: unknown
  readonly default?: unknown
  readonly anyOf?: readonly JsonSchema[]
  readonly pattern?: string
}

test("the JSON Schema closes every mapping, shows defaults as they are written, and lists the policies", () => {
  const schema = configJsonSchema(["price", "random"]) as JsonSchema
  const properties = schema.properties!
  assert.equal(schema.additionalProperties, false)
  assert.equal(properties["checks"]?.additionalProperties, false)
  assert.equal(properties["checks"]?.properties?.["interval"]?.default, "5s")
  assert.equal(properties["listen"]?.default, ":5252")
  assert.deepEqual(properties["policy"]?.anyOf?.[0]?.enum, ["price", "random"])
  const pattern = new RegExp(properties["checks"]?.properties?.["interval"]?.anyOf?.[0]?.pattern ?? "^$")
  assert.match("5s", pattern)
  for (const [name, property] of Object.entries(properties)) assert.ok(property.description, name)
})

test("no duration is taken without its unit, but 0 where that is allowed", () => {
  const { properties } = configJsonSchema(["price"]) as JsonSchema
  let durations = 0
  for (const [section, { properties: settings = {} }] of Object.entries(properties!)) {
    for (const [key, setting] of Object.entries(settings)) {
      if (setting.anyOf?.[0]?.pattern !== durationPattern) continue
      durations++
      for (const bare of [5, 30, 0.5, "5"]) {
        const config = parseConfig({ [section]: { [key]: bare } }, context)
        const issue = config.ok
          ? undefined
          : config.error.find(({ path }) => path.join(".") === `${section}.${key}`)
        assert.match(issue?.message ?? "it is valid", /with its unit/, `${section}.${key}: ${bare}`)
      }
    }
  }
  assert.ok(durations > 15, `${durations} durations were found`)
  assert.ok(parseConfig({ timeouts: { exchange: 0 } }, context).ok)
})

test("every default of the JSON Schema is a valid value", () => {
  const { properties } = configJsonSchema(["price"]) as JsonSchema
  for (const [name, property] of Object.entries(properties!)) {
    if (property.default !== undefined) assert.ok(parseConfig({ [name]: property.default }, context).ok, name)
    for (const [key, { default: value }] of Object.entries(property.properties ?? {})) {
      if (value === undefined) continue
      const config = parseConfig({ [name]: { [key]: value } }, context)
      const issues = config.ok ? [] : config.error.map(({ path }) => path.join("."))
      // A section that cannot be without something is incomplete, and nothing worse.
      assert.deepEqual(issues, name === "tls" ? ["tls.certificates"] : [], `${name}.${key}`)
    }
  }
})

test("every setting of the sections says what it is", () => {
  const undescribed = (schema: object, path: string): string[] => {
    const { properties = {}, description } = schema as {
      readonly properties?: Readonly<Record<string, object>>
      readonly description?: string
    }
    const own = description === undefined && path !== "" ? [path] : []
    return [
      ...own,
      ...Object.entries(properties).flatMap(([key, part]) => undescribed(part, `${path}/${key}`)),
    ]
  }
  assert.deepEqual(undescribed(configJsonSchema(["price"]), ""), [])
})

test("the cookie of affinity is as browsers will take it: Secure with SameSite=None, Partitioned or such a name", () => {
  assert.deepEqual(cookieOf({}), cookieDefault)
  for (const sameSite of ["none", "None"])
    assert.deepEqual(cookieOf({ sameSite }), { ...cookieDefault, sameSite: "None", secure: true })
  assert.deepEqual(cookieOf({ sameSite: "Strict" }), { ...cookieDefault, sameSite: "Strict" })
  assert.deepEqual(cookieOf({ secure: "always" }), { ...cookieDefault, secure: true })
  assert.deepEqual(cookieOf({ partitioned: true }), { ...cookieDefault, secure: true, partitioned: true })
  assert.deepEqual(cookieOf({ name: "__Secure-lb" }), { ...cookieDefault, secure: true })
  assert.deepEqual(cookieOf({ maxAge: "1h", domain: "A.example.", path: "/app" }), {
    ...cookieDefault,
    maxAgeSeconds: 3_600,
    domain: "a.example",
    path: "/app",
  })
})

function cookieOf(affinity: object): CookieOptions {
  const config = parseConfig({ affinity: { kind: "cookie", ...affinity } }, context)
  assert.ok(config.ok, JSON.stringify(config))
  return config.value.affinity.cookie
}

test("known backends are read as registrations, with what their address says", () => {
  const unix = "unix:/run/app.sock"
  const backends = [
    "10.0.0.7:80",
    ":3000",
    "https://app.example",
    "[::1]:81",
    unix,
    { address: "http://b:1/", id: "b", capacity: { compute: 8 }, weight: 2, zone: "z", labels: { a: "1" } },
  ]
  const config = parseConfig({ backends }, context)
  assert.ok(config.ok)
  const capacity = { compute: 1, storage: 1 }
  const rest = { weight: 1, zone: undefined, labels: {}, capacity, check: undefined }
  assert.deepEqual(config.value.backends, [
    { ...rest, id: "10.0.0.7:80", address: { host: "10.0.0.7", port: 80 }, scheme: undefined },
    { ...rest, id: ":3000", address: { host: "127.0.0.1", port: 3000 }, scheme: undefined },
    { ...rest, id: "app.example", address: { host: "app.example", port: 443 }, scheme: "https" },
    { ...rest, id: "::1:81", address: { host: "::1", port: 81 }, scheme: undefined },
    { ...rest, id: "unix:-run-app.sock", address: { path: "/run/app.sock" }, scheme: undefined },
    {
      id: "b",
      address: { host: "b", port: 1 },
      scheme: "http",
      capacity: { compute: 8, storage: 1 },
      weight: 2,
      zone: "z",
      labels: { a: "1" },
      check: undefined,
    },
  ])
})

test("the list of a pool makes known backends with the label of the pool, which it matches", () => {
  const pools = [
    { name: "api", backends: [":1", { address: ":2", labels: { gpu: "yes" } }] },
    { name: "static", match: { zone: "a" } },
  ]
  const config = parseConfig({ backends: [":3"], pools }, context)
  assert.ok(config.ok)
  assert.deepEqual(
    config.value.backends.map(({ id, labels }) => [id, labels]),
    [
      [":1", { pool: "api" }],
      [":2", { gpu: "yes", pool: "api" }],
      [":3", {}],
    ],
  )
  assert.deepEqual(config.value.pools, [
    { name: "api", match: { labels: { pool: "api" }, zone: undefined, ids: undefined }, policy: undefined },
    { name: "static", match: { labels: {}, zone: "a", ids: undefined }, policy: undefined },
  ])
})

test("names are read with what their backends have in common; with services there are tiers", () => {
  const dns = [
    { name: "app.internal.", port: 8443, scheme: "https", labels: { a: "1" }, interval: "5s" },
    { name: "_http._tcp.app.internal", type: "SRV", server: "10.0.0.2:8600" },
  ]
  const config = parseConfig({ discovery: { dns } }, context)
  assert.ok(config.ok, JSON.stringify(config))
  const [first, second] = config.value.discovery.dns
  assert.deepEqual(
    [first!.name, first!.type, first!.intervalMs, first!.server],
    ["app.internal.", "A", 5_000, undefined],
  )
  const { address, capacity, labels, scheme } = first!.example
  assert.deepEqual([address, scheme], [{ host: "app.internal", port: 8443 }, "https"])
  assert.deepEqual(labels, { "tls-server-name": "app.internal", a: "1" })
  assert.deepEqual(capacity, { compute: 1, storage: 1 })
  assert.deepEqual([second!.type, second!.server, second!.example.labels], ["SRV", "10.0.0.2:8600", {}])
  assert.deepEqual(config.value.choosing.tiers, {
    overprovisioning: 1.4,
    memoryMs: 600_000,
    membersPerTier: undefined,
  })
  const own = parseConfig({ discovery: { dns }, choosing: { tiers: { overprovisioning: 2 } } }, context)
  assert.ok(own.ok)
  assert.equal(own.value.choosing.tiers?.overprovisioning, 2)
})

test("the check of one backend has what checks say where it says nothing itself", () => {
  const success = [{ from: 200, to: 299 }]
  assert.deepEqual(checksOf({}, undefined, "tcp", {}, { path: "/up" }, { statuses: [204] }), [
    undefined,
    { kind: "tcp" },
    { kind: "http", path: "/healthz", statuses: success },
    { kind: "http", path: "/up", statuses: success },
    { kind: "http", path: "/healthz", statuses: [{ from: 204, to: 204 }] },
  ])
  assert.deepEqual(checksOf({ kind: "http", path: "/live", statuses: ["200-399"] }, {}), [
    { kind: "http", path: "/live", statuses: [{ from: 200, to: 399 }] },
  ])
})

function checksOf(checks: object, ...written: unknown[]): unknown {
  const backends = written.map((check, index) => ({ address: `:${index + 1}`, check }))
  const config = parseConfig({ checks, backends }, context)
  assert.ok(config.ok, JSON.stringify(config))
  return config.value.backends.map(({ check }) => check)
}
