/** Connections to backends that are used again: how many there are, how long they live, and those that were dead. */
import assert from "node:assert/strict"
import { createServer } from "node:net"
import { test } from "node:test"
import { asked, get, ok, post } from "../support/wire/messages.ts"
import { answering, answers, pause, playing, relay, scripted, type Wire } from "../support/relay.ts"
import { until } from "../support/until.ts"

const bounded = { limits: { connectionsPerBackendMax: 1 } }

// ── how many ──────────────────────────────────────────────────────────────────────────────────────────────────

test("a backend with all its connections in use is full: the next request goes to another", async (t) => {
  const { release, backend: slow } = await held(t)
  const quick = await answering(t, () => ok("quick"))
  const { client, counters } = await relay(t, [slow, quick], bounded)
  const first = await client()
  first.send(get())
  await until("the first is there", () => slow.wires.length === 1)
  const second = await client()
  // Round-robin would give every second one to the slow backend.
  for (let i = 0; i < 4; i++) assert.deepEqual(await asked(second, get()), [200, "quick"])
  release()
  assert.equal((await first.response()).status, 200)
  assert.equal(slow.wires.length, 1)
  assert.deepEqual([counters.requests(0), counters.requests(1)], [1, 4])
})

test("when all backends are full requests wait for a connection, in turn, and use it again", async (t) => {
  const { release, backend } = await held(t)
  const { client, table } = await relay(t, [backend], bounded)
  const wires: Wire[] = []
  for (let i = 0; i < 4; i++) {
    const wire = await client()
    wire.send(get(`/${i}`))
    wires.push(wire)
    await until("it is placed or waits", () => backend.wires.length === 1)
  }
  await pause(20)
  assert.equal(table.inFlight(0), 1)
  release()
  for (const [i, wire] of wires.entries()) assert.equal((await wire.response()).body.toString(), `/${i}`)
  assert.equal(backend.wires.length, 1)
})

test("a request that waits for a connection in vain is told queue_timeout", async (t) => {
  const { release, backend } = await held(t)
  const { client } = await relay(t, [backend], { ...bounded, timeouts: { queueMs: 50 } })
  const first = await client()
  first.send(get())
  await until("the first is there", () => backend.wires.length === 1)
  assert.deepEqual(await asked(await client(), get()), [503, "queue_timeout"])
  release()
  await first.response()
})

for (const ending of ["closed by the backend", "not kept", "left by its client"] as const) {
  test(`a connection ${ending} makes room for a request that waits`, async (t) => {
    const { promise: ends, resolve: end } = Promise.withResolvers<void>()
    const backend = await scripted(t, async (wire, nth) => {
      await wire.request()
      if (nth > 0) return void wire.send(ok("second"))
      await ends
      if (ending === "closed by the backend") wire.socket.destroy()
      if (ending === "not kept") wire.send(ok("first", "Connection: close\r\n"))
    })
    const { client } = await relay(t, [backend], { limits: { connectionsPerBackendMax: 1, attemptsMax: 1 } })
    const [first, second] = [await client(), await client()]
    first.send(get())
    await until("the first is there", () => backend.wires.length === 1)
    second.send(get())
    await pause(20)
    end()
    if (ending === "left by its client") first.reset()
    assert.equal((await second.response()).body.toString(), "second")
  })
}

test("no more idle connections are kept than the limit, the last used first", async (t) => {
  const { release, backend } = await held(t)
  const { client } = await relay(t, [backend], { limits: { idlePerBackendMax: 2 } })
  const wires = await Promise.all(Array.from({ length: 5 }, client))
  for (const wire of wires) wire.send(get())
  await until("all are there", () => backend.wires.length === 5)
  release()
  for (const wire of wires) await wire.response()
  await until("three are closed", () => backend.wires.filter(({ gone }) => gone).length === 3)
  for (let i = 0; i < 3; i++) await asked(wires[0]!, get())
  assert.equal(backend.wires.length, 5)
})

// ── how long ──────────────────────────────────────────────────────────────────────────────────────────────────

for (const [hint, lives] of [
  ["timeout=0", false],
  ["timeout=1", false],
  ["timeout=60", true],
  ["max=100", true],
] as const) {
  test(`after Keep-Alive: ${hint} a connection is ${lives ? "used again" : "closed at once"}`, async (t) => {
    const backend = await answering(t, () => ok("", `Keep-Alive: ${hint}\r\n`))
    const { client } = await relay(t, [backend])
    const wire = await client()
    for (let i = 0; i < 3; i++) assert.deepEqual(await asked(wire, get()), [200, ""])
    assert.equal(backend.wires.length, lives ? 1 : 3)
  })
}

