/** Every way in which a request can end, and the one record with which it leaves. */
import assert from "node:assert/strict"
import { test } from "node:test"
import { exchangeWorld, type ExchangeWorld, type FakeSocket } from "../../test/support/exchange-world.ts"
import { type RelayChange, routingOf } from "../../test/support/relay.ts"
import { VirtualClock } from "../../test/support/virtual-clock.ts"
import { get, ok, post } from "../../test/support/wire/messages.ts"
import { resourcesDefault } from "../core/resources.ts"
import { Observer } from "../learning/observer.ts"
import type { Outcome } from "../policies/policy.ts"
import type { ClientConnection } from "../http1/streams/client-connection.ts"
import type { Exchange } from "./exchange.ts"
import type { RequestRecord } from "./request-record.ts"

type Seen = Omit<RequestRecord, "backend"> & { readonly backend: string | undefined }

/** One client of a world in which the test lets time pass and speaks for the backends. */
class Stage {
  readonly clock = new VirtualClock()
  readonly observer: Observer
  readonly seen: Seen[] = []
  readonly world: ExchangeWorld
  readonly socket: FakeSocket
  readonly connection: ClientConnection
  readonly exchange: Exchange
  /** Clients that take room. */
  readonly others: FakeSocket[] = []
  /** Requests that are not the one in question. */
  othersAsked = 0
  othersAnswered = 0
  /** What the client has sent, and was sent. */
  sentBytes = 0
  said = ""

  constructor(change: RelayChange, redirectPort: number | undefined) {
    this.observer = new Observer(change.resources ?? resourcesDefault, 16)
    this.world = exchangeWorld(
      this.clock,
      { routing: routingOf("round-robin"), ...change },
      // What is kept is copied: the record is the next request's when this returns.
      {
        observer: this.observer,
        onRequestEnd: ({ backend, ...record }) => this.seen.push({ ...record, backend: backend?.id }),
      },
    )
    const client = this.world.client((bytes) => (this.said += bytes.toString("latin1")), redirectPort)
    this.socket = client.socket
    this.connection = client.connection
    this.exchange = client.exchange
  }

  /** The client sends this, and what is dialled for it comes to something. */
  async send(text: string): Promise<void> {
    this.sentBytes += text.length
    this.socket.push(Buffer.from(text, "latin1"))
    await this.turn()
  }

  /** What was until now were other requests. */
  forget(): void {
    this.othersAsked += this.seen.length
    this.othersAnswered += this.seen.length
    this.seen.length = 0
    this.said = ""
    this.sentBytes = 0
  }

  async turn(): Promise<void> {
    for (let i = 0; i < 8; i++) await Promise.resolve()
  }

  /** The backend that was written to last says this. */
  async reply(text: string): Promise<void> {
    this.world.busy.at(-1)!.say(Buffer.from(text, "latin1"))
    await this.turn()
  }

  /** Its connection closes. */
  async breakOff(): Promise<void> {
    this.world.busy.at(-1)!.socket.emit("close")
    await this.turn()
  }

  /** Time passes, with the sweeps of a thread. */
  async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 250) {
      await this.clock.run(this.clock.now() + Math.min(left, 250))
      this.world.deadlines.sweep(this.clock.now())
      this.world.fleet.placer.serve(this.clock.now())
    }
  }
}

interface Way {
  readonly change?: RelayChange
  readonly redirectPort?: number
  readonly run: (at: Stage) => Promise<void>
  /** Bytes at the end of what the client has sent that were not taken. */
  readonly untaken?: number
  /** As `words` has it: ending, error, status, attempts, how far it came. */
  readonly leaves: string
}

/** What a record says, in one line. */
function words({ ending, error, status, attempts, placedAt, readyAt, firstByteAt }: Seen): string {
  const reached =
    firstByteAt >= 0 ? "responded" : readyAt >= 0 ? "sent" : placedAt >= 0 ? "placed" : "not placed"
  return `${ending} ${error ?? "-"} ${status} ${attempts} ${reached}`
}

const noBody = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
const half = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nha"
const upload = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
const upgrade = get("/", "Connection: upgrade\r\nUpgrade: x\r\n")
const switching = "HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"
const spaces = [{ name: "room", kind: "space" as const, resolution: 1 }]

/** Each backend has one connection, and one request may wait. */
const short: RelayChange = {
  limits: { connectionsPerBackendMax: 1, queueMax: 1 },
  timeouts: { queueMs: 2_000 },
}

