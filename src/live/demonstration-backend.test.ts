import assert from "node:assert/strict"
import { Agent, request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from "node:http"
import { test, type TestContext } from "node:test"
import { eventually, startFakeRegistration, VirtualTime } from "../../test/support/fake-registration.ts"
import {
  startDemonstrationBackend,
  type DemonstrationBackend,
  type DemonstrationOptions,
} from "./demonstration-backend.ts"

interface Arrangement {
  readonly backend: DemonstrationBackend
  readonly time: VirtualTime
}

/** Compute 20 and storage 10 units per second, in virtual time that stands still. */
async function arrange(t: TestContext, options: Partial<DemonstrationOptions> = {}): Promise<Arrangement> {
  const time = new VirtualTime(1_000)
  const backend = await startDemonstrationBackend({
    id: "a",
    port: 0,
    capacity: { compute: 20, storage: 10 },
    speed: 1,
    clock: time,
    timers: time,
    ...options,
  })
  t.after(() => backend.close())
  return { backend, time }
}

interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
  readonly json: Readonly<Record<string, unknown>>
}

interface Asked {
  readonly method?: string
  readonly path?: string
  readonly headers?: Readonly<Record<string, string | string[]>>
  readonly body?: string
  readonly agent?: Agent
  readonly signal?: AbortSignal
}

async function ask(backend: DemonstrationBackend, asked: Asked = {}): Promise<Answer> {
  const { body, agent = false, ...options } = asked
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const { port } = backend
    httpRequest({ host: "127.0.0.1", port, agent, ...options }, resolve)
      .on("error", reject)
      .end(body)
  })
  let text = ""
  for await (const chunk of response) text += String(chunk)
  const { statusCode: status = 0, headers } = response
  const isJson = headers["content-type"] === "application/json" && text !== ""
  return { status, headers, text, json: isJson ? (JSON.parse(text) as Record<string, unknown>) : {} }
}

/** Asks for a job, and waits until it runs. */
async function job(
  backend: DemonstrationBackend,
  compute: number,
  storage: number,
  asked: Asked = {},
): Promise<{ readonly answer: Promise<Answer> }> {
  const running = backend.stats().running + 1
  const headers = { Compute: String(compute), Storage: String(storage), ...asked.headers }
  const answer = ask(backend, { ...asked, headers })
  // Whether it is refused is for the test to see, later.
  answer.catch(() => {})
  await eventually(() => backend.stats().running === running)
  return { answer }
}

test("a job occupies compute, then storage, and gets its response when both are done", async (t) => {
  // 10 units at 20 per second, then 2 at 10: 500 + 200 ms.
  const { backend, time } = await arrange(t)
  const { answer } = await job(backend, 10, 2, { path: "/x?y" })
  time.pass(699.9)
  assert.equal(backend.stats().running, 1)
  assert.equal(backend.stats().requests, 0)
  time.pass(0.1)

  assert.deepEqual((await answer).json, {
    id: "a",
    method: "GET",
    path: "/x?y",
    job: { compute: 10, storage: 2 },
    totals: { compute: 10, storage: 2 },
    requests: 1,
    serviceMs: 700,
    bodyBytes: 0,
    running: 0,
    capacity: { compute: 20, storage: 10 },
  })
})

test("latency grows with load: two equal jobs share compute, and queue up to share storage", async (t) => {
  // Compute: both until 1000 ms. Storage: both from then, 4 units at 10 per second: until 1400 ms.
  const { backend, time } = await arrange(t)
  const first = await job(backend, 10, 2)
  const second = await job(backend, 10, 2)
  time.pass(1_399.9)
  assert.equal(backend.stats().running, 2)
  time.pass(0.1)

  assert.deepEqual(
    [(await first.answer).json["serviceMs"], (await second.answer).json["serviceMs"]],
    [1_400, 1_400],
  )
})

