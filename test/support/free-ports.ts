import { randomInt } from "node:crypto"
import { createServer } from "node:net"

/**
 * Free ports of 127.0.0.1, all different, below those that the system gives out by itself: of these another process may
 * be given one before it is used here.
 */
export async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>()
  while (ports.size < count) {
    const port = randomInt(10_000, 32_000)
    const server = await listening(port).catch(() => undefined)
    if (server === undefined) continue
    await new Promise((resolve) => server.close(resolve))
    ports.add(port)
  }
  return [...ports]
}

/** The first of so many free ports in a row, below those that the system gives out by itself. */
export async function freePortRow(count: number): Promise<number> {
  // Test files run at the same time, each in a process of its own.
  const start = 10_000 + ((process.pid * 31) % 10_000)
  for (let first = start; first < 32_000; first += count) {
    const servers = await Promise.allSettled(Array.from({ length: count }, (_, i) => listening(first + i)))
    const open = servers.flatMap((server) => (server.status === "fulfilled" ? [server.value] : []))
    await Promise.all(open.map((server) => new Promise((resolve) => server.close(resolve))))
    if (open.length === count) return first
  }
  throw new Error(`there are no ${count} free ports in a row from ${start} on`)
}

function listening(port: number): Promise<ReturnType<typeof createServer>> {
  const server = createServer()
  return new Promise((resolve, reject) => {
    server.once("error", reject)
    server.listen(port, "127.0.0.1", () => resolve(server))
  })
}
