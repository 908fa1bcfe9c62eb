/**
 * One data-plane thread's whole: its listener, its connections, its policy. Runs in a worker thread in production
 * and in the main thread where somebody embeds it; it asks nobody anything and goes on when nobody tells it more.
 */
import { createServer, type Server, type Socket } from "node:net"
import { Attempts } from "../cluster/attempts.ts"
import { SimulatedDemand } from "../cluster/demand.ts"
import type { LoadTable } from "../cluster/load-table.ts"
import type { Snapshot } from "../cluster/snapshot.ts"
import type { BackendId } from "../core/backend.ts"
import type { Clock } from "../core/clock.ts"
import { plainIp } from "../core/endpoint.ts"
import { demandHeader } from "../core/resources.ts"
import type { Rng } from "../core/rng.ts"
import { FieldNames, type fields } from "../http1/field-names.ts"
import { Head } from "../http1/head.ts"
import { dropTable } from "../http1/serialize.ts"
import type { Counters } from "../metrics/counters.ts"
import type { PolicyName } from "../policies/index.ts"
import { ClientConnection, type ClientOwner } from "./client-connection.ts"
import { Dialer } from "./dial.ts"
import { Deadlines, sweepMs } from "./deadlines.ts"
import { Fleet } from "./fleet.ts"
import type { DataPlaneOptions } from "./options.ts"
import { WaitingQueue } from "./waiting-queue.ts"

/** How much is read of a backend at once. */
const readBytes = 64 * 1024

/** What a data plane needs of its surroundings. */
export interface DataPlaneParts {
  readonly options: DataPlaneOptions
  readonly table: LoadTable
  readonly counters: Counters
  readonly clock: Clock
  readonly rng: Rng
  /** The wall clock, ms since 1970, for the Date field. */
  readonly wallClock: () => number
  readonly onConnectFailed: (id: BackendId) => void
}

/** Fields of a request that the balancer writes itself; what a client says in them is not passed on. */
const ownFields: readonly (keyof typeof fields)[] = [
  "x-forwarded-for",
  "x-forwarded-proto",
  "x-forwarded-host",
  "x-forwarded-port",
  "forwarded",
  "x-request-id",
  "x-linebacker-backend",
]

export class DataPlane {
  readonly #parts: DataPlaneParts
  readonly #owner: ClientOwner
  readonly #fleet: Fleet
  readonly #queue: WaitingQueue
  readonly #deadlines: Deadlines
  readonly #clients = new Set<ClientConnection>()
  readonly #server: Server
  readonly #sweep: NodeJS.Timeout
  #stopping = false
  #serving = false
  #date = ""
  #dateAt = 0
  #onEmpty: (() => void) | undefined