/** Other clients have both connections. */
async function fill(at: Stage): Promise<void> {
  for (let i = 0; i < 2; i++) at.others.push(at.world.client().socket)
  for (const socket of at.others) socket.push(Buffer.from(get("/other")))
  at.othersAsked = 2
  await at.turn()
}

async function openTunnel(at: Stage): Promise<void> {
  await at.send(upgrade)
  await at.reply(switching)
}

const ways: Readonly<Record<string, Way>> = {
  // ── a backend has responded ───────────────────────────────────────────────────────────────────────────────────
  "a response with its body": {
    run: async (at) => {
      await at.send(get())
      await at.reply(ok("served"))
    },
    leaves: "complete - 200 1 responded",
  },
  "a response in pieces": {
    run: async (at) => {
      await at.send(get())
      await at.reply(half)
      await at.reply("lf")
    },
    leaves: "complete - 200 1 responded",
  },
  "an error of the backend": {
    run: async (at) => {
      await at.send(get())
      await at.reply("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n")
    },
    leaves: "complete - 500 1 responded",
  },
  "a response to a body that was collected": {
    change: { limits: { collectedBytesMax: 100 } },
    run: async (at) => {
      await at.send(post("collected"))
      await at.reply(noBody)
    },
    leaves: "complete - 200 1 responded",
  },
  "a response before the whole of its request": {
    run: async (at) => {
      await at.send(upload)
      await at.reply(noBody)
    },
    leaves: "complete - 200 1 responded",
  },
  "a response of the second backend": {
    run: async (at) => {
      await at.send(get())
      await at.breakOff()
      await at.reply(noBody)
    },
    leaves: "complete - 200 2 responded",
  },
  "a response on a fresh connection, where the idle one had gone": {
    run: async (at) => {
      for (let i = 0; i < 2; i++) {
        await at.send(get())
        await at.reply(noBody)
      }
      at.forget()
      await at.send(get())
      await at.breakOff()
      await at.reply(noBody)
    },
    leaves: "complete - 200 1 responded",
  },
  "a response after waiting for room": {
    change: short,
    run: async (at) => {
      await fill(at)
      await at.send(get())
      await at.pass(1_000)
      at.world.busy[0]!.say(Buffer.from(noBody))
      at.seen.length = 0
      at.othersAnswered = 1
      await at.pass(250)
      await at.reply(noBody)
    },
    leaves: "complete - 200 1 responded",
  },
  "a tunnel that both sides have ended": {
    run: async (at) => {
      await openTunnel(at)
      at.socket.emit("end")
      at.world.busy.at(-1)!.socket.emit("end")
    },
    leaves: "tunnel - 101 1 responded",
  },

  // ── the balancer itself has responded ─────────────────────────────────────────────────────────────────────────
  "OPTIONS that goes no further": {
    run: (at) => at.send("OPTIONS / HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n"),
    leaves: "own - 204 0 not placed",
  },
  "a redirect": {
    redirectPort: 8_443,
    run: (at) => at.send(get()),
    leaves: "own - 308 0 not placed",
  },

  // ── it could not begin ────────────────────────────────────────────────────────────────────────────────────────
  "a head against the grammar": {
    run: (at) => at.send("GET / HTTP/1.1\r\nHost : a\r\n\r\n"),
    leaves: "refused malformed_field 400 0 not placed",
  },
  "a head that is too large": {
    change: { limits: { headBytesMax: 100 } },
    run: (at) => at.send(`GET / HTTP/1.1\r\nHost: a\r\nA: ${"a".repeat(100)}`),
    leaves: "refused head_too_large 431 0 not placed",
  },
  "a head that does not come": {
    change: { timeouts: { clientHeadMs: 1_000 } },
    run: async (at) => {
      await at.send("GET / HTTP/1.1\r\n")
      await at.pass(2_000)
    },
    leaves: "refused head_timeout 408 0 not placed",
  },
  "a body that is announced too large": {
    change: { limits: { bodyBytesMax: 3 } },
    run: (at) => at.send(post("four")),
    untaken: 4,
    leaves: "refused body_too_large 413 0 not placed",
  },
  "a loop": {
    run: (at) => at.send(get("/", `Via: ${"1.1 linebacker, ".repeat(8)}1.1 other\r\n`)),
    leaves: "refused loop_detected 508 0 not placed",
  },
  "Max-Forwards that is no number": {
    run: (at) => at.send("OPTIONS / HTTP/1.1\r\nHost: a\r\nMax-Forwards: few\r\n\r\n"),
    leaves: "refused malformed_field 400 0 not placed",
  },
  "a redirect to nowhere": {
    redirectPort: 8_443,
    run: (at) => at.send("GET / HTTP/1.0\r\n\r\n"),
    leaves: "refused invalid_host 400 0 not placed",
  },

  // ── it has failed before a response ───────────────────────────────────────────────────────────────────────────
  "no backend": {
    run: async (at) => {
      at.world.fleet.placer.apply({ version: 2, members: [], eligible: [] }, 0)
      await at.send(get())
    },
    leaves: "failed no_backend 503 0 not placed",
  },
  "no backend that fits": {
    change: { resources: spaces, capacity: { room: 1 }, demand: { trusted: ["127.0.0.0/8"] } },
    run: (at) => at.send(get("/", "Linebacker-Demand: room=2\r\n")),
    leaves: "failed no_backend_fits 503 0 not placed",
  },
  "a full queue": {
    change: short,
    run: async (at) => {
      await fill(at)
      at.others.push(at.world.client().socket)
      at.others.at(-1)!.push(Buffer.from(get("/waits")))
      at.othersAsked = 3
      await at.send(get())
    },
    leaves: "failed queue_full 503 0 not placed",
  },
  "too long in the queue": {
    change: short,
    run: async (at) => {
      await fill(at)
      await at.send(get())
      await at.pass(3_000)
    },
    leaves: "failed queue_timeout 503 0 not placed",
  },
  "a queue that is given up": {
    change: short,
    run: async (at) => {
      await fill(at)
      await at.send(get())
      at.world.fleet.placer.giveUp("shutting_down")
    },
    leaves: "failed shutting_down 503 0 not placed",
  },
  "backends that cannot be reached": {
    run: async (at) => {
      at.world.dialling.become = "connect_failed"
      await at.send(get())
    },
    leaves: "failed connect_failed 502 2 placed",
  },
  "a machine that lacks something": {
    change: { limits: { attemptsMax: 1 } },
    run: async (at) => {
      at.world.dialling.become = "local_shortage"
      await at.send(get())
    },
    leaves: "failed local_shortage 503 1 placed",
  },
  "a backend that does not accept": {
    change: { limits: { attemptsMax: 1 }, timeouts: { connectMs: 1_000 } },
    run: async (at) => {
      at.world.dialling.become = "nothing"
      await at.send(get())
      await at.pass(2_000)
    },
    leaves: "failed connect_timeout 504 1 placed",
  },
  "a backend that closes on what must not be repeated": {
    run: async (at) => {
      await at.send(upload)
      await at.breakOff()
    },
    leaves: "failed backend_reset 502 1 sent",
  },
  "a backend that says nothing": {
    change: { timeouts: { responseHeadMs: 1_000 } },
    run: async (at) => {
      await at.send(get())
      await at.pass(2_000)
    },
    leaves: "failed response_head_timeout 504 1 sent",
  },
  "a response against the grammar": {
    run: async (at) => {
      await at.send(get())
      await at.reply("HTTP/2 200\r\n\r\n")
    },
    leaves: "failed invalid_response 502 1 sent",
  },
  "an exchange that takes too long": {
    change: { timeouts: { exchangeMs: 1_000 } },
    run: async (at) => {
      await at.send(get())
      await at.pass(2_000)
    },
    leaves: "failed exchange_timeout 504 1 sent",
  },
  "a body that stands still": {
    change: { timeouts: { clientBodyMs: 1_000 } },
    run: async (at) => {
      await at.send(upload)
      await at.pass(2_000)
    },
    leaves: "failed body_timeout 408 1 sent",
  },
  "a body that stands still while it is collected": {
    change: { limits: { collectedBytesMax: 100 }, timeouts: { clientBodyMs: 1_000 } },
    run: async (at) => {
      await at.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nha")
      await at.pass(2_000)
    },
    leaves: "failed body_timeout 408 0 not placed",
  },
  "a body against the grammar": {
    run: async (at) => {
      await at.send(upload)
      await at.send("x\r\n")
    },
    untaken: 3,
    leaves: "failed invalid_chunk 400 1 sent",
  },
  "a body that turns out to be too large": {
    change: { limits: { bodyBytesMax: 3 } },
    run: async (at) => {
      await at.send(upload)
      await at.send("4\r\nfour\r\n")
    },
    leaves: "failed body_too_large 413 1 sent",
  },
  "a connection that others need": {
    run: async (at) => {
      await at.send(upload)
      at.exchange.reclaim()
    },
    leaves: "failed connection_reclaimed 503 1 sent",
  },

  // ── the response was cut ──────────────────────────────────────────────────────────────────────────────────────
  "a backend that breaks off": {
    run: async (at) => {
      await at.send(get())
      await at.reply(half)
      await at.breakOff()
    },
    leaves: "cut response_cut 200 1 responded",
  },
  "a response that stands still": {
    change: { timeouts: { betweenBytesMs: 1_000 } },
    run: async (at) => {
      await at.send(get())
      await at.reply(half)
      await at.pass(2_000)
    },
    leaves: "cut response_timeout 200 1 responded",
  },
  "an exchange that takes too long for its response": {
    change: { timeouts: { exchangeMs: 1_000 } },
    run: async (at) => {
      await at.send(get())
      await at.reply(half)
      await at.pass(2_000)
    },
    leaves: "cut exchange_timeout 200 1 responded",
  },
  "a body that goes wrong behind the beginning of its response": {
    run: async (at) => {
      await at.send(upload)
      await at.reply(half)
      await at.send("x\r\n")
    },
    untaken: 3,
    leaves: "cut invalid_chunk 200 1 responded",
  },
  "a tunnel whose backend breaks off": {
    run: async (at) => {
      await openTunnel(at)
      await at.breakOff()
    },
    leaves: "cut response_cut 101 1 responded",
  },
  "a tunnel that stands still": {
    change: { timeouts: { streamIdleMs: 1_000 } },
    run: async (at) => {
      await openTunnel(at)
      await at.pass(2_000)
    },
    leaves: "cut tunnel_timeout 101 1 responded",
  },

  // ── the client has gone ───────────────────────────────────────────────────────────────────────────────────────
  "a client that goes while its body is collected": {
    change: { limits: { collectedBytesMax: 100 } },
    run: async (at) => {
      await at.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nha")
      at.socket.emit("close")
    },
    leaves: "gone client_gone 0 0 not placed",
  },
  "a client that goes while it waits for room": {
    change: short,
    run: async (at) => {
      await fill(at)
      await at.send(get())
      at.socket.emit("close")
    },
    leaves: "gone client_gone 0 0 not placed",
  },
  "a client that goes while its backend is dialled": {
    run: async (at) => {
      at.world.dialling.become = "nothing"
      await at.send(get())
      at.socket.emit("close")
    },
    leaves: "gone client_gone 0 1 placed",
  },
  "a client that goes before its response": {
    run: async (at) => {
      await at.send(get())
      at.socket.emit("error")
    },
    leaves: "gone client_gone 0 1 sent",
  },
  "a client that goes in mid-response": {
    run: async (at) => {
      await at.send(get())
      await at.reply(half)
      at.socket.emit("close")
    },
    leaves: "gone client_gone 200 1 responded",
  },
  "a client that has ended its side and is sent nothing": {
    change: { timeouts: { clientHalfClosedMs: 1_000 } },
    run: async (at) => {
      await at.send(get())
      at.socket.emit("end")
      await at.pass(2_000)
    },
    leaves: "gone client_gone 0 1 sent",
  },
  "a client that leaves its tunnel": {
    run: async (at) => {
      await openTunnel(at)
      at.socket.emit("close")
    },
    leaves: "gone - 101 1 responded",
  },
  "a balancer that stops without it": {
    run: async (at) => {
      await at.send(get())
      at.connection.destroy()
    },
    leaves: "gone client_gone 0 1 sent",
  },
}

