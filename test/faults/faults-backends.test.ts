/** Backends that misbehave in ways that take more than one request or one moment: what their clients see of it. */
import assert from "node:assert/strict"
import { randomBytes } from "node:crypto"
import { type AddressInfo, createServer, type Server } from "node:net"
import { test, type TestContext } from "node:test"
import type { Address } from "../../src/membership/snapshot.ts"
import { blackHole } from "../support/black-hole.ts"
import { codeOf, get, ok, pathOf } from "../support/wire/messages.ts"
import { answering, pause, relay, scripted, Wire } from "../support/relay.ts"
import { until } from "../support/until.ts"

// ── before a response ─────────────────────────────────────────────────────────────────────────────────────────

for (const method of ["GET", "POST"]) {
  test(`a ${method} whose backend is a black hole goes to another, and those after it go there at once`, async (t) => {
    const good = await answering(t, (request) => ok(request.body.toString()))
    const { client, counters } = await relay(t, [await blackHole(t), good], { timeouts: { connectMs: 50 } })
    const wire = await client()
    for (let i = 0; i < 6; i++) {
      wire.send(`${method} / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody`)
      assert.equal((await wire.response()).body.toString(), "body")
    }
    assert.deepEqual(counters.errors(), {})
    // A backend that refused the connection a moment ago is asked only when no other will do.
    assert.equal(counters.failures(0), 1)
  })
}

test("a client waits for a black hole no longer than it takes, whatever it sends meanwhile", async (t) => {
  const { client, counters } = await relay(t, [await blackHole(t)], { timeouts: { connectMs: 50 } })
  const wire = await client()
  wire.send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 20000000\r\n\r\n")
  wire.send(Buffer.alloc(20_000_000))
  const response = await wire.response()
  assert.deepEqual([response.status, codeOf(response)], [504, "connect_timeout"])
  assert.deepEqual(counters.errors(), { connect_timeout: 1 })
})

for (const stage of ["without a byte", "in mid-head"] as const) {
  for (const how of ["end", "reset"] as const) {
    test(`a backend that closes ${stage} by ${how} is 502 for a POST; a GET gets its response from another`, async (t) => {
      const bad = await scripted(t, async (wire) => {
        await wire.request()
        if (stage === "in mid-head") wire.send("HTTP/1.1 200 OK\r\nContent-Le")
        await until("it has left", () => wire.socket.writableLength === 0)
        if (how === "end") wire.socket.end()
        else wire.reset()
      })
      const good = await answering(t, () => ok("good"))
      const { client, counters } = await relay(t, [bad, good])
      const told: unknown[] = []
      for (let i = 0; i < 4; i++) {
        const wire = await client()
        wire.send(i % 2 === 0 ? get() : "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx")
        const response = await wire.response()
        told.push(response.status === 200 ? response.body.toString() : codeOf(response))
      }
      // Something did come back in mid-head: what the backend did of the request is not known.
      assert.deepEqual(counters.failures(1), 0)
      const errors = told.filter((one) => one === "backend_reset").length
      assert.equal(told.filter((one) => one === "good").length + errors, 4, told.join())
      assert.deepEqual(counters.errors(), errors === 0 ? {} : { backend_reset: errors })
      if (stage === "without a byte") assert.ok(errors <= 2, told.join())
    })
  }
}

test("a head that drips for ever is 504 when its time is up, however lively it drips", async (t) => {
  const backend = await scripted(t, async (wire) => {
    await wire.request()
    wire.send("HTTP/1.1 200 OK\r\n")
    for (let i = 0; i < 400 && !wire.gone; i++) {
      wire.send(`X-${i}: y\r\n`)
      await pause(10)
    }
  })
  const { client, counters } = await relay(t, [backend], {
    timeouts: { responseHeadMs: 100 },
    limits: { fieldsMax: 1_000 },
  })
  const wire = await client()
  wire.send(get())
  const response = await wire.response()
  assert.deepEqual([response.status, codeOf(response)], [504, "response_head_timeout"])
  assert.deepEqual([counters.errors(), counters.failures(0)], [{ response_head_timeout: 1 }, 1])
  await until("the backend is left", () => backend.wires[0]!.gone)
})