  constructor(parts: DataPlaneParts) {
    const { options, table, counters, clock, rng } = parts
    this.#parts = parts
    const simulates = options.demand.mode === "simulation"
    const resourceFields = simulates ? options.resources.map((resource) => demandHeader(resource.name)) : []
    const context = {
      options,
      clock,
      counters,
      table,
      deadlines: new Deadlines(clock.now()),
      dialer: new Dialer(options.backends, clock),
      names: new FieldNames(resourceFields),
      requestHead: new Head(options.limits),
      responseHead: new Head(options.limits),
      readBuffer: Buffer.allocUnsafeSlow(readBytes),
      onConnectFailed: parts.onConnectFailed,
      httpDate: () => this.#httpDate(),
    }
    const attempts = new Attempts(table, options.worker, options.resources.length, (attempt, result, now) => {
      this.#fleet.policy.onSettled?.(attempt.backend, result, now)
      this.#serveQueue()
    })
    this.#deadlines = context.deadlines
    this.#fleet = new Fleet(context, table, attempts, rng)
    this.#queue = new WaitingQueue(options.limits.queueMax)

    // One prefix a thread's life and a counter: unique without asking for chance each time.
    const prefix = `${Math.floor(rng.next() * 2 ** 32).toString(16)}-${options.worker.toString(16)}-`
    let requests = 0
    const isStopping = (): boolean => this.#stopping
    this.#owner = {
      ...context,
      fleet: this.#fleet,
      simulated: simulates ? new SimulatedDemand(options.resources, options.seed) : undefined,
      queue: this.#queue,
      requestDrops: dropTable(ownFields, true),
      demandLines: resourceFields.map((name) => `${name}: `),
      hostDefault: Buffer.from(options.name, "latin1"),
      nextRequestId: () => `X-Request-Id: ${prefix}${(requests++).toString(16)}\r\n`,
      constantFields: (remoteAddress) =>
        Buffer.from(
          `X-Forwarded-For: ${plainIp(remoteAddress)}\r\nX-Forwarded-Proto: http\r\nVia: 1.1 ${options.name}\r\n`,
          "latin1",
        ),
      get isStopping() {
        return isStopping()
      },
      onClientClosed: (client) => this.#onClientClosed(client),
    }
    this.#server = createServer({ allowHalfOpen: true, noDelay: true, keepAlive: true }, (socket) =>
      this.#accept(socket),
    )
    this.#server.maxConnections = options.limits.connectionsMax
    this.#sweep = setInterval(() => {
      this.#deadlines.sweep(clock.now())
      if (this.#queue.length > 0) this.#queue.serve(this.#deadlines.coarseNow)
    }, sweepMs)
    this.#sweep.unref()
  }

  /** Starts to accept; resolves with the port. Rejects with the system's error when the port is not to be had. */
  listen(): Promise<number> {
    const { host, port } = this.#parts.options
    return new Promise((resolve, reject) => {
      this.#server.once("error", reject)
      this.#server.listen(
        { host: host === "" ? undefined : host, port, reusePort: true, backlog: 1024 },
        () => {
          this.#server.off("error", reject)
          // A failed accept (no descriptors left, say) costs that connection and nothing else.
          this.#server.on("error", () => {})
          const address = this.#server.address()
          resolve(typeof address === "object" && address !== null ? address.port : port)
        },
      )
    })
  }

  apply(snapshot: Snapshot): void {
    this.#fleet.apply(snapshot)
    this.#serveQueue()
  }

  setPolicy(name: PolicyName): void {
    this.#fleet.setPolicy(name)
  }

  /** Accepts no more, lets what runs finish for at most `timeouts.drain`, and resolves when all is closed. */
  async stop(): Promise<void> {
    if (this.#stopping) return
    this.#stopping = true
    this.#server.close()
    this.#queue.giveUp("shutting_down")
    for (const client of this.#clients) client.stop()
    if (this.#clients.size > 0) await this.#allClosed()
    clearInterval(this.#sweep)
    this.#fleet.apply({ version: 0, members: [], eligible: [] })
  }

  #allClosed(): Promise<void> {
    return new Promise((resolve) => {
      const late = setTimeout(() => {
        for (const client of this.#clients) client.destroy()
      }, this.#parts.options.timeouts.drainMs)
      this.#onEmpty = () => {
        clearTimeout(late)
        resolve()
      }
    })
  }

  #accept(socket: Socket): void {
    this.#parts.counters.count(this.#parts.options.worker, "accepted")
    this.#clients.add(new ClientConnection(this.#owner, socket))
  }

  #onClientClosed(client: ClientConnection): void {
    this.#parts.counters.count(this.#parts.options.worker, "closed")
    this.#clients.delete(client)
    if (this.#clients.size === 0) this.#onEmpty?.()
  }

  /** Room has come free: whoever waits gets it, in a turn of its own so that no exchange is entered twice. */
  #serveQueue(): void {
    if (this.#serving || this.#queue.length === 0) return
    this.#serving = true
    setImmediate(() => {
      this.#serving = false
      this.#queue.serve(this.#parts.clock.now())
    })
  }

  #httpDate(): string {
    const now = this.#deadlines.coarseNow
    if (this.#date === "" || now - this.#dateAt >= 500) {
      this.#date = new Date(this.#parts.wallClock()).toUTCString()
      this.#dateAt = now
    }
    return this.#date
  }
}
