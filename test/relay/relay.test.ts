/** The relay from outside: raw bytes at both ends of a running data plane. */
import assert from "node:assert/strict"
import { randomBytes } from "node:crypto"
import { connect } from "node:net"
import { test } from "node:test"
import { resourcesDefault, type ResourceTable } from "../../src/core/resources.ts"
import { codeOf, get, ok, pathOf } from "../support/wire/messages.ts"
import {
  answering,
  chunked,
  offering,
  pause,
  refusing,
  relay,
  type Script,
  scripted,
  settled,
  type Wire,
} from "../support/relay.ts"
import { isOpen } from "../support/processes.ts"
import { storm } from "../support/storm.ts"
import { until } from "../support/until.ts"

const close = "Connection: close\r\n"
const joined = (...parts: readonly (string | Buffer)[]): Buffer =>
  Buffer.concat(parts.map((part) => (typeof part === "string" ? Buffer.from(part, "latin1") : part)))
/** One slot of a space resource, so that a second request has to wait. */
const slots: ResourceTable = [{ name: "slots", kind: "space", resolution: 1 }]
const oneSlot = { resources: slots, capacity: { slots: 1 } } as const

// ── what goes through ─────────────────────────────────────────────────────────────────────────────────────────

for (const method of ["POST", "PUT"]) {
  for (const framing of ["length", "chunked"] as const) {
    test(`a ${method} of 5 MB of ${framing} framing arrives byte for byte, and so does its echo`, async (t) => {
      const data = randomBytes(5_000_000)
      const body = framing === "length" ? data : chunked(data, 70_001)
      const field =
        framing === "length" ? `Content-Length: ${data.length}\r\n` : "Transfer-Encoding: chunked\r\n"
      const backend = await answering(t, (request) => {
        assert.equal(request.framing, framing)
        return joined(
          `HTTP/1.1 200 OK\r\n${field}\r\n`,
          framing === "length" ? request.body : chunked(request.body, 9_999),
        )
      })
      const { client, counters } = await relay(t, [backend])
      const wire = await client()
      wire.send(joined(`${method} / HTTP/1.1\r\nHost: a\r\n${field}\r\n`, body))
      const response = await wire.response()
      assert.equal(response.status, 200)
      assert.equal(response.framing, framing)
      assert.ok(response.body.equals(data))
      assert.equal(counters.requests(0), 1)
    })
  }
}

test("requests one after the other share one connection on both sides", async (t) => {
  const backend = await answering(t, (request) => ok(pathOf(request)))
  const { client, counters } = await relay(t, [backend])
  const wire = await client()
  for (let i = 0; i < 20; i++) {
    wire.send(get(`/${i}`))
    assert.equal((await wire.response()).body.toString(), `/${i}`)
  }
  assert.equal(backend.wires.length, 1)
  assert.equal(counters.total("accepted"), 1)
})

test("pipelined requests, some with bodies, get their responses in order", async (t) => {
  const backend = await answering(t, async (request) => {
    const path = pathOf(request)
    await pause(path === "/0" ? 40 : 1)
    return ok(path + request.body.toString())
  })
  const { client } = await relay(t, [backend])
  const wire = await client()
  const requests = Array.from({ length: 10 }, (_, i) =>
    i % 3 === 1 ? `POST /${i} HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc` : get(`/${i}`),
  )
  wire.send(requests.join(""))
  for (let i = 0; i < 10; i++) {
    assert.equal((await wire.response()).body.toString(), `/${i}${i % 3 === 1 ? "abc" : ""}`)
  }
})

test("responses to HEAD, 204 and 304 have no body, and the connection lives on", async (t) => {
  const heads: Readonly<Record<string, string>> = {
    "/head": "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n",
    "/chunked": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    "/none": "HTTP/1.1 204 No Content\r\n\r\n",
    "/same": "HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\nETag: x\r\n\r\n",
    "/": ok("after"),
  }
  const backend = await answering(t, (request) => heads[pathOf(request)] ?? "")
  const { client } = await relay(t, [backend])
  const wire = await client()
  for (const [method, path, status] of [
    ["HEAD", "/head", 200],
    ["HEAD", "/chunked", 200],
    ["GET", "/none", 204],
    ["GET", "/same", 304],
  ] as const) {
    wire.send(`${method} ${path} HTTP/1.1\r\nHost: a\r\n\r\n`)
    const response = await wire.response(true)
    assert.equal(response.status, status, path)
    if (path === "/head") assert.equal(response.field("content-length"), "1000")
    if (path === "/none") assert.equal(response.field("content-length"), undefined)
    wire.send(get())
    assert.equal((await wire.response()).body.toString(), "after", path)
  }
  assert.equal(backend.wires.length, 1)
})

