/** Clients that are slow where connections to backends are short, and those that wait for them meanwhile. */
import assert from "node:assert/strict"
import { test } from "node:test"
import { clientKeyOf, type Contender, shareConnections } from "../../src/proxy/fair-share.ts"
import type { BackendPool } from "../../src/proxy/backends/backend-pool.ts"
import type { Group } from "../../src/placing/group.ts"
import { exchangeWorld } from "../support/exchange-world.ts"
import { ok } from "../support/wire/messages.ts"
import { offering, relay, type RelayChange, scripted } from "../support/relay.ts"
import { VirtualClock } from "../support/virtual-clock.ts"
import { until } from "../support/until.ts"

// ── by itself ─────────────────────────────────────────────────────────────────────────────────────────────────

const full = { hasRoom: false } as BackendPool
const other = { hasRoom: false } as BackendPool

function groupOf(...pools: readonly BackendPool[]): Group<BackendPool> {
  return {
    queue: { length: 1 },
    eligible: pools.map((pool) => ({ site: pool })),
  } as unknown as Group<BackendPool>
}

interface Fake extends Contender {
  heldPool: BackendPool | undefined
  became: "reclaimed" | "served" | undefined
}

function contender(clientKey: string, more: Partial<Contender> = {}): Fake {
  const fake: Fake = {
    clientKey,
    heldPool: undefined,
    isHeldUp: false,
    isSlow: false,
    heldSince: 0,
    waitsIn: undefined,
    became: undefined,
    reclaim: () => {
      fake.became = "reclaimed"
      fake.heldPool = undefined
    },
    goAhead: () => void (fake.became = "served"),
    ...more,
  }
  return fake
}

const holding = (key: string, heldSince: number, isHeldUp = true): Fake =>
  contender(key, { heldPool: full, heldSince, isHeldUp })

function share(group: Group<BackendPool>, contenders: readonly Fake[]): (string | undefined)[] {
  shareConnections([group], () => contenders)
  return contenders.map(({ became }) => became)
}

test("the address that holds most gives way, the longest first, until both have equally many", () => {
  const group = groupOf(full)
  const waiting = Array.from({ length: 4 }, () => contender("b", { waitsIn: group }))
  const holders = [3, 1, 4, 2, 5].map((since) => holding("a", since))
  assert.deepEqual(share(group, [...holders, ...waiting]), [
    undefined,
    "reclaimed",
    undefined,
    "reclaimed",
    undefined,
    "served",
    "served",
    undefined,
    undefined,
  ])
})

test("among themselves the requests of one address wait as they do", () => {
  const group = groupOf(full)
  const all = [holding("a", 1), holding("a", 2), holding("a", 3), contender("a", { waitsIn: group })]
  assert.ok(share(group, all).every((became) => became === undefined))
})

test("what is very slow gives way to any client, the longest first, also where each has an address of its own", () => {
  const group = groupOf(full)
  const all = [
    contender("a", { heldPool: full, isHeldUp: true, isSlow: true, heldSince: 2 }),
    contender("b", { heldPool: full, isHeldUp: true, isSlow: true, heldSince: 1 }),
    contender("c", { heldPool: full, isHeldUp: true, isSlow: false, heldSince: 0 }),
    ...["c", "d", "e"].map((key) => contender(key, { waitsIn: group })),
  ]
  const [a, b, c, ...waiting] = share(group, all)
  assert.deepEqual([a, b, c], ["reclaimed", "reclaimed", undefined])
  assert.equal(waiting.filter((became) => became === "served").length, 2)
})

test("what a backend works on is left alone, and so is what is held elsewhere", () => {
  const group = groupOf(full)
  const all = [
    ...[1, 2, 3].map((since) => holding("a", since, false)),
    ...[1, 2, 3].map((since) => contender("c", { heldPool: other, isHeldUp: true, heldSince: since })),
    contender("b", { waitsIn: group }),
  ]
  assert.ok(share(group, all).every((became) => became === undefined))
})