test("at speed 50 the same job takes a fiftieth of the time", async (t) => {
  const { backend, time } = await arrange(t, { speed: 50 })
  const { answer } = await job(backend, 10, 2)
  time.pass(14)

  assert.equal((await answer).json["serviceMs"], 14)
})

test("a job alone gets no more than a lane, and jobs share once there are more than lanes", async (t) => {
  const { backend, time } = await arrange(t, { lane: { compute: 5 } })
  const { answer } = await job(backend, 10, 0)
  time.pass(2_000)
  assert.equal((await answer).json["serviceMs"], 2_000)
})

test("a space is held and not worked on, and its utilization is what is held of it", async (t) => {
  const { backend, time } = await arrange(t, { capacity: { compute: 20, memory: 10 }, spaces: ["memory"] })
  const headers = { Compute: "10", Memory: "4" }
  const running = ask(backend, { headers })
  await eventually(() => backend.stats().running === 1)
  assert.equal(backend.stats().utilization["memory"], 0.4)
  time.pass(500)
  assert.deepEqual((await running).json["job"], { compute: 10, memory: 4 })
  assert.equal(backend.stats().utilization["memory"], 0)
})

test("a job that asks for it is held when its work is done, at the speed of everything else", async (t) => {
  const { backend, time } = await arrange(t, { speed: 2 })
  const { answer } = await job(backend, 10, 0, { headers: { Hold: "600" } })
  time.pass(250)
  assert.equal(backend.stats().running, 1)
  time.pass(299)
  assert.equal(backend.stats().running, 1)
  time.pass(1)
  assert.equal((await answer).json["serviceMs"], 550)
})

test("a client that leaves while its job is held frees what it held", async (t) => {
  const { backend, time } = await arrange(t, { capacity: { memory: 10 }, spaces: ["memory"] })
  const leaving = new AbortController()
  const headers = { Memory: "4", Hold: "1000" }
  const { answer } = await job(backend, 0, 0, { headers, signal: leaving.signal })
  leaving.abort()
  await assert.rejects(answer)
  await eventually(() => backend.stats().running === 0)
  assert.deepEqual([backend.stats().utilization, backend.stats().aborted], [{ memory: 0 }, 1])
  time.pass(2_000)
  assert.equal(backend.stats().requests, 0)
})

