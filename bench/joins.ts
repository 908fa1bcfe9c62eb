/**
 * What it costs that many backends start together: `node --conditions=linebacker-source bench/joins.ts [backends…]`.
 *
 * A balancer with two threads and its backends in one process. All backends are one listener with many ids, so that
 * what is measured is the registration, the checks and the snapshots. Prints, for each number of backends, how long it
 * took until all of them may take traffic, the CPU time of the whole process, and the most memory that it has had so
 * far.
 */
import { Agent, request } from "node:http"
import { type AddressInfo, createServer } from "node:net"
import { startBalancer } from "../src/balancer.ts"
import { parseConfig } from "../src/config/config-parse.ts"
import { policies } from "../src/policies/index.ts"

/** Registrations under way at one time. */
const atOnce = 64
const lookMs = 20

const counts = process.argv.slice(2).map(Number)
for (const count of counts.length === 0 ? [250, 1_000, 4_000] : counts) await joins(count)
process.exit()

async function joins(count: number): Promise<void> {
  const backends = createServer((socket) => socket.on("error", () => {}).destroy())
  await new Promise<void>((resolve) => void backends.listen(0, "127.0.0.1", 4_096, resolve))
  const { port } = backends.address() as AddressInfo
  const balancer = await startBalancer(configOf(count))
  const before = process.cpuUsage()
  const from = performance.now()
  const ids = Array.from({ length: count }, (_, index) => `b${index}`)
  const agent = new Agent({ keepAlive: true, maxSockets: atOnce })
  const url = `http://127.0.0.1:${balancer.listeners.registration.port}/v1/backends/`
  await Promise.all(ids.map((id) => register(agent, url + id, `127.0.0.1:${port}`)))
  const registered = performance.now() - from
  while (balancer.state().totals.eligible < count) await new Promise((resolve) => setTimeout(resolve, lookMs))
  const seconds = (performance.now() - from) / 1_000
  const { user, system } = process.cpuUsage(before)
  const mebibytes = Math.round(process.resourceUsage().maxRSS / 1_024)
  const text = `${(registered / 1_000).toFixed(1)} s until registered, ${seconds.toFixed(1)} s until all serve`
  console.log(`${count} backends: ${text}, ${((user + system) / 1e6).toFixed(1)} s of CPU, ${mebibytes} MiB`)
  agent.destroy()
  backends.close()
  await balancer.close()
}

function configOf(backendsMax: number): Parameters<typeof startBalancer>[0] {
  const loopback = "127.0.0.1:0"
  const config = parseConfig(
    {
      workers: 2,
      listen: loopback,
      registration: { listen: loopback, backendsMax, ttl: "10m", suspect: "5m", renew: "1m" },
      admin: { listen: loopback },
      timeouts: { drain: "0s", unready: "0s" },
    },
    { policies, readFile: () => ({ ok: false, error: "there are no files here" }) },
  )
  if (!config.ok) throw new Error(JSON.stringify(config.error))
  return config.value
}

function register(agent: Agent, url: string, address: string): Promise<void> {
  const body = JSON.stringify({ address, capacity: { compute: 20, storage: 13 }, incarnation: 1 })
  return new Promise((resolve, reject) => {
    const call = request(
      url,
      { agent, method: "PUT", headers: { "Content-Type": "application/json" } },
      (response) => {
        response.resume().on("end", resolve)
        if (response.statusCode !== 201) reject(new Error(`registration: ${response.statusCode}`))
      },
    )
    call.on("error", reject)
    call.end(body)
  })
}
