import type { BackendPool } from "./backend-pool.ts"
import type { PlacedBackend } from "../../placing/placed-backend.ts"
import type { ConnectionEnds } from "../../core/endpoint.ts"
import type { BackendStream } from "../../core/http/streams.ts"
import type { ConnectionOwner } from "../../http1/streams/backend-connection.ts"
import { writeProxyHeader } from "../../net/proxy-protocol.ts"

/** What a connection to a backend begins with. Without ends it is one of the balancer's own, such as a check. */
export function openingOf(version: "v1" | "v2", ends: ConnectionEnds | undefined): Buffer {
  return writeProxyHeader(version === "v1" ? 1 : 2, ends?.source, ends?.destination)
}

/**
 * A client that has backend connections of its own: they carry its requests only, and end with it. All of them are,
 * where backends are told of the client by the PROXY protocol; else those on which it authenticates itself, because a
 * backend that does this by NTLM or Negotiate takes all that follows on a connection for the same user's (RFC 4559 6).
 */
export class Origin implements ConnectionOwner {
  readonly header: Buffer | undefined
  readonly #connections = new Set<BackendStream>()

  constructor(header?: Buffer) {
    this.header = header
  }

  get connections(): Iterable<BackendStream> {
    return this.#connections
  }

  add(connection: BackendStream): void {
    this.#connections.add(connection)
  }

  delete(connection: BackendStream): void {
    this.#connections.delete(connection)
  }

  /** Which of these backends it has authenticated itself to last, on a connection that is still open. */
  knownBackend(backends: readonly PlacedBackend<BackendPool>[]): PlacedBackend<BackendPool> | undefined {
    let known: PlacedBackend<BackendPool> | undefined
    for (const { isAuthenticated, pool } of this.#connections) {
      if (isAuthenticated) known = backends.find((backend) => backend.site === pool) ?? known
    }
    return known
  }

  /** The client has gone: its connections are of no use any more. */
  close(): void {
    for (const connection of this.#connections) connection.retire()
  }
}