test("interim responses do not stop the clock of the final one", async (t) => {
  const backend = await scripted(t, async (wire) => {
    await wire.request()
    for (let i = 0; i < 20 && !wire.gone; i++) {
      wire.send("HTTP/1.1 102 Processing\r\n\r\n")
      await pause(50)
    }
  })
  const { client } = await relay(t, [backend], { timeouts: { responseHeadMs: 100 } })
  const wire = await client()
  wire.send(get())
  let response = await wire.response()
  while (response.status === 102) response = await wire.response()
  assert.deepEqual([response.status, codeOf(response)], [504, "response_head_timeout"])
})

// ── interim responses ─────────────────────────────────────────────────────────────────────────────────────────

test("interim responses of every kind come in order before the final one, whichever way they are cut", async (t) => {
  const bytes = Buffer.from(
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n" +
      "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </b>\r\n\r\n" +
      "HTTP/1.1 199 Strange\r\n\r\n" +
      ok("final"),
  )
  const backend = await scripted(t, async (wire) => {
    for (let step = 1; ; step = step * 3 + 1) {
      await wire.request()
      for (let at = 0; at < bytes.length; at += step) {
        wire.send(bytes.subarray(at, at + step))
        if (step < 100) await pause(0)
      }
    }
  })
  const { client, counters } = await relay(t, [backend])
  const wire = await client()
  for (let i = 0; i < 6; i++) {
    wire.send(get())
    const seen: (readonly [number, string | undefined])[] = []
    for (let status = 0; status < 200;) {
      const response = await wire.response()
      status = response.status
      seen.push([status, response.field("link") ?? response.body.toString()])
    }
    assert.deepEqual(seen, [
      [100, ""],
      [102, ""],
      [103, "</a>"],
      [103, "</b>"],
      [199, ""],
      [200, "final"],
    ])
  }
  assert.deepEqual([counters.errors(), backend.wires.length], [{}, 1])
})

test("interim responses may be many, and come before the final one", async (t) => {
  const count = 1_000
  const backend = await scripted(t, async (wire) => {
    for (;;) {
      await wire.request()
      wire.send(`${"HTTP/1.1 102 Processing\r\n\r\n".repeat(count)}${ok("final")}`)
    }
  })
  const { client, counters } = await relay(t, [backend])
  const wire = await client()
  for (let i = 0; i < 3; i++) {
    wire.send(get())
    for (let n = 0; n < count; n++) assert.equal((await wire.response()).status, 102)
    assert.equal((await wire.response()).body.toString(), "final")
  }
  assert.deepEqual([counters.errors(), backend.wires.length], [{}, 1])
})

test("a client that does not read interim responses holds their backend back, and gets all of them", async (t) => {
  // More than the buffers of two connections take.
  const line = `HTTP/1.1 103 Early Hints\r\nLink: <${"x".repeat(4_000)}>\r\n\r\n`
  const count = 8_000
  let isHeld = false
  const backend = await scripted(t, async (wire) => {
    await wire.request()
    for (let i = 0; i < count; i++) isHeld = !wire.socket.write(line) || isHeld
    wire.send(ok("final"))
  })
  const { client } = await relay(t, [backend], {
    limits: { interimBytesPerSecondMax: 2 ** 30 },
    // However long a busy machine takes to pass 32 MB on.
    timeouts: { responseHeadMs: 600_000 },
  })
  const wire = await client()
  wire.socket.pause()
  wire.send(get())
  await until("the backend waits", () => (backend.wires[0]?.socket.bytesWritten ?? 0) > 0 && isHeld)
  let written = -1
  await until("no more is taken of it", () => {
    const before = written
    written = backend.wires[0]!.socket.bytesWritten - backend.wires[0]!.socket.writableLength
    return before === written
  })
  assert.ok(written < line.length * count, `${written} bytes are taken`)
  wire.socket.resume()
  await until("the final response has come", () => wire.bytes.subarray(-5).toString() === "final")
  const interim = wire.bytes.subarray(0, line.length * count)
  assert.ok(interim.equals(Buffer.alloc(line.length * count, line)))
})

