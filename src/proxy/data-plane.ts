/**
 * One data-plane thread's whole: its listener, its connections, its policy. Runs in a worker thread in production and
 * in the main thread of a program that embeds it. It asks nothing of other threads, and goes on when they tell it
 * nothing more.
 */
import type { BlockList, Socket } from "node:net"
import { SimulatedDemand } from "../learning/demand.ts"
import { type ObservationBatch, Observer } from "../learning/observer.ts"
import { RouteFinder, type RouteList, type UnknownRoute } from "../routing/routes.ts"
import type { LoadTable } from "../placing/load-table.ts"
import { emptySnapshot, type Snapshot } from "../membership/snapshot.ts"
import type { BackendId } from "../core/backend.ts"
import type { Clock } from "../core/clock.ts"
import { type Endpoint, plainIp } from "../core/endpoint.ts"
import type { ErrorCode } from "../core/errors.ts"
import type { Knowledge } from "../core/knowledge.ts"
import type { ClientStream } from "../core/http/streams.ts"
import { amountsOf, demandHeader } from "../core/resources.ts"
import type { Rng } from "../core/rng.ts"
import { FieldNames } from "../http1/field-names.ts"
import { Head } from "../http1/head.ts"
import { ClientConnection, type ClientContext } from "../http1/streams/client-connection.ts"
import type { Counters } from "../metrics/counters.ts"
import { Bindings } from "./affinity.ts"
import { Budget } from "./budget.ts"
import { DemandTrust } from "./demand-trust.ts"
import { Descriptors } from "./threads/descriptors.ts"
import { Dialer } from "./backends/dial.ts"
import { Deadlines, sweepMs } from "../net/deadlines.ts"
import { type Arrival, Entrance, type EntranceOwner } from "./entrance/entrance.ts"
import { Exchange } from "./exchange.ts"
import type { ExchangeContext } from "./exchange-context.ts"
import { Exit, type OnRequestEnd } from "./exit.ts"
import { shareConnections } from "./fair-share.ts"
import { Fleet } from "./fleet.ts"
import { ForwardingRules } from "./entrance/forwarding.ts"
import { contains, rangesOf } from "../net/ip-ranges.ts"
import { Listener } from "./entrance/listener.ts"
import type { EventLoop } from "../system.ts"
import type { Resolve } from "../net/name-cache.ts"
import type { BackendOptions } from "../config/config.ts"
import type { DataPlaneOptions, RoutingOptions, TlsMaterial } from "./options.ts"
import { OwnListeners } from "./backends/own-listeners.ts"
import { RequestIds } from "./entrance/request-ids.ts"
import { RouteTable } from "./route-table.ts"
import { Weigher } from "./weigher.ts"
import { TlsTermination } from "./entrance/tls-termination.ts"

/** How long a listener that is to close goes on while clients come without a pause. */
const acceptMsMax = 3_000

/** What a data plane needs of its surroundings. */
export interface DataPlaneParts {
  readonly options: DataPlaneOptions
  readonly table: LoadTable
  readonly counters: Counters
  /** Shared by all threads; a data plane without it has no limit. */
  readonly descriptors?: Descriptors
  readonly clock: Clock
  readonly rng: Rng
  /** The wall clock, for the Date field (RFC 9110 5.6.7). */
  readonly httpDate: () => string
  readonly onConnectFailed: (id: BackendId) => void
  /** Told of every sweep over the time limits, several times per second. */
  readonly onSweep?: () => void
  /** Told of every request that has ended. */
  readonly onRequestEnd?: OnRequestEnd
  readonly timers: EventLoop
  /** Resolves the DNS names of backends, instead of /etc/hosts and the name servers. */
  readonly resolve?: Resolve
}

/** What a thread has seen since it was last asked. Plain data. */
export interface Observed {
  readonly batch: ObservationBatch | undefined
  readonly unknown: readonly UnknownRoute[]
}