test("nothing is taken while a connection is free, or while no request waits", () => {
  const all = [holding("a", 1), holding("a", 2), contender("b")]
  const free = groupOf(full, { hasRoom: true } as BackendPool)
  assert.ok(share(free, [...all, contender("b", { waitsIn: free })]).every((became) => became === undefined))
  assert.ok(share(groupOf(full), all).every((became) => became === undefined))
})

test("clients that hold least are served first", () => {
  const group = groupOf(full)
  const all = [
    ...[1, 2, 3].map((since) => holding("a", since)),
    holding("b", 1),
    contender("b", { waitsIn: group }),
    contender("c", { waitsIn: group }),
  ]
  assert.deepEqual(share(group, all), ["reclaimed", undefined, undefined, undefined, undefined, "served"])
})

test("an IPv6 network of 64 bits is one client, an IPv4 address another", () => {
  const [a, b, c] = [
    [1, 2, 3, 4, 5, 6, 7, 8, 1],
    [1, 2, 3, 4, 5, 6, 7, 8, 2],
    [1, 2, 3, 4, 5, 6, 7, 9, 1],
  ].map((bytes) => clientKeyOf(Uint8Array.from({ length: 16 }, (_, i) => bytes[i] ?? 0)))
  assert.equal(a, b)
  assert.notEqual(a, c)
  assert.notEqual(clientKeyOf(Uint8Array.of(1, 2, 3, 4)), clientKeyOf(Uint8Array.of(1, 2, 3, 5)))
  assert.equal(clientKeyOf(undefined), "")
})

// ── through a relay ───────────────────────────────────────────────────────────────────────────────────────────

const short: RelayChange = {
  trustedProxies: ["127.0.0.1"],
  limits: { connectionsPerBackendMax: 3, queueMax: 3 },
}
const from = (client: number, more = ""): string =>
  `GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.${client}\r\n${more}\r\n`
const uploading = (client: number): string =>
  from(client, "Transfer-Encoding: chunked\r\n").replace("GET", "POST") + "1\r\nx\r\n"

test("uploads that stand still give their connections to other addresses, and a full queue its places", async (t) => {
  const backend = await scripted(t, async (wire) => {
    await wire.request()
    wire.send(ok("served"))
  })
  const { client, counters } = await relay(t, [backend], short)
  const slow = await Promise.all(Array.from({ length: 8 }, client))
  for (const wire of slow) wire.send(uploading(1))
  await until("all is taken", () => counters.errors()["queue_full"] === 2)
  const others = await Promise.all(Array.from({ length: 2 }, client))
  for (const [i, wire] of others.entries()) wire.send(from(2 + i))
  for (const wire of others) assert.equal((await wire.response()).body.toString(), "served")
  assert.ok(counters.errors()["connection_reclaimed"]! >= 1)
  assert.equal(counters.failures(0), 0)
})

