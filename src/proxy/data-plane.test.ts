import assert from "node:assert/strict"
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net"
import { test, type TestContext } from "node:test"
import { relay, type RelayChange } from "../../test/support/relay.ts"
import type { LoadTable } from "../placing/load-table.ts"
import type { Address } from "../membership/snapshot.ts"
import type { Counters } from "../metrics/counters.ts"
import { until } from "../../test/support/until.ts"

type Script = (socket: Socket, request: string) => void

interface Running {
  readonly port: number
  readonly counters: Counters
  readonly table: LoadTable
  /** Sends the bytes, and returns all that comes until the connection ends. */
  readonly exchange: (bytes: string) => Promise<string>
}

/** A data plane before backends that each do what their script says with every read. */
async function running(
  t: TestContext,
  scripts: readonly (Script | "refuses")[],
  change: RelayChange = {},
): Promise<Running> {
  const addresses: Address[] = []
  for (const script of scripts) {
    const server = createServer({ allowHalfOpen: true })
    const sockets = new Set<Socket>()
    server.on("connection", (socket) => {
      sockets.add(socket)
      socket.on("error", () => {})
      socket.on("data", (data) => script !== "refuses" && script(socket, data.toString("latin1")))
    })
    const port = await listening(server)
    if (script === "refuses") await new Promise((resolve) => server.close(resolve))
    else
      t.after(() => {
        server.close()
        for (const socket of sockets) socket.destroy()
      })
    addresses.push({ host: "127.0.0.1", port })
  }
  const { port, counters, table, ask } = await relay(t, addresses, { limits: { queueMax: 2 }, ...change })
  return { port, counters, table, exchange: ask }
}

function listening(server: Server): Promise<number> {
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port))
  })
}

const answering =
  (answer: string): Script =>
  (socket) =>
    socket.write(answer)