export class DataPlane {
  readonly #parts: DataPlaneParts
  readonly #ownListeners: OwnListeners = new OwnListeners()
  readonly #owner: ExchangeContext & ClientContext & { isStopping: boolean }
  readonly #fleet: Fleet
  readonly #routes: RouteTable
  readonly #finder: RouteFinder
  readonly #observer: Observer
  readonly #bindings: Bindings
  readonly #deadlines: Deadlines
  readonly #clients = new Set<ClientConnection>()
  readonly #exchanges = new Set<Exchange>()
  readonly #entrances = new Set<Entrance>()
  readonly #entranceOwner: EntranceOwner
  readonly #forwarding: ForwardingRules
  readonly #proxyPeers: BlockList
  readonly #plain: Listener
  readonly #secure: { readonly listener: Listener; readonly tls: TlsTermination } | undefined
  readonly #endSweeps: () => void
  #stopped: Promise<void> | undefined
  #serving = false
  /** Connections that came in, let in or not. */
  #arrived = 0
  #date = ""
  #dateAt = 0
  #onEmpty: (() => void) | undefined

  constructor(parts: DataPlaneParts) {
    const { options, table, counters, clock, rng } = parts
    this.#ownListeners.replace(options.ownListeners ?? [])
    this.#parts = parts
    const simulates = options.demand.mode === "simulation"
    const headLimits = { ...options.limits, ...options.requests }
    const resourceFields = simulates ? options.resources.map((resource) => demandHeader(resource.name)) : []
    const context = {
      options,
      headLimits,
      worker: options.worker,
      clock,
      counters,
      descriptors: parts.descriptors ?? Descriptors.create(1),
      timers: parts.timers,
      deadlines: new Deadlines(clock.now()),
      dialer: new Dialer(options.upstream, clock, { ...parts, ownListeners: this.#ownListeners }),
      names: new FieldNames(resourceFields),
      requestHead: new Head(headLimits),
      responseHead: new Head(headLimits),
      onConnectFailed: parts.onConnectFailed,
      httpDate: () => this.#httpDate(),
    }
    const { host } = options.requests
    const hostDefault = host === undefined ? undefined : Buffer.from(host, "latin1")
    this.#deadlines = context.deadlines
    this.#observer = new Observer(options.resources, table.shape.slots, rng)
    this.#fleet = new Fleet(context, {
      table,
      rng,
      observer: this.#observer,
      onSettled: () => this.#serveQueues(),
    })
    this.#finder = new RouteFinder({ version: 0, rules: rulesOf(options.routing), learned: [] })
    this.#routes = new RouteTable(
      this.#fleet,
      this.#finder,
      amountsOf(options.resources, options.demand.default, 0),
      options.routing,
      hostDefault,
    )
    this.#bindings = new Bindings(options.cookieKey)