test("reports what it is told to: everything, utilization alone, or nothing", async (t) => {
  const reportOf = async (reports: "costs" | "utilization" | "none"): Promise<unknown> => {
    const { backend } = await arrange(t, { reports })
    return (await ask(backend)).headers["endpoint-load-metrics"]
  }
  assert.match(String(await reportOf("costs")), /request_cost.*utilization/)
  assert.match(String(await reportOf("utilization")), /^JSON \{"utilization":/)
  assert.equal(await reportOf("none"), undefined)
})

test("its condition changes while it runs: slower, standing still, lying, silent about the present", async (t) => {
  const { backend, time } = await arrange(t)
  const { answer } = await job(backend, 10, 0)
  backend.setCondition({ speeds: { compute: 0.5 } })
  time.pass(500)
  backend.setCondition({ speeds: { compute: 0 } })
  time.pass(5_000)
  assert.equal(backend.stats().running, 1)
  backend.setCondition({ speeds: { compute: 1 }, reportFactor: 0.5 })
  time.pass(250)
  const { json, headers } = await answer
  assert.equal(json["serviceMs"], 5_750)
  const told = JSON.parse(String(headers["endpoint-load-metrics"]).slice(5)) as {
    utilization: Record<string, number>
  }
  const { compute } = backend.stats().utilization
  assert.ok(Math.abs(told.utilization["compute"]! - compute! / 2) <= 0.0001)
  assert.throws(() => backend.setCondition({ speeds: { memory: 1 } }), /speeds names "memory"/)

  backend.setCondition({ reportsFrozen: true })
  time.pass(9_000)
  const stale = JSON.parse(String((await ask(backend)).headers["endpoint-load-metrics"]).slice(5)) as unknown
  assert.deepEqual((stale as typeof told).utilization, told.utilization)
  assert.ok(backend.stats().utilization["compute"]! < 0.001)
})

test("a late timer delays responses but loses no capacity", async (t) => {
  // Both stages were over long before the timer fired; the second job had its 700 ms meanwhile.
  const late = new VirtualTime()
  const { backend, time } = await arrange(t, { timers: late })
  const first = await job(backend, 10, 2)
  time.pass(10_000)
  assert.equal(backend.stats().running, 0)
  const second = await job(backend, 10, 2)
  assert.equal((await first.answer).json["requests"], 1)
  time.pass(700)
  late.pass(1_000)

  assert.equal((await second.answer).json["serviceMs"], 700)
})

test("one timer waits for the next completion, whatever the number of jobs", async (t) => {
  const { backend, time } = await arrange(t)
  for (let i = 0; i < 5; i++) await job(backend, 1, 1)

  assert.deepEqual(time.waits, [250])
})

test("work that no header names is nothing, and a request without work gets its response at once", async (t) => {
  const { backend } = await arrange(t)
  const { status, json } = await ask(backend)

  assert.equal(status, 200)
  assert.deepEqual(json["job"], { compute: 0, storage: 0 })
  assert.equal(json["serviceMs"], 0)
})

for (const found of [
  "",
  "x",
  "-1",
  "1e3",
  "0x10",
  "Infinity",
  "NaN",
  "1000001",
  "1,2",
  ".5",
  "9".repeat(400),
]) {
  test(`refuses Compute: ${found.slice(0, 10)} by name, and counts nothing`, async (t) => {
    const { backend } = await arrange(t)
    const { status, json } = await ask(backend, { headers: { Compute: found } })

    assert.equal(status, 400)
    const error = json["error"] as Record<string, unknown>
    assert.equal(error["header"], "Compute")
    assert.equal(error["code"], "bad_demand")
    assert.match(String(error["message"]), /from 0 to 1000000/)
    assert.equal(backend.stats().requests, 0)
  })
}

test("refuses a header that came twice", async (t) => {
  const { backend } = await arrange(t)

  assert.equal((await ask(backend, { headers: { Storage: ["1", "2"] } })).status, 400)
})

test("refuses work for a resource that it does not have: it would never end", async (t) => {
  const { backend } = await arrange(t, { capacity: { compute: 20, storage: 0 } })
  const { status, json } = await ask(backend, { headers: { Storage: "1" } })

  assert.equal(status, 503)
  assert.deepEqual(json["error"], {
    status: 503,
    code: "no_capacity",
    message: "this backend has no storage",
    header: "Storage",
  })
  assert.equal((await ask(backend)).status, 200)
})

test("has a header for each of the operator's resources", async (t) => {
  const { backend, time } = await arrange(t, { capacity: { "gpu-seconds": 1, network: 2 } })
  const answer = ask(backend, { headers: { "Gpu-Seconds": "1", Network: "2" } })
  await eventually(() => backend.stats().running === 1)
  time.pass(2_000)

  assert.deepEqual((await answer).json["totals"], { "gpu-seconds": 1, network: 2 })
})

for (const method of ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"]) {
  test(`${method} is a job like any other, and its body is read and counted`, async (t) => {
    const { backend } = await arrange(t)
    const { status, json } = await ask(backend, {
      method,
      path: "/healthz",
      headers: { "Content-Length": "100000" },
      body: "x".repeat(100_000),
    })

    assert.equal(status, 200)
    assert.equal(json["method"], method)
    assert.equal(json["bodyBytes"], 100_000)
    assert.equal(backend.stats().requests, 1)
  })
}

test("HEAD is a job whose response has no body", async (t) => {
  const { backend } = await arrange(t)
  const { status, text, headers } = await ask(backend, { method: "HEAD" })

  assert.equal(status, 200)
  assert.equal(text, "")
  assert.ok(Number(headers["content-length"]) > 0)
  assert.equal(backend.stats().requests, 1)
})

test("/healthz and /stats respond at once and are no jobs", async (t) => {
  const { backend } = await arrange(t)
  await job(backend, 10, 10)
  const health = await ask(backend, { path: "/healthz" })
  const stats = await ask(backend, { path: "/stats?pretty", headers: { Compute: "9" } })

  assert.deepEqual([health.status, health.text], [200, "ok"])
  assert.deepEqual(stats.json, { ...backend.stats() })
  assert.equal(backend.stats().requests, 0)
  assert.equal(backend.stats().running, 1)
})

test("a client that leaves frees its share at once and is in no total", async (t) => {
  // Alone again after 500 ms, the other has 5 of 10 units left: 250 ms more.
  const { backend, time } = await arrange(t)
  const leaving = new AbortController()
  await job(backend, 10, 0, { signal: leaving.signal })
  const other = await job(backend, 10, 0)
  time.pass(500)
  leaving.abort()
  await eventually(() => backend.stats().running === 1)

  assert.deepEqual(time.waits, [250])
  assert.equal(backend.stats().aborted, 1)
  time.pass(250)
  assert.equal((await other.answer).json["serviceMs"], 750)
  assert.deepEqual(backend.stats().totals, { compute: 10, storage: 0 })
  assert.equal(backend.stats().requests, 1)
})

test("a client that leaves before a late timer has looked is in no total, though its work was done", async (t) => {
  const late = new VirtualTime()
  const { backend, time } = await arrange(t, { timers: late })
  const leaving = new AbortController()
  await job(backend, 10, 0, { signal: leaving.signal })
  assert.equal(late.waits.length, 1)
  time.pass(10_000)
  leaving.abort()
  // To ask for numbers would be to look: that the timer is taken back shows that the backend has noticed.
  await eventually(() => late.waits.length === 0)

  assert.deepEqual([backend.stats().requests, backend.stats().aborted], [0, 1])
  assert.equal(backend.stats().running, 0)
})

test("a client that leaves in the middle of its body is in no total, though its work was done", async (t) => {
  const { backend, time } = await arrange(t)
  const { port } = backend
  const client = httpRequest({ port, method: "POST", headers: { Compute: "1", "Content-Length": "10" } })
  client.on("error", () => {}).write("half")
  await eventually(() => backend.stats().running === 1)
  time.pass(50)
  assert.equal(backend.stats().running, 1)
  client.destroy()
  await eventually(() => backend.stats().running === 0)

  assert.deepEqual([backend.stats().requests, backend.stats().aborted], [0, 1])
})

test("reports the request's cost and the utilization of about the last second as ORCA JSON", async (t) => {
  // Compute is busy for one second from idle, storage never: 1 - e^-2 of it, by a mean age of half a second.
  const { backend, time } = await arrange(t)
  const { answer } = await job(backend, 20, 0)
  time.pass(1_000)

  const report = String((await answer).headers["endpoint-load-metrics"])
  assert.deepEqual(JSON.parse(report.replace(/^JSON /, "")), {
    request_cost: { compute: 20, storage: 0 },
    utilization: { compute: 0.8647, storage: 0 },
  })
  assert.ok(report.startsWith("JSON {"))

  time.pass(1_000)
  assert.equal(backend.stats().utilization["compute"], 0.117)
})

test("utilization is 1 under full load and never more", async (t) => {
  const { backend, time } = await arrange(t)
  for (let i = 0; i < 10; i++) await job(backend, 100, 1)
  for (let ms = 0; ms < 20_000; ms += 7) {
    time.pass(7)
    const { compute } = backend.stats().utilization
    assert.ok(compute! >= 0 && compute! <= 1, `utilization is ${compute}`)
  }
  assert.equal(backend.stats().utilization["compute"], 1)
})

test("browsers get a page that says the same, escaped, and asks for nothing else", async (t) => {
  const { backend } = await arrange(t)
  const { headers, text } = await ask(backend, {
    path: "/<script>alert('x')</script>&",
    headers: { Accept: "text/html,application/xhtml+xml;q=0.9" },
  })

  assert.equal(headers["content-type"], "text/html; charset=utf-8")
  assert.match(text, /<link rel="icon" href="data:,">/)
  assert.match(text, /<meta name="viewport"/)
  assert.match(text, /color-scheme: light dark/)
  assert.match(text, /GET \/&#60;script&#62;alert\(&#39;x&#39;\)&#60;\/script&#62;&#38;/)
  assert.doesNotMatch(text, /<script|(?:src|href)="(?!data:,)/)
  assert.ok(headers["endpoint-load-metrics"])
})

test("keeps idle connections longer than a balancer's pool does", async (t) => {
  const { backend } = await arrange(t)
  const agent = new Agent({ keepAlive: true })
  t.after(() => agent.destroy())
  const { headers } = await ask(backend, { agent })

  assert.equal(headers["keep-alive"], "timeout=75")
})

test("announces itself with its port, and reports utilization and running jobs", async (t) => {
  const balancer = await startFakeRegistration()
  t.after(() => balancer.close())
  const lines: string[] = []
  const { backend, time } = await arrange(t, {
    announce: { balancer: balancer.url, zone: "z" },
    log: (line) => lines.push(line),
  })
  await eventually(() => backend.announcement?.state === "member" && time.waits[0] === 2_000)
  const body = balancer.calls[0]?.body
  assert.equal(body?.["address"], `:${backend.port}`)
  assert.deepEqual(body?.["capacity"], { compute: 20, storage: 10 })
  assert.equal(body?.["zone"], "z")

  await job(backend, 1_000, 0)
  time.pass(2_000)
  assert.deepEqual((await balancer.next("renew")).body, {
    generation: 1,
    utilization: { compute: 0.9817, storage: 0 },
    inFlight: 1,
  })
  assert.deepEqual(lines, [`a listens on 127.0.0.1:${backend.port}`, "a member: a member, generation 1"])
})

test("an orderly end drains, responds to what runs, leaves and closes", async (t) => {
  const balancer = await startFakeRegistration()
  t.after(() => balancer.close())
  const { backend, time } = await arrange(t, { announce: { balancer: balancer.url } })
  await eventually(() => backend.announcement?.state === "member")
  const { answer } = await job(backend, 10, 0)
  const drained = balancer.next("drain")
  const ended = backend.shutdown()
  await drained

  // Still responds, and says that the connection ends.
  const agent = new Agent({ keepAlive: true })
  t.after(() => agent.destroy())
  assert.equal((await ask(backend, { path: "/stats", agent })).headers.connection, "close")
  assert.equal(balancer.members.size, 1)
  await eventually(() => backend.announcement?.state === "draining" && time.waits.includes(10_000))
  time.pass(500)
  assert.equal((await answer).status, 200)
  await ended
  assert.deepEqual(
    balancer.calls.map(({ kind }) => kind),
    ["announce", "drain", "leave"],
  )
  await assert.rejects(ask(backend), /ECONNREFUSED/)
  assert.deepEqual(time.waits, [])
})

test("an orderly end waits 10 s for running jobs, then cuts them off", async (t) => {
  const { backend, time } = await arrange(t)
  const { answer } = await job(backend, 1_000_000, 0)
  const ended = backend.shutdown()
  await eventually(() => time.waits.includes(10_000))
  time.pass(10_000)
  await eventually(() => time.waits.includes(1_000))
  time.pass(1_000)

  await ended
  await assert.rejects(answer, /hang up|ECONNRESET/)
})

test("a port that is taken is an error, not a crash", async (t) => {
  const { backend } = await arrange(t)

  await assert.rejects(arrange(t, { port: backend.port }), /EADDRINUSE/)
})

test("refuses a capacity or speed that makes no sense", async (t) => {
  for (const capacity of [{}, { compute: 0 }, { compute: -1 }, { compute: NaN }, { "a b": 1 }]) {
    await assert.rejects(arrange(t, { capacity }), RangeError)
  }
  for (const speed of [0, -1, NaN, Infinity]) await assert.rejects(arrange(t, { speed }), RangeError)
})

test("a job that finds no room waits in order, and work begins only inside", async (t) => {
  const { backend, time } = await arrange(t, { capacity: { compute: 10, memory: 10 }, spaces: ["memory"] })
  const ask2 = (memory: number, path: string): Promise<Answer> =>
    ask(backend, { path, headers: { Compute: "10", Memory: String(memory) } })
  const first = ask2(8, "/first")
  await eventually(() => backend.stats().running === 1)
  const second = ask2(4, "/second")
  await eventually(() => backend.stats().running === 2)
  // It would fit, but must not pass the one before it.
  const third = ask2(2, "/third")
  await eventually(() => backend.stats().running === 3)
  assert.equal(backend.stats().utilization["memory"], 0.8)
  time.pass(1_000)
  assert.equal((await first).json["serviceMs"], 1_000)
  assert.equal(backend.stats().utilization["memory"], 0.6)
  time.pass(2_000)
  assert.deepEqual([(await second).json["serviceMs"], (await third).json["serviceMs"]], [3_000, 3_000])
})

test("refuses what it could never hold, and what it cannot any more", async (t) => {
  const { backend } = await arrange(t, { capacity: { memory: 10 }, spaces: ["memory"] })
  const tooLarge = await ask(backend, { headers: { Memory: "11" } })
  assert.equal(tooLarge.status, 503)
  assert.match(tooLarge.text, /"this backend has not so much memory"/)
  await job(backend, 0, 0, { headers: { Memory: "4", Hold: "1000" } })
  const waiting = ask(backend, { headers: { Memory: "8" } })
  await eventually(() => backend.stats().running === 2)
  backend.setCondition({ taken: { memory: 0.5 } })
  assert.equal((await waiting).status, 503)
  assert.deepEqual([backend.stats().running, backend.stats().aborted, backend.stats().requests], [1, 0, 0])
})

test("in order of arrival, as many are served as there are lanes", async (t) => {
  const { backend, time } = await arrange(t, {
    capacity: { compute: 20 },
    lane: { compute: 10 },
    discipline: "fifo",
  })
  const answers: Promise<Answer>[] = []
  for (let i = 1; i <= 3; i++) {
    answers.push(ask(backend, { headers: { Compute: "10" } }))
    await eventually(() => backend.stats().running === i)
  }
  time.pass(1_000)
  assert.deepEqual(
    [(await answers[0]!).json["serviceMs"], (await answers[1]!).json["serviceMs"]],
    [1_000, 1_000],
  )
  assert.equal(backend.stats().running, 1)
  time.pass(1_000)
  assert.equal((await answers[2]!).json["serviceMs"], 2_000)
})

test("a neighbour takes capacity but leaves a lane as fast as it was; to be slow is another matter", async (t) => {
  const { backend, time } = await arrange(t, { capacity: { compute: 20 }, lane: { compute: 10 } })
  backend.setCondition({ taken: { compute: 0.5 } })
  const alone = ask(backend, { headers: { Compute: "10" } })
  await eventually(() => backend.stats().running === 1)
  time.pass(1_000)
  assert.equal((await alone).json["serviceMs"], 1_000)
  backend.setCondition({ taken: { compute: 0 }, speeds: { compute: 0.5 } })
  const slow = ask(backend, { headers: { Compute: "10" } })
  await eventually(() => backend.stats().running === 1)
  time.pass(2_000)
  assert.equal((await slow).json["serviceMs"], 2_000)
})

test("fails the part of its requests that it is told to, without working", async (t) => {
  const { backend } = await arrange(t)
  backend.setCondition({ failing: 1 })
  assert.equal((await ask(backend, { headers: { Compute: "10" } })).status, 503)
  assert.equal(backend.stats().running, 0)
  backend.setCondition({ failing: 0 })
  assert.equal((await ask(backend)).status, 200)
})
