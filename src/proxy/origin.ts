import type { BackendConnection } from "./backend-connection.ts"
import { type ProxyEnds, writeProxyHeader } from "./proxy-protocol.ts"

/** What a connection to a backend begins with. Without ends it is one of the balancer's own, such as a check. */
export function openingOf(version: "v1" | "v2", ends: ProxyEnds | undefined): Buffer {
  return writeProxyHeader(version === "v1" ? 1 : 2, ends?.source, ends?.destination)
}

/**
 * A client, where backends are told of it by the PROXY protocol. What is told at the start of a connection holds for
 * all of it, so such a connection carries requests of this client only and ends with it.
 */
export class Origin {
  /** What a connection for this client begins with. */
  readonly header: Buffer
  readonly #connections = new Set<BackendConnection>()

  constructor(header: Buffer) {
    this.header = header
  }

  add(connection: BackendConnection): void {
    this.#connections.add(connection)
  }

  delete(connection: BackendConnection): void {
    this.#connections.delete(connection)
  }

  /** The client has gone: its connections are of no use to anybody. */
  close(): void {
    for (const connection of this.#connections) connection.retire()
  }
}
