/**
 * What learning costs: `node --conditions=linebacker-source bench/learn.ts`.
 *
 * Per request: finding its route, and what the observer does when it settles and when it was reported on. Per second:
 * taking a batch, and learning from it, at several sizes. Medians of nine rounds, in time of the CPU, so that other
 * programs on the machine do little harm.
 */
import { outcome, resourcesOf } from "../test/support/backends.ts"
import { reportTo, snapshotOf } from "../test/support/learning-fleet.ts"
import { seeded } from "../src/core/rng.ts"
import { Learner } from "../src/learning/learner.ts"
import { loadReport, parseLoadReport } from "../src/learning/load-report.ts"
import { Observer } from "../src/learning/observer.ts"
import { RouteFinder, type RouteList } from "../src/routing/routes.ts"

const rounds = 9
const resources = resourcesOf("rate", "rate")
const demand = Float64Array.of(3, 4)
const done = outcome()
const report = loadReport(resources, {
  requestCost: Float64Array.of(2, 3),
  utilization: Float64Array.of(0.4, 0.5),
})

function cpuMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1_000
}

function nanosOf(calls: number, run: (i: number) => void): number {
  for (let i = 0; i < calls; i++) run(i)
  const found: number[] = []
  for (let round = 0; round < rounds; round++) {
    const start = cpuMs()
    for (let i = 0; i < calls; i++) run(i)
    found.push(((cpuMs() - start) * 1e6) / calls)
  }
  return found.toSorted((a, b) => a - b)[rounds >> 1]!
}

function row(name: string, value: number, unit: string): void {
  console.log(`${name.padEnd(56)} ${value.toFixed(value < 10 ? 1 : 0).padStart(8)} ${unit}`)
}

const learned = Array.from(
  { length: 60 },
  (_, i) => `GET /service/kind-${"abcdefghij"[i % 10]}/${"klmnop"[i % 6]}/*`,
)
const rules = Array.from({ length: 20 }, (_, i) => ({
  name: `rule ${i}`,
  method: undefined,
  host: undefined,
  path: `/api/v1/things-${i}/*`,
}))
for (const [name, path, list] of [
  ["route of /users/123", "/users/123", { version: 1, rules: [], learned: ["GET /users/*", ...learned] }],
  [
    "route of a path of 64 bytes",
    "/service/kind-a/k/0190163d-8694-739b-aea5-966c26f8ad91?page=2&s=10",
    { version: 1, rules: [], learned },
  ],
  [
    "the same behind 20 rules",
    "/service/kind-a/k/0190163d-8694-739b-aea5-966c26f8ad91",
    { version: 1, rules, learned },
  ],
  ["route of a path that is not known", "/service/unknown/x/17", { version: 1, rules: [], learned }],
] as const) {
  const finder = new RouteFinder(list)
  const bytes = Buffer.from(path)
  let sum = 0
  row(
    name,
    nanosOf(200_000, () => (sum += finder.find("GET", bytes, 0, bytes.length, 0, 0))),
    "ns",
  )
  if (sum < 0) throw new Error("not possible")
}
{
  // More targets than are remembered, each of them new when it comes again.
  const targets = Array.from({ length: 4_096 }, (_, i) => Buffer.from(`/users/${1_000_000 + i * 7_919}`))
  const finder = new RouteFinder({ version: 1, rules: [], learned: ["GET /users/*", ...learned] })
  row(
    "route of /users/*, another one each time",
    nanosOf(
      200_000,
      (i) => void finder.find("GET", targets[i & 4_095]!, 0, targets[i & 4_095]!.length, 0, 0),
    ),
    "ns",
  )
}

for (const backends of [10, 1_000]) {
  const observer = new Observer(resources, backends)
  const pairs = Math.min(backends * 16, 8_000)
  row(
    `settled, ${backends} backends, ${pairs} pairs`,
    nanosOf(200_000, (i) => observer.settled((i * 7) % backends, i % 16, done)),
    "ns",
  )
  row(
    `reported, ${backends} backends, ${pairs} pairs`,
    nanosOf(200_000, (i) => reportTo(observer, (i * 7) % backends, i % 16, report, 100)),
    "ns",
  )
}
const json = 'JSON {"request_cost":{"r0":2,"r1":3},"utilization":{"r0":0.4,"r1":0.5}}'
const text = "TEXT cpu_utilization=0.3, utilization.r0=0.4, rps_fractional=120, eps=1"
row(
  "parse a report, JSON",
  nanosOf(50_000, () => void parseLoadReport(json, resources)),
  "ns",
)
row(
  "parse a report, TEXT",
  nanosOf(50_000, () => void parseLoadReport(text, resources)),
  "ns",
)

for (const [backends, routes] of [
  [3, 10],
  [100, 10],
  [100, 64],
  [1_000, 64],
] as const) {
  const list: RouteList = {
    version: 1,
    rules: [],
    learned: Array.from({ length: routes }, (_, i) => `GET /${i}`),
  }
  const rng = seeded(1)
  const snapshot = snapshotOf(Array.from({ length: backends }, () => [1_000, 1_000]))
  const learner = new Learner({ resources, prior: demand, routes: () => list })
  const observer = new Observer(resources, backends)
  const times: number[] = []
  for (let s = 1; s <= 20; s++) {
    for (let i = 0; i < 20_000; i++) {
      const slot = rng.below(backends)
      const route = 1 + rng.below(routes)
      observer.settled(slot, route, done)
      reportTo(observer, slot, route, report, 0)
    }
    const start = cpuMs()
    learner.ingest(observer.take(s * 1_000)!, snapshot.members, s * 1_000)
    learner.learn(snapshot, s * 1_000)
    times.push(cpuMs() - start)
  }
  row(
    `one second, ${backends} backends, ${routes} routes, 20 000 requests`,
    times.slice(5).toSorted((a, b) => a - b)[7]!,
    "ms",
  )
}
