import { createServer, type Server, type Socket } from "node:net"
import type { Endpoint } from "../../core/endpoint.ts"
import { keepAliveMs } from "../../net/keep-alive.ts"
import { openAll, type Opened, type ListenAddress, portOf } from "../../net/listen-addresses.ts"

/**
 * From this many unwritten bytes on a client is behind, and its backend is held. More than one read of a backend with a
 * head, so that a response which is taken at once never looks like one that is not.
 */
const unwrittenBytesMax = 128 * 1024

/** One port that connections come in at, shared with the other threads. */
export class Listener {
  readonly #connectionsMax: number
  readonly #onSocket: (socket: Socket) => void
  readonly #onRefused: () => void
  /** One for each address of the host. */
  readonly #servers = new Set<Server>()
  #port = 0
  #isClosed = false

  /** @param onRefused told of each connection beyond `connectionsMax`, which is closed at once */
  constructor(connectionsMax: number, onSocket: (socket: Socket) => void, onRefused: () => void = () => {}) {
    this.#connectionsMax = connectionsMax
    this.#onSocket = onSocket
    this.#onRefused = onRefused
  }

  /** Where it listens; 0 before it does. */
  get port(): number {
    return this.#port
  }

  /**
   * Starts to accept; resolves with the port, or when it is closed meanwhile. Rejects with the system's error when the
   * port is not to be had.
   */
  async listen(endpoint: Endpoint): Promise<number> {
    const [{ port }] = await openAll(endpoint, (place) => this.#open(place))
    this.#port = port
    return port
  }

  close(): void {
    this.#isClosed = true
    for (const server of this.#servers) server.close()
  }

  #open({ host, port }: ListenAddress): Promise<Opened> {
    const server = createServer(
      {
        allowHalfOpen: true,
        noDelay: true,
        keepAlive: true,
        keepAliveInitialDelay: keepAliveMs,
        highWaterMark: unwrittenBytesMax,
      },
      this.#onSocket,
    )
    server.maxConnections = this.#connectionsMax
    server.on("drop", this.#onRefused)
    this.#servers.add(server)
    return new Promise((resolve, reject) => {
      server.once("error", reject)
      server.once("close", () => resolve({ port, close: () => {} }))
      server.listen({ host, port, reusePort: true, backlog: 1024 }, () => {
        server.off("error", reject)
        // It was closed while it opened, which nothing that is not open hears.
        if (this.#isClosed) server.close()
        // A connection that could not be accepted costs itself and nothing else.
        server.on("error", () => {})
        resolve({ port: portOf(server), close: () => server.close() })
      })
    })
  }
}
