import assert from "node:assert/strict"
import { test, type TestContext } from "node:test"
import { createServer as createHttpServer } from "node:http"
import { createServer } from "node:net"
import type { AddressInfo } from "node:net"
import { Worker } from "node:worker_threads"
import type { Snapshot } from "./membership/snapshot.ts"
import { type Balancer, startBalancer, StartError } from "./balancer.ts"
import { readTextFile } from "./config/config-file.ts"
import type { Config } from "./config/config.ts"
import { parseConfig } from "./config/config-parse.ts"
import type { ToWorker } from "./proxy/threads/messages.ts"
import { policies } from "./policies/index.ts"
import { until } from "../test/support/until.ts"

const listen = "127.0.0.1:0"

function configOf(change: Readonly<Record<string, unknown>> = {}): Config {
  const input = { listen, registration: { listen }, admin: { listen }, ...change }
  const config = parseConfig(input, { policies, readFile: readTextFile })
  assert.ok(config.ok, JSON.stringify(config))
  return config.value
}

async function started(t: TestContext, change?: Readonly<Record<string, unknown>>): Promise<Balancer> {
  const balancer = await startBalancer(configOf(change))
  t.after(() => balancer.close())
  return balancer
}

test("a request that comes before the first backend gets its response, whichever thread it meets", async (t) => {
  const backend = createHttpServer((_request, response) => response.end("ok"))
  await new Promise<void>((resolve) => backend.listen(0, "127.0.0.1", resolve))
  t.after(() => {
    backend.close()
    backend.closeAllConnections()
  })
  const balancer = await started(t, { timeouts: { firstMember: "1m", queue: "1m", unready: "0s" } })
  const { traffic, registration, admin } = balancer.listeners
  const answers = Array.from({ length: 8 }, () => fetch(`http://127.0.0.1:${traffic.port}/`))
  await until("all wait", () => balancer.state().totals.requests === 8)
  assert.equal((await fetch(`http://127.0.0.1:${admin.port}/readyz`)).status, 503)
  const { port } = backend.address() as AddressInfo
  await fetch(`http://127.0.0.1:${registration.port}/v1/backends/b`, {
    method: "PUT",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ address: `127.0.0.1:${port}`, capacity: { compute: 1, storage: 1 } }),
  })
  const statuses = await Promise.all(answers.map(async (answer) => (await answer).status))
  assert.deepEqual(new Set(statuses), new Set([200]))
})

test("backends that start together are one snapshot each 20 ms at most, and none of them is missed", async (t) => {
  const post = t.mock.method(Worker.prototype, "postMessage")
  const backend = createServer((socket) => socket.on("error", () => {}).destroy())
  await new Promise<void>((resolve) => void backend.listen(0, "127.0.0.1", resolve))
  t.after(() => backend.close())
  const balancer = await started(t, { workers: 1, timeouts: { unready: "0s", drain: "0s" } })
  const from = performance.now()
  const { port } = backend.address() as AddressInfo
  const ids = Array.from({ length: 200 }, (_, index) => `b${index}`)
  await Promise.all(
    ids.map((id) =>
      fetch(`http://127.0.0.1:${balancer.listeners.registration.port}/v1/backends/${id}`, {
        method: "PUT",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ address: `127.0.0.1:${port}`, capacity: { compute: 1, storage: 1 } }),
      }),
    ),
  )
  const snapshots = (): readonly Snapshot[] =>
    post.mock.calls
      .map(({ arguments: [message] }) => message as ToWorker)
      .flatMap((message) => (message.kind === "snapshot" ? [message.snapshot] : []))
  await until("the thread knows that all serve", () => snapshots().at(-1)?.eligible.length === 200)
  assert.ok(snapshots().length <= (performance.now() - from) / 20 + 1, `${snapshots().length} snapshots`)
})

test("none of its own listeners becomes a backend, however it is written", async (t) => {
  const balancer = await started(t, {
    workers: 1,
    listen: "0.0.0.0:0",
    registration: { listen, allowForeignAddresses: true },
    timeouts: { unready: "0s", drain: "0s" },
  })
  const { traffic, registration, admin } = balancer.listeners
  const announced = async (address: string): Promise<unknown> => {
    const answer = await fetch(`http://127.0.0.1:${registration.port}/v1/backends/x`, {
      method: "PUT",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ address, capacity: { compute: 1, storage: 1 } }),
    })
    const { error } = (await answer.json()) as { readonly error?: { readonly code: string } }
    return `${answer.status} ${error?.code ?? ""}`
  }
  for (const { port } of [traffic, registration, admin]) {
    for (const host of [
      "",
      "127.0.0.1",
      "[::ffff:127.0.0.1]",
      "[::1]",
      "0.0.0.0",
      "localhost",
      "127.0.0.2",
    ]) {
      assert.equal(await announced(`${host}:${port}`), "403 own_listener", `${host}:${port}`)
    }
  }
  assert.equal(await announced(`10.255.255.1:${admin.port}`), "201 ")
})

test("stopping twice, at once or later, is stopping once", async (t) => {
  const balancer = await started(t)
  await Promise.all([balancer.close(), balancer.close()])
  await balancer.close()
})

test("a start that fails closes what it had opened, and says why", async (t) => {
  const taken = createServer()
  await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve))
  t.after(() => taken.close())
  const { port } = taken.address() as AddressInfo
  const admin = { listen: `127.0.0.1:${port}` }
  await assert.rejects(
    startBalancer(configOf({ admin })),
    (error) => error instanceof StartError && error.listener === "admin" && error.code === "EADDRINUSE",
  )
})