    const prefix = `${Math.floor(rng.next() * 2 ** 32).toString(16)}-${options.worker.toString(16)}`
    const { askLoadReports } = options.upstream
    this.#owner = {
      ...context,
      fleet: this.#fleet,
      routes: this.#routes,
      weigher: new Weigher({
        resources: options.resources,
        placer: this.#fleet.placer,
        table,
        demandTrust: new DemandTrust(options.demand.trusted),
        simulated: simulates ? new SimulatedDemand(options.resources, options.seed) : undefined,
        demandLines: resourceFields.map((name) => `${name}: `),
      }),
      exit: new Exit(counters, options.worker, parts.onRequestEnd),
      bindings: this.#bindings,
      budget: new Budget(options.limits.collectedBytesTotalMax),
      askLine: askLoadReports === "none" ? "" : `endpoint-load-metrics-format: ${askLoadReports}\r\n`,
      hostDefault,
      requestIds: new RequestIds(prefix),
      viaLines: options.via.toClients
        ? [`Via: 1.0 ${options.name}\r\n`, `Via: 1.1 ${options.name}\r\n`]
        : ["", ""],
      isStopping: false,
      relay: (stream) => this.#relay(stream),
      onExchangeGone: (exchange) => this.#exchanges.delete(exchange),
      onClientClosed: (client) => this.#onClientClosed(client),
    }
    const dropsReportFormat = askLoadReports !== "none" || options.response.loadReports === "strip"
    this.#forwarding = new ForwardingRules({ ...options, dropsReportFormat })
    this.#proxyPeers = rangesOf(options.proxyProtocol.accept, "proxyProtocol.accept")
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
    const refused = (): void => this.#refused()
    this.#plain = new Listener(connectionsMax, (socket) => this.#accept(socket, undefined), refused)
    if (options.tls !== undefined) {
      const tls = new TlsTermination(options.tls, options.timeouts.tlsHandshakeMs)
      this.#secure = {
        tls,
        listener: new Listener(connectionsMax, (socket) => this.#accept(socket, tls), refused),
      }
    }
    const sweep = (): void => {
      const now = clock.now()
      this.#deadlines.sweep(now)
      this.#fleet.tick(now)
      parts.onSweep?.()
      shareConnections(this.#fleet.placer.groups, () => this.#exchanges)
      this.#fleet.placer.serve(now)
    }
    this.#endSweeps = parts.timers.every(sweepMs, sweep, { unref: true })
  }

  /** Starts to accept; resolves with the plain port. Rejects with the system's error when one is not to be had. */
  async listen(): Promise<number> {
    const { options } = this.#parts
    // The plain listener comes last: its redirects name the port of the other.
    if (options.tls !== undefined) await this.#secure?.listener.listen(options.tls.listen)
    return this.#plain.listen(options.listen)
  }

  /** The port where TLS is spoken, once it listens. */
  get tlsPort(): number | undefined {
    return this.#secure?.listener.port
  }

  apply(snapshot: Snapshot): void {
    this.#fleet.placer.apply(snapshot, this.#parts.clock.now())
    this.#routes.refit()
    this.#bindings.replace(this.#fleet.placer.placed.keys())
    this.#serveQueues()
  }

  /** What has been learned, and the routes that its numbers mean. */
  learn(knowledge: Knowledge, routes: RouteList): void {
    this.#fleet.placer.learn(knowledge)
    this.#routes.learn(knowledge, routes)
    this.#serveQueues()
  }

  /** Other policies, from the next choosing on. What runs goes on, and what waits keeps its place. */
  reroute(routing: RoutingOptions): void {
    this.#fleet.regroup(routing.groups)
    this.#routes.reroute(routing)
    this.#serveQueues()
  }

  /** What was seen since the last call, and forgets it; undefined when that is nothing. Cold. */
  takeObserved(): Observed | undefined {
    const batch = this.#observer.take(this.#parts.clock.now())
    const unknown = this.#finder.takeUnknown()
    return batch === undefined && unknown.length === 0 ? undefined : { batch, unknown }
  }

  /** Other authorities, or another certificate of our own, for connections to backends that are made from now on. */
  renewBackendTls(tls: BackendOptions["tls"]): void {
    this.#owner.dialer.renew(tls)
  }

  /** New certificates or ticket keys, from the next handshake on. */
  renewTls(material: TlsMaterial): void {
    this.#secure?.tls.renew(material)
  }

  /** Where the balancer listens: nothing is dialled there from now on. */
  avoid(listeners: readonly Endpoint[]): void {
    this.#ownListeners.replace(listeners)
  }

  /** From now on every response says that its connection closes, and it does (RFC 9112 9.6). All else goes on. */
  drain(): void {
    this.#owner.isStopping = true
  }

  /** Accepts no more, lets what runs finish for at most `timeouts.drain`, and resolves when all is closed. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  async #stop(): Promise<void> {
    this.drain()
    await this.#acceptAll()
    this.#plain.close()
    this.#secure?.listener.close()
    this.#fleet.placer.giveUp("shutting_down")
    for (const entrance of this.#entrances) entrance.stop()
    for (const client of this.#clients) client.stop()
    if (this.#clients.size + this.#entrances.size > 0) await this.#allClosed()
    this.#endSweeps()
    this.#fleet.placer.apply(emptySnapshot, this.#parts.clock.now())
    this.#owner.dialer.close()
  }

  #relay(stream: ClientStream): Exchange {
    const exchange = new Exchange(this.#owner, stream)
    this.#exchanges.add(exchange)
    return exchange
  }

  /**
   * Takes all connections that the system has made for this thread: a listener that closes resets those that still wait
   * to be accepted. Node.js accepts one per turn of its event loop, so a turn that brings none has found none.
   */
  async #acceptAll(): Promise<void> {
    const { clock, timers } = this.#parts
    const end = clock.now() + acceptMsMax
    let before: number
    do {
      before = this.#arrived
      await new Promise<void>((resolve) => timers.soon(resolve))
      await new Promise<void>((resolve) => timers.soon(resolve))
    } while (this.#arrived > before && clock.now() < end)
  }

  #allClosed(): Promise<void> {
    return new Promise((resolve) => {
      const { options, timers } = this.#parts
      const forgo = timers.set(options.timeouts.drainMs, () => {
        for (const entrance of this.#entrances) entrance.destroy()
        for (const client of this.#clients) client.destroy()
      })
      this.#onEmpty = () => {
        forgo()
        resolve()
      }
    })
  }

  #accept(socket: Socket, tls: TlsTermination | undefined): void {
    const { counters, options } = this.#parts
    this.#arrived++
    // Each listener has this limit by itself; here both together do.
    const isFull = this.#clients.size + this.#entrances.size >= options.limits.connectionsMax
    const { descriptors } = this.#owner
    if (!descriptors.hasRoomForClient) this.#fleet.closeIdle()
    if (isFull || !descriptors.hasRoomForClient) {
      socket.destroy()
      this.#refused()
      return
    }
    descriptors.take()
    counters.count(options.worker, "accepted")
    const peer = socket.remoteAddress
    const owesHeader =
      options.proxyProtocol.accept.length > 0 &&
      peer !== undefined &&
      contains(this.#proxyPeers, plainIp(peer))
    if (!owesHeader && tls === undefined) {
      this.#admit({ socket, transport: socket, peer, ends: undefined, isTls: false })
      return
    }
    const entrance = new Entrance(this.#entranceOwner, socket, tls)
    this.#entrances.add(entrance)
    entrance.start(owesHeader)
  }

  #refused(): void {
    this.#parts.counters.countError(this.#parts.options.worker, "too_many_connections")
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
    this.#onClosed()
  }

  #onClientClosed(client: ClientConnection): void {
    this.#parts.counters.count(this.#parts.options.worker, "closed")
    this.#clients.delete(client)
    this.#onClosed()
  }

  #onClosed(): void {
    this.#owner.descriptors.give()
    if (this.#clients.size + this.#entrances.size === 0) this.#onEmpty?.()
  }

  /** Room has come free: a request that waits gets it, in a turn of its own so that no exchange is entered twice. */
  #serveQueues(): void {
    if (this.#serving || !this.#fleet.placer.hasWaiting) return
    this.#serving = true
    this.#parts.timers.soon(() => {
      this.#serving = false
      this.#fleet.placer.serve(this.#parts.clock.now())
    })
  }

  #httpDate(): string {
    const now = this.#deadlines.coarseNow
    if (this.#date === "" || now - this.#dateAt >= 500) {
      this.#date = this.#parts.httpDate()
      this.#dateAt = now
    }
    return this.#date
  }
}

function rulesOf({ routes }: RoutingOptions): RouteList["rules"] {
  return routes.map(({ rule }) => rule)
}
