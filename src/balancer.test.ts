import assert from "node:assert/strict"
import { test, type TestContext } from "node:test"
import { createServer } from "node:net"
import type { AddressInfo } from "node:net"
import { type Balancer, createBalancer, StartError } from "./balancer.ts"
import { readTextFile } from "./control/config-file.ts"
import type { Config } from "./control/config.ts"
import { parseConfig } from "./control/config-parse.ts"
import { policies } from "./policies/index.ts"

const listen = "127.0.0.1:0"

function configOf(change: Readonly<Record<string, unknown>> = {}): Config {
  const input = { listen, registration: { listen }, admin: { listen }, ...change }
  const config = parseConfig(input, { policies, readFile: readTextFile })
  assert.ok(config.ok, JSON.stringify(config))
  return config.value
}

async function started(t: TestContext, change?: Readonly<Record<string, unknown>>): Promise<Balancer> {
  const balancer = await createBalancer(configOf(change))
  t.after(() => balancer.stop())
  return balancer
}

test("stopping twice, at once or later, is stopping once", async (t) => {
  const balancer = await started(t)
  await Promise.all([balancer.stop(), balancer.stop()])
  await balancer.stop()
})

test("a start that fails closes what it had opened, and says why", async (t) => {
  const taken = createServer()
  await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve))
  t.after(() => taken.close())
  const { port } = taken.address() as AddressInfo
  const admin = { listen: `127.0.0.1:${port}` }
  await assert.rejects(
    createBalancer(configOf({ admin })),
    (error) => error instanceof StartError && error.listener === "admin" && error.code === "EADDRINUSE",
  )
})