test("responses that are not read give their connections to other addresses", async (t) => {
  const backend = await scripted(t, async (wire) => {
    const { start } = await wire.request()
    if (!start.startsWith("GET /large")) return void wire.send(ok("served"))
    wire.send("HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
    offering(wire, 100_000_000)
  })
  const { client, counters } = await relay(t, [backend], short)
  const slow = await Promise.all(Array.from({ length: 3 }, client))
  for (const wire of slow) {
    wire.socket.pause()
    wire.send(from(1).replace("GET /", "GET /large"))
  }
  await until("all is taken", () => backend.wires.length === 3)
  const wire = await client()
  wire.send(from(2))
  assert.equal((await wire.response()).body.toString(), "served")
  assert.equal(counters.errors()["connection_reclaimed"], 1)
})

for (const [what, begin, body, isCut] of [
  ["a body that drips", uploading(1), "", false],
  ["a response that is not read", from(1), "x".repeat(100_000), true],
] as const) {
  test(`where the address that waits holds all itself, ${what} gives way once it has been slow for long`, async () => {
    const clock = new VirtualClock()
    const world = exchangeWorld(clock, {
      trustedProxies: ["127.0.0.1"],
      limits: { connectionsPerBackendMax: 1 },
    })
    const pass = async (ms: number): Promise<void> => {
      await clock.run(clock.now() + ms)
      world.deadlines.sweep(clock.now())
      shareConnections(world.fleet.placer.groups, () => clients.map(({ exchange }) => exchange))
    }
    const clients = [world.client(), world.client(), world.client()]
    for (const { socket } of clients.slice(0, 2)) {
      socket.push(Buffer.from(begin))
      if (body !== "") socket.takes = false
    }
    await Promise.resolve()
    if (body !== "") {
      for (const { say } of world.busy.splice(0))
        say(Buffer.from(`HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n${body.slice(0, 60_000)}`))
    }
    clients[2]!.socket.push(Buffer.from(from(1)))
    await pass(1_000)
    assert.deepEqual(world.counters.errors(), {})
    await pass(4_500)
    assert.deepEqual(world.counters.errors(), { connection_reclaimed: 1 })
    assert.equal(clients[0]!.socket.gone, isCut ? "reset" : undefined)
    for (const { socket } of clients) socket.emit("close")
  })
}

test("a client that expects 100 is waited for once its backend has said so, and not before", async () => {
  const world = exchangeWorld(new VirtualClock())
  const { socket, exchange } = world.client()
  socket.push(Buffer.from(from(1, "Expect: 100-continue\r\nContent-Length: 5\r\n").replace("GET", "POST")))
  await Promise.resolve()
  assert.ok(!exchange.isHeldUp)
  world.busy.pop()!.say(Buffer.from("HTTP/1.1 100 Continue\r\n\r\n"))
  assert.ok(exchange.isHeldUp)
  socket.push(Buffer.from("whole"))
  assert.ok(!exchange.isHeldUp)
  socket.emit("close")
})

// ── a least rate ──────────────────────────────────────────────────────────────────────────────────────────────

/** A client that gets the response of a backend, and has to take 1,000 bytes per second of it when it is behind. */
async function answered() {
  const clock = new VirtualClock()
  const world = exchangeWorld(clock, {
    limits: { responseBytesPerSecondMin: 1_000 },
    timeouts: { betweenBytesMs: 10_000 },
  })
  const { socket } = world.client()
  socket.push(Buffer.from(from(1)))
  await Promise.resolve()
  const backend = world.busy.pop()!
  backend.say(Buffer.from("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n"))
  /** So much comes for the client, and 5 s pass. */
  const say = async (bytes: number): Promise<void> => {
    backend.say(Buffer.alloc(bytes))
    await clock.run(clock.now() + 5_000)
    world.deadlines.sweep(clock.now())
  }
  return { clock, socket, say }
}

test("a client that takes its response a little now and then is cut, once that is slower than it may be", async () => {
  const { clock, socket, say } = await answered()
  // While it keeps up, all the time that the backend takes does not count.
  for (let i = 0; i < 100; i++) await say(10)
  socket.takes = false
  const began = clock.now()
  while (socket.gone === undefined && clock.now() - began < 100_000) {
    await say(500)
    socket.emit("drain")
  }
  // 500 bytes per 5 s are a tenth of the rate: they earn 0.5 s each, beside the 10 s that every client has.
  assert.equal(socket.gone, "reset")
  const seconds = (clock.now() - began) / 1_000
  assert.ok(seconds >= 10 && seconds <= 20, `${seconds} s`)
})

test("a client that takes its response slowly but fast enough has as long as it needs", async () => {
  const { socket, say } = await answered()
  socket.takes = false
  for (let i = 0; i < 100; i++) {
    await say(5_500)
    socket.emit("drain")
  }
  assert.equal(socket.gone, undefined)
  socket.emit("close")
})