test("a backend that resets after an interim response leaves its client with 502, not with nothing", async (t) => {
  const backend = await scripted(t, async (wire) => {
    await wire.request()
    wire.send("HTTP/1.1 103 Early Hints\r\n\r\n")
    await pause(20)
    wire.reset()
  })
  const { client } = await relay(t, [backend, backend])
  const wire = await client()
  wire.send(get())
  assert.equal((await wire.response()).status, 103)
  const response = await wire.response()
  assert.deepEqual([response.status, codeOf(response)], [502, "backend_reset"])
  // The client has seen nothing of a final answer, but the backend has begun to work on the request.
  assert.equal(backend.wires.length, 1)
})

// ── responses without a request ───────────────────────────────────────────────────────────────────────────────

test("a backend that speaks before it is asked is left, and its bytes reach no client", async (t) => {
  const backend = await scripted(t, async (wire, nth) => {
    if (nth === 0) wire.send(ok("unasked"))
    for (;;) wire.send(ok(pathOf(await wire.request())))
  })
  const { client } = await relay(t, [backend])
  for (let i = 0; i < 5; i++) {
    const wire = await client()
    wire.send(get(`/${i}`))
    const response = await wire.response()
    if (response.status === 200 && i > 0) assert.equal(response.body.toString(), `/${i}`)
  }
})

// A second response that comes once its connection carries the next request looks like the response to that one;
// everything that is there before is.
test("a backend that responds twice responds to no second client", async (t) => {
  const backend = await scripted(t, async (wire) => {
    for (;;) wire.send(ok(pathOf(await wire.request())) + ok("again"))
  })
  const { client, counters } = await relay(t, [backend])
  const wires = await Promise.all(Array.from({ length: 8 }, () => client()))
  for (let round = 0; round < 10; round++) {
    await Promise.all(
      wires.map(async (wire, i) => {
        wire.send(get(`/${round}-${i}`))
        assert.equal((await wire.response()).body.toString(), `/${round}-${i}`)
      }),
    )
  }
  assert.deepEqual(counters.errors(), {})
})

test("an idle connection that its backend fills with noise or ends is not used again", async (t) => {
  const backend = await scripted(t, async (wire, nth) => {
    wire.send(ok(pathOf(await wire.request())))
    await pause(5)
    if (nth % 3 === 0) wire.send(randomBytes(50))
    else if (nth % 3 === 1) wire.socket.end()
    else wire.reset()
  })
  const { client, counters } = await relay(t, [backend])
  const wire = await client()
  for (let i = 0; i < 9; i++) {
    wire.send(get(`/${i}`))
    assert.equal((await wire.response()).body.toString(), `/${i}`)
    await until("it is closed", () => backend.wires[i]!.gone)
  }
  assert.deepEqual([backend.wires.length, counters.errors(), counters.failures(0)], [9, {}, 0])
})

// ── responses before the request is whole ─────────────────────────────────────────────────────────────────────

const refusal = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 60000\r\n\r\n" + "x".repeat(60_000)

