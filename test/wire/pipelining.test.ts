/** Pipelining to backends, where it is on: several clients' requests on one connection, and no client notices. */
import assert from "node:assert/strict"
import { test, type TestContext } from "node:test"
import { get } from "../support/wire/messages.ts"
import {
  type Message,
  pause,
  type Relay,
  relay,
  type RelayChange,
  scripted,
  type Wire,
} from "../support/relay.ts"
import { until } from "../support/until.ts"

const answerTo = (request: Message, fields = ""): string => {
  const body = `${request.start.split(" ")[1]}`
  return `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n${fields}\r\n${request.start.startsWith("HEAD") ? "" : body}`
}

/** Requests that each client sends in one turn, over connections to the backend that are open already. */
async function together(plane: Relay, requests: readonly string[]): Promise<Wire[]> {
  const clients = await Promise.all(requests.map(() => plane.client()))
  // One after the other, so that a single connection to the backend is opened.
  for (const wire of clients) {
    wire.send(get("/warm"))
    await wire.response()
  }
  for (const [i, wire] of clients.entries()) wire.send(requests[i]!)
  return clients
}

function pipelining(t: TestContext, script: Parameters<typeof scripted>[1], change: RelayChange = {}) {
  return scripted(t, script).then(async (backend) => ({
    backend,
    plane: await relay(t, [backend], { ...change, limits: { pipelinedMax: 8, ...change.limits } }),
  }))
}

/** Reads requests and responds to each; `special` may respond instead. */
async function serve(
  wire: Wire,
  special: (request: Message) => string | undefined | Promise<string | undefined> = () => undefined,
) {
  for (;;) {
    const request = await wire.request()
    const said = await special(request)
    wire.send(said ?? answerTo(request))
  }
}

test("requests of one turn go out on one connection, and each client gets its own response", async (t) => {
  const { backend, plane } = await pipelining(t, (wire) => serve(wire))
  const paths = Array.from({ length: 6 }, (_, i) => `/${"x".repeat(i)}${i}`)
  const clients = await together(
    plane,
    paths.map((path) => get(path)),
  )
  for (const [i, wire] of clients.entries()) assert.equal((await wire.response()).body.toString(), paths[i])
  assert.ok(backend.wires.length < 4, `${backend.wires.length} connections for 6 requests at once`)
  assert.equal(plane.counters.requests(0), 12)
  assert.deepEqual(plane.counters.errors(), {})
})

test("HEAD, 204 and chunked responses among others keep their places", async (t) => {
  const { plane } = await pipelining(t, (wire) =>
    serve(wire, ({ start }) => {
      if (start.includes("/none")) return "HTTP/1.1 204 No Content\r\n\r\n"
      if (start.includes("/chunks"))
        return "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"
      if (start.includes("/early"))
        return `HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n${answerTo({ start } as Message)}`
      return undefined
    }),
  )
  const clients = await together(plane, [
    get("/a"),
    "HEAD /head HTTP/1.1\r\nHost: a\r\n\r\n",
    get("/none"),
    get("/chunks"),
    get("/early"),
    get("/z"),
  ])
  const [a, head, none, chunks, early, z] = clients as [Wire, Wire, Wire, Wire, Wire, Wire]
  assert.equal((await a.response()).body.toString(), "/a")
  assert.equal((await head.response(true)).field("content-length"), "5")
  assert.equal((await none.response()).status, 204)
  assert.equal((await chunks.response()).body.toString(), "abc")
  assert.equal((await early.response()).status, 103)
  assert.equal((await early.response()).body.toString(), "/early")
  assert.equal((await z.response()).body.toString(), "/z")
})

test("a connection that dies after the first response costs those behind it nothing", async (t) => {
  const { backend, plane } = await pipelining(t, async (wire, nth) => {
    if (nth > 0) return serve(wire)
    return serve(wire, (request) => {
      if (!request.start.includes("/1")) return undefined
      wire.send(answerTo(request))
      wire.reset()
      throw new Error("gone")
    })
  })
  const clients = await together(
    plane,
    ["/1", "/2", "/3", "/4"].map((path) => get(path)),
  )
  for (const [i, wire] of clients.entries()) {
    if (i === 0) continue
    assert.equal((await wire.response()).body.toString(), `/${i + 1}`)
  }
  assert.ok(backend.wires.length > 1)
  const { response_cut: cut = 0, ...others } = plane.counters.errors()
  assert.ok(cut <= 1)
  assert.deepEqual(others, {})
})

test("a response with Connection: close sends those behind it elsewhere", async (t) => {
  const { plane } = await pipelining(t, (wire) =>
    serve(wire, (request) =>
      request.start.includes("/1") ? answerTo(request, "Connection: close\r\n") : undefined,
    ),
  )
  const clients = await together(
    plane,
    ["/1", "/2", "/3"].map((path) => get(path)),
  )
  for (const [i, wire] of clients.entries())
    assert.equal((await wire.response()).body.toString(), `/${i + 1}`)
  assert.deepEqual(plane.counters.errors(), {})
  assert.equal(plane.counters.failures(0), 0)
})