for (const [way, { change = {}, redirectPort, run, untaken = 0, leaves }] of Object.entries(ways)) {
  test(`one record leaves with ${way}`, async () => {
    const at = new Stage(change, redirectPort)
    await run(at)
    assert.deepEqual(at.seen.map(words), [leaves])
    const [record] = at.seen
    assert.deepEqual(checked(record!), [])
    assert.equal(record!.bytesOut, Buffer.byteLength(at.said, "latin1"))
    assert.equal(record!.bytesIn, at.sentBytes - untaken)
    // What is counted per request is what the record says.
    const { error, ending } = record!
    const { counters, fleet, owner, table } = at.world
    assert.deepEqual(counters.errors(), error === undefined ? {} : { [error]: 1 })
    assert.equal(counters.total("requests"), (ending === "refused" ? 0 : 1) + at.othersAsked)
    const isAnswered = ["complete", "tunnel", "own"].includes(ending)
    assert.equal(counters.total("answered"), (isAnswered ? 1 : 0) + at.othersAnswered)
    assert.equal(
      counters.requests(0) + counters.requests(1),
      (["complete", "tunnel"].includes(ending) ? 1 : 0) + at.othersAnswered,
    )
    // Nothing more leaves with the client, and when all have gone nothing is held.
    at.socket.emit("close")
    assert.equal(at.seen.length, 1)
    for (const socket of at.others) socket.emit("close")
    assert.ok(table.isIdle(0) && table.isIdle(1))
    assert.ok(!fleet.placer.hasWaiting)
    assert.ok(owner.budget.take(owner.options.limits.collectedBytesTotalMax))
  })
}