test("a connection is closed a second before the backend would, if its hint is the shorter one", async (t) => {
  const backend = await answering(t, () => ok("", "Keep-Alive: timeout=2\r\n"))
  const { client } = await relay(t, [backend], { timeouts: { backendIdleMs: 600_000 } })
  await asked(await client(), get())
  await until("it is closed", () => backend.wires[0]!.gone)
  const patient = await answering(t, () => ok("", "Keep-Alive: timeout=600\r\n"))
  const { client: other } = await relay(t, [patient], { timeouts: { backendIdleMs: 50 } })
  await asked(await other(), get())
  await until("it is closed", () => patient.wires[0]!.gone)
})

test("a connection carries so many requests, or a few fewer, and then another takes its place", async (t) => {
  const backend = await answering(t, () => ok("here"))
  const { client } = await relay(t, [backend], { limits: { requestsPerBackendConnectionMax: 10 } })
  const wire = await client()
  for (let i = 0; i < 40; i++) assert.deepEqual(await asked(wire, get()), [200, "here"])
  assert.ok(backend.wires.length >= 4 && backend.wires.length <= 5, `${backend.wires.length} connections`)
  for (const { text } of backend.wires) assert.ok(text.split("GET ").length - 1 <= 10)
})

test("requests that are written together count each by itself", async (t) => {
  const backend = await answering(t, () => ok("here"))
  const { client } = await relay(t, [backend], {
    limits: { requestsPerBackendConnectionMax: 5, pipelinedMax: 8 },
  })
  const clients = await Promise.all(Array.from({ length: 8 }, () => client()))
  for (let i = 0; i < 10; i++) {
    const answers = await Promise.all(clients.map((wire) => asked(wire, get())))
    assert.deepEqual([...new Set(answers.map(([status]) => status))], [200])
  }
  for (const { text } of backend.wires) assert.ok(text.split("GET ").length - 1 <= 5)
})

test("a connection past its age is closed: at once when it is idle, else with the end of its request", async (t) => {
  const { promise: sending, resolve: send } = Promise.withResolvers<void>()
  const backend = await answering(t, async (request) => {
    if (request.start.includes("/slow")) await sending
    return ok("here")
  })
  const { client } = await relay(t, [backend], {
    timeouts: { backendAgeMs: 300, backendIdleMs: 600_000 },
  })
  const slow = await client()
  slow.send(get("/slow"))
  await until("it is there", () => backend.wires.length === 1)
  assert.deepEqual(await asked(await client(), get()), [200, "here"])
  await until("the idle one is closed", () => backend.wires[1]!.gone)
  assert.equal(backend.wires[0]!.gone, false)
  send()
  assert.equal((await slow.response()).body.toString(), "here")
  await until("the other is closed behind its response", () => backend.wires[0]!.gone)
})

test("a tunnel outlives the age of its connection", async (t) => {
  const backend = await scripted(t, async (wire, nth) => {
    await wire.request()
    if (nth > 0) wire.send(ok("here"))
    else {
      wire.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n")
      wire.socket.on("data", (bytes: Buffer) => wire.send(bytes))
    }
  })
  const { client } = await relay(t, [backend], {
    timeouts: { backendAgeMs: 300, backendIdleMs: 600_000 },
  })
  const tunnel = await client()
  tunnel.send(get("/", "Upgrade: x\r\nConnection: Upgrade\r\n"))
  assert.equal((await tunnel.response()).status, 101)
  assert.deepEqual(await asked(await client(), get()), [200, "here"])
  await until("an idle one of the same age is closed", () => backend.wires[1]!.gone)
  tunnel.send("still here")
  await until("the echo", () => tunnel.text.endsWith("still here"))
})

