import { createServer, type Server, type Socket } from "node:net"
import type { Endpoint } from "../core/endpoint.ts"

/**
 * From this many unwritten bytes on a client is behind, and its backend is held. More than one read of a backend with a
 * head, so that a response which is taken at once never looks like one that is not.
 */
const unwrittenBytesMax = 128 * 1024

/** One port that connections come in at, shared with the other threads. */
export class Listener {
  readonly #server: Server
  #port = 0
  #isClosed = false

  /** @param onRefused told of each connection beyond `connectionsMax`, which is closed at once */
  constructor(connectionsMax: number, onSocket: (socket: Socket) => void, onRefused: () => void = () => {}) {
    this.#server = createServer(
      { allowHalfOpen: true, noDelay: true, highWaterMark: unwrittenBytesMax },
      onSocket,
    )
    this.#server.maxConnections = connectionsMax
    this.#server.on("drop", onRefused)
  }

  /** Where it listens; 0 before it does. */
  get port(): number {
    return this.#port
  }

  /**
   * Starts to accept; resolves with the port, or when it is closed meanwhile. Rejects with the system's error when the
   * port is not to be had.
   */
  listen({ host, port }: Endpoint): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once("error", reject)
      this.#server.once("close", () => resolve(this.#port))
      this.#server.listen(
        { host: host === "" ? undefined : host, port, reusePort: true, backlog: 1024 },
        () => {
          this.#server.off("error", reject)
          const address = this.#server.address()
          this.#port = typeof address === "object" && address !== null ? address.port : port
          // It was closed while it opened, which nothing that is not open hears.
          if (this.#isClosed) this.#server.close()
          // A connection that could not be accepted costs itself and nothing else.
          this.#server.on("error", () => {})
          resolve(this.#port)
        },
      )
    })
  }

  close(): void {
    this.#isClosed = true
    this.#server.close()
  }
}
