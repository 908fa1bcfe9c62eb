/**
 * Bodies of small known length are read whole before a backend is chosen: slow clients hold none of its connections.
 */
import assert from "node:assert/strict"
import { randomBytes } from "node:crypto"
import { test } from "node:test"
import { exchangeWorld } from "../support/exchange-world.ts"
import { asked, codeOf, get, ok, post } from "../support/wire/messages.ts"
import { answering, pause, refusing, relay, type RelayChange, scripted } from "../support/relay.ts"
import { VirtualClock } from "../support/virtual-clock.ts"
import { until } from "../support/until.ts"

const collecting = (limits: RelayChange["limits"] = {}): RelayChange => ({
  limits: { collectedBytesMax: 1_048_576, ...limits },
})
const headOf = (length: number, more = "", method = "POST"): string =>
  `${method} / HTTP/1.1\r\nHost: a\r\nContent-Length: ${length}\r\n${more}\r\n`
const echoing = (t: Parameters<typeof answering>[0]) =>
  answering(t, ({ body }) => ok(body.toString("latin1")))

test("a small body takes a connection when it is whole, and not before", async (t) => {
  const backend = await echoing(t)
  const { client, counters } = await relay(t, [backend], collecting())
  const [slow, other] = [await client(), await client()]
  slow.send(headOf(6) + "slo")
  assert.deepEqual(await asked(other, get()), [200, ""])
  assert.equal(counters.requests(0), 1)
  slow.send("wly")
  assert.equal((await slow.response()).body.toString(), "slowly")
  // Its connection goes on as any other does.
  assert.deepEqual(await asked(slow, post("again")), [200, "again"])
  assert.equal(backend.wires.length, 1)
})

test("any number of slow uploads leaves the backend's connections to others", async (t) => {
  const backend = await echoing(t)
  const { client } = await relay(t, [backend], collecting({ connectionsPerBackendMax: 1, queueMax: 0 }))
  for (let i = 0; i < 10; i++) (await client()).send(headOf(1_000_000) + "x")
  const other = await client()
  for (let i = 0; i < 3; i++) assert.deepEqual(await asked(other, get()), [200, ""])
})

