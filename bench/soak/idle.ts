/** Many connections that say nothing, and some that never stop: what each of the many costs, and that none is hurt. */
import { Bed, type Finding } from "./bed.ts"
import { Client } from "./client.ts"

/** Connections that are opened together, below the listener's backlog. */
const atOnce = 100

export interface IdleSize {
  readonly idle: number
  readonly busy: number
  /** How long the busy ones go on while the idle ones are there, ms. */
  readonly busyMs: number
  /** Memory that an idle connection may cost, bytes. */
  readonly bytesMax: number
}

/**
 * Memory is the growth of what the balancer's process has between two moments without requests, at which every thread
 * has collected its garbage: with the busy connections alone, after they have worked once; and with the idle ones
 * too, each of which has had one response, after the busy ones have worked again. Kernel memory of sockets is not
 * in it.
 */
export async function idle(size: IdleSize, seed: number): Promise<Finding[]> {
  const bed = await Bed.open({
    workers: 1,
    backends: 2,
    seed,
    limits: { connectionsMax: 65_536, requestsPerConnectionMax: 1_000_000_000 },
    timeouts: { clientIdle: "1h", clientHead: "1h" },
  })
  const clients: Client[] = []
  try {
    const busy = await opened(bed, size.busy, clients)
    const first = await work(busy, size.busyMs)
    await bed.collect()
    const before = bed.memory
    const idlers = await opened(bed, size.idle, clients)
    const second = await work(busy, size.busyMs)
    const uncollected = Math.round((bed.memory - before) / size.idle)
    await bed.collect()
    const each = Math.round((bed.memory - before) / size.idle)
    const { connections } = (await bed.state()).totals
    const lost = idlers.filter(({ socket }) => socket.destroyed).length
    const still = await work(idlers.slice(0, 100), 0)
    const failed = first.failed + second.failed + still.failed
    for (const { socket } of clients) socket.destroy()
    return [
      {
        text: `${connections} connections open, ${lost} of ${size.idle} idle ones lost`,
        holds: lost === 0 && connections === size.idle + size.busy,
      },
      {
        text: `${first.answered + second.answered} responses on ${size.busy} busy connections, ${failed} wrong`,
        holds: failed === 0 && second.answered > size.busy,
      },
      {
        text: `${each} bytes of memory per idle connection, at most ${size.bytesMax}; with garbage ${uncollected}`,
        holds: each <= size.bytesMax,
      },
      await bed.settled(),
    ]
  } finally {
    for (const { socket } of clients) socket.destroy()
    bed.close()
  }
}

/** Connections of which each has had one response. */
async function opened(bed: Bed, count: number, all: Client[]): Promise<Client[]> {
  const clients: Client[] = []
  while (clients.length < count) {
    const some = Array.from({ length: Math.min(atOnce, count - clients.length) }, (_, i) => {
      // One address has no more than some 28,000 ports.
      const client = new Client(bed.port, `127.0.0.${2 + (i % 8)}`)
      all.push(client)
      return client
    })
    clients.push(...some)
    await Promise.all(some.map((client) => client.get("/small")))
  }
  return clients
}

interface Work {
  answered: number
  failed: number
}

/** Each sends a request, and the next one as soon as it has the response, for so long; once at least. */
async function work(clients: readonly Client[], ms: number): Promise<Work> {
  const end = performance.now() + ms
  const work: Work = { answered: 0, failed: 0 }
  const one = async (client: Client): Promise<void> => {
    do {
      const answer = await client.get("/small").catch(() => undefined)
      if (answer?.status === 200 && answer.text === "ok") work.answered++
      else work.failed++
    } while (performance.now() < end && !client.socket.destroyed)
  }
  await Promise.all(clients.map(one))
  return work
}