for (const [how, ending] of [
  ["and goes on reading", () => {}],
  ["and takes no more", (wire: Wire) => void wire.socket.pause()],
  ["and ends its side", (wire: Wire) => void wire.socket.end()],
  ["and closes, which resets what is still coming", (wire: Wire) => wire.socket.destroySoon()],
] as const) {
  test(`a client that uploads gets an early 413 whole when the backend sends it ${how}`, async (t) => {
    const backend = await scripted(t, async (wire) => {
      await wire.head()
      wire.send(refusal)
      ending(wire)
    })
    const { client, counters } = await relay(t, [backend])
    for (let i = 0; i < 10; i++) {
      const wire = await client()
      wire.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 30000000\r\n\r\n")
      const uploads = (async () => {
        const block = Buffer.alloc(256 * 1024)
        for (let sent = 0; sent < 30_000_000 && !wire.gone; sent += block.length) {
          if (!wire.send(block))
            await Promise.race([new Promise((r) => wire.socket.once("drain", r)), wire.closed])
        }
      })()
      const response = await wire.response()
      assert.deepEqual(
        [response.status, response.field("connection"), response.body.length],
        [413, "close", 60_000],
      )
      wire.socket.destroy()
      await uploads
    }
    assert.deepEqual(counters.errors(), {})
  })
}

test("an early response that only the end delimits never looks complete when that end is a reset", async (t) => {
  const backend = await scripted(t, async (wire) => {
    await wire.head()
    wire.send("HTTP/1.1 200 OK\r\n\r\nhalf")
    await until("it has left", () => wire.socket.writableLength === 0)
    wire.reset()
  })
  const { client } = await relay(t, [backend])
  for (let i = 0; i < 20; i++) {
    const wire = await client()
    wire.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n")
    wire.send(Buffer.alloc(1_000_000))
    await wire.closed
    assert.doesNotMatch(wire.text, /0\r\n\r\n$/)
  }
})

// ── a backend that comes and goes ─────────────────────────────────────────────────────────────────────────────

/** A backend whose listener opens and closes, and whose connections die with it. */
async function flapping(
  t: TestContext,
  everyMs: number,
): Promise<Address & { readonly flaps: () => number }> {
  const wires = new Set<Wire>()
  let flaps = 0
  let server: Server | undefined
  const open = async (port: number): Promise<number> => {
    const opened = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      const wire = new Wire(socket)
      wires.add(wire)
      void (async () => {
        for (;;) {
          await wire.request()
          wire.send(ok("flap"))
        }
      })().catch(() => socket.destroy())
    })
    await new Promise<void>((resolve) => opened.listen(port, "127.0.0.1", resolve))
    server = opened
    return (opened.address() as AddressInfo).port
  }
  const port = await open(0)
  const timer = setInterval(() => {
    flaps++
    if (server === undefined) return void open(port)
    server.close()
    server = undefined
    for (const wire of wires) wire.reset()
    wires.clear()
  }, everyMs)
  t.after(() => {
    clearInterval(timer)
    server?.close()
    for (const wire of wires) wire.socket.destroy()
  })
  return { host: "127.0.0.1", port, flaps: () => flaps }
}

test("under load a backend that comes and goes costs no idempotent request, while another is there", async (t) => {
  const good = await answering(t, () => ok("good"))
  const flaps = await flapping(t, 40)
  const { client, counters } = await relay(t, [flaps, good])
  const answers = new Map<string, number>()
  // One that refuses is left alone for one second, so how often it is asked while it is there is chance.
  const enough = (): boolean => flaps.flaps() >= 40 && answers.has("flap") && counters.failures(0) > 0
  const endsAt = performance.now() + 60_000
  await Promise.all(
    Array.from({ length: 32 }, async (_, i) => {
      const wire = await client()
      while (!enough() && performance.now() < endsAt) {
        wire.send(i % 2 === 0 ? get() : "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody")
        const response = await wire.response()
        const answer = response.status === 200 ? response.body.toString() : codeOf(response)
        answers.set(answer, (answers.get(answer) ?? 0) + 1)
      }
    }),
  )
  t.diagnostic(`${[...answers].join(" ")}, ${counters.failures(0)} attempts failed`)
  assert.deepEqual([...answers.keys()].toSorted(), ["flap", "good"])
  assert.deepEqual(counters.errors(), {})
  assert.ok(counters.failures(0) > 0, "it never flapped in mid-request")
})