test("no request waits behind a slow response for long", async (t) => {
  const { promise: slow, resolve: finish } = Promise.withResolvers<void>()
  const { plane } = await pipelining(t, (wire) =>
    serve(wire, async (request) => {
      if (request.start.includes("/slow")) await slow
      return undefined
    }),
  )
  const clients = await together(
    plane,
    ["/slow", "/2", "/3"].map((path) => get(path)),
  )
  for (const [i, wire] of clients.entries())
    if (i > 0) assert.equal((await wire.response()).body.toString(), `/${i + 1}`)
  finish()
  assert.equal((await clients[0]!.response()).body.toString(), "/slow")
  assert.deepEqual(plane.counters.errors(), {})
})

test("no request waits behind a client that does not read", async (t) => {
  const size = 32 * 1024 * 1024
  const { plane } = await pipelining(t, (wire) =>
    serve(wire, (request) => {
      if (!request.start.includes("/large")) return undefined
      wire.send(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`)
      wire.send(Buffer.alloc(size))
      return ""
    }),
  )
  const clients = await together(plane, [get("/large"), get("/2"), get("/3")])
  clients[0]!.socket.pause()
  assert.equal((await clients[1]!.response()).body.toString(), "/2")
  assert.equal((await clients[2]!.response()).body.toString(), "/3")
  clients[0]!.socket.resume()
  await until("the large response", () => clients[0]!.received >= size)
})

test("a client that leaves takes no other client's response with it", async (t) => {
  const { plane } = await pipelining(t, (wire) =>
    serve(wire, async () => {
      await pause(30)
      return undefined
    }),
  )
  const clients = await together(
    plane,
    ["/1", "/2", "/3", "/4"].map((path) => get(path)),
  )
  clients[1]!.reset()
  clients[0]!.reset()
  assert.equal((await clients[2]!.response()).body.toString(), "/3")
  assert.equal((await clients[3]!.response()).body.toString(), "/4")
  await until("they are counted", () => plane.counters.errors()["client_gone"] === 2)
})

test("what changes something, has a body or asks for a tunnel is never written behind others", async (t) => {
  const { backend, plane } = await pipelining(t, async (wire) => {
    for (;;) {
      const request = await wire.request()
      await pause(5)
      wire.send(answerTo(request))
    }
  })
  const post = "POST /post HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"
  const clients = await together(plane, [post, post, "DELETE /d HTTP/1.1\r\nHost: a\r\n\r\n", post])
  for (const wire of clients) assert.equal((await wire.response()).status, 200)
  assert.ok(backend.wires.length >= 4, "each had a connection of its own")
})

test("it goes no deeper than it may", async (t) => {
  const { backend, plane } = await pipelining(t, (wire) => serve(wire), { limits: { pipelinedMax: 2 } })
  const clients = await together(
    plane,
    Array.from({ length: 6 }, (_, i) => get(`/${i}`)),
  )
  for (const [i, wire] of clients.entries()) assert.equal((await wire.response()).body.toString(), `/${i}`)
  assert.ok(backend.wires.length >= 2, "one connection was not enough")
})

test("no request waits behind a response of unknown size that goes on and on", async (t) => {
  const drips: NodeJS.Timeout[] = []
  t.after(() => drips.forEach((drip) => clearInterval(drip)))
  for (const piece of [1, 30_000]) {
    const { plane } = await pipelining(t, (wire) =>
      serve(wire, (request) => {
        if (!request.start.includes("/drip")) return undefined
        wire.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        const chunk = `${piece.toString(16)}\r\n${"x".repeat(piece)}\r\n`
        drips.push(setInterval(() => wire.send(chunk), 100))
        return new Promise(() => {})
      }),
    )
    const clients = await together(plane, [get("/drip"), get("/2"), get("/3")])
    for (const i of [1, 2]) {
      await until(`response ${i} behind pieces of ${piece}`, () => clients[i]!.text.endsWith(`/${i + 1}`))
    }
    clients[0]!.reset()
  }
})

test("an endless response that no request waits for any longer is not read on", async (t) => {
  const { promise: first, resolve: finish } = Promise.withResolvers<void>()
  const drips: NodeJS.Timeout[] = []
  const { backend, plane } = await pipelining(t, (wire) =>
    serve(wire, async (request) => {
      if (request.start.includes("/first")) await first
      if (!request.start.includes("/endless")) return undefined
      wire.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
      drips.push(setInterval(() => wire.send("1\r\nx\r\n"), 20))
      return new Promise(() => {})
    }),
  )
  t.after(() => drips.forEach((drip) => clearInterval(drip)))
  const clients = await together(plane, [get("/first"), get("/endless")])
  await pause(30)
  clients[1]!.reset()
  await until("it is noticed", () => plane.counters.errors()["client_gone"] === 1)
  finish()
  assert.equal((await clients[0]!.response()).body.toString(), "/first")
  await until("its connection is closed", () =>
    backend.wires.every((wire) => wire.gone || !wire.text.includes("/endless")),
  )
})
