/** Learning, end to end: a balancer with its threads, backends that report how busy they are, and clients. */
import assert from "node:assert/strict"
import { Agent, get } from "node:http"
import { test, type TestContext } from "node:test"
import { startDemonstrationBackend } from "../src/backend/demonstration-backend.ts"
import { type Balancer, createBalancer } from "../src/balancer.ts"
import { readTextFile } from "../src/control/config-file.ts"
import { parseConfig } from "../src/control/config-parse.ts"
import type { RouteView } from "../src/control/state-view.ts"
import { seeded } from "../src/core/rng.ts"
import { policies } from "../src/policies/index.ts"
import { systemClock } from "../src/system.ts"
import { pause, until } from "./support/relay.ts"

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
  const balancer = await createBalancer(config.value)
  t.after(() => balancer.stop())
  return balancer
}

function demandOf(balancer: Balancer, name: string): RouteView["demand"] {
  return balancer.state().routes.find((route) => route.name === name)?.demand ?? []
}

// What a request on each route really needs, units of compute and of storage.
const works = { light: [1, 4], heavy: [6, 1] } as const
type Kind = keyof typeof works

test("from nothing but utilization, the demand of each route is known within 20 % after 2,000 requests", async (t) => {
  const balancer = await balancerOf(t, {})
  const announceTo = `http://127.0.0.1:${balancer.listeners.registration.port}`
  for (const [index, capacity] of [
    { compute: 500, storage: 350 },
    { compute: 350, storage: 450 },
  ].entries()) {
    const backend = await startDemonstrationBackend({
      id: `b${index}`,
      port: 0,
      capacity,
      speed: 1,
      reports: "utilization",
      announce: { balancer: announceTo },
    })
    t.after(() => backend.close())
  }
  await until("both serve", () => balancer.state().totals.eligible === 2)

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
  // 100 a second, as a Poisson process; twice as many light ones as heavy ones: 2.7 of 8.5 hundreds of compute a second.
  const rng = seeded(7)
  const start = systemClock.now()
  for (let sent = 0, dueAt = start; sent < 2_000; sent++) {
    dueAt += -Math.log(1 - rng.next()) * 10
    const wait = dueAt - systemClock.now()
    if (wait > 0) await pause(wait)
    ask(rng.below(3) === 0 ? "heavy" : "light")
  }
  await until("all are answered", () => answered === 2_000)
  await pause(1_500)
  for (const kind of ["light", "heavy"] as const) {
    const demand = demandOf(balancer, `GET /${kind}/*`)
    for (const [r, true_] of works[kind].entries()) {
      const { source, mean, standardError } = demand[r]!
      t.diagnostic(
        `${kind} ${demand[r]!.resource}: ${mean.toFixed(2)} ± ${standardError?.toFixed(2)}, truly ${true_}`,
      )
      assert.equal(source, "utilization")
      assert.ok(Math.abs(mean / true_ - 1) < 0.2, `${kind}: ${mean} is not within 20 % of ${true_}`)
    }
  }
})
