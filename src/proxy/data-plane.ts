/**
 * One data-plane thread's whole: its listener, its connections, its policy. Runs in a worker thread in production
 * and in the main thread where somebody embeds it; it asks nobody anything and goes on when nobody tells it more.
 */
import type { BlockList, Socket } from "node:net"
import { Attempts } from "../cluster/attempts.ts"
import { SimulatedDemand } from "../cluster/demand.ts"
import type { LoadTable } from "../cluster/load-table.ts"
import type { Snapshot } from "../cluster/snapshot.ts"
import type { BackendId } from "../core/backend.ts"
import type { Clock } from "../core/clock.ts"
import { plainIp } from "../core/endpoint.ts"
import type { ErrorCode } from "../core/errors.ts"
import { demandHeader } from "../core/resources.ts"
import type { Rng } from "../core/rng.ts"
import { FieldNames } from "../http1/field-names.ts"
import { Head } from "../http1/head.ts"
import type { Counters } from "../metrics/counters.ts"
import type { AttemptResult, Outcome, PolicyName } from "../policies/index.ts"
import { ClientConnection, type ClientOwner } from "./client-connection.ts"
import { Dialer } from "./dial.ts"
import { Deadlines, sweepMs } from "./deadlines.ts"
import { type Arrival, Entrance, type EntranceOwner } from "./entrance.ts"
import { Fleet, Placement } from "./fleet.ts"
import { ForwardingRules } from "./forwarding.ts"
import { contains, rangesOf } from "./ip-ranges.ts"
import { Listener } from "./listener.ts"
import type { Resolve } from "./name-cache.ts"
import type { DataPlaneOptions, TlsMaterial } from "./options.ts"
import { RequestIds } from "./request-ids.ts"
import { TlsTermination } from "./tls-termination.ts"
import { WaitingQueue } from "./waiting-queue.ts"

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
  /** Resolves the DNS names of backends; the system's resolver without it. */
  readonly resolve?: Resolve
}