/** What of a record contradicts the rest of it. */
function checked(record: Seen): string[] {
  const { backend, attempts, beganAt, placedAt, readyAt, firstByteAt, endedAt, ending } = record
  const moments = [beganAt, placedAt, readyAt, firstByteAt, endedAt].filter((at) => !Number.isNaN(at))
  const wrong = []
  if (moments.some((at, i) => i > 0 && at < moments[i - 1]!)) wrong.push("moments are not in order")
  if (Number.isNaN(endedAt)) wrong.push("it has not ended")
  if (Number.isNaN(beganAt) !== (ending === "refused" || ending === "own")) wrong.push("when it began")
  if (attempts > 0 !== (backend !== undefined)) wrong.push("attempts without a backend")
  if (attempts > 0 === Number.isNaN(placedAt)) wrong.push("attempts without a time")
  return wrong
}

for (const policy of ["least-time", "least-connections"] as const) {
  test(`under ${policy} the record has the moments of the policy's outcome, ${policy === "least-time" ? "exact" : "of the last sweep"}`, async () => {
    const at = new Stage({ routing: routingOf(policy) }, undefined)
    const outcomes: Outcome[] = []
    at.observer.settled = (_slot, _route, outcome) => void outcomes.push({ ...outcome })
    await at.pass(1_000)
    // From here on the clock goes on, and is swept only at the end.
    await at.clock.run(1_100)
    await at.send(get())
    await at.clock.run(1_800)
    await at.reply(half)
    at.world.deadlines.sweep(2_100)
    await at.clock.run(2_100)
    await at.reply("lf")
    const isExact = policy === "least-time"
    const [outcome] = outcomes
    const [record] = at.seen
    const { beganAt, placedAt, readyAt, firstByteAt, endedAt } = record!
    assert.deepEqual(
      [beganAt, placedAt, readyAt, firstByteAt, endedAt, record!.isExact],
      isExact ? [1_100, 1_100, 1_100, 1_800, 2_100, true] : [1_000, 1_000, 1_000, 1_000, 2_100, false],
    )
    assert.deepEqual(
      [firstByteAt - placedAt, endedAt - placedAt, isExact],
      [outcome!.firstByteMs, outcome!.totalMs, outcome!.isExact],
    )
  })
}