test("a client of HTTP/1.0 gets plain data and the end of the connection, and is spared 1xx", async (t) => {
  const backend = await answering(
    t,
    () =>
      "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nT: v\r\n\r\n",
  )
  const { ask } = await relay(t, [backend])
  const answer = await ask("GET / HTTP/1.0\r\n\r\n")
  assert.match(answer, /^HTTP\/1\.1 200 OK\r\n[^]*Connection: close\r\n[^]*\r\n\r\nhello$/)
  assert.doesNotMatch(answer, /transfer-encoding/i)
})

test("a client of HTTP/1.0 is not handed a body in a coding that it cannot be told of", async (t) => {
  const coded = "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"
  const { ask, client } = await relay(t, [await answering(t, () => coded)])
  assert.match(await ask("GET / HTTP/1.0\r\n\r\n"), /^HTTP\/1\.1 502 [^]*unknown_transfer_coding/)
  const wire = await client()
  wire.send(get())
  assert.equal((await wire.response()).field("transfer-encoding"), "gzip, chunked")
})

test("a response that the end of its connection delimits comes in chunks, and the client may go on", async (t) => {
  const backend = await scripted(t, async (wire) => {
    await wire.request()
    wire.send("HTTP/1.0 200 OK\r\n\r\nhel")
    await pause(10)
    wire.send("lo")
    wire.socket.end()
  })
  const { client } = await relay(t, [backend])
  const wire = await client()
  for (let i = 0; i < 2; i++) {
    wire.send(get())
    const response = await wire.response()
    assert.deepEqual([response.framing, response.body.toString()], ["chunked", "hello"])
  }
  assert.equal(backend.wires.length, 2)
})

test("what ends at this hop is left out; everything else keeps its case and order", async (t) => {
  let seen = ""
  const backend = await answering(t, (request, wire) => {
    seen = wire.text
    assert.equal(pathOf(request), "/")
    return "HTTP/1.1 200 Fine, thanks\r\nX-oNe: 1\r\nConnection: keep-alive, x-hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nx-TWO:2\r\nendpoint-load-metrics: cpu=1\r\nEndpoint-Load-Metrics-Bin: x\r\nX-Linebacker-Backend: forged\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nContent-Length: 0\r\n\r\n"
  })
  const { client } = await relay(t, [backend])
  const wire = await client()
  wire.send(
    get(
      "/",
      "b-FIRST: 1\r\nTE: trailers\r\nUpgrade: h2c\r\nConnection: X-Secret, te\r\nX-SECRET: 1\r\nKeep-Alive: 1\r\nProxy-Connection: x\r\nTrailer: T\r\nx-forwarded-for: 6.6.6.6\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\nX-Forwarded-Port: 1\r\nForwarded: for=evil\r\nX-Request-ID: evil\r\nVia: 1.0 before\r\nA-Last: 2\r\n",
    ),
  )
  const response = await wire.response()
  assert.match(
    seen,
    /^GET \/ HTTP\/1\.1\r\nHost: a\r\nb-FIRST: 1\r\nVia: 1\.0 before\r\nA-Last: 2\r\nX-Forwarded-Host: a\r\nTE: trailers\r\nConnection: TE\r\nX-Forwarded-For: 127\.0\.0\.1\r\nX-Forwarded-Proto: http\r\nVia: 1\.1 linebacker\r\nX-Request-Id: [0-9a-f]+-0-00000000\r\n\r\n$/,
  )
  assert.equal(response.start, "HTTP/1.1 200 Fine, thanks")
  const { fields } = response
  assert.deepEqual(
    fields.map(([name, value]) => (name === "Date" ? "Date" : `${name}: ${value}`)),
    [
      "X-oNe: 1",
      "x-TWO: 2",
      "Set-Cookie: a",
      "Set-Cookie: b",
      "Content-Length: 0",
      "Date",
      "X-Linebacker-Backend: b0",
    ],
  )
})

test("in simulation every request gets a drawn demand of its own, whatever the client says of it", async (t) => {
  const seen: (readonly [string, string])[] = []
  const backend = await answering(t, (request) => {
    const of = (name: string): string[] =>
      request.fields.filter(([found]) => found.toLowerCase() === name).map(([, value]) => value)
    assert.deepEqual([of("compute").length, of("storage").length], [1, 1])
    seen.push([of("compute")[0]!, of("storage")[0]!])
    return ok("")
  })
  const { client, counters } = await relay(t, [backend], {
    demand: { mode: "simulation" },
  })
  const wire = await client()
  for (let i = 0; i < 50; i++) {
    wire.send(get("/", "compute: 99\r\nSTORAGE: 99\r\n"))
    await wire.response()
  }
  for (const amount of seen.flat()) assert.match(amount, /^([1-9]|10)$/)
  assert.ok(new Set(seen.map(String)).size > 10)
  const carried = (resource: number): number =>
    counters.carriedUnits(0, resource) * resourcesDefault[resource]!.resolution
  assert.equal(
    carried(0),
    seen.reduce((sum, [compute]) => sum + Number(compute), 0),
  )
})

