/** Where requests go, what they are taken to need and what is told of them: a data plane before scripted backends. */
import assert from "node:assert/strict"
import { test, type TestContext } from "node:test"
import { nothingKnown, type Knowledge } from "../../src/core/knowledge.ts"
import type { BackendId } from "../../src/core/backend.ts"
import { Learner } from "../../src/learning/learner.ts"
import { cellCost, cellFields } from "../../src/learning/observer.ts"
import { resourcesDefault, type ResourceTable } from "../../src/core/resources.ts"
import type { RouteRule } from "../../src/routing/routes.ts"
import { seeded } from "../../src/core/rng.ts"
import { plainPolicy, policies, policyNames, type PolicyName } from "../../src/policies/index.ts"
import { MixPlanner } from "../../src/learning/planner/mix-planner.ts"
import type { PolicyEntry } from "../../src/policies/policy.ts"
import type { AffinityOptions, PoolMatch } from "../../src/config/config.ts"
import type { RouteOptions, RoutingOptions } from "../../src/proxy/options.ts"
import { get, ok } from "../support/wire/messages.ts"
import {
  answering,
  noAffinity,
  relay,
  routingOf,
  scripted,
  type Relay,
  type ScriptedBackend,
} from "../support/relay.ts"
import { until } from "../support/until.ts"

/** Backends that respond at once with whatever `fields` says. */
function plain(t: TestContext, count: number, fields = ""): Promise<ScriptedBackend[]> {
  return Promise.all(Array.from({ length: count }, () => answering(t, () => ok("here", fields))))
}

function declares(path: string, compute: number, storage: number): string {
  return get(path, `Linebacker-Demand: compute=${compute}, storage=${storage}\r\n`)
}

function post(bytes: number): string {
  return `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${bytes}\r\n\r\n${"x".repeat(bytes)}`
}

function only(id: string): PoolMatch {
  return { labels: {}, zone: undefined, ids: [id] }
}

/** Responds only when `release` is called. */
async function holding(t: TestContext): Promise<{ backend: ScriptedBackend; release: () => void }> {
  const waiting: (() => void)[] = []
  const backend = await answering(t, () => new Promise((resolve) => waiting.push(() => resolve(ok("late")))))
  return { backend, release: () => waiting.splice(0).forEach((answer) => answer()) }
}

function ruleOf(path: string, change: Partial<RouteRule> = {}): RouteRule {
  return { name: path, method: undefined, host: undefined, path, ...change }
}

function routeOf(path: string, change: Partial<RouteOptions> = {}): RouteOptions {
  return {
    rule: ruleOf(path),
    group: 0,
    demand: undefined,
    isTrusted: false,
    affinity: noAffinity,
    ...change,
  }
}

/** What is known when the routes of these rules need this much, (compute, storage) each; the first is the rest. */
function known(...means: readonly (readonly [number, number])[]): Knowledge {
  const routes = means.map(([compute, storage], index) => ({
    name: String(index),
    mean: Float64Array.of(compute, storage),
    rate: 1,
    isLearned: true,
  }))
  return { ...nothingKnown, version: 1, routes }
}

function learn({ plane }: Relay, knowledge: Knowledge, routes: readonly RouteOptions[]): void {
  plane.learn(knowledge, { version: 1, rules: routes.map(({ rule }) => rule), learned: [] })
}

/** What one request holds while it runs. */
async function heldBy(t: TestContext, at: Relay, request: string, release: () => void): Promise<number[]> {
  const wire = await at.client()
  wire.send(request)
  await until("it is in flight", () => at.table.inFlight(0) === 1)
  const held = [at.table.reserved(0, 0), at.table.reserved(0, 1)]
  await until("the backend has it", () => {
    release()
    return at.table.inFlight(0) === 0
  })
  await wire.response()
  t.diagnostic(`held ${held.join(", ")}`)
  return held
}

async function servedBy(at: Relay, request: string): Promise<string | undefined> {
  const wire = await at.client()
  wire.send(request)
  const response = await wire.response()
  wire.socket.end()
  return response.field("x-linebacker-backend")
}

test("a request needs what it declares, else what its rule says, else what was learned of its route", async (t) => {
  const { backend, release } = await holding(t)
  const routes = [routeOf("/ruled", { demand: Float64Array.of(7, NaN) }), routeOf("/learned")]
  const routing = { ...routingOf("round-robin"), routes }
  const at = await relay(t, [backend], { routing, capacity: { compute: 1_000, storage: 1_000 } })
  assert.deepEqual(await heldBy(t, at, get("/learned"), release), [1, 1], "nothing is known")
  assert.deepEqual(await heldBy(t, at, get("/ruled"), release), [7, 1])
  learn(at, known([2, 3], [20, 30], [4, 5]), routes)
  assert.deepEqual(await heldBy(t, at, get("/elsewhere"), release), [2, 3])
  assert.deepEqual(await heldBy(t, at, get("/learned"), release), [4, 5])
  assert.deepEqual(
    await heldBy(t, at, get("/ruled"), release),
    [7, 30],
    "what the rule leaves open is learned",
  )
  const declared = get("/learned", "Linebacker-Demand: storage=6\r\n")
  assert.deepEqual(await heldBy(t, at, declared, release), [4, 6])
  const lines = get(
    "/learned",
    "Linebacker-Demand: storage=6\r\nA: b\r\nLinebacker-Demand: compute=8, x=1\r\n",
  )
  assert.deepEqual(await heldBy(t, at, lines, release), [8, 6], "lines of one name are one field")
  const broken = get("/learned", "Linebacker-Demand: storage=6;;\r\n")
  assert.deepEqual(await heldBy(t, at, broken, release), [4, 5])
})

