/**
 * Exchanges without sockets: client and backend connections over plain objects, in a time that the test lets pass. For
 * what is recorded of an attempt, and for what our own code costs.
 */
import type { OnReadOpts, Socket } from "node:net"
import { LoadTable } from "../../src/placing/load-table.ts"
import { Observer } from "../../src/learning/observer.ts"
import { RouteFinder } from "../../src/routing/routes.ts"
import type { Clock } from "../../src/core/clock.ts"
import type { ErrorCode } from "../../src/core/errors.ts"
import { amountsOf, resourcesDefault } from "../../src/core/resources.ts"
import { seeded } from "../../src/core/rng.ts"
import type { EventLoop } from "../../src/system.ts"
import { FieldNames } from "../../src/http1/field-names.ts"
import { Head } from "../../src/http1/head.ts"
import { ClientConnection, type ClientContext } from "../../src/http1/streams/client-connection.ts"
import { Counters } from "../../src/metrics/counters.ts"
import { Bindings } from "../../src/proxy/affinity.ts"
import { Budget } from "../../src/proxy/budget.ts"
import { Descriptors } from "../../src/proxy/threads/descriptors.ts"
import { Deadlines } from "../../src/net/deadlines.ts"
import { DemandTrust } from "../../src/proxy/demand-trust.ts"
import type { Dialer } from "../../src/proxy/backends/dial.ts"
import { Exchange } from "../../src/proxy/exchange.ts"
import type { ExchangeContext } from "../../src/proxy/exchange-context.ts"
import { Exit, type OnRequestEnd } from "../../src/proxy/exit.ts"
import type { AttemptObserver } from "../../src/placing/placer.ts"
import { Fleet } from "../../src/proxy/fleet.ts"
import { ForwardingRules } from "../../src/proxy/entrance/forwarding.ts"
import { RequestIds } from "../../src/proxy/entrance/request-ids.ts"
import { RouteTable } from "../../src/proxy/route-table.ts"
import { Weigher } from "../../src/proxy/weigher.ts"
import type { Member } from "../../src/membership/snapshot.ts"
import { memberAt } from "./members.ts"
import { dataPlaneOptions, type RelayChange } from "./relay.ts"

const slots = 16

/** A connection's end that takes everything at once, unless told, and hands it on where the test wants to read it. */
export class FakeSocket {
  readonly remoteAddress = "127.0.0.1"
  writableLength = 0
  readonly writableNeedDrain = false
  readonly errored = null
  writtenBytes = 0
  /** False while it takes no more of what is written. */
  takes = true
  /** How it was closed, if it was; `flushing`: when all that was written has left. */
  gone: "flushing" | "closed" | "reset" | undefined
  push: (bytes: Buffer) => boolean = () => true
  /** Of the last write that wants to hear of it. */
  onTaken: (() => void) | undefined
  readonly #events = new Map<string, (() => void)[]>()
  readonly #onWrite: ((bytes: Buffer) => void) | undefined

  constructor(onWrite?: (bytes: Buffer) => void) {
    this.#onWrite = onWrite
  }

  on(name: string, listener: () => void): this {
    const listeners = this.#events.get(name)
    if (listeners === undefined) this.#events.set(name, [listener])
    else listeners.push(listener)
    return this
  }

