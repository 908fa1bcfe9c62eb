/**
 * Nanoseconds of our own JavaScript per relayed request: whole exchanges in this process on connections that are
 * plain objects, so that neither the system nor Node.js's sockets count. 64 requests come in, then 64 responses.
 *
 *     npm run bench:exchange
 */
import { nothingKnown } from "../src/core/knowledge.ts"
import { median } from "../src/core/median.ts"
import { systemClock, systemTimers } from "../src/system.ts"
import { exchangeWorld } from "../test/support/exchange-world.ts"
import { routingOf } from "../test/support/relay.ts"

const connections = 64
const exchangesPerRound = 200_000
const rounds = 9

const { busy, client, fleet, routes } = exchangeWorld(
  { ...systemClock, ...systemTimers },
  {
    routing: routingOf("price"),
    limits: { idlePerBackendMax: 1024, requestsPerConnectionMax: 1e9, requestsPerBackendConnectionMax: 1e9 },
  },
)
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
fleet.placer.learn(knowledge)
routes.learn(knowledge, routeList)

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
const clients = Array.from({ length: connections }, () => client())

function ask(): void {
  for (const { socket } of clients) socket.push(Buffer.from(request))
}

function answer(): void {
  for (const backend of busy.splice(0)) backend.say(response)
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
const written = clients.reduce((sum, { socket }) => sum + socket.writtenBytes, 0)
console.log(
  `median ${median(figures).toFixed(0)} ns, least ${Math.min(...figures).toFixed(0)} ns per exchange (${written} bytes)`,
)
