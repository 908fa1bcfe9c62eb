/**
 * Takes the ports of the data plane for this balancer alone. Its threads share each port with SO_REUSEPORT, which would
 * also share it with another balancer; so a port is first asked for alone. Between that and the moment in which the
 * threads listen, another balancer that starts would find the port free too: so only one at a time may be in between.
 */
import { connect, createServer, type ListenOptions, type Server, type Socket } from "node:net"
import type { Endpoint } from "../core/endpoint.ts"
import { openAll, type Opened, type ListenAddress, portOf } from "./listen-addresses.ts"

/** The longest that another balancer may take to start on the same port; its threads need some seconds at most. */
const turnMsMax = 30_000

/** A port that is not to be had, with the system's code (`EADDRINUSE`, `EACCES`, …). */
export class ListenError extends Error {
  readonly code: string
  readonly listener: "traffic" | "tls"

  constructor(code: string, message: string, listener: ListenError["listener"]) {
    super(message)
    this.code = code
    this.listener = listener
  }
}

export interface TakenPorts {
  readonly port: number
  readonly tlsPort: number | undefined
  /** To be called when all threads listen, or none will. Another balancer may look for ports from then on. */
  readonly release: () => void
}

/**
 * Finds that both ports are free, and keeps other balancers from looking at them until `release`.
 *
 * @param plain where the data plane listens: the port given, or a free one for 0; and where TLS is spoken
 * @throws ListenError when one is not to be had.
 */
export async function takePorts(plain: Endpoint, tls?: Endpoint): Promise<TakenPorts> {
  const chosen = await probed([plain, ...(tls === undefined ? [] : [tls])])
  const turns: PortLock[] = []
  const release = (): void => {
    for (const turn of turns) turn.end()
  }
  try {
    // In the order of their numbers, so that no two balancers wait for each other.
    const numbers = [...new Set(chosen.map((endpoint) => endpoint.port))].toSorted((a, b) => a - b)
    for (const number of numbers) turns.push(await takeTurn(number))
    await probed(chosen)
  } catch (error) {
    release()
    throw error
  }
  return { port: chosen[0]!.port, tlsPort: chosen[1]?.port, release }
}

/** Asks for all of them alone, the traffic listener's first; returns where that was, with the ports chosen for 0. */
async function probed(endpoints: readonly Endpoint[]): Promise<readonly Endpoint[]> {
  const probes = new Set<Server>()
  const chosen: Endpoint[] = []
  try {
    for (const [i, endpoint] of endpoints.entries()) {
      const listener = i === 0 ? "traffic" : "tls"
      const [{ port }] = await openAll(endpoint, (place) => probe(place, listener, probes)).catch(
        (error: unknown) => {
          throw listenError(error, listener)
        },
      )
      chosen.push({ host: endpoint.host, port })
    }
    return chosen
  } finally {
    // Together, so that two that the system chose are two, and one that is wanted twice is busy.
    await Promise.all([...probes].map((server) => new Promise((resolve) => server.close(resolve))))
  }
}

async function probe(
  place: ListenAddress,
  listener: ListenError["listener"],
  probes: Set<Server>,
): Promise<Opened> {
  const server = await listening(place, listener)
  probes.add(server)
  return {
    port: portOf(server),
    close: () => {
      probes.delete(server)
      server.close()
    },
  }
}

function listenError(error: unknown, listener: ListenError["listener"]): ListenError {
  if (error instanceof ListenError) return error
  const { code = "unknown", message } = error as NodeJS.ErrnoException
  return new ListenError(code, message, listener)
}

/** @throws ListenError with the system's code. */
function listening(
  where: ListenOptions,
  listener: ListenError["listener"],
  onSocket: (socket: Socket) => void = (socket) => void socket.destroy(),
): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer(onSocket)
    server.once("error", (error) => reject(listenError(error, listener)))
    server.listen(where, () => resolve(server))
  })
}

/** The right to look for a port and to listen on it: at most one process of this network namespace has it. */
interface PortLock {
  end(): void
}

/**
 * The turn is a Unix socket in the abstract namespace (unix(7)): one process can have it, it belongs to the network
 * namespace as ports do, no file is left behind, and the system takes it back when its process dies.
 */
async function takeTurn(port: number): Promise<PortLock> {
  // Elsewhere there is no such namespace: ports are asked for alone, and two that start together may share one.
  if (process.platform !== "linux") return { end: () => {} }
  const path = `\0linebacker-starts-on-${port}`
  const late = AbortSignal.timeout(turnMsMax)
  for (;;) {
    const waiting = new Set<Socket>()
    try {
      const server = await listening({ path }, "traffic", (socket) => {
        waiting.add(socket)
        socket.on("error", () => {}).on("close", () => waiting.delete(socket))
      })
      return {
        end: () => {
          server.close()
          for (const socket of waiting) socket.destroy()
        },
      }
    } catch (error) {
      // Where such sockets are forbidden the port is asked for all the same, as it is after a long wait.
      if ((error as ListenError).code !== "EADDRINUSE" || late.aborted) return { end: () => {} }
      await untilItsEnd(path, late)
    }
  }
}

/** Resolves when the process that has the turn gives it up or dies, or when `late` is raised. */
function untilItsEnd(path: string, late: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect({ path, signal: late })
    socket.on("error", () => {}).on("close", () => resolve())
    // The end of the other side is a `close` only for one that reads.
    socket.resume()
  })
}
