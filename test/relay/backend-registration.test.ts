/** From the announcement to the answer: a whole balancer, with backends on a Unix socket and within TLS. */
import assert from "node:assert/strict"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { type AddressInfo, createServer as createTcpServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { test } from "node:test"
import { createServer } from "node:tls"
import { startBalancer } from "../../src/balancer.ts"
import { readTextFile } from "../../src/config/config-file.ts"
import { parseConfig } from "../../src/config/config-parse.ts"
import { policies } from "../../src/policies/index.ts"
import { authority } from "../support/authority.ts"
import { get, ok } from "../support/wire/messages.ts"
import { answers, dial, playing } from "../support/relay.ts"
import { until } from "../support/until.ts"

test("backends announce a Unix socket and TLS, are checked there and serve; a wrong certificate keeps one out", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "linebacker-"))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const trusted = authority(t)
  const path = join(folder, "app.sock")
  const here = answers(() => ok("here"))
  await playing(t, createTcpServer({ allowHalfOpen: true }), "connection", here, { path })
  const ports: number[] = []
  for (const name of ["DNS:right.test", "DNS:wrong.test"]) {
    const server = createServer(trusted.issue([name]))
    server.on("tlsClientError", () => {})
    await playing(t, server, "secureConnection", here, { host: "127.0.0.1", port: 0 })
    ports.push((server.address() as AddressInfo).port)
  }
  writeFileSync(join(folder, "ca.pem"), trusted.ca)

  const listen = "127.0.0.1:0"
  const input = {
    listen,
    workers: 1,
    policy: "round-robin",
    registration: { listen, unixFolders: [folder] },
    admin: { listen },
    checks: { interval: "50ms", fall: 1, rise: 1 },
    upstream: { tls: { ca: join(folder, "ca.pem") } },
    response: { backendHeader: true },
  }
  const config = parseConfig(input, { policies, readFile: readTextFile })
  assert.ok(config.ok, JSON.stringify(config))
  const balancer = await startBalancer(config.value)
  t.after(() => balancer.close())

  const announce = async (id: string, facts: object): Promise<number> => {
    const answer = await fetch(`http://127.0.0.1:${balancer.listeners.registration.port}/v1/backends/${id}`, {
      method: "PUT",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ capacity: { compute: 1, storage: 1 }, ...facts }),
    })
    return answer.status
  }
  const labels = { "tls-server-name": "right.test" }
  assert.equal(await announce("socket", { address: `unix:${path}` }), 201)
  assert.equal(await announce("right", { address: `:${ports[0]}`, scheme: "https", labels }), 201)
  assert.equal(await announce("wrong", { address: `:${ports[1]}`, scheme: "https", labels }), 201)
  assert.equal(await announce("other", { address: "unix:/run/elsewhere.sock" }), 403)

  const states = (): string[] => balancer.state().backends.map(({ id, state }) => `${id} ${state}`)
  const backendOf = (id: string) => balancer.state().backends.find((backend) => backend.id === id)
  await until("two serve", () => states().filter((text) => text.endsWith("serving")).length === 2)
  await until("one is out", () => backendOf("wrong")?.check.lastError !== undefined)
  assert.equal(backendOf("wrong")?.check.lastError, "its certificate is for another name")
  assert.equal(backendOf("socket")?.address, `unix:${path}`)
  assert.equal(backendOf("right")?.scheme, "https")

  const wire = await dial(balancer.listeners.traffic.port)
  t.after(() => wire.socket.destroy())
  const served = new Set<string | undefined>()
  // A single check that comes late on a busy machine takes one of them out for a moment.
  await until("both have served", async () => {
    wire.send(get())
    const response = await wire.response()
    assert.equal(response.body.toString(), "here")
    served.add(response.field("x-linebacker-backend"))
    return served.size === 2
  })
  assert.deepEqual(served, new Set(["right", "socket"]))
})