test("a connection that asks for the same again and again sees what is learned with its next request", async (t) => {
  const { backend, release } = await holding(t)
  const at = await relay(t, [backend], { capacity: { compute: 1_000, storage: 1_000 } })
  const wire = await at.client()
  const held = async (): Promise<number[]> => {
    wire.send("GET /again HTTP/1.1\r\nHost: x\r\n\r\n")
    await until("it is in flight", () => at.table.inFlight(0) === 1)
    const amounts = [at.table.reserved(0, 0), at.table.reserved(0, 1)]
    await until("the backend has it", () => {
      release()
      return at.table.inFlight(0) === 0
    })
    await wire.response()
    return amounts
  }
  const says = async (expected: readonly number[]): Promise<void> => {
    for (let i = 0; i < 3; i++) assert.deepEqual(await held(), expected)
  }
  await says([1, 1])
  at.plane.learn(known([2, 3], [20, 30]), { version: 1, rules: [], learned: ["GET /again"] })
  await says([20, 30])
  at.plane.learn(known([2, 3], [40, 50]), { version: 1, rules: [], learned: ["GET /again"] })
  await says([40, 50])
  at.plane.learn(known([2, 3], [4, 5], [6, 7]), { version: 2, rules: [], learned: ["GET /x", "GET /again"] })
  await says([6, 7])
})

test("what is declared is at most eight times what was learned, and at least an eighth, unless it is trusted", async (t) => {
  const { backend, release } = await holding(t)
  const routes = [routeOf("/any"), routeOf("/trusted", { isTrusted: true }), routeOf("/no-storage")]
  const routing = { ...routingOf("round-robin"), routes }
  const capacity = { compute: 1_000, storage: 1_000 }
  const at = await relay(t, [backend], { routing, capacity })
  learn(at, known([2, 2], [4, 4], [4, 4], [4, 0]), routes)
  assert.deepEqual(await heldBy(t, at, declares("/any", 500, 0), release), [32, 0.5])
  assert.deepEqual(await heldBy(t, at, declares("/any", 10, 1), release), [10, 1])
  assert.deepEqual(await heldBy(t, at, declares("/trusted", 500, 0), release), [500, 0])
  // What the route has never been seen to need is measured by all requests.
  assert.deepEqual(await heldBy(t, at, declares("/no-storage", 4, 500), release), [4, 16])

  const trusting = await relay(t, [backend], { routing, capacity, demand: { trusted: ["127.0.0.0/8"] } })
  learn(trusting, known([2, 2], [4, 4], [4, 4], [4, 0]), routes)
  assert.deepEqual(await heldBy(t, trusting, declares("/any", 500, 0), release), [500, 0])
})