export class DataPlane {
  readonly #parts: DataPlaneParts
  readonly #owner: ClientOwner
  readonly #fleet: Fleet
  readonly #queue: WaitingQueue
  readonly #deadlines: Deadlines
  readonly #clients = new Set<ClientConnection>()
  readonly #entrances = new Set<Entrance>()
  readonly #entranceOwner: EntranceOwner
  readonly #forwarding: ForwardingRules
  readonly #proxyPeers: BlockList
  readonly #plain: Listener
  readonly #secure: { readonly listener: Listener; readonly tls: TlsTermination } | undefined
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
      worker: options.worker,
      clock,
      counters,
      table,
      deadlines: new Deadlines(clock.now()),
      dialer: new Dialer(options.backends, clock, parts.resolve),
      names: new FieldNames(resourceFields),
      requestHead: new Head(options.limits),
      responseHead: new Head(options.limits),
      onConnectFailed: parts.onConnectFailed,
      httpDate: () => this.#httpDate(),
    }
    const attempts = new Attempts(table, options.worker, options.resources.length, (attempt, result, now) => {
      this.#fleet.policy.onSettled?.(attempt.backend, outcomeOf(result), now)
      this.#serveQueue()
    })
    this.#deadlines = context.deadlines
    this.#fleet = new Fleet(context, table, attempts, rng)
    this.#queue = new WaitingQueue(options.limits.queueMax)

    const prefix = `${Math.floor(rng.next() * 2 ** 32).toString(16)}-${options.worker.toString(16)}`
    const demandDefault = this.#fleet.demandOf(options.demand.default)
    const isStopping = (): boolean => this.#stopping
    this.#owner = {
      ...context,
      fleet: this.#fleet,
      simulated: simulates ? new SimulatedDemand(options.resources, options.seed) : undefined,
      queue: this.#queue,
      demandLines: resourceFields.map((name) => `${name}: `),
      hostDefault: Buffer.from(options.name, "latin1"),
      requestIds: new RequestIds(prefix),
      demandDefault,
      placement: new Placement(options.resources, demandDefault),
      get isStopping() {
        return isStopping()
      },
      onClientClosed: (client) => this.#onClientClosed(client),
    }
    this.#forwarding = new ForwardingRules(options)
    this.#proxyPeers = rangesOf(options.proxyProtocol, "proxyProtocol.accept")
    this.#entranceOwner = {
      deadlines: context.deadlines,
      timeouts: options.timeouts,
      httpDate: context.httpDate,
      onArrival: (entrance, arrival) => {
        this.#entrances.delete(entrance)
        this.#admit(arrival)
      },
      onGone: (entrance, code) => this.#onEntranceGone(entrance, code),
    }
    const { connectionsMax } = options.limits
    this.#plain = new Listener(connectionsMax, (socket) => this.#accept(socket, undefined))
    if (options.tls !== undefined) {
      const tls = new TlsTermination(options.tls, options.timeouts.tlsHandshakeMs)
      this.#secure = { tls, listener: new Listener(connectionsMax, (socket) => this.#accept(socket, tls)) }
    }
    this.#sweep = setInterval(() => {
      this.#deadlines.sweep(clock.now())
      if (this.#queue.length > 0) this.#queue.serve(this.#deadlines.coarseNow)
    }, sweepMs)
    this.#sweep.unref()
  }

  /** Starts to accept; resolves with the plain port. Rejects with the system's error when one is not to be had. */
  async listen(): Promise<number> {
    const { options } = this.#parts
    // The plain listener comes last: its redirects name the port of the other.
    if (options.tls !== undefined) await this.#secure?.listener.listen(options.tls)
    return this.#plain.listen(options)
  }

  /** The port where TLS is spoken, once it listens. */
  get tlsPort(): number | undefined {
    return this.#secure?.listener.port
  }

  apply(snapshot: Snapshot): void {
    this.#fleet.apply(snapshot)
    this.#serveQueue()
  }

  /** New certificates or ticket keys, from the next handshake on. */
  renewTls(material: TlsMaterial): void {
    this.#secure?.tls.renew(material)
  }

  setPolicy(name: PolicyName): void {
    this.#fleet.setPolicy(name)
  }

  /** Accepts no more, lets what runs finish for at most `timeouts.drain`, and resolves when all is closed. */
  async stop(): Promise<void> {
    if (this.#stopping) return
    this.#stopping = true
    this.#plain.close()
    this.#secure?.listener.close()
    for (const entrance of this.#entrances) entrance.destroy()
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

  #accept(socket: Socket, tls: TlsTermination | undefined): void {
    const { counters, options } = this.#parts
    // Each listener has this limit by itself; here both together do.
    if (this.#clients.size + this.#entrances.size >= options.limits.connectionsMax) {
      socket.destroy()
      return
    }
    counters.count(options.worker, "accepted")
    const peer = socket.remoteAddress
    const owesHeader =
      options.proxyProtocol.length > 0 && peer !== undefined && contains(this.#proxyPeers, plainIp(peer))
    if (!owesHeader && tls === undefined) {
      this.#admit({ socket, transport: socket, peer, ends: undefined, isTls: false })
      return
    }
    const entrance = new Entrance(this.#entranceOwner, socket, tls)
    this.#entrances.add(entrance)
    entrance.start(owesHeader)
  }

  #admit({ socket, transport, peer, ends, isTls }: Arrival): void {
    const { tls } = this.#parts.options
    const redirects = !isTls && tls?.redirect === true
    this.#clients.add(
      new ClientConnection(this.#owner, socket, {
        transport,
        ends,
        forwarding: this.#forwarding.of(peer, isTls),
        redirectPort: redirects ? (tls.redirectPort ?? this.#secure?.listener.port) : undefined,
      }),
    )
  }

  #onEntranceGone(entrance: Entrance, code: ErrorCode | undefined): void {
    const { counters, options } = this.#parts
    if (code !== undefined) counters.countError(options.worker, code)
    counters.count(options.worker, "closed")
    this.#entrances.delete(entrance)
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

function outcomeOf(result: AttemptResult): Outcome {
  return { result, status: 0, firstByteMs: NaN, totalMs: 0, retryAfterMs: NaN, route: 0 }
}