test("when a name moves, traffic follows: busy connections end with their request, idle ones at once", async (t) => {
  const { promise: sending, resolve: send } = Promise.withResolvers<void>()
  const old = await answering(t, async (request) => {
    if (request.start.includes("/slow")) await sending
    return ok("old")
  })
  const fresh = createServer({ allowHalfOpen: true })
  await playing(
    t,
    fresh,
    "connection",
    answers(() => ok("new")),
    { host: "127.0.0.2", port: old.port },
  )
  let address = "127.0.0.1"
  const { client, counters } = await relay(t, [{ host: "app.test", port: old.port }], {
    resolve: (_name, found) => found(null, [{ address, family: 4 }]),
    upstream: { nameTtlMs: 10 },
    timeouts: { backendIdleMs: 600_000, backendAgeMs: 0 },
  })
  const [slow, idle, busy] = [await client(), await client(), await client()]
  slow.send(get("/slow"))
  await until("it is there", () => old.wires.length === 1)
  busy.send(get())
  assert.deepEqual(await asked(idle, get()), [200, "old"])
  assert.equal((await busy.response()).body.toString(), "old")
  const open = (): number => old.wires.filter(({ gone }) => !gone).length
  assert.ok(open() >= 2)

  address = "127.0.0.2"
  // Those that are never idle for long do not hold the old address.
  for (let answer = "old"; answer !== "new";) {
    await pause(20)
    answer = (await asked(busy, get()))[1]
  }
  await until("idle connections to the old address are closed", () => open() === 1)
  send()
  assert.equal((await slow.response()).body.toString(), "old")
  await until("the busy one is closed behind its response", () => open() === 0)
  assert.deepEqual(await asked(slow, get()), [200, "new"])
  assert.deepEqual(counters.errors(), {})
})

// ── those that were dead ──────────────────────────────────────────────────────────────────────────────────────

/*
 * A backend ends an idle connection while a request for it is on its way. Both happen in one turn here: the request's
 * bytes are in the balancer's socket before the end is in the other, so that it finds the request first.
 */

for (const [what, request, seen] of [
  ["GET", get(), ""],
  ["PUT with its body", post("hello", "PUT"), "hello"],
  [
    "chunked PUT",
    "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n0\r\n\r\n",
    "he",
  ],
] as const) {
  for (const how of ["an end", "a reset"] as const) {
    test(`${how} that crosses a ${what} is invisible: it goes out again on a fresh connection`, async (t) => {
      const backend = await answering(t, (received) => ok(received.body.toString()))
      const other = await answering(t, () => ok("elsewhere"))
      const { client, counters, apply, members } = await relay(t, [backend, other], {
        limits: { attemptsMax: 1 },
      })
      apply([members[0]!])
      const wire = await client()
      assert.deepEqual(await asked(wire, get()), [200, ""])
      // There is another one that would do by the time; what is asked of this backend stays with it all the same.
      crossing(wire, request, backend.wires[0]!, how)
      apply(members)
      assert.equal((await wire.response()).body.toString(), seen)
      assert.deepEqual([backend.wires.length, other.wires.length], [2, 0])
      assert.deepEqual([counters.errors(), counters.failures(0)], [{}, 0])
    })
  }
}

test("an end that crosses a POST is told to the client: it may have been taken, so it is not sent twice", async (t) => {
  const backend = await answering(t, () => ok(""))
  const other = await answering(t, () => ok(""))
  const { client, counters, apply, members } = await relay(t, [backend, other])
  apply([members[0]!])
  const wire = await client()
  await asked(wire, get())
  crossing(wire, post("pay"), backend.wires[0]!, "an end")
  apply(members)
  const response = await wire.response()
  assert.equal(response.status, 502)
  assert.match(response.body.toString(), /"backend_reset"/)
  assert.deepEqual([backend.wires.length, other.wires.length], [1, 0])
  // It is no failure: backends may end idle connections whenever they like.
  assert.equal(counters.failures(0), 0)
  assert.deepEqual(counters.errors(), { backend_reset: 1 })
})

test("a reset that is there before a POST is written has taken no byte of it, so it goes out again", async (t) => {
  const { promise: bodyThere, resolve: sendBody } = Promise.withResolvers<void>()
  const backend = await scripted(t, async (wire, nth) => {
    if (nth > 0) return void wire.send(ok((await wire.request()).body.toString()))
    await wire.head()
    wire.socket.pause()
    sendBody()
    await pause(50)
    wire.send(ok("first"))
  })
  const { client, counters } = await relay(t, [backend])
  const wire = await client()
  wire.send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n")
  await bodyThere
  wire.send(Buffer.alloc(300_000))
  assert.equal((await wire.response()).body.toString(), "first")
  // A connection that is closed with something unread is reset at once, not ended first.
  crossing(wire, post("pay"), backend.wires[0]!, "an end")
  assert.equal((await wire.response()).body.toString(), "pay")
  assert.equal(backend.wires.length, 2)
  assert.doesNotMatch(backend.wires[0]!.text, /POST/)
  assert.deepEqual([counters.errors(), counters.failures(0)], [{}, 0])
})

