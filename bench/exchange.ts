/**
 * Nanoseconds of our own JavaScript per relayed request: whole exchanges in this process on connections that are
 * plain objects, so that neither the system nor Node.js's sockets count. 64 requests come in, then 64 responses.
 *
 *     npm run bench:exchange
 */
import type { OnReadOpts, Socket } from "node:net"
import { Attempts } from "../src/cluster/attempts.ts"
import { LoadTable } from "../src/cluster/load-table.ts"
import { Observer } from "../src/cluster/observer.ts"
import { RouteFinder } from "../src/cluster/routes.ts"
import { parseBackendId } from "../src/core/backend.ts"
import { nothingKnown } from "../src/core/knowledge.ts"
import { resourcesDefault } from "../src/core/resources.ts"
import { seeded } from "../src/core/rng.ts"
import { dropTable } from "../src/http1/serialize.ts"
import { FieldNames } from "../src/http1/field-names.ts"
import { Head } from "../src/http1/head.ts"
import { Counters } from "../src/metrics/counters.ts"
import { ClientConnection, type ClientOwner } from "../src/proxy/client-connection.ts"
import { Bindings } from "../src/proxy/affinity.ts"
import { Deadlines } from "../src/proxy/deadlines.ts"
import { DemandTrust } from "../src/proxy/demand-trust.ts"
import { SettledAttempt } from "../src/proxy/exchange.ts"
import { RouteTable } from "../src/proxy/route-table.ts"
import { ForwardingRules } from "../src/proxy/forwarding.ts"
import { Fleet, Placement } from "../src/proxy/fleet.ts"
import { RequestIds } from "../src/proxy/request-ids.ts"
import { median } from "../src/core/median.ts"
import { systemClock } from "../src/system.ts"
import { memberAt } from "../test/support/members.ts"
import { dataPlaneOptions, routingOf } from "../test/support/relay.ts"

const connections = 64
const exchangesPerRound = 200_000
const rounds = 9

class FakeSocket {
  readonly remoteAddress = "127.0.0.1"
  readonly writableLength = 0
  readonly writableNeedDrain = false
  readonly errored = null
  written = 0
  push: (bytes: Buffer) => boolean = () => true
  readonly events = new Map<string, () => void>()
  on(name: string, listener: () => void): this {
    this.events.set(name, listener)
    return this
  }
  write(bytes: Buffer): boolean {
    this.written += bytes.length
    return true
  }
  cork(): void {}
  uncork(): void {}
  pause(): void {}
  resume(): void {}
  end(): void {}
  destroy(): void {}
  isPaused(): boolean {
    return false
  }
}

const resources = resourcesDefault
const options = dataPlaneOptions(resources, {
  routing: routingOf("price"),
  limits: { idlePerBackendMax: 1024, requestsPerConnectionMax: 1e9 },
})
const table = LoadTable.create(resources, 16, 1)
const counters = Counters.create(16, 1, resources.length)
const busy: { readonly socket: FakeSocket; readonly reading: OnReadOpts }[] = []
class BackendSocket extends FakeSocket {
  reading: OnReadOpts | undefined
  override write(bytes: Buffer): boolean {
    busy.push({ socket: this, reading: this.reading! })
    return super.write(bytes)
  }
}
const context = {
  options,
  worker: 0,
  clock: systemClock,
  counters,
  table,
  deadlines: new Deadlines(systemClock.now()),
  dialer: {
    prepare(): void {},
    dial(_to: unknown, reading: OnReadOpts): Socket {
      const socket = new BackendSocket()
      socket.reading = reading
      queueMicrotask(() => socket.events.get("connect")?.())
      return socket as unknown as Socket
    },
  },
  names: new FieldNames([]),
  requestHead: new Head(options.limits),
  responseHead: new Head(options.limits),
  onConnectFailed: () => {},
  httpDate: () => "",
}
const attempts = new Attempts(table, 0, resources.length, () => {})
const fleet = new Fleet(context as never, table, attempts, seeded(1))

