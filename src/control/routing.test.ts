import assert from "node:assert/strict"
import { test } from "node:test"
import { fileURLToPath } from "node:url"
import { policies } from "../policies/index.ts"
import { loadConfig } from "../config/config-file.ts"
import type { Settings } from "../config/config-schema.ts"
import { configOf, defaults } from "../../test/support/settings.ts"
import { PolicyDesk, policyViews } from "./policy-desk.ts"
import { routingOf } from "./routing.ts"

const pools = [
  { name: "static", match: { labels: { role: "static" } } },
  { name: "llm", match: { zone: "gpu" }, policy: { name: "mix", samples: 4 } },
]

test("without pools and routes there is one group of all backends", () => {
  const { groups, routes, affinity } = routingOf(configOf({ policy: "price", choosing: { tiers: {} } }))
  assert.deepEqual(routes, [])
  assert.deepEqual(affinity, defaults.affinity)
  assert.equal(groups.length, 1)
  assert.deepEqual(groups[0]!.choosing.policy, { name: "price", parameters: {} })
  assert.equal(groups[0]!.choosing.tiers?.overprovisioning, 1.4)
  assert.equal(groups[0]!.match, undefined)
})

test("routes to the same pool under the same policy share a group, and no other do", () => {
  const routes = [
    { path: "/a", pool: "static" },
    { path: "/b", pool: "static", demand: { storage: 3 } },
    { path: "/c", pool: "static", policy: "random" },
    { path: "/d", pool: "llm" },
    { path: "/e" },
    { path: "/f", policy: "random" },
    { path: "/g", policy: "auto" },
  ]
  const routing = routingOf(configOf({ pools, routes }))
  assert.deepEqual(
    routing.routes.map(({ group }) => group),
    [1, 1, 2, 3, 0, 4, 0],
  )
  const named = routing.groups.map(({ pool, choosing }) => `${pool} ${choosing.policy.name}`)
  assert.deepEqual(named, [" auto", "static auto", "static random", "llm mix", " random"])
  assert.equal(routing.groups[3]!.choosing.policy.parameters["samples"], 4)
  assert.deepEqual(routing.groups[3]!.match, { labels: {}, zone: "gpu", ids: undefined })
  assert.deepEqual([...routing.routes[1]!.demand!], [NaN, 3])
  assert.equal(routing.routes[0]!.demand, undefined)
})

test("a group binds where one of its routes has a cookie, and names fields in lower case", () => {
  const routes = [
    { path: "/a", pool: "static" },
    { path: "/b", pool: "static", affinity: { kind: "cookie" } },
    { path: "/c", pool: "llm", affinity: { kind: "header", name: "X-User" } },
  ] as const satisfies Settings["routes"]
  const routing = routingOf(configOf({ pools, routes }))
  assert.deepEqual(
    routing.groups.map(({ choosing }) => choosing.bind === true),
    [false, true, false],
  )
  assert.deepEqual(
    routing.routes.map(({ affinity }) => affinity.name),
    ["", "linebacker", "x-user"],
  )
})

test("a change of policy reaches the balancer with the pools that have none of their own, or one pool", () => {
  const config = configOf({
    pools,
    routes: [
      { path: "/a", pool: "static" },
      { path: "/b", pool: "llm" },
    ],
  })
  const desk = new PolicyDesk(config)
  const names = (): string[] => desk.routing.groups.map(({ choosing }) => choosing.policy.name)
  assert.deepEqual(names(), ["auto", "auto", "mix"])
  assert.ok(desk.change({ name: "random" }).ok)
  assert.deepEqual(names(), ["random", "random", "mix"])
  assert.ok(desk.change({ name: "prequal", pool: "llm" }).ok)
  assert.deepEqual(names(), ["random", "random", "prequal"])
  assert.deepEqual(
    desk.current.map(({ pool, name }) => `${pool} ${name}`),
    [" random", "llm prequal"],
  )
  assert.ok(desk.change({ name: "mix", parameters: { samples: 8 } }).ok)
  assert.equal(desk.current[0]!.parameters["samples"], 8)
})

test("a change that cannot be says why and where, and changes nothing", () => {
  const desk = new PolicyDesk(configOf({ pools, resources: [{ name: "slots", kind: "space" }] }))
  const before = desk.routing
  const refused = (change: Parameters<PolicyDesk["change"]>[0]): string => {
    const changed = desk.change(change)
    assert.ok(!changed.ok)
    assert.equal(desk.routing, before)
    return `${changed.error.path}: ${changed.error.message}`
  }
  assert.match(refused({ name: "randm" }), /^name: there is no policy "randm".*"random"/)
  assert.match(refused({ name: "mix", parameters: { samples: 0 } }), /^parameters\.samples: .*found 0/)
  assert.match(
    refused({ name: "mix", parameters: { smples: 2 } }),
    /^parameters\.smples: mix has no parameter/,
  )
  assert.match(refused({ name: "random", pool: "lm" }), /^pool: there is no pool "lm".*"llm"/)
  assert.match(refused({ name: "seed-ratio" }), /^name: "seed-ratio" cannot work with these resources: /)
})

test("every policy is shown with its parameters, and why it cannot work here", () => {
  const views = policyViews([{ name: "slots", kind: "space", resolution: 1 }])
  assert.deepEqual(
    views.map(({ name }) => name),
    Object.keys(policies),
  )
  const byName = new Map(views.map((view) => [view.name, view]))
  assert.notEqual(byName.get("seed-ratio")?.unsuitable, undefined)
  assert.equal(byName.get("price")?.unsuitable, undefined)
  assert.equal(byName.get("mix")?.parameters["samples"]?.max, 16)
})

test("the example of a configuration is valid, and leads where it says", () => {
  const file = fileURLToPath(new URL("../../examples/routes.yaml", import.meta.url))
  const config = loadConfig(file, { policies, env: {} })
  assert.ok(config.ok, JSON.stringify(config))
  const { groups, routes } = routingOf(config.value)
  assert.deepEqual(
    routes.map(({ group }) => `${groups[group]!.pool} ${groups[group]!.choosing.policy.name}`),
    ["gpu mix", "static round-robin", "reports auto", " rendezvous", " auto"],
  )
  assert.equal(groups[0]!.choosing.bind, true)
})

function reads(input: object, members: number): boolean {
  return new PolicyDesk(configOf(input)).readsMix(members)
}

test("the mix is planned only where a group chooses by it", () => {
  assert.equal(reads({}, 64), false)
  assert.equal(reads({}, 65), true)
  assert.equal(reads({ policy: "mix" }, 3), true)
  assert.equal(reads({ policy: "price" }, 1_000), false)
  assert.equal(reads({ policy: "price", pools, routes: [{ path: "/d", pool: "llm" }] }, 3), true)
})