test("100 Continue and 103 Early Hints are relayed before the response", async (t) => {
  const backend = await scripted(t, async (wire) => {
    assert.match(await wire.head(), /^Expect: 100-continue\r$/im)
    wire.send("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")
    wire.send("HTTP/1.1 100 Continue\r\n\r\n")
    wire.send(ok((await wire.request()).body.toString()))
  })
  const { client } = await relay(t, [backend])
  const wire = await client()
  wire.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
  const early = await wire.response()
  assert.deepEqual([early.status, early.field("link")], [103, "</x>"])
  assert.equal((await wire.response()).status, 100)
  wire.send("hi")
  assert.equal((await wire.response()).body.toString(), "hi")
})

// ── backends that misbehave ───────────────────────────────────────────────────────────────────────────────────

for (const [why, bytes, detail] of [
  ["an unasked 101", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", /101/],
  ["a status of four digits", "HTTP/1.1 2000 OK\r\n\r\n", /malformed_start_line/],
  ["another protocol", "SSH-2.0-x\r\n", /malformed_start_line/],
  [
    "two lengths",
    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    /invalid_content_length/,
  ],
  [
    "length and chunked",
    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    /conflicting_framing/,
  ],
  ["a bad first chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", /invalid_chunk/],
  ["a head without end", `HTTP/1.1 200 OK\r\n${"A: b\r\n".repeat(6_000)}`, /too_many_fields|head_too_large/],
  ["a flood of interim responses", "HTTP/1.1 102 Processing\r\n\r\n".repeat(50_000), /1xx/],
] as const) {
  test(`${why} gets a 502 that names the code`, async (t) => {
    const backend = await answering(t, () => bytes)
    const { client, counters } = await relay(t, [backend], { limits: { interimBytesPerSecondMax: 1_024 } })
    const wire = await client()
    wire.send(get())
    let response = await wire.response()
    while (response.status < 200) response = await wire.response()
    assert.equal(response.status, 502)
    assert.equal(codeOf(response), "invalid_response")
    assert.match(response.body.toString(), detail)
    assert.deepEqual([counters.errors(), counters.failures(0)], [{ invalid_response: 1 }, 1])
  })
}

for (const [framing, head, sent] of [
  ["length", "Content-Length: 100\r\n", "half"],
  ["chunked", "Transfer-Encoding: chunked\r\n", "4\r\nhalf\r\n"],
] as const) {
  for (const ending of ["reset", "end"] as const) {
    test(`a ${ending} within a body of ${framing} framing never looks complete to the client`, async (t) => {
      const backend = await scripted(t, async (wire) => {
        await wire.request()
        wire.send(`HTTP/1.1 200 OK\r\n${head}\r\n${sent}`)
        await pause(30)
        if (ending === "reset") wire.reset()
        else wire.socket.end()
      })
      const { client, counters } = await relay(t, [backend])
      const wire = await client()
      wire.send(get())
      await assert.rejects(wire.response())
      assert.equal(await wire.closed, "broken")
      assert.ok(wire.text.endsWith(`\r\n\r\n${sent}`), wire.text)
      assert.deepEqual([counters.errors(), counters.failures(0)], [{ response_cut: 1 }, 1])
    })
  }
}

test("a chunk against the grammar in mid-body cuts the response", async (t) => {
  const backend = await scripted(t, async (wire) => {
    await wire.request()
    wire.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
    await pause(20)
    wire.send("0x\r\n0\r\n\r\n")
  })
  const { ask } = await relay(t, [backend])
  const answer = await ask(get("/", close))
  assert.ok(answer.endsWith("\r\n\r\n1\r\na\r\n"), answer)
})

test("bytes behind a response reach no later client, whenever they come", async (t) => {
  const evil = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
  const backend = await scripted(t, async (wire, nth) => {
    for (;;) {
      const request = await wire.request()
      if (nth % 2 === 0) wire.send(ok(pathOf(request)) + evil)
      else {
        wire.send(ok(pathOf(request)))
        setTimeout(() => wire.send(evil), 1)
      }
    }
  })
  const { client } = await relay(t, [backend])
  const wire = await client()
  for (let i = 0; i < 30; i++) {
    wire.send(get(`/${i}`))
    assert.equal((await wire.response()).body.toString(), `/${i}`)
    await pause(i % 3)
  }
})

for (const method of ["GET", "POST"]) {
  test(`a refused connection sends ${method} to another backend, with its body`, async (t) => {
    const backend = await answering(t, (request) => ok(request.body.toString()))
    const { client, counters } = await relay(t, [await refusing(), await refusing(), backend])
    const wire = await client()
    for (let i = 0; i < 3; i++) {
      wire.send(`${method} / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello`)
      assert.equal((await wire.response()).body.toString(), "hello")
    }
    assert.deepEqual(counters.errors(), {})
  })
}

test("a reset before the response sends GET elsewhere, and POST nowhere", async (t) => {
  let posts = 0
  let gets = 0
  const resets: Script = async (wire) => {
    const request = await wire.request()
    if (request.start.startsWith("POST")) posts++
    else gets++
    wire.reset()
  }
  const { client } = await relay(t, [
    await scripted(t, resets),
    await scripted(t, resets),
    await answering(t, () => ok("fine")),
  ])
  const wire = await client()
  let failed = 0
  for (let i = 0; i < 6; i++) {
    wire.send(get())
    assert.equal((await wire.response()).body.toString(), "fine")
    wire.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi")
    const response = await wire.response()
    if (response.status === 200) continue
    failed++
    assert.deepEqual([response.status, codeOf(response)], [502, "backend_reset"])
  }
  assert.equal(posts, failed)
  assert.ok(failed > 0 && gets > 0)
})

test("when no backend can be reached, the response is 502 connect_failed, after as many tries as allowed", async (t) => {
  const { client, counters } = await relay(t, [await refusing(), await refusing()])
  const wire = await client()
  wire.send(get())
  const response = await wire.response()
  assert.deepEqual([response.status, codeOf(response)], [502, "connect_failed"])
  assert.deepEqual([counters.failures(0), counters.failures(1)], [1, 1])
})

test("without a backend the response is 503 no_backend, with when to come back, and the connection lives on", async (t) => {
  const { client } = await relay(t, [])
  const wire = await client()
  for (let i = 0; i < 3; i++) {
    wire.send(get())
    const response = await wire.response()
    assert.deepEqual(
      [response.status, codeOf(response), response.field("retry-after")],
      [503, "no_backend", "1"],
    )
  }
})

for (const method of ["GET", "POST"]) {
  test(`a backend that does not respond to a ${method} in time is 504, and it is not tried again`, async (t) => {
    const backend = await scripted(t, () => {})
    const { client, counters } = await relay(t, [backend], { timeouts: { responseHeadMs: 50 } })
    const wire = await client()
    wire.send(`${method} / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n`)
    const response = await wire.response()
    assert.deepEqual([response.status, codeOf(response)], [504, "response_head_timeout"])
    assert.equal(counters.failures(0), 1)
  })
}

test("a response that stands still is cut, and the backend is to blame also when the client was slow before", async (t) => {
  const backend = await scripted(t, async (wire) => {
    await wire.request()
    wire.send("HTTP/1.1 200 OK\r\nContent-Length: 9000001\r\n\r\n")
    wire.send(Buffer.alloc(9_000_000))
  })
  const { client, counters } = await relay(t, [backend], { timeouts: { betweenBytesMs: 400 } })
  const wire = await client()
  wire.socket.pause()
  wire.send(get())
  await pause(100)
  wire.socket.resume()
  await wire.closed
  assert.deepEqual([counters.errors(), counters.failures(0)], [{ response_timeout: 1 }, 1])
})

test("a client that takes nothing is to blame itself, not the backend", async (t) => {
  const backend = await answering(t, (request) =>
    pathOf(request) === "/warm" ? ok("") : ok("x".repeat(20_000_000)),
  )
  const { client, counters } = await relay(t, [backend], { timeouts: { betweenBytesMs: 100 } })
  // The connection to the backend is older than the client's.
  const first = await client()
  first.send(get("/warm"))
  await first.response()
  const wire = await client()
  wire.socket.pause()
  wire.send(get())
  await until("the end of the exchange", () => Object.keys(counters.errors()).length > 0)
  assert.deepEqual([counters.errors(), counters.failures(0)], [{ client_gone: 1 }, 0])
})

test("a backend that takes no more of a body and does not respond is 504, not for ever", async (t) => {
  const backend = await scripted(t, (wire) => void wire.socket.pause())
  const { client, counters } = await relay(t, [backend], { timeouts: { responseHeadMs: 100 } })
  const wire = await client()
  wire.send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 50000000\r\n\r\n")
  wire.send(Buffer.alloc(50_000_000))
  await until("its end", () => Object.keys(counters.errors()).length > 0)
  assert.deepEqual(counters.errors(), { response_head_timeout: 1 })
})

// ── clients that misbehave ────────────────────────────────────────────────────────────────────────────────────

for (const [when, request] of [
  ["in mid-response", get()],
  ["in mid-request", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf"],
] as const) {
  for (const how of ["reset", "destroy"] as const) {
    test(`a ${how} by the client ${when} closes the backend's connection and counts no failure`, async (t) => {
      const backend = await scripted(t, async (wire) => {
        await wire.head()
        if (when === "in mid-request") return
        wire.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        // An orderly end of the client looks like a half-close until it is sent something more.
        await until("half is there", () => wire.gone || wire.socket.writableLength === 0)
        await pause(50)
        for (let i = 0; i < 20 && !wire.gone; i++) {
          wire.send("x")
          await pause(10)
        }
      })
      const { client, counters, table } = await relay(t, [backend])
      const wire = await client()
      wire.send(request)
      await until("the request", () => (backend.wires[0]?.received ?? 0) > 0)
      if (when === "in mid-response") await until("half the response", () => wire.text.includes("half"))
      if (how === "reset") wire.reset()
      else wire.socket.destroy()
      await until("the end at the backend", () => backend.wires[0]!.gone)
      assert.ok(table.isIdle(0))
      assert.deepEqual(
        [counters.errors(), counters.failures(0), counters.requests(0)],
        [{ client_gone: 1 }, 0, 0],
      )
    })
  }
}

test("a client that does not read holds the backend back, and gets every byte when it does", async (t) => {
  const total = 50 * 1024 * 1024
  let offered: (() => number) | undefined
  const backend = await scripted(t, async (wire) => {
    await wire.request()
    wire.send(`HTTP/1.1 200 OK\r\nContent-Length: ${total}\r\n\r\n`)
    offered = offering(wire, total)
  })
  const { client } = await relay(t, [backend])
  const memory = process.memoryUsage().arrayBuffers
  const wire = await client()
  wire.socket.pause()
  wire.send(get())
  const taken = await settled(() => offered?.() ?? 0)
  // What has left the backend lies in the kernel's buffers; of ours there may be no more than a read or two.
  const grown = process.memoryUsage().arrayBuffers - memory
  assert.ok(taken < total / 2, `${taken} bytes were taken`)
  assert.ok(grown < 4 * 1024 * 1024, `${grown} bytes are held`)
  wire.socket.resume()
  await until("all of it", () => wire.received >= total)
})

test("a client that pipelines and reads no responses is served no further", async (t) => {
  const body = "x".repeat(30_000)
  let served = 0
  const backend = await answering(t, () => {
    served++
    return ok(body)
  })
  const { client } = await relay(t, [backend])
  const wire = await client()
  wire.socket.pause()
  // One request a read, so that none lies waiting behind another.
  for (let i = 0; i < 600; i++) {
    const before = served
    wire.send(get())
    await Promise.race([pause(2), until("served", () => served > before).catch(() => {})])
    if (i > 100 && served === before && served < i - 20) break
  }
  assert.ok(served * body.length < 12_000_000, `${served} responses lie about`)
  const before = wire.received
  wire.socket.resume()
  await until("the rest", () => wire.received > before)
})

test("a slow reader that asked for the end of the connection gets the whole response first", async (t) => {
  const size = 20_000_000
  const backend = await answering(t, () => ok("x".repeat(size)))
  for (const halfCloses of [false, true]) {
    const { client } = await relay(t, [backend])
    const wire = await client()
    wire.send(get("/", close))
    await until("its start", () => wire.received > 0)
    while (wire.received < size && !wire.gone) {
      wire.socket.pause()
      if (halfCloses && wire.received > size - 6_000_000 && !wire.socket.writableEnded) wire.socket.end()
      // Longer than a client is waited for that has taken everything.
      await pause(wire.received > size - 4_000_000 ? 0 : 10)
      wire.socket.resume()
      await pause(1)
    }
    assert.equal((await wire.response()).body.length, size)
  }
})

test("a client that floods requests and reads no responses of ours costs a bounded number of them", async (t) => {
  const { client, counters } = await relay(t, [], { limits: { requestsPerConnectionMax: 1_000_000 } })
  const wire = await client()
  wire.socket.pause()
  const flood = Buffer.from(get().repeat(1_000))
  // 200_000 responses would be 60 MB. It is done when the balancer has stopped to read.
  let sent = 0
  while (sent < 200 && wire.send(flood)) sent++
  for (let before = -1; before !== counters.total("requests"); await pause(100)) {
    before = counters.total("requests")
    while (sent < 200 && !wire.socket.writableNeedDrain) {
      wire.send(flood)
      sent++
    }
  }
  assert.ok(counters.total("requests") < 100_000, `${counters.total("requests")} got a response`)
})

test("a head that drips in too slowly is 408, and a connection that says nothing is closed", async (t) => {
  const { client, counters } = await relay(t, [], { timeouts: { clientHeadMs: 100 } })
  const [slow, silent] = [await client(), await client()]
  const drip = setInterval(() => slow.send("X: y\r\n"), 20)
  slow.send("GET / HTTP/1.1\r\n")
  const response = await slow.response()
  clearInterval(drip)
  assert.deepEqual([response.status, codeOf(response)], [408, "head_timeout"])
  await silent.closed
  assert.equal(silent.received, 0)
  assert.deepEqual(counters.errors(), { head_timeout: 1 })
})

test("a body that stands still is 408, and the backend is not blamed", async (t) => {
  const backend = await scripted(t, () => {})
  const { client, counters } = await relay(t, [backend], { timeouts: { clientBodyMs: 100 } })
  const wire = await client()
  wire.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf")
  const response = await wire.response()
  assert.deepEqual([response.status, codeOf(response)], [408, "body_timeout"])
  await until("the end at the backend", () => backend.wires[0]!.gone)
  assert.equal(counters.failures(0), 0)
})

test("an error in a later request is said with a body, although the one before was HEAD", async (t) => {
  const backend = await answering(t, () => "HTTP/1.1 200 OK\r\n\r\n")
  const { client } = await relay(t, [backend], { timeouts: { clientHeadMs: 100 } })
  for (const bytes of ["nonsense\r\n\r\n", "GET / HTTP/1.1\r\nHo"]) {
    const wire = await client()
    wire.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
    await wire.response(true)
    wire.send(bytes)
    const response = await wire.response()
    assert.ok(response.status >= 400 && response.body.length > 0)
  }
})

test("a response that comes before the whole request reaches the client, which is then let go", async (t) => {
  const backend = await scripted(t, async (wire) => {
    await wire.head()
    wire.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno")
  })
  const { client } = await relay(t, [backend])
  const wire = await client()
  wire.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nfirst")
  const response = await wire.response()
  wire.send("second")
  assert.deepEqual(
    [response.status, response.field("connection"), response.body.toString()],
    [413, "close", "no"],
  )
  assert.equal(await wire.closed, "end")
})

test("a client that has closed its sending side still gets every response it asked for", async (t) => {
  const backend = await answering(t, async (request) => {
    await pause(20)
    return ok(pathOf(request))
  })
  const { client } = await relay(t, [backend])
  const wire = await client()
  wire.send(get("/1") + get("/2") + get("/3"))
  wire.socket.end()
  for (const path of ["/1", "/2", "/3"]) assert.equal((await wire.response()).body.toString(), path)
  assert.equal(await wire.closed, "end")
})

// ── room ──────────────────────────────────────────────────────────────────────────────────────────────────────

test("requests for room that is taken are served in the order they came", async (t) => {
  const order: string[] = []
  const backend = await answering(t, async (request) => {
    order.push(pathOf(request))
    await pause(10)
    return ok(pathOf(request))
  })
  const { client } = await relay(t, [backend], oneSlot)
  const paths = ["/1", "/2", "/3", "/4", "/5"]
  const wires: Wire[] = []
  for (const path of paths) {
    const wire = await client()
    wires.push(wire)
    wire.send(get(path))
    await pause(1)
  }
  for (const [i, wire] of wires.entries()) assert.equal((await wire.response()).body.toString(), paths[i])
  assert.deepEqual(order, paths)
})

test("a request that waits for too long gets queue_timeout, one that finds the queue full queue_full, both 503", async (t) => {
  const backend = await scripted(t, () => {})
  const { client, table, counters } = await relay(t, [backend], {
    ...oneSlot,
    limits: { queueMax: 1 },
    timeouts: { queueMs: 100 },
  })
  const holder = await client()
  holder.send(get())
  await until("the slot is taken", () => table.inFlight(0) === 1)
  const [waits, full] = [await client(), await client()]
  waits.send(get())
  await pause(20)
  full.send(get())
  assert.equal(codeOf(await full.response()), "queue_full")
  const late = await waits.response()
  assert.deepEqual([late.status, codeOf(late), late.field("retry-after")], [503, "queue_timeout", "1"])
  holder.reset()
  await until("all is given back", () => table.isIdle(0))
  assert.deepEqual(counters.errors(), { queue_full: 1, queue_timeout: 1, client_gone: 1 })
})

test("a request that left the queue takes no place in it", async (t) => {
  const backend = await scripted(t, () => {})
  const { client, table, counters } = await relay(t, [backend], { ...oneSlot, limits: { queueMax: 2 } })
  const holder = await client()
  holder.send(get())
  await until("the slot is taken", () => table.inFlight(0) === 1)
  for (let i = 0; i < 5; i++) {
    const wire = await client()
    wire.send(get())
    await until("it waits", () => counters.total("requests") === i + 2)
    wire.reset()
    await until("it has gone", () => counters.total("closed") === i + 1)
  }
  assert.deepEqual(counters.errors(), { client_gone: 5 })
})

// ── change ────────────────────────────────────────────────────────────────────────────────────────────────────

test("a response that runs finishes although its backend leaves, and the next request goes elsewhere", async (t) => {
  const { promise: finished, resolve: finish } = Promise.withResolvers<void>()
  const leaving = await scripted(t, async (wire) => {
    await wire.request()
    wire.send("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf")
    await finished
    wire.send("half")
  })
  const { client, apply, members } = await relay(t, [leaving, await answering(t, () => ok("other"))])
  const wire = await client()
  apply(members.slice(0, 1))
  wire.send(get())
  await until("half of it", () => wire.text.endsWith("half"))
  apply(members.slice(1))
  finish()
  assert.equal((await wire.response()).body.toString(), "halfhalf")
  await until("its connection is closed", () => leaving.wires[0]!.gone)
  wire.send(get())
  assert.equal((await wire.response()).body.toString(), "other")
})

test("a stop lets what runs finish, sends those that wait away, and lets no client in", async (t) => {
  const backend = await scripted(t, async (wire) => {
    await wire.request()
    await pause(150)
    wire.send(ok("done"))
  })
  const { client, plane, port, table } = await relay(t, [backend], oneSlot)
  const [runs, waits, idle] = [await client(), await client(), await client()]
  runs.send(get())
  await until("it runs", () => table.inFlight(0) === 1)
  waits.send(get())
  await pause(20)
  const stopped = plane.stop()
  assert.equal(codeOf(await waits.response()), "shutting_down")
  const response = await runs.response()
  assert.deepEqual([response.body.toString(), response.field("connection")], ["done", "close"])
  await stopped
  await idle.closed
  const late = await client()
  await late.closed
  assert.equal(late.received, 0, `a program still responds on ${port}`)
})

test("just after the start requests wait for the first backend, and are served once it is there", async (t) => {
  const backend = await answering(t, () => ok("done"))
  const { client, apply, members, counters } = await relay(t, [backend], {
    empty: true,
    timeouts: { firstMemberMs: 60_000 },
  })
  const wires = [await client(), await client()]
  for (const wire of wires) wire.send(get())
  await until("both are there", () => counters.total("requests") === 2)
  await pause(20)
  assert.deepEqual([wires[0]!.received, counters.errors()], [0, {}])
  apply(members)
  for (const wire of wires) assert.equal((await wire.response()).status, 200)
  // From then on there were members: a request that comes without any gets its error at once.
  apply([])
  wires[0]!.send(get())
  assert.equal(codeOf(await wires[0]!.response()), "no_backend")
})

test("when no first backend comes in time, requests that wait get their error, and later ones get it at once", async (t) => {
  const { client } = await relay(t, [], { timeouts: { firstMemberMs: 100 } })
  const wire = await client()
  for (let i = 0; i < 3; i++) {
    wire.send(get())
    const response = await wire.response()
    assert.deepEqual([response.status, codeOf(response)], [503, "no_backend"])
  }
})

for (const version of ["1.1", "1.0"]) {
  test(`from the beginning of a drain every response says that its connection closes (HTTP/${version})`, async (t) => {
    const { client, plane } = await relay(t, [await answering(t, () => ok("done"))])
    const [busy, idle] = [await client(), await client()]
    const request = `POST / HTTP/${version}\r\nHost: a\r\nContent-Length: 1\r\n\r\nx`
    if (version === "1.1") {
      idle.send(request)
      assert.equal((await idle.response()).field("connection"), undefined)
    }
    plane.drain()
    // It takes new connections still, and each is good for one request.
    for (const wire of [busy, idle, await client()]) {
      wire.send(request)
      const response = await wire.response()
      assert.deepEqual([response.status, response.field("connection")], [200, "close"])
      await wire.closed
    }
  })
}

test("a draining balancer says of its own responses too that their connections close", async (t) => {
  const { client, plane, apply } = await relay(t, [await answering(t, () => ok("done"))])
  apply([])
  plane.drain()
  for (const request of [
    get(),
    "OPTIONS * HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n",
    "NONSENSE\r\n\r\n",
  ]) {
    const wire = await client()
    wire.send(request)
    assert.equal((await wire.response()).field("connection"), "close")
    await wire.closed
  }
})

test("a request that is under way to an idle connection when the listeners close is served, and is the last", async (t) => {
  const { client, plane, port } = await relay(t, [await answering(t, () => ok("done"))])
  const [used, fresh, silent] = [await client(), await client(), await client()]
  used.send(get())
  assert.equal((await used.response()).field("connection"), undefined)
  const stopped = plane.stop()
  while (await isOpen(port)) await pause(5)
  for (const wire of [used, fresh]) {
    wire.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx")
    const response = await wire.response()
    assert.deepEqual([response.status, response.field("connection")], [200, "close"])
  }
  // It is told that no more comes, and not reset.
  assert.equal(await silent.closed, "end")
  await stopped
})

test("clients that the system has let in when the listeners close are served, however many there are", async (t) => {
  const { plane, port } = await relay(t, [await answering(t, () => ok("done"))])
  const sockets = Array.from({ length: 100 }, () => connect(port, "127.0.0.1"))
  const answers = sockets.map(async (socket) => {
    let text = ""
    socket.on("data", (bytes: Buffer) => (text += bytes.toString()))
    socket.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx")
    await new Promise((resolve) => socket.once("error", resolve).once("close", resolve))
    return text.slice(0, 15)
  })
  // The system connects all of them at once; they are accepted one after the other.
  await plane.stop()
  assert.deepEqual(new Set(await Promise.all(answers)), new Set(["HTTP/1.1 200 OK"]))
})

test("a stop ends what does not finish in time", async (t) => {
  const { client, plane, table } = await relay(t, [await scripted(t, () => {})], {
    timeouts: { drainMs: 50 },
  })
  const wire = await client()
  wire.send(get())
  await until("it runs", () => table.inFlight(0) === 1)
  await plane.stop()
  assert.ok(table.isIdle(0))
})

// ── weather ───────────────────────────────────────────────────────────────────────────────────────────────────

test("after a storm of clients and backends that do anything, nothing is held and nothing has thrown", async (t) => {
  const { seed, rng, chance, uncaught } = storm(t)

  const mad: Script = async (wire) => {
    for (;;) {
      if (chance(0.05)) return wire.reset()
      if (chance(0.05)) return void (await wire.head().then(() => wire.socket.end()))
      const request = chance(0.1) ? undefined : await wire.request()
      if (chance(0.3)) await pause(rng.below(30))
      switch (rng.below(12)) {
        case 0:
          return wire.reset()
        case 1:
          return void wire.socket.end()
        case 2:
          // Stalls, with or without half an answer.
          if (chance(0.5)) wire.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nha")
          return
        case 3:
          wire.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
          return chance(0.5) ? wire.reset() : void wire.socket.end()
        case 4:
          wire.send(randomBytes(rng.below(200)))
          return
        case 5:
          wire.send("HTTP/1.1 200 OK\r\n\r\nuntil the end")
          return void wire.socket.end()
        case 6:
          wire.send(joined("HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n", Buffer.alloc(300_000)))
          break
        case 7:
          wire.send("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n")
          break
        default:
          wire.send(ok(request === undefined ? "early" : pathOf(request)))
      }
    }
  }
  const backends = [await refusing()]
  for (let i = 0; i < 4; i++) backends.push(await scripted(t, mad))
  const { client, table, counters, apply, members } = await relay(t, backends, {
    resources: [...resourcesDefault, ...slots],
    capacity: { compute: 20, storage: 20, slots: 12 },
    limits: { queueMax: 50 },
    timeouts: {
      clientHeadMs: 300,
      clientIdleMs: 300,
      clientBodyMs: 300,
      responseHeadMs: 300,
      betweenBytesMs: 300,
      queueMs: 300,
    },
  })
  const behave = async (wire: Wire): Promise<void> => {
    for (let i = 1 + rng.below(4); i > 0; i--) {
      if (wire.gone) return
      switch (rng.below(10)) {
        case 0:
          wire.send(get().slice(0, rng.below(25)))
          break
        case 1:
          wire.send(randomBytes(rng.below(400)))
          break
        case 2:
          wire.send(get("/a") + get("/b") + get("/c").slice(0, 10 + rng.below(20)))
          break
        case 3:
          wire.send(joined("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n"))
          wire.send(Buffer.alloc(chance(0.5) ? 200_000 : 100_000))
          break
        case 4:
          wire.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
          wire.send(chance(0.5) ? "0\r\n\r\n" : "zzz\r\n")
          break
        case 5:
          wire.send(get("/big"))
          wire.socket.pause()
          break
        case 6:
          wire.send(get("/old").replace("1.1", "1.0"))
          break
        default:
          wire.send(get("/plain"))
      }
      await pause(rng.below(40))
      if (chance(0.15)) return wire.reset()
      if (chance(0.1)) return void wire.socket.end()
      if (chance(0.05)) return void wire.socket.destroy()
    }
    wire.socket.resume()
    if (chance(0.5)) wire.socket.end()
  }
  const running: Promise<void>[] = []
  for (let i = 0; i < 300; i++) {
    running.push(client().then(behave))
    if (i % 10 === 0) await pause(5)
    if (i % 50 === 0) apply(chance(0.5) ? members : members.slice(rng.below(2)))
  }
  await Promise.all(running)
  await until("the end of everything", () => counters.total("accepted") === counters.total("closed"))
  for (const { slot } of members) assert.ok(table.isIdle(slot), `slot ${slot}, seed ${seed}`)
  assert.deepEqual(uncaught, [])
})