test("a request that was refused has nothing of the one before it on its connection", async () => {
  const at = new Stage({}, undefined)
  await at.send(get())
  await at.reply(ok("served"))
  const before = at.said.length
  await at.send("GET / HTTP/1.1\r\nHost : a\r\n\r\n")
  const [, refused] = at.seen
  assert.equal(words(refused!), "refused malformed_field 400 0 not placed")
  assert.deepEqual([refused!.backend, refused!.bytesOut], [undefined, at.said.length - before])
})

test("requests that come together leave with a record each, in order", async () => {
  const at = new Stage({ limits: { requestsPerConnectionMax: 3 } }, undefined)
  await at.send(get("/1") + get("/2") + "OPTIONS / HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n")
  await at.reply(ok("one"))
  await at.reply(ok("three"))
  assert.deepEqual(
    at.seen.map(({ ending, status }) => [ending, status]),
    [
      ["complete", 200],
      ["complete", 200],
      ["own", 204],
    ],
  )
  assert.equal(
    at.seen.reduce((sum, { bytesOut }) => sum + bytesOut, 0),
    at.said.length,
  )
  assert.equal(
    at.seen.reduce((sum, { bytesIn }) => sum + bytesIn, 0),
    at.sentBytes,
  )
})

test("bytes through a tunnel count on the side that they come from", async () => {
  const at = new Stage({}, undefined)
  await openTunnel(at)
  await at.send("from the client")
  await at.reply("from the backend")
  at.socket.emit("close")
  assert.deepEqual([at.seen[0]!.bytesIn, at.seen[0]!.bytesOut], [at.sentBytes, at.said.length])
})