test("a connection whose end has been seen is never used, not even for a POST", async (t) => {
  const backend = await answering(t, (request) => ok(request.body.toString()))
  const { client } = await relay(t, [backend])
  const wire = await client()
  for (let i = 0; i < 5; i++) {
    await asked(wire, get())
    const last = backend.wires.at(-1)!
    last.socket.end()
    await until("the balancer has closed it too", () => last.gone)
    assert.deepEqual(await asked(wire, post("pay")), [200, "pay"])
  }
})

test("when a backend has ended all its idle connections every request gets its response all the same", async (t) => {
  const backend = await answering(t, () => ok("fine"))
  const { client, counters } = await relay(t, [backend])
  const wires = await Promise.all(Array.from({ length: 8 }, client))
  await Promise.all(wires.map((wire) => asked(wire, get())))
  for (let round = 0; round < 3; round++) {
    const idle = backend.wires.filter(({ gone }) => !gone)
    for (const wire of wires) wire.send(get())
    for (const { socket } of idle) socket.destroy()
    for (const wire of wires) assert.equal((await wire.response()).body.toString(), "fine")
  }
  assert.deepEqual([counters.errors(), counters.failures(0)], [{}, 0])
})

test("a fresh connection that dies as well is a failure, and a GET goes to another backend", async (t) => {
  const backend = await scripted(t, async (wire, nth) => {
    await wire.request()
    if (nth > 0) return void wire.socket.destroy()
    wire.send(ok("once"))
    await wire.request()
    wire.socket.destroy()
  })
  const other = await answering(t, () => ok("elsewhere"))
  const { client, counters, apply, members } = await relay(t, [backend, other])
  apply([members[0]!])
  const wire = await client()
  assert.deepEqual(await asked(wire, get()), [200, "once"])
  wire.send(get())
  apply(members)
  assert.equal((await wire.response()).body.toString(), "elsewhere")
  assert.equal(backend.wires.length, 2)
  assert.deepEqual([counters.errors(), counters.failures(0)], [{}, 1])
})

test("a body that has grown too large to be kept goes nowhere again, and the client is told", async (t) => {
  const backend = await scripted(t, async (wire) => {
    await wire.request()
    wire.send(ok(""))
    await wire.head()
    wire.socket.pause()
    await pause(50)
    wire.reset()
  })
  const { client } = await relay(t, [backend], { limits: { replayBytesMax: 1_000 } })
  const wire = await client()
  await asked(wire, get())
  wire.send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n")
  wire.send(Buffer.alloc(50_000))
  const response = await wire.response()
  assert.equal(response.status, 502)
  assert.match(response.body.toString(), /"backend_reset"/)
  assert.equal(backend.wires.length, 1)
})

test("a backend that has left meanwhile is not dialled again for a request whose connection there died", async (t) => {
  const backend = await scripted(t, async (wire) => {
    await wire.request()
    wire.send(ok("here"))
    await wire.request()
    await leaving
    wire.socket.destroy()
  })
  const { promise: leaving, resolve: leave } = Promise.withResolvers<void>()
  const other = await answering(t, () => ok("elsewhere"))
  const { client, counters, apply, members } = await relay(t, [backend, other])
  apply([members[0]!])
  const wire = await client()
  assert.deepEqual(await asked(wire, get()), [200, "here"])
  wire.send(get("/2"))
  await until("the second is there", () => backend.wires[0]!.text.includes("/2"))
  apply([members[1]!])
  leave()
  assert.equal((await wire.response()).body.toString(), "elsewhere")
  assert.equal(backend.wires.length, 1)
  assert.deepEqual([counters.errors(), counters.failures(0)], [{}, 0])
})

/** Sends the request, and has the backend end its connection before the balancer has read either. */
function crossing(client: Wire, request: string, backend: Wire, how: "an end" | "a reset"): void {
  client.send(request)
  if (how === "an end") backend.socket.destroy()
  else backend.socket.resetAndDestroy()
}

/** A backend that responds with the path, once `release` has been called. */
async function held(t: Parameters<typeof scripted>[0]) {
  const { promise: released, resolve: release } = Promise.withResolvers<void>()
  const backend = await answering(t, async (request) => {
    await released
    return ok(request.start.split(" ")[1]!)
  })
  return { release, backend }
}
