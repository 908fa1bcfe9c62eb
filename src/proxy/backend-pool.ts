/** Hot path: the idle connections of one thread to one backend. The most recent is used first, so few stay warm. */
import type { Address } from "../cluster/snapshot.ts"
import { BackendConnection } from "./backend-connection.ts"
import type { Context } from "./context.ts"

export class BackendPool {
  readonly address: Address
  readonly #context: Context
  readonly #idle: BackendConnection[] = []
  #retired = false

  constructor(context: Context, address: Address) {
    this.#context = context
    this.address = address
  }

  /** An idle connection, or a new one that is still connecting. */
  take(): BackendConnection {
    return this.#idle.pop() ?? new BackendConnection(this.#context, this, this.address)
  }

  /** Takes a connection back; false when there is no place for it. */
  give(connection: BackendConnection): boolean {
    if (this.#retired || this.#idle.length >= this.#context.options.limits.idlePerBackendMax) return false
    this.#idle.push(connection)
    return true
  }

  /** A connection has closed. */
  forget(connection: BackendConnection): void {
    const index = this.#idle.lastIndexOf(connection)
    if (index !== -1) this.#idle.splice(index, 1)
  }

  /** Closes what is idle: the process behind it is gone, or must not be used. */
  closeIdle(): void {
    while (this.#idle.length > 0) this.#idle.pop()!.retire()
  }

  /** The backend has left: running exchanges finish, and nothing is kept. */
  retire(): void {
    this.#retired = true
    this.closeIdle()
  }
}