const finder = new RouteFinder()
const routes = new RouteTable(fleet, finder, options.demand.default, options.routing)
// As after a minute of running: the route is known by its numbers.
const mean = Float64Array.of(3, 2)
const routeList = { version: 1, rules: [], learned: ["GET /some/path"] }
const known = { mean, rate: 1, isLearned: true }
const knowledge = {
  ...nothingKnown,
  routes: [
    { ...known, name: "" },
    { ...known, name: "GET /some/path" },
  ],
}
fleet.learn(knowledge)
routes.learn(knowledge, routeList)
const owner: ClientOwner = {
  ...context,
  fleet,
  simulated: undefined,
  routes,
  observer: new Observer(resources, 16),
  outcome: new SettledAttempt(),
  demandTrust: new DemandTrust([]),
  bindings: new Bindings("key"),
  askLine: "",
  requestDrops: dropTable(["x-forwarded-for"], true),
  demandLines: [],
  hostDefault: Buffer.from("x"),
  requestIds: new RequestIds("12345678-0"),
  placement: new Placement(resources, routes.at(0).demand),
  constantFields: () =>
    Buffer.from("X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\nVia: 1.1 linebacker\r\n"),
  isStopping: false,
  onClientClosed: () => {},
} as unknown as ClientOwner
const forwarding = new ForwardingRules(options).of("127.0.0.1", false)
const members = [0, 1].map((slot) =>
  memberAt(slot, { host: "127.0.0.1", port: 1 + slot }, { compute: 20, storage: 20 }),
)
if (parseBackendId("b0") === undefined) throw new Error("no id")
fleet.apply({ version: 1, members, eligible: members })

const request = Buffer.from(
  "GET /some/path?with=query HTTP/1.1\r\nHost: example.org:8080\r\n" +
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36\r\n" +
    "Accept: text/html,application/xhtml+xml;q=0.9,*/*;q=0.8\r\nAccept-Encoding: gzip, deflate, br\r\n" +
    "Accept-Language: en-US,en;q=0.5\r\nCookie: session=0123456789abcdef0123456789abcdef\r\n\r\n",
)
const response = Buffer.from(
  "HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Tue, 24 Nov 2026 14:41:40 GMT\r\n" +
    "Content-Type: text/plain\r\nContent-Length: 36\r\nConnection: keep-alive\r\n\r\n" +
    "hello, this is a small body of text\n",
)
const clients = Array.from({ length: connections }, () => {
  const socket = new FakeSocket()
  return {
    socket,
    connection: new ClientConnection(owner, socket as unknown as Socket, {
      transport: socket as unknown as Socket,
      forwarding,
      redirectPort: undefined,
    }),
  }
})

function ask(): void {
  for (const { socket } of clients) socket.push(Buffer.from(request))
}

function answer(): void {
  const answered = busy.splice(0)
  for (const { reading } of answered) {
    const into = (reading.buffer as () => Buffer)()
    response.copy(into)
    reading.callback(response.length, into)
  }
}

ask()
await new Promise((resolve) => setImmediate(resolve))
answer()
const figures: number[] = []
for (let round = 0; round < rounds; round++) {
  const before = process.cpuUsage()
  const startedAt = performance.now()
  for (let i = 0; i < exchangesPerRound; i += connections) {
    ask()
    answer()
  }
  const spent = process.cpuUsage(before)
  figures.push((1e3 * (spent.user + spent.system)) / exchangesPerRound)
  console.log(
    `round ${round}: ${figures.at(-1)!.toFixed(0)} ns CPU, ${((1e6 * (performance.now() - startedAt)) / exchangesPerRound).toFixed(0)} ns wall`,
  )
}
const written = clients.reduce((sum, { socket }) => sum + socket.written, 0)
console.log(
  `median ${median(figures).toFixed(0)} ns, least ${Math.min(...figures).toFixed(0)} ns per exchange (${written} bytes)`,
)
