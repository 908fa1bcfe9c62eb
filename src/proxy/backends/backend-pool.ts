/**
 * Hot path: the connections of one thread to one backend. The idle one that was used last is used first, so that few
 * stay warm and the others reach the end of their time. Benchmark: bench/relay.ts.
 */
import type { OnReadOpts } from "node:net"
import { BackendConnection, type BackendHome } from "../../http1/streams/backend-connection.ts"
import type { Dialling } from "../../net/dialling.ts"
import type { Context } from "../context.ts"
import type { Destination } from "./dial.ts"
import type { Origin } from "./origin.ts"

export class BackendPool implements BackendHome {
  readonly destination: Destination
  readonly #context: Context
  /** Idle connections for any client. */
  readonly #idle: BackendConnection[] = []
  /** Idle connections that have an owner, the one that was used last at the end. */
  readonly #owned = new Set<BackendConnection>()
  /** The last connection that requests were gathered on. */
  #gathering: BackendConnection | undefined
  /** Connections that are open or being opened, the idle ones too. */
  #open = 0
  #retired = false

  constructor(context: Context, destination: Destination) {
    this.#context = context
    this.destination = destination
    context.dialer.prepare(destination)
  }

  /** `take` gives a connection without exceeding limits.connectionsPerBackendMax and the descriptors that there are. */
  get hasRoom(): boolean {
    return this.#idle.length > 0 || this.#owned.size > 0 || !this.#isFull
  }

  /** The backend has left: what runs on it may finish. */
  get isRetired(): boolean {
    return this.#retired
  }

  /** An idle connection, or a new one that is still connecting. With an `origin`, its own one if there is one. */
  take(origin: Origin | undefined): BackendConnection {
    return (origin === undefined ? this.#idle.pop() : this.#takeOf(origin)) ?? this.dial(origin)
  }

  /**
   * A connection for a safe request without a body, on which up to `depth` such requests of this turn are written
   * together. Only a connection that was idle: one that is new carries a single request.
   */
  takeGathering(depth: number): BackendConnection {
    if (this.#gathering?.isGathering(depth) === true) return this.#gathering
    const connection = this.#idle.pop()
    if (connection === undefined) return this.dial(undefined)
    connection.gather()
    this.#gathering = connection
    return connection
  }

  /** A new connection. To be called where there is room; an idle connection that is of no use here gives way. */
  dial(origin: Origin | undefined): BackendConnection {
    if (this.#isFull) this.#eldest?.retire()
    this.#open++
    this.#context.descriptors.take()
    return new BackendConnection(this.#context, this, origin)
  }

  connect(dialling: Dialling, reading: OnReadOpts, header: Buffer | undefined): () => void {
    return this.#context.dialer.dial(this.destination, dialling, reading, header)
  }

  give(connection: BackendConnection): boolean {
    if (this.#retired || this.#hasLeft(connection)) return false
    const { idlePerBackendMax } = this.#context.options.limits
    if (connection.owner === undefined) {
      if (this.#idle.length >= idlePerBackendMax) return false
      this.#idle.push(connection)
      return true
    }
    // A client that would lose its connection with each response could never authenticate itself.
    if (!connection.isAuthenticated && this.#owned.size >= idlePerBackendMax) return false
    this.#owned.add(connection)
    return true
  }

  forget(connection: BackendConnection): void {
    this.#open--
    this.#context.descriptors.give()
    this.#owned.delete(connection)
    const index = this.#idle.lastIndexOf(connection)
    if (index !== -1) this.#idle.splice(index, 1)
  }

  /** Closes what is idle: the process behind it is gone, or must not be used. */
  closeIdle(): void {
    while (this.#idle.length > 0) this.#idle.pop()!.retire()
    for (const connection of this.#owned) connection.retire()
  }

  /**
   * Cold, several times per second: closes what is idle and leads to addresses that the backend's name no longer has.
   */
  follow(): void {
    if (this.#open === 0) return
    this.#context.dialer.follow(this.destination)
    for (let i = this.#idle.length - 1; i >= 0; i--) {
      if (this.#hasLeft(this.#idle[i]!)) this.#idle[i]!.retire()
    }
    for (const connection of this.#owned) if (this.#hasLeft(connection)) connection.retire()
  }

  #hasLeft({ address }: BackendConnection): boolean {
    return this.#context.dialer.hasLeft(this.destination, address)
  }

  get #isFull(): boolean {
    const { descriptors, options } = this.#context
    return this.#open >= options.limits.connectionsPerBackendMax || !descriptors.hasRoomForBackend
  }

  /** Of all that are idle: one that a client has to itself, first. */
  get #eldest(): BackendConnection | undefined {
    for (const connection of this.#owned) return connection
    return this.#idle[0]
  }

  /** An idle connection of this client's, else one that is no client's if its connections need no header. */
  #takeOf(origin: Origin): BackendConnection | undefined {
    for (const stream of origin.connections) {
      if (stream.pool !== this) continue
      const connection = stream as BackendConnection
      if (this.#owned.delete(connection)) return connection
    }
    return origin.header === undefined ? this.#idle.pop() : undefined
  }

  /** The backend has left: running exchanges finish, and nothing is kept. */
  retire(): void {
    this.#retired = true
    this.closeIdle()
  }
}