  emit(name: string): void {
    for (const listener of this.#events.get(name) ?? []) listener()
  }

  write(bytes: Buffer, onTaken?: () => void): boolean {
    if (onTaken !== undefined) this.onTaken = onTaken
    this.writtenBytes += bytes.length
    this.#onWrite?.(bytes)
    return this.takes
  }

  // Where write errors are outlived, these hooks of streams are called (src/net/write-errors.ts), and where reading
  // goes on, a stream's push has its state here (src/net/direct-reading.ts).
  /* oxlint-disable eslint/no-underscore-dangle */
  readonly _readableState = {}
  _write(): void {}
  _writev(): void {}
  /* oxlint-enable eslint/no-underscore-dangle */
  cork(): void {}
  uncork(): void {}
  pause(): void {}
  resume(): void {}
  end(): void {}
  destroySoon(): void {
    this.gone ??= "flushing"
  }
  destroy(): void {
    if (this.gone !== "reset") this.gone = "closed"
  }
  resetAndDestroy(): void {
    this.gone ??= "reset"
  }
  isPaused(): boolean {
    return false
  }
}

/** A connection to a backend: each write of a request puts it into `busy`. */
export interface FakeBackendConnection {
  readonly socket: FakeSocket
  /** Where it leads: "" for a Unix socket, whose port is 0. */
  readonly host: string
  readonly port: number
  /** The last that was written. */
  asked: Buffer
  /** Bytes come from the backend. */
  readonly say: (bytes: Buffer) => void
  /** What they are read to. */
  readonly reads: () => Uint8Array
}

export interface ExchangeWorld {
  readonly owner: ExchangeContext & ClientContext
  readonly fleet: Fleet
  readonly routes: RouteTable
  readonly table: LoadTable
  readonly counters: Counters
  readonly deadlines: Deadlines
  /** Connections that requests were written to, in order; the test takes them out. */
  readonly busy: FakeBackendConnection[]
  /** What comes of dialling from now on, and of dialling these hosts whatever that is: they refuse. */
  readonly dialling: { become: "open" | "nothing" | ErrorCode; readonly refusing: Set<string> }
  /** A client's connection, and the end from which it is spoken to: `socket.push`. */
  readonly client: (
    onWrite?: (bytes: Buffer) => void,
    redirectPort?: number,
  ) => {
    readonly socket: FakeSocket
    readonly connection: ClientConnection
    readonly exchange: Exchange
  }
}

/** Two backends with 20 of everything unless told, at the ports 1 and 2. Nothing is swept but by the test. */
export function exchangeWorld(
  clock: Clock & EventLoop,
  change: RelayChange = {},
  parts: {
    readonly observer?: AttemptObserver
    readonly onRequestEnd?: OnRequestEnd
    /** Else there are two. */
    readonly members?: readonly Member[]
  } = {},
): ExchangeWorld {
  const resources = change.resources ?? resourcesDefault
  const options = dataPlaneOptions(resources, change)
  const table = LoadTable.create(resources, slots, 1)
  const counters = Counters.create(slots, 1, resources.length)
  const deadlines = new Deadlines(clock.now())
  const busy: FakeBackendConnection[] = []
  const dialling: ExchangeWorld["dialling"] = { become: "open", refusing: new Set() }
  const headLimits = { ...options.limits, ...options.requests }
  const context = {
    options,
    headLimits,
    worker: 0,
    clock,
    counters,
    deadlines,
    timers: clock,
    descriptors: Descriptors.create(1),
    dialer: dialerInto(busy, dialling),
    names: new FieldNames([]),
    requestHead: new Head(headLimits),
    responseHead: new Head(headLimits),
    onConnectFailed: () => {},
    httpDate: () => "",
  }
  const observer = parts.observer ?? new Observer(resources, slots)
  const fleet = new Fleet(context, { table, observer, rng: seeded(1), onSettled: () => {} })
  const routes = new RouteTable(
    fleet,
    new RouteFinder(),
    amountsOf(resources, options.demand.default, 0),
    options.routing,
    undefined,
  )
  let exchange: Exchange | undefined
  const owner: ExchangeContext & ClientContext = {
    ...context,
    fleet,
    routes,
    weigher: new Weigher({
      resources,
      placer: fleet.placer,
      table,
      demandTrust: new DemandTrust(options.demand.trusted),
      simulated: undefined,
      demandLines: [],
    }),
    exit: new Exit(counters, 0, parts.onRequestEnd),
    bindings: new Bindings("key"),
    budget: new Budget(options.limits.collectedBytesTotalMax),
    askLine: "",
    hostDefault: Buffer.from("x"),
    viaLines: ["", ""],
    requestIds: new RequestIds("12345678-0"),
    isStopping: false,
    relay: (stream) => (exchange = new Exchange(owner, stream)),
    onExchangeGone: () => {},
    onClientClosed: () => {},
  }
  const capacity = change.capacity ?? { compute: 20, storage: 20 }
  const members =
    parts.members ?? [0, 1].map((slot) => memberAt(slot, { host: "127.0.0.1", port: 1 + slot }, capacity))
  fleet.placer.apply({ version: 1, members, eligible: members }, clock.now())
  routes.refit()
  const forwarding = new ForwardingRules({ ...options, dropsReportFormat: true }).of("127.0.0.1", false)
  const client: ExchangeWorld["client"] = (onWrite, redirectPort) => {
    const socket = new FakeSocket(onWrite)
    const transport = socket as unknown as Socket
    const entry = { transport, ends: undefined, forwarding, redirectPort }
    const connection = new ClientConnection(owner, transport, entry)
    return { socket, connection, exchange: exchange! }
  }
  return { owner, fleet, routes, table, counters, deadlines, busy, dialling, client }
}

/** Connects in the next turn, to no server. */
function dialerInto(busy: FakeBackendConnection[], wanted: ExchangeWorld["dialling"]): Dialer {
  const dialer: Pick<Dialer, "prepare" | "follow" | "hasLeft" | "dial"> = {
    prepare() {},
    follow() {},
    hasLeft: () => false,
    dial({ address }, dialling, reading) {
      const reads = reading as OnReadOpts & { readonly buffer: () => Buffer }
      const connection: FakeBackendConnection = {
        socket: new FakeSocket((written) => {
          connection.asked = written
          busy.push(connection)
        }),
        host: "path" in address ? "" : address.host,
        asked: Buffer.alloc(0),
        port: "path" in address ? 0 : address.port,
        reads: reads.buffer,
        say(bytes) {
          const into = reads.buffer()
          bytes.copy(into)
          reads.callback(bytes.length, into)
        },
      }
      let isOff = false
      queueMicrotask(() => {
        const become = wanted.refusing.has(connection.host) ? "connect_failed" : wanted.become
        if (isOff || become === "nothing") return
        if (become === "open") dialling.onOpen(connection.socket as unknown as Socket, "127.0.0.1")
        else dialling.onFailed(become, new Error(become))
      })
      return () => {
        isOff = true
      }
    },
  }
  return dialer as Dialer
}