const hello = answering("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
const request = (path: string, more = ""): string => `GET ${path} HTTP/1.1\r\nHost: a\r\n${more}\r\n`
const get = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"

test("a request is relayed, and says which client it came from", async (t) => {
  let seen = ""
  const { exchange } = await running(t, [
    (socket, request) => {
      seen = request
      hello(socket, request)
    },
  ])
  const answer = await exchange(
    "GET /a?b HTTP/1.1\r\nhOsT: a.example\r\nKeep-Alive: x\r\nConnection: close, X-Mine\r\nX-Mine: 1\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n",
  )
  assert.match(
    answer,
    /^HTTP\/1\.1 200 OK\r\n[^]*Connection: close\r\n[^]*X-Linebacker-Backend: b0\r\n\r\nhello$/,
  )
  assert.match(
    seen,
    /^GET \/a\?b HTTP\/1\.1\r\nhOsT: a\.example\r\nX-Forwarded-Host: a\.example\r\nX-Forwarded-For: 127\.0\.0\.1\r\nX-Forwarded-Proto: http\r\nVia: 1\.1 linebacker\r\nX-Request-Id: \S+\r\n\r\n$/,
  )
})

test("pipelined requests get their responses in order", async (t) => {
  const { exchange } = await running(t, [
    (socket, request) => {
      for (const [, path] of request.matchAll(/^GET (\S+)/gm)) {
        setTimeout(
          () => socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n${path}`),
          path === "/1" ? 30 : 0,
        )
      }
    },
  ])
  const answer = await exchange(request("/1") + request("/2") + request("/3", "Connection: close\r\n"))
  assert.deepEqual(
    [...answer.matchAll(/\r\n\r\n(\/\d)/g)].map(([, path]) => path),
    ["/1", "/2", "/3"],
  )
})

test("a backend that refuses connections costs no client an error, whatever the method", async (t) => {
  const { exchange, counters } = await running(t, ["refuses", hello])
  for (const method of ["GET", "POST", "GET", "POST"]) {
    const answer = await exchange(
      `${method} / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi`,
    )
    assert.match(answer, /^HTTP\/1\.1 200/)
  }
  assert.ok(counters.failures(0) >= 1)
})

test("a request that the backend may have seen is tried elsewhere only when it is idempotent", async (t) => {
  let posts = 0
  const resets: Script = (socket, request) => {
    if (request.startsWith("POST")) posts++
    socket.resetAndDestroy()
  }
  const { exchange } = await running(t, [resets, resets, hello])
  assert.match(await exchange(get), /^HTTP\/1\.1 200/)
  const answers = []
  for (let i = 0; i < 3; i++)
    answers.push(
      await exchange("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
    )
  const refused = answers.filter(
    (answer) => answer.startsWith("HTTP/1.1 502") && answer.includes('"backend_reset"'),
  )
  assert.equal(refused.length, posts)
  assert.equal(posts, 2)
})

for (const [framing, head, part] of [
  ["length", "Content-Length: 100", "half of it"],
  ["chunked", "Transfer-Encoding: chunked", "4\r\nhalf\r\n"],
] as const) {
  test(`a response of ${framing} framing that breaks off never looks complete`, async (t) => {
    const { exchange, counters } = await running(t, [
      (socket) => {
        socket.write(`HTTP/1.1 200 OK\r\n${head}\r\n\r\n${part}`)
        setTimeout(() => socket.resetAndDestroy(), 30)
      },
    ])
    const answer = await exchange(get)
    assert.match(answer, /^HTTP\/1\.1 200 OK/)
    assert.ok(answer.endsWith(`\r\n\r\n${part}`), answer)
    assert.equal(counters.errors()["response_cut"], 1)
    assert.equal(counters.failures(0), 1)
  })
}

test("bytes behind a response never reach the next client", async (t) => {
  const { exchange } = await running(t, [
    answering(
      "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nX-Evil: 1\r\nContent-Length: 0\r\n\r\n",
    ),
  ])
  for (let i = 0; i < 3; i++) {
    const answer = await exchange(get)
    assert.ok(answer.endsWith("\r\n\r\nok"), answer)
    assert.ok(!answer.includes("Evil"))
  }
})

test("a response of the balancer's own names its code", async (t) => {
  const { exchange } = await running(t, [answering("HTTP/9 nonsense\r\n\r\n")])
  assert.match(await exchange(get), /^HTTP\/1\.1 502 [^]*"code":"invalid_response"/)
  assert.match(await exchange("GET / HTTP/1.1\r\n\r\n"), /^HTTP\/1\.1 400 [^]*"code":"invalid_host"/)
  assert.match(
    await exchange("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n"),
    /^HTTP\/1\.1 405 [^]*Allow: [^]*"code":"method_refused"/,
  )
  assert.match(
    await exchange("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"),
    /"conflicting_framing"/,
  )
})

test("without a backend the response is 503, with when to come back", async (t) => {
  const { exchange } = await running(t, [])
  assert.match(await exchange(get), /^HTTP\/1\.1 503 [^]*Retry-After: 1\r\n[^]*"code":"no_backend"/)
})

test("a client of HTTP/1.0 gets the data without chunked framing", async (t) => {
  const { exchange } = await running(t, [
    answering("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
  ])
  const answer = await exchange("GET / HTTP/1.0\r\n\r\n")
  assert.ok(answer.endsWith("\r\n\r\nhello"), answer)
  assert.ok(!answer.toLowerCase().includes("transfer-encoding"))
})

test("a response that the end of its connection delimits reaches a client of HTTP/1.1 in chunks", async (t) => {
  const { exchange } = await running(t, [(socket) => socket.end("HTTP/1.1 200 OK\r\n\r\nhello")])
  assert.ok((await exchange(get)).endsWith("\r\n\r\n5\r\nhello\r\n0\r\n\r\n"))
})

test("a client that leaves counts against no backend, and its demand is given back", async (t) => {
  let closed = 0
  let asked = 0
  const { port, table, counters } = await running(t, [
    (socket) => {
      asked++
      socket.on("end", () => closed++)
    },
  ])
  const client = connect(port, "127.0.0.1")
  client.write(get)
  await until("it runs", () => table.inFlight(0) === 1 && asked === 1)
  client.resetAndDestroy()
  await until("all is given back", () => table.inFlight(0) === 0 && closed === 1)
  assert.deepEqual([table.reserved(0, 0), counters.failures(0), counters.requests(0)], [0, 0, 0])
  assert.deepEqual(counters.errors(), { client_gone: 1 })
})

test("a client that has only closed its sending side still gets its response", async (t) => {
  const { port } = await running(t, [(socket) => setTimeout(() => hello(socket, ""), 50)])
  const answer = await new Promise<string>((resolve) => {
    const socket = connect({ host: "127.0.0.1", port, allowHalfOpen: true })
    let text = ""
    socket.on("data", (data) => (text += data.toString()))
    socket.on("close", () => resolve(text))
    socket.end("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
  })
  assert.ok(answer.endsWith("hello"), answer)
})

test("a request for room that is taken waits its turn, and a queue has an end", async (t) => {
  const waiting: Socket[] = []
  const { exchange, table } = await running(t, [(socket) => waiting.push(socket)], {
    resources: [{ name: "slots", kind: "space", resolution: 1 }],
    capacity: { slots: 1 },
  })
  const answers = [exchange(get), exchange(get), exchange(get)]
  await until("one is asked", () => waiting.length === 1)
  // One runs, two wait, and the queue of two is full.
  await until("it runs", () => table.inFlight(0) === 1)
  await new Promise((resolve) => setTimeout(resolve, 50))
  assert.match(await exchange(get), /^HTTP\/1\.1 503 [^]*"code":"queue_full"/)
  for (let served = 0; served < 3; served++) {
    await until("the next one is asked", () => waiting.length > served)
    assert.equal(table.reserved(0, 0), 1)
    hello(waiting[served]!, "")
  }
  for (const answer of await Promise.all(answers)) assert.match(answer, /^HTTP\/1\.1 200/)
})

test("a slow reader holds the backend back instead of filling memory", async (t) => {
  let offered = 0
  const block = Buffer.alloc(64 * 1024)
  const total = 64 * 1024 * 1024
  const { port } = await running(t, [
    (socket) => {
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${total}\r\n\r\n`)
      const offer = (): void => {
        while (offered < total && socket.write(block)) offered += block.length
      }
      socket.on("drain", offer)
      offer()
    },
  ])
  const client = connect(port, "127.0.0.1")
  client.pause()
  client.write(get)
  let before = -1
  // It has come to rest when nothing more is taken for a fifth of a second.
  while (offered !== before) {
    before = offered
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
  assert.ok(
    offered < 24 * 1024 * 1024,
    `${offered} bytes were taken from the backend for a client that reads nothing`,
  )
  client.destroy()
})