for (const [what, head, part] of [
  ["chunked", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", "3\r\nslo\r\n"],
  ["larger than limits.collectedBytesMax", headOf(1_048_577), "slo"],
  ["announced by Expect: 100-continue", headOf(6, "Expect: 100-continue\r\n"), ""],
] as const) {
  test(`a body that is ${what} goes on as it comes`, async (t) => {
    const backend = await scripted(t, async (wire) => {
      await wire.head()
      wire.send("HTTP/1.1 100 Continue\r\n\r\n")
      await until("the part", () => wire.text.endsWith(part))
      wire.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n")
    })
    const { client } = await relay(t, [backend], collecting())
    const wire = await client()
    wire.send(head + part)
    assert.equal((await wire.response()).status, 100)
    assert.equal((await wire.response()).status, 413)
  })
}

test("a client of HTTP/1.0, which expects nothing, has its body collected all the same", async (t) => {
  const backend = await echoing(t)
  const { ask } = await relay(t, [backend], collecting())
  const request = "POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nold"
  assert.match(await ask(request), /old$/)
})

test("what has no room in limits.collectedBytesTotalMax goes on as it comes, and room comes back", async (t) => {
  const backend = await scripted(t, async (wire) => {
    for (;;) {
      await wire.head()
      const { body } = await wire.request()
      wire.send(ok(body.toString()))
    }
  })
  const { client } = await relay(t, [backend], collecting({ collectedBytesTotalMax: 10 }))
  const [first, second, third] = [await client(), await client(), await client()]
  first.send(headOf(9) + "12345678")
  second.send(headOf(9) + "abcd")
  await until("the second has gone on", () => backend.wires[0]?.text.endsWith("abcd") === true)
  second.send("efghi")
  assert.equal((await second.response()).body.toString(), "abcdefghi")
  first.send("9")
  assert.equal((await first.response()).body.toString(), "123456789")
  third.send(headOf(9) + "ABCDEFGH")
  assert.deepEqual(await asked(second, post("x")), [200, "x"])
  assert.ok(!backend.wires.some(({ text }) => text.includes("ABCD")))
  third.send("I")
  assert.equal((await third.response()).body.toString(), "ABCDEFGHI")
})

test("what is pipelined behind a body that finds neither memory nor a backend is served all the same", () => {
  const { client, fleet, routes } = exchangeWorld(new VirtualClock(), {
    ...collecting({ collectedBytesTotalMax: 5 }),
    timeouts: { firstMemberMs: 0 },
  })
  fleet.placer.apply({ version: 2, members: [], eligible: [] }, 0)
  routes.refit()
  let said = ""
  const { socket } = client((bytes) => (said += bytes.toString("latin1")))
  socket.push(Buffer.from(headOf(9)))
  socket.push(Buffer.from(`123456789${get()}`))
  assert.equal(said.match(/HTTP\/1\.1 503 /g)?.length, 2)
  socket.emit("close")
})

for (const [how, leave] of [
  ["its client goes", (socket: { emit: (name: "close") => void }) => socket.emit("close")],
  ["its time is over", undefined],
] as const) {
  test(`the room of a body is given back when ${how}`, async () => {
    const clock = new VirtualClock()
    const { owner, client, deadlines, counters } = exchangeWorld(clock, {
      ...collecting({ collectedBytesTotalMax: 100 }),
      timeouts: { clientBodyMs: 1_000 },
    })
    const { socket } = client()
    socket.push(Buffer.from(headOf(100) + "x".repeat(60)))
    assert.ok(!owner.budget.take(41))
    if (leave === undefined) {
      await clock.run(2_000)
      deadlines.sweep(clock.now())
      assert.deepEqual(counters.errors(), { body_timeout: 1 })
    } else leave(socket)
    assert.ok(owner.budget.take(100))
  })
}

test("a body that stands still while it is collected is 408, and no backend has heard of it", async (t) => {
  const backend = await echoing(t)
  const { client, counters } = await relay(t, [backend], { ...collecting(), timeouts: { clientBodyMs: 100 } })
  const wire = await client()
  wire.send(headOf(10) + "half")
  const response = await wire.response()
  assert.deepEqual([response.status, codeOf(response)], [408, "body_timeout"])
  assert.deepEqual([backend.wires.length, counters.requests(0)], [0, 0])
})

test("where there is no backend a collected body gets an error, and its connection goes on", async (t) => {
  const backend = await echoing(t)
  const { client, apply, members } = await relay(t, [backend], collecting())
  apply([])
  const wire = await client()
  assert.deepEqual(await asked(wire, post("in vain")), [503, "no_backend"])
  apply(members)
  assert.deepEqual(await asked(wire, post("not in vain")), [200, "not in vain"])
})

test("a collected body is written as fast as its backend takes it, and comes whole", async (t) => {
  const body = randomBytes(1_048_576)
  const backend = await scripted(t, async (wire) => {
    await wire.head()
    wire.socket.pause()
    await pause(50)
    wire.socket.resume()
    const request = await wire.request()
    wire.send(ok(String(request.body.equals(body))))
    wire.send(ok((await wire.request()).body.toString()))
  })
  const { client } = await relay(t, [backend], collecting())
  const wire = await client()
  wire.send(headOf(body.length))
  wire.send(body)
  assert.equal((await wire.response()).body.toString(), "true")
  assert.deepEqual(await asked(wire, post("next")), [200, "next"])
  assert.equal(backend.wires.length, 1)
})

test("a collected body of which a backend takes nothing more gets a response in time, and is not sent twice", async (t) => {
  const backend = await scripted(t, async (wire) => {
    await wire.head()
    wire.socket.pause()
  })
  const { client, counters } = await relay(t, [backend], {
    ...collecting({ collectedBytesMax: 16_777_216, collectedBytesTotalMax: 16_777_216 }),
    timeouts: { responseHeadMs: 300 },
  })
  const wire = await client()
  wire.send(headOf(16_000_000, "", "PUT"))
  wire.send(Buffer.alloc(16_000_000))
  const response = await wire.response()
  assert.deepEqual([response.status, codeOf(response)], [504, "response_head_timeout"])
  assert.equal(counters.failures(0), 1)
  assert.equal(backend.wires.length, 1)
})

test("a response before the backend has taken all of a collected body reaches the client, whose connection goes on", async (t) => {
  const backend = await scripted(t, async (wire, nth) => {
    await wire.head()
    if (nth > 0) return void wire.send(ok("next"))
    wire.socket.pause()
    wire.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno")
  })
  const { client } = await relay(
    t,
    [backend],
    collecting({ collectedBytesMax: 16_777_216, collectedBytesTotalMax: 16_777_216 }),
  )
  const wire = await client()
  wire.send(headOf(16_000_000))
  wire.send(Buffer.alloc(16_000_000))
  assert.deepEqual(await asked(wire, ""), [413, "no"])
  assert.deepEqual(await asked(wire, get()), [200, "next"])
})

test("a collected body goes out whole to another backend when the first cannot be reached", async (t) => {
  const backends = [await refusing(), await echoing(t)]
  const { client } = await relay(t, backends, collecting({ replayBytesMax: 10 }))
  const wire = await client()
  const body = "x".repeat(100_000)
  for (let i = 0; i < 2; i++) assert.deepEqual(await asked(wire, post(body)), [200, body])
})

test("a body behind a request whose response is under way is collected when its turn comes", async (t) => {
  const backend = await echoing(t)
  const { client } = await relay(t, [backend], collecting())
  const wire = await client()
  wire.send(get() + headOf(300_000) + "x".repeat(100_000))
  assert.equal((await wire.response()).status, 200)
  wire.send("x".repeat(200_000))
  assert.equal((await wire.response()).body.length, 300_000)
  wire.send(post("one") + post("two"))
  for (const body of ["one", "two"]) assert.equal((await wire.response()).body.toString(), body)
})

test("a whole body waits for room like any other request, and its time in the queue is bounded", async (t) => {
  const backend = await scripted(t, async (wire) => {
    await wire.request()
  })
  const { client } = await relay(t, [backend], {
    ...collecting({ connectionsPerBackendMax: 1 }),
    timeouts: { queueMs: 50 },
  })
  const [first, second] = [await client(), await client()]
  first.send(get())
  await until("the first is there", () => backend.wires.length === 1)
  assert.deepEqual(await asked(second, post("late")), [503, "queue_timeout"])
})
