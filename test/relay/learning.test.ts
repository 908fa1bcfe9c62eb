/** Learning, end to end: a balancer with its threads, backends that report how busy they are, and clients. */
import assert from "node:assert/strict"
import { Agent, get } from "node:http"
import { test, type TestContext } from "node:test"
import { startDemonstrationBackend } from "../../src/live/demonstration-backend.ts"
import { type Balancer, startBalancer } from "../../src/balancer.ts"
import { readTextFile } from "../../src/config/config-file.ts"
import { parseConfig } from "../../src/config/config-parse.ts"
import type { RouteView } from "../../src/control/state-view.ts"
import type { NamedAmounts } from "../../src/core/resources.ts"
import { seeded } from "../../src/core/rng.ts"
import { policies } from "../../src/policies/index.ts"
import { systemClock } from "../../src/system.ts"
import { pause } from "../support/relay.ts"
import { until } from "../support/until.ts"

const listen = "127.0.0.1:0"

async function balancerOf(t: TestContext, change: object): Promise<Balancer> {
  const input = {
    listen,
    workers: 1,
    registration: { listen, renew: "500ms" },
    admin: { listen },
    checks: { interval: "50ms", rise: 1 },
    ...change,
  }
  const config = parseConfig(input, { policies, readFile: readTextFile })
  assert.ok(config.ok, JSON.stringify(config))
  const balancer = await startBalancer(config.value)
  t.after(() => balancer.close())
  return balancer
}

/** Demonstration backends of these capacities by id, when all of them serve. */
async function backendsOf(
  t: TestContext,
  balancer: Balancer,
  reports: "costs" | "utilization",
  capacities: Readonly<Record<string, NamedAmounts>>,
): Promise<void> {
  const announceTo = `http://127.0.0.1:${balancer.listeners.registration.port}`
  for (const [id, capacity] of Object.entries(capacities)) {
    const announce = { balancer: announceTo }
    const backend = await startDemonstrationBackend({ id, port: 0, capacity, speed: 1, reports, announce })
    t.after(() => backend.close())
  }
  const count = Object.keys(capacities).length
  await until("all serve", () => balancer.state().totals.eligible === count)
}

function demandOf(balancer: Balancer, name: string): RouteView["demand"] {
  return balancer.state().routes.find((route) => route.name === name)?.demand ?? []
}

// What a request on each route really needs, units of compute and of storage.
const works = { light: [2, 5], heavy: [6, 2] } as const
type Kind = keyof typeof works

/** How late a request may be sent, and how often it is begun anew, on a machine that has other things to do. */
const lateMsMax = 150
const tries = 3

interface Run {
  readonly balancer: Balancer
  /** How late the latest request was sent. */
  readonly lateMs: number
}

/** 2,000 requests before two backends that report nothing but utilization. */
async function run(t: TestContext): Promise<Run> {
  const balancer = await balancerOf(t, {})
  await backendsOf(t, balancer, "utilization", {
    b0: { compute: 350, storage: 550 },
    b1: { compute: 450, storage: 350 },
  })

  const agent = new Agent({ keepAlive: true })
  t.after(() => agent.destroy())
  const { port } = balancer.listeners.traffic
  let answered = 0
  const ask = (kind: Kind): void => {
    const [compute, storage] = works[kind]
    const headers = { Compute: compute, Storage: storage }
    get({ host: "127.0.0.1", port, path: `/${kind}/${answered}`, agent, headers }, (response) => {
      response.resume()
      if (response.statusCode === 200) answered++
    })
  }
  // 100 per second, as a Poisson process. Which part of them is heavy changes every two seconds, from a sixth to two
  // thirds: of a mix that never changes only the sum could be known, and the standard error would say so.
  const rng = seeded(7)
  const start = systemClock.now()
  let lateMs = 0
  for (let sent = 0, dueAt = start; sent < 2_000; sent++) {
    dueAt += -Math.log(1 - rng.next()) * 10
    const wait = dueAt - systemClock.now()
    if (wait > 0) await pause(wait)
    lateMs = Math.max(lateMs, systemClock.now() - dueAt)
    const heavySixths = (dueAt - start) % 4_000 < 2_000 ? 1 : 4
    ask(rng.below(6) < heavySixths ? "heavy" : "light")
  }
  await until("all have their response", () => answered === 2_000)
  await pause(1_500)
  return { balancer, lateMs }
}

test("from nothing but utilization, the demand of each route is known within 20 % after 2,000 requests", async (t) => {
  let { balancer, lateMs } = await run(t)
  // Where this process stands still, backends report what was long ago, and the test would measure the machine.
  for (let n = 1; lateMs > lateMsMax && n < tries; n++) {
    t.diagnostic(`a request was ${Math.round(lateMs)} ms late: once more`)
    ;({ balancer, lateMs } = await run(t))
  }
  if (lateMs > lateMsMax) {
    t.skip(`the machine was too busy: a request was ${Math.round(lateMs)} ms late`)
    return
  }
  for (const kind of ["light", "heavy"] as const) {
    const demand = demandOf(balancer, `GET /${kind}/*`)
    for (const [r, truth] of works[kind].entries()) {
      const { resource, source, mean, standardError } = demand[r]!
      const known = `${mean.toFixed(2)} ± ${standardError?.toFixed(2)}`
      t.diagnostic(`${kind} ${resource}: ${known}, truly ${truth}`)
      assert.equal(source, "utilization")
      assert.ok(
        Math.abs(mean / truth - 1) < 0.2,
        `${kind} ${resource}: ${known} is not within 20 % of ${truth}`,
      )
    }
  }
})

test("mix draws from a plan as soon as something is known", async (t) => {
  const balancer = await balancerOf(t, {
    policy: { name: "mix", samples: 1, explored: 0 },
    response: { backendHeader: true },
  })
  await backendsOf(t, balancer, "costs", {
    large: { compute: 4_000, storage: 4_000 },
    small: { compute: 1_000, storage: 1_000 },
  })
  /** How many of so many requests, one at a time, the small one gets: none by price, which is that of an idle fleet. */
  const smallOf = async (count: number): Promise<number> => {
    let small = 0
    for (let n = 0; n < count; n++) {
      const url = `http://127.0.0.1:${balancer.listeners.traffic.port}/jobs`
      const response = await fetch(url, { headers: { Compute: "1", Storage: "1" } })
      await response.arrayBuffer()
      if (response.headers.get("x-linebacker-backend") === "small") small++
    }
    return small
  }
  assert.equal(await smallOf(20), 0, "nothing is known")
  // A fifth of what both can do is the small one's.
  let drawn = 0
  for (let tries = 0; drawn === 0 && tries < 200; tries++) {
    await pause(50)
    drawn = await smallOf(5)
  }
  assert.ok(drawn > 0)
})