test("each request gets one response while members, policies and knowledge change under requests that wait", async (t) => {
  const resources: ResourceTable = [
    { name: "compute", kind: "rate", resolution: 1 / 1024 },
    { name: "memory", kind: "space", resolution: 1 / 1024 },
  ]
  const rng = seeded(7)
  const backends = await Promise.all(
    Array.from({ length: 3 }, () =>
      answering(t, async (asked) => {
        for (let turns = rng.below(3); turns > 0; turns--) await new Promise(setImmediate)
        return ok(asked.start.split(" ")[1]!)
      }),
    ),
  )
  const names = policyNames.filter((name) => {
    const entry: PolicyEntry = policies[name]
    return entry.unsuitable?.(resources) === undefined
  })
  const routes = [routeOf("/one"), routeOf("/two", { demand: Float64Array.of(2, 1.5) })]
  const of = (name: PolicyName): RoutingOptions => ({ ...routingOf(name), routes })
  const capacity = { compute: 4, memory: 3.3 }
  const at = await relay(t, backends, {
    resources,
    capacity,
    routing: of("price"),
    limits: { queueMax: 100 },
  })
  const paths = ["/one", "/two", "/other"]
  const clientCount = 12
  const clients = Array.from({ length: clientCount }, async (_, client) => {
    const wire = await at.client()
    for (let round = 0; round < 12; round++) {
      const sent = Array.from({ length: 4 }, () => `${paths[rng.below(3)]!}?${client}`)
      const fields = sent.map(() =>
        rng.below(3) === 0 ? `Linebacker-Demand: memory=${1 + rng.below(4)}\r\n` : "",
      )
      wire.send(sent.map((target, i) => get(target, fields[i])).join(""))
      for (const target of sent) {
        const { status, body } = await wire.response()
        assert.ok(
          status === 200 ? String(body) === target : status === 503,
          `${status} ${String(body)} for ${target}`,
        )
      }
    }
  })
  const storm = { isOver: false }
  const all = Promise.all(clients).finally(() => (storm.isOver = true))
  let version = 10
  while (!storm.isOver) {
    const members = at.members.flatMap((member) =>
      rng.below(6) > 0 ? [{ ...member, weight: 1 + rng.below(3) }] : [],
    )
    at.apply(members)
    at.plane.reroute(of(names[rng.below(names.length)]!))
    const mean = Float64Array.of(rng.next(), 4 * rng.next())
    const route = { name: "", mean, rate: 1, isLearned: true }
    learn(at, { ...nothingKnown, version: ++version, routes: [route, route, route] }, routes)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  await all
  const { no_backend_fits = 0, ...others } = at.counters.errors()
  t.diagnostic(JSON.stringify(others))
  assert.ok(no_backend_fits > 0 && at.counters.total("answered") > 12 * 12 * 2)
})

test("a backend that has failed a request is not tried again because its weight has changed", async (t) => {
  const hook: { onFirst?: () => void } = {}
  const seen: number[] = []
  const failing = (slot: number): Promise<ScriptedBackend> =>
    scripted(t, (wire) => {
      wire.socket.once("data", () => {
        seen.push(slot)
        if (seen.length === 1) hook.onFirst?.()
        wire.socket.destroy()
      })
    })
  const backends = [await failing(0), await failing(1)]
  const at = await relay(t, backends, { routing: routingOf("first"), limits: { attemptsMax: 3 } })
  hook.onFirst = () => at.apply(at.members.map((member) => ({ ...member, weight: 2 })))
  assert.match(await at.ask(get("/", "Connection: close\r\n")), /"backend_reset"/)
  assert.deepEqual(seen, [0, 1])
})

test("of what no backend has measured a client may declare no more than its rule or the default says", async (t) => {
  const { backend, release } = await holding(t)
  const routes = [
    routeOf("/any"),
    routeOf("/ruled", { demand: Float64Array.of(7, NaN) }),
    routeOf("/trusted", { isTrusted: true }),
  ]
  const routing = { ...routingOf("round-robin"), routes }
  const capacity = { compute: 1_000, storage: 1_000 }
  const at = await relay(t, [backend], { routing, capacity })
  const held = (path: string, compute: number, storage: number): Promise<number[]> =>
    heldBy(t, at, declares(path, compute, storage), release)

  // From the first request on, on routes of which nothing is known, and beyond the routes of which something is.
  assert.deepEqual(await held("/any", 1_000_000, 1_000_000), [1, 1])
  assert.deepEqual(await held("/ruled", 1_000_000, 0), [7, 0.125])
  assert.deepEqual(await held("/any", 0.5, 0), [0.5, 0.125])
  assert.deepEqual(await held("/trusted", 500, 0), [500, 0])
  const absurd = get("/any", "Linebacker-Demand: compute=-5, storage=1e300\r\n")
  assert.deepEqual(await heldBy(t, at, absurd, release), [1, 1], "no demand, so it counts as none")

  // One resource is measured, for all routes alike; routes that are not in the list yet count as the rest.
  const { routes: list } = known([2, 1])
  const partly = { ...list[0]!, isMeasured: [true, false] }
  learn(at, { ...nothingKnown, version: 1, routes: [partly] }, routes)
  assert.deepEqual(await held("/any", 500, 500), [16, 1])
  assert.deepEqual(await held("/ruled", 500, 500), [16, 1])
  assert.deepEqual(await held("/any", 0, 0), [0.25, 0.125])

  // A guess by time is in no unit that a client could know.
  const guessed = { ...list[0]!, isMeasured: [false, false] }
  learn(at, { ...nothingKnown, version: 2, routes: [guessed, guessed] }, routes)
  assert.deepEqual(await held("/any", 500, 500), [2, 1])

  // Measured once, and no request needs it any more: then it is as if nothing was known.
  learn(at, known([0, 0], [0, 0]), routes)
  assert.deepEqual(await held("/any", 500, 500), [1, 1])
  learn(at, nothingKnown, routes)
  assert.deepEqual(await held("/any", 500, 500), [1, 1])
})

test("what a request does not name is as if it had declared nothing, also where its rule is far from what was learned", async (t) => {
  const { backend, release } = await holding(t)
  const routes = [
    routeOf("/dear", { demand: Float64Array.of(100, NaN) }),
    routeOf("/cheap", { demand: Float64Array.of(0.25, NaN) }),
  ]
  const routing = { ...routingOf("round-robin"), routes }
  const at = await relay(t, [backend], { routing, capacity: { compute: 1_000, storage: 1_000 } })
  learn(at, known([4, 4], [4, 4], [4, 4]), routes)
  const storage = "Linebacker-Demand: storage=2\r\n"
  assert.deepEqual(await heldBy(t, at, get("/dear", storage), release), [100, 2])
  assert.deepEqual(await heldBy(t, at, get("/cheap", storage), release), [0.25, 2])
})

test("a client that is not trusted cannot fill a space that backends have not measured", async (t) => {
  const { backend, release } = await holding(t)
  const resources: ResourceTable = [{ name: "memory", kind: "space", resolution: 1 / 1024 }]
  const at = await relay(t, [backend], {
    resources,
    routing: routingOf("price"),
    capacity: { memory: 4 },
  })
  const clients = [await at.client(), await at.client(), await at.client(), await at.client()]
  for (const [index, wire] of clients.entries()) {
    wire.send(index < 3 ? get("/", "Linebacker-Demand: memory=4\r\n") : get("/"))
    await until("it is in flight", () => at.table.inFlight(0) === index + 1)
  }
  assert.equal(at.table.reserved(0, 0), 4)
  await until("all are served", () => {
    release()
    return clients.every((wire) => wire.received > 0)
  })
})

test("where the length of a body tells what it needs, a request of known length is weighed by it", async (t) => {
  const { backend, release } = await holding(t)
  const at = await relay(t, [backend], { capacity: { compute: 1_000, storage: 1_000 } })
  const { routes } = known([8, 4])
  const bySize = { base: Float64Array.of(2, NaN), perByte: Float64Array.of(0.5, 0) }
  learn(at, { ...nothingKnown, version: 1, routes: [{ ...routes[0]!, bySize }] }, [])
  assert.deepEqual(await heldBy(t, at, post(20), release), [12, 4])
  assert.deepEqual(await heldBy(t, at, get("/"), release), [2, 4])
  assert.deepEqual(await heldBy(t, at, post(4_000), release), [64, 4], "at most eight times the mean")
  const chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"
  assert.deepEqual(await heldBy(t, at, chunked, release), [8, 4], "of unknown length")
  assert.deepEqual(await heldBy(t, at, declares("/", 3, 3), release), [3, 3], "what is declared comes first")
  const broken = post(20).replace("\r\n\r\n", "\r\nLinebacker-Demand: compute=;\r\n\r\n")
  assert.deepEqual(
    await heldBy(t, at, broken, release),
    [12, 4],
    "what cannot be read is as if it were not there",
  )
})

test("a rate keeps no request out, however much of it is declared", async (t) => {
  const { backend, release } = await holding(t)
  const at = await relay(t, [backend], { demand: { trusted: ["127.0.0.0/8"] } })
  const clients = [await at.client(), await at.client(), await at.client()]
  for (const [index, wire] of clients.entries()) {
    wire.send(index === 2 ? get("/modest") : declares("/", 1_048_576, 0))
    await until("it is in flight", () => at.table.inFlight(0) === index + 1)
  }
  assert.equal(at.table.reserved(0, 0), 1_048_576, "the table can hold no more of it")
  assert.equal(at.table.reserved(0, 1), 1)
  await until("all are served", () => {
    release()
    return clients.every((wire) => wire.received > 0)
  })
})

test("more space than any backend has is refused at once and holds up no other; what is only believed is cut to it", async (t) => {
  const { backend, release } = await holding(t)
  const resources: ResourceTable = [{ name: "memory", kind: "space", resolution: 1 / 1024 }]
  const routes = [routeOf("/ruled", { demand: Float64Array.of(9) }), routeOf("/believed")]
  const routing = { ...routingOf("price"), routes }
  // A capacity that is no multiple of the resolution: all of it is a little less.
  const at = await relay(t, [backend], { resources, routing, capacity: { memory: 4.3 } })
  const believed = Float64Array.of(50)
  const route = { name: "", mean: believed, rate: 1, isLearned: true }
  learn(
    at,
    { ...nothingKnown, version: 1, routes: [{ ...route, mean: Float64Array.of(1) }, route, route] },
    routes,
  )
  const refusal = /^HTTP\/1\.1 503 [^]*"no_backend_fits"/
  assert.match(await at.ask(get("/ruled", "Connection: close\r\n")), refusal)
  const declared = get("/", "Connection: close\r\nLinebacker-Demand: memory=5\r\n")
  assert.match(await at.ask(declared), refusal)
  // While others wait, too.
  const [first, second] = [await at.client(), await at.client()]
  first.send(get("/believed"))
  await until("it has the backend to itself", () => at.table.inFlight(0) === 1)
  second.send(get("/"))
  assert.match(await at.ask(declared), refusal)
  await until("both have their response", () => {
    release()
    return first.received > 0 && second.received > 0
  })
})

test("a rule's requests go to its pool; a pool without members has no backend, and does not stop the others", async (t) => {
  const backends = await plain(t, 3)
  const choosing = { policy: plainPolicy("round-robin") }
  const match = { labels: {}, zone: undefined, ids: undefined }
  const routing: RoutingOptions = {
    affinity: noAffinity,
    groups: [
      { pool: "", match: undefined, choosing },
      { pool: "zone", match: { ...match, zone: "a" }, choosing },
      { pool: "label", match: { ...match, labels: { role: "db" } }, choosing },
      { pool: "ids", match: { ...match, ids: ["b0", "b2"] }, choosing },
      { pool: "empty", match: { ...match, zone: "elsewhere" }, choosing },
    ],
    routes: ["/all", "/zone/*", "/label", "/ids", "/empty"].map((path, group) => routeOf(path, { group })),
  }
  const at = await relay(t, backends, { routing })
  const [b0, b1, b2] = at.members
  const members = [{ ...b0!, zone: "a" }, { ...b1!, labels: { role: "db" } }, b2!]
  at.apply(members)
  const served = async (path: string): Promise<string[]> => {
    const by = new Set<string>()
    for (let i = 0; i < 6; i++) by.add((await servedBy(at, get(path))) ?? "none")
    return [...by].toSorted()
  }
  assert.deepEqual(await served("/all"), ["b0", "b1", "b2"])
  assert.deepEqual(await served("/zone/1"), ["b0"])
  assert.deepEqual(await served("/label"), ["b1"])
  assert.deepEqual(await served("/ids?x=1"), ["b0", "b2"])
  const answer = await at.ask(get("/empty", "Connection: close\r\n"))
  assert.match(answer, /^HTTP\/1\.1 503 [^]*"no_backend"/)
  // As everywhere, suspects serve where no other member does.
  const suspect = { ...members[0]!, state: "suspect" as const }
  at.plane.apply({ version: 9, members: [suspect, members[1]!, b2!], eligible: [members[1]!, b2!] })
  assert.deepEqual(await served("/zone/1"), ["b0"])
  assert.deepEqual(await served("/all"), ["b1", "b2"])
})

test("a request that waits for one pool does not hold up those of another", async (t) => {
  const { backend: slow, release } = await holding(t)
  const quick = await answering(t, () => ok("quick"))
  const choosing = { policy: plainPolicy("round-robin") }
  const routing: RoutingOptions = {
    affinity: noAffinity,
    groups: [
      { pool: "slow", match: only("b0"), choosing },
      { pool: "quick", match: only("b1"), choosing },
    ],
    routes: [routeOf("/slow"), routeOf("/quick", { group: 1 })],
  }
  const at = await relay(t, [slow, quick], { routing, limits: { connectionsPerBackendMax: 1 } })
  const [first, second] = [await at.client(), await at.client()]
  first.send(get("/slow"))
  await until("it is in flight", () => at.table.inFlight(0) === 1)
  second.send(get("/slow"))
  assert.equal(await servedBy(at, get("/quick")), "b1")
  assert.equal(second.received, 0)
  await until("both have their response", () => {
    release()
    return first.received > 0 && second.received > 0
  })
})

test("a cookie binds a client to its backend, says nothing of it, and is given anew when that has gone", async (t) => {
  const backends = await plain(t, 3)
  const base = routingOf("round-robin")
  const choosing = { policy: plainPolicy("round-robin"), bind: true }
  const affinity: AffinityOptions = { ...noAffinity, kind: "cookie", name: "lb" }
  const routing = { ...base, affinity, groups: [{ ...base.groups[0]!, choosing }] }
  const at = await relay(t, backends, { routing, trustedProxies: ["127.0.0.1"] })
  const ask = async (
    fields: string,
  ): Promise<{ backend: string | undefined; cookie: string | undefined }> => {
    const wire = await at.client()
    wire.send(get("/", fields))
    const response = await wire.response()
    return { backend: response.field("x-linebacker-backend"), cookie: response.field("set-cookie") }
  }
  const { backend, cookie = "" } = await ask("")
  assert.match(cookie, /^lb=[A-Za-z0-9_-]{22}; Path=\/; HttpOnly; SameSite=Lax$/)
  const pair = cookie.slice(0, cookie.indexOf(";"))
  for (let i = 0; i < 10; i++) {
    const bound = await ask(`Cookie: other=1; ${pair}; last=2\r\n`)
    assert.deepEqual(bound, { backend, cookie: undefined })
  }
  assert.equal((await ask(`Cookie: a=b\r\nCookie: ${pair}\r\n`)).backend, backend, "in a field of its own")
  const others = new Set<string | undefined>()
  for (let i = 0; i < 3; i++) others.add((await ask("Cookie: lb=AAAAAAAAAAAAAAAAAAAAAA; xlb=1\r\n")).backend)
  assert.equal(others.size, 3, "what we never gave binds no client")
  assert.match((await ask("X-Forwarded-Proto: https\r\n")).cookie ?? "", /; Secure$/)
  const stale = "lb=AAAAAAAAAAAAAAAAAAAAAA"
  for (const fields of [
    `Cookie: ${stale}; ${pair}\r\n`,
    `Cookie: ${stale}\r\nCookie: lb=; ${pair}; ${stale}\r\n`,
  ])
    assert.deepEqual(await ask(fields), { backend, cookie: undefined }, "behind one that names no backend")

  at.apply(at.members.filter(({ id }) => id !== backend))
  const moved = await ask(`Cookie: ${pair}\r\n`)
  assert.notEqual(moved.backend, backend)
  assert.ok(moved.cookie !== undefined && !moved.cookie.startsWith(pair))
})

test("the cookie has the attributes that are configured, so that pages of other sites can have it", async (t) => {
  const base = routingOf("round-robin")
  const choosing = { policy: plainPolicy("round-robin"), bind: true }
  const affinity: AffinityOptions = {
    kind: "cookie",
    name: "lb",
    caching: "private",
    cookie: {
      sameSite: "None",
      secure: true,
      partitioned: true,
      maxAgeSeconds: 60,
      domain: "a.example",
      path: "/app",
    },
  }
  const at = await relay(t, await plain(t, 1), {
    routing: { ...base, affinity, groups: [{ ...base.groups[0]!, choosing }] },
  })
  const wire = await at.client()
  wire.send(get())
  assert.match(
    (await wire.response()).field("set-cookie") ?? "",
    /^lb=[^;]{22}; Path=\/app; Domain=a\.example; Max-Age=60; HttpOnly; SameSite=None; Secure; Partitioned$/,
  )
})

test("a response that sets the cookie is for one client alone, also for caches that others share", async (t) => {
  const backends = await plain(t, 2, "Cache-Control: public, max-age=60\r\n")
  const base = routingOf("round-robin")
  const choosing = { policy: plainPolicy("round-robin"), bind: true }
  for (const [caching, told] of [
    ["private", ["public, max-age=60", "private"]],
    ["keep", ["public, max-age=60"]],
  ] as const) {
    const affinity: AffinityOptions = { ...noAffinity, kind: "cookie", name: "lb", caching }
    const at = await relay(t, backends, {
      routing: { ...base, affinity, groups: [{ ...base.groups[0]!, choosing }] },
    })
    const wire = await at.client()
    wire.send(get())
    const { fields } = await wire.response()
    const cacheControl = (lines: typeof fields): string[] =>
      lines.filter(([name]) => name.toLowerCase() === "cache-control").map(([, value]) => value)
    assert.deepEqual(cacheControl(fields), told, caching)
    // A client that is bound gets no cookie, so there is nothing that others should not have.
    const cookie = fields.find(([name]) => name.toLowerCase() === "set-cookie")![1]
    wire.send(get("/", `Cookie: ${cookie.slice(0, cookie.indexOf(";"))}\r\n`))
    assert.deepEqual(cacheControl((await wire.response()).fields), ["public, max-age=60"])
  }
})

test("requests of one key go to one backend, and many keys to all of them", async (t) => {
  const backends = await plain(t, 3)
  const kinds: readonly (readonly [AffinityOptions, (key: string) => string])[] = [
    [{ ...noAffinity, kind: "header", name: "x-user" }, (key) => get("/", `X-User: ${key}\r\n`)],
    [{ ...noAffinity, kind: "query", name: "user" }, (key) => get(`/?a=1&user=${key}&b=2`)],
    [{ ...noAffinity, kind: "path" }, (key) => get(`/${key}?x=${Math.random()}`)],
    [{ ...noAffinity, kind: "address" }, (key) => get("/", `X-Forwarded-For: 10.0.0.${key}\r\n`)],
  ]
  for (const [affinity, request] of kinds) {
    const at = await relay(t, backends, {
      routing: { ...routingOf("rendezvous"), affinity },
      trustedProxies: ["127.0.0.1"],
    })
    const all = new Set<string | undefined>()
    for (let key = 1; key <= 20; key++) {
      const first = await servedBy(at, request(String(key)))
      assert.equal(await servedBy(at, request(String(key))), first, `${affinity.kind} ${key}`)
      all.add(first)
    }
    // All twenty keys would miss one of three backends with probability 3·(2/3)^20 < 0.001.
    assert.equal(all.size, 3, affinity.kind)
  }
})

test("reports in the head and in the trailer section are heard, and reach the client only where they shall", async (t) => {
  const fields =
    'endpoint-load-metrics: JSON {"request_cost":{"compute":3},"utilization":{"storage":0.5}}\r\n'
  const [inHead] = await plain(t, 1, fields)
  const trailing = await answering(
    t,
    () =>
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: endpoint-load-metrics\r\n\r\n" +
      `2\r\nhi\r\n0\r\nX-Other: 1\r\n${fields}\r\n`,
  )
  for (const pass of [false, true]) {
    for (const ask of ["none", "TEXT", "JSON"] as const) {
      for (const backend of [inHead!, trailing]) {
        const asked: (string | undefined)[] = []
        const at = await relay(t, [backend], {
          upstream: { askLoadReports: ask },
          response: { loadReports: pass ? "pass" : "strip" },
        })
        const wire = await at.client()
        wire.send(get("/", "endpoint-load-metrics-format: BIN\r\n"))
        const response = await wire.response()
        if (backend === inHead) assert.equal(response.field("endpoint-load-metrics") !== undefined, pass)
        asked.push(response.body.toString())
        const observed = at.plane.takeObserved()
        const samples = [...(observed?.batch?.samples.values ?? [])]
        assert.deepEqual(samples.slice(1), [3, NaN], `cost, ${ask} ${pass}`)
        assert.deepEqual([...(observed?.batch?.loads.utilization ?? [])], [NaN, 0.5])
      }
    }
  }
})

function costing(cost: string): string {
  return `endpoint-load-metrics: JSON {"request_cost":{${cost}}}\r\n`
}

test("a cost in the head and in the trailers of one response counts once: what the trailers say of it", async (t) => {
  const backend = await answering(
    t,
    () =>
      `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n${costing('"compute":3,"storage":7')}\r\n` +
      `2\r\nhi\r\n0\r\n${costing('"compute":5')}\r\n`,
  )
  const at = await relay(t, [backend])
  for (let i = 0; i < 2; i++) await servedBy(at, get())
  const { cells, samples } = at.plane.takeObserved()!.batch!
  assert.deepEqual(cells.values[cellFields.reported], 2)
  assert.deepEqual(cells.values.slice(cellCost), Float64Array.of(10, 14))
  assert.deepEqual([...samples.values], [0, 5, 7, 0, 5, 7])
})

test("a cost is that of its own request: the next one on the connection, which says nothing of its own, has none", async (t) => {
  let asked = 0
  const backend = await answering(t, () => ok("here", asked++ === 0 ? costing('"compute":3') : ""))
  const at = await relay(t, [backend])
  const wire = await at.client()
  for (let i = 0; i < 2; i++) {
    wire.send(get())
    await wire.response()
  }
  assert.deepEqual([...at.plane.takeObserved()!.batch!.samples.values], [0, 3, NaN])
})

test("a backend that responds with 500 to everything gets a trickle once that is learned, whatever it announces", async (t) => {
  const failing = await answering(t, () => "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n")
  const backends = [failing, ...(await plain(t, 3))]
  for (const name of ["auto", "price", "mix", "shadow-price"] as const) {
    const at = await relay(t, backends, { routing: routingOf(name) })
    const large = { compute: 20_000, storage: 20_000 }
    const members = at.members.map((member, i) => (i === 0 ? { ...member, capacity: large } : member))
    at.apply(members)
    const wire = await at.client()
    const failedOf = async (requests: number): Promise<number> => {
      let failed = 0
      for (let n = 0; n < requests; n++) {
        wire.send(get())
        if ((await wire.response()).status === 500) failed++
      }
      return failed
    }
    assert.equal(await failedOf(40), 40, "until then it looks as if it had the most room")

    const routes = { version: 1, rules: [], learned: [] }
    const learner = new Learner({
      resources: resourcesDefault,
      prior: Float64Array.of(1, 1),
      planner: new MixPlanner(resourcesDefault),
      routes: () => routes,
    })
    learner.ingest(at.plane.takeObserved()!.batch!, members, 1_000)
    at.plane.learn(learner.learn({ version: 1, members, eligible: members }, 1_000), routes)
    const failed = await failedOf(200)
    assert.ok(failed <= 2, `${name}: ${failed} of 200`)
  }
})

test("a load report is a field like any other: one longer than fields may be costs the response", async (t) => {
  const [backend] = await plain(t, 1, `endpoint-load-metrics: TEXT eps=1, eps=${"0".repeat(200)}1\r\n`)
  for (const [fieldLineBytesMax, status] of [
    [200, 502],
    [400, 200],
  ] as const) {
    const at = await relay(t, [backend!], { limits: { fieldLineBytesMax } })
    const wire = await at.client()
    wire.send(get())
    const response = await wire.response()
    assert.equal(response.status, status)
    if (status === 502) assert.match(response.body.toString(), /invalid_response.*field_line_too_long/)
  }
})

test("backends are asked for reports in the form that is wanted, and not in the client's", async (t) => {
  const forms: (string | undefined)[] = []
  const backend = await answering(t, (request) => {
    forms.push(
      request.fields
        .filter(([name]) => name.toLowerCase() === "endpoint-load-metrics-format")
        .map(([, value]) => value)
        .join("|"),
    )
    return ok("here")
  })
  for (const { ask, pass } of [
    { ask: "none", pass: "strip" },
    { ask: "TEXT", pass: "strip" },
    { ask: "JSON", pass: "pass" },
    { ask: "none", pass: "pass" },
  ] as const) {
    const at = await relay(t, [backend], {
      upstream: { askLoadReports: ask },
      response: { loadReports: pass },
    })
    await servedBy(at, get("/", "Endpoint-Load-Metrics-Format: BIN\r\n"))
  }
  assert.deepEqual(forms, ["", "TEXT", "JSON", "BIN"])
})

test("what comes of attempts is told by backend and route", async (t) => {
  const good = await answering(t, () => ok("here"))
  const bad = await answering(t, () => "HTTP/1.1 500 Broken\r\nContent-Length: 0\r\n\r\n")
  const choosing = { policy: plainPolicy("round-robin") }
  const routing: RoutingOptions = {
    affinity: noAffinity,
    groups: [
      { pool: "good", match: only("b0"), choosing },
      { pool: "bad", match: only("b1"), choosing },
    ],
    routes: [routeOf("/good"), routeOf("/bad", { group: 1 })],
  }
  const at = await relay(t, [good, bad], { routing })
  for (let i = 0; i < 3; i++) await servedBy(at, get("/good"))
  for (let i = 0; i < 2; i++) await servedBy(at, get("/bad"))
  await servedBy(at, get("/users/1234"))
  await servedBy(at, get("/users/5678"))
  const observed = at.plane.takeObserved()
  const { slots, routes, values } = observed!.batch!.cells
  const stride = values.length / slots.length
  const seen = [...slots].map((slot, row) => {
    const [served, failed] = [cellFields.served, cellFields.failed].map(
      (field) => values[row * stride + field],
    )
    return `slot ${slot}, route ${routes[row]}: ${served} served, ${failed} failed`
  })
  assert.deepEqual(
    new Set(seen),
    new Set([
      "slot 0, route 1: 3 served, 0 failed",
      "slot 1, route 2: 0 served, 2 failed",
      // Of no rule, so of the first group.
      "slot 0, route 0: 2 served, 0 failed",
    ]),
  )
  assert.deepEqual(observed!.unknown, [["GET /users/*", 2]])
  assert.equal(at.plane.takeObserved(), undefined)
})

test("a correction gives no backend more space than it registered", async (t) => {
  const { backend, release } = await holding(t)
  const resources = [{ name: "slots", kind: "space" as const, resolution: 1 / 1024 }]
  const at = await relay(t, [backend], { resources, capacity: { slots: 1 } })
  const capacities = new Map([["b0" as BackendId, Float64Array.of(10)]])
  at.plane.learn({ ...nothingKnown, version: 1, capacities }, { version: 1, rules: [], learned: [] })
  const wires = [await at.client(), await at.client()]
  for (const wire of wires) wire.send(get())
  await until("one runs", () => at.table.inFlight(0) === 1)
  await until("all have their response, one after the other", () => {
    assert.ok(at.table.inFlight(0) <= 1)
    release()
    return wires.every((wire) => wire.received > 0)
  })
})

test("a corrected capacity is what is chosen by", async (t) => {
  const backends = await plain(t, 2)
  const at = await relay(t, backends, { routing: routingOf("price") })
  const count = async (): Promise<number> => {
    let first = 0
    for (let i = 0; i < 30; i++) if ((await servedBy(at, get())) === "b0") first++
    return first
  }
  const equal = await count()
  // 30 fair coins give 2 to 28 heads but for one time in 10^7.
  assert.ok(equal > 1 && equal < 29, `${equal} of 30`)
  const capacities = new Map([["b0" as BackendId, Float64Array.of(10, 10)]])
  learn(at, { ...known([1, 1]), capacities }, [])
  assert.equal(await count(), 0)
  learn(at, known([1, 1]), [])
  assert.ok((await count()) > 1, "what is no longer corrected is as it was registered")
})

test("the policy is changed under load, to every other one and back, and nothing is lost", async (t) => {
  let answered = 0
  const backends = await Promise.all(
    [1, 2, 3].map(() =>
      answering(t, async () => {
        await new Promise((resolve) => setTimeout(resolve, 2))
        answered++
        return ok("here")
      }),
    ),
  )
  const at = await relay(t, backends, { limits: { queueMax: 100, connectionsPerBackendMax: 4 } })
  const resources = [
    { name: "compute", kind: "rate" as const, resolution: 1 / 1024 },
    { name: "storage", kind: "rate" as const, resolution: 1 / 1024 },
  ]
  const names = policyNames.filter((name) => {
    const entry: PolicyEntry = policies[name]
    return entry.unsuitable?.(resources) === undefined
  })
  let changes = 0
  const clients = await Promise.all(Array.from({ length: 24 }, () => at.client()))
  const talking = { isOver: false }
  let asked = 0
  const talks = clients.map(async (wire, index) => {
    while (!talking.isOver) {
      asked++
      wire.send(get(`/${index}`))
      const response = await wire.response()
      assert.equal(response.status, 200)
    }
  })
  for (const name of [...names, ...names.toReversed()]) {
    at.plane.reroute(routingOf(name))
    changes++
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  talking.isOver = true
  await Promise.all(talks)
  t.diagnostic(`${asked} requests, ${changes} changes`)
  assert.equal(answered, asked)
})
