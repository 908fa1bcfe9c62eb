/** The whole demonstration as a newcomer starts it, on ports of its own; and a backend of the seed's. */
import assert from "node:assert/strict"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { Agent, createServer as createHttpServer, request } from "node:http"
import { type AddressInfo, createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { after, test, type TestContext } from "node:test"
import { isDeepStrictEqual } from "node:util"
import type { BackendView, StateView } from "../../src/control/state-view.ts"
import {
  askMany,
  type Answer,
  childrenOf,
  type Cleaner,
  isAlive,
  isOpen,
  linebacker,
  openLoop,
  type Started,
} from "../support/processes.ts"
import { until } from "../support/until.ts"
import { freePortRow, freePorts } from "../support/free-ports.ts"

interface Demonstration extends Started {
  readonly traffic: number
  readonly registration: number
  readonly admin: number
  readonly backendPorts: readonly number[]
}

async function demonstration(cleaner: Cleaner): Promise<Demonstration> {
  const [traffic, registration, admin] = (await freePorts(3)) as [number, number, number]
  const first = await freePortRow(3)
  const started = linebacker(
    cleaner,
    "demo",
    ...listeners(traffic, registration, admin),
    `--backend-port=${first}`,
  )
  await until(
    () => `the demonstration runs; it said: ${started.said()}`,
    () => started.said().includes("Ctrl-C ends all of it."),
  )
  return { ...started, traffic, registration, admin, backendPorts: [first, first + 1, first + 2] }
}

function listeners(traffic: number, registration: number, admin: number): string[] {
  return [
    `--listen=127.0.0.1:${traffic}`,
    `--registration=127.0.0.1:${registration}`,
    `--admin=127.0.0.1:${admin}`,
  ]
}

async function stateOf(admin: number): Promise<StateView> {
  return (await (await fetch(`http://127.0.0.1:${admin}/api/v1/state`)).json()) as StateView
}

async function backendOf(admin: number, id: string): Promise<BackendView | undefined> {
  return (await stateOf(admin)).backends.find((backend) => backend.id === id)
}

/** Exactly nothing is held; a client may have read a response's end a moment before its thread has settled it. */
async function assertIdle(admin: number): Promise<void> {
  const idle = { inFlight: 0, reserved: { compute: 0, storage: 0 } }
  const held = async (): Promise<unknown[]> =>
    (await stateOf(admin)).backends.map(({ inFlight, reserved }) => ({ inFlight, reserved }))
  for (let tries = 0; tries < 20; tries++) {
    if ((await held()).every((one) => isDeepStrictEqual(one, idle))) return
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  for (const one of await held()) assert.deepEqual(one, idle)
}

function assertAllAnswered(answers: readonly Answer[]): void {
  assert.deepEqual(
    answers.filter(({ status }) => status !== 200),
    [],
  )
}

const agent = new Agent({ keepAlive: true, maxSockets: 64 })
after(() => agent.destroy())

test("the demonstration, from its start to Ctrl-C", async (t) => {
  const demo = await demonstration({ after: (clean) => t.after(clean) })
  const { traffic, registration, admin } = demo

  await t.test("300 requests are served by all three, and both sides count the same", async () => {
    const answers = await askMany(traffic, agent, 300, 16)
    assert.equal(answers.length, 300)
    assertAllAnswered(answers)
    assert.deepEqual([...new Set(answers.map(({ backend }) => backend))].toSorted(), [
      "backend-1",
      "backend-2",
      "backend-3",
    ])
    await assertIdle(admin)
    const counted = async (): Promise<number> =>
      (await stateOf(admin)).backends.reduce((sum, { requests }) => sum + requests, 0)
    await until("all 300 are counted", async () => (await counted()) === 300)
    const { backends, totals } = await stateOf(admin)
    assert.deepEqual([totals.requests, totals.inFlight], [300, 0])
    for (const { id, address, total, requests } of backends) {
      const stats = (await (await fetch(`http://${address}/stats`)).json()) as {
        readonly totals: unknown
        readonly requests: number
      }
      assert.deepEqual([id, total, requests], [id, stats.totals, stats.requests])
      assert.equal(requests, answers.filter(({ backend }) => backend === id).length)
    }
  })

  await t.test("the page is served", async () => {
    const response = await fetch(`http://127.0.0.1:${admin}/`)
    assert.equal(response.status, 200)
    assert.match(response.headers.get("content-type") ?? "", /^text\/html/)
    assert.match(await response.text(), /<!doctype html>[^]*Linebacker/i)
  })

  await t.test(
    "a backend that joins while requests run gets traffic, and leaves without losing one",
    async (t) => {
      const [port] = await freePorts(1)
      const load = openLoop(traffic, agent, 200)
      // Or a failure would leave it running, and this process with it.
      t.after(() => void load.stop())
      const joined = linebacker(
        { after: (clean) => t.after(clean) },
        "backend",
        `--port=${port}`,
        "--id=joined",
        "--capacity=compute=20,storage=20",
        `--announce=http://127.0.0.1:${registration}`,
      )
      const startedAt = performance.now()
      await until(
        () => `the fourth backend gets traffic; it said: ${joined.said()}`,
        async () => ((await backendOf(admin, "joined"))?.requests ?? 0) > 100,
      )
      t.diagnostic(`traffic after ${Math.round(performance.now() - startedAt)} ms`)
      joined.process.kill("SIGTERM")
      assert.equal(await joined.ended, 0)
      await until("it has left", async () => (await backendOf(admin, "joined")) === undefined)
      const answers = await load.stop()
      assertAllAnswered(answers)
      assert.ok(answers.some(({ backend }) => backend === "joined"))
      await assertIdle(admin)
    },
  )

  await t.test("a backend that is killed costs no request, and is taken out", async (t) => {
    const victim = childrenOf(demo.pid).find(({ words }) => words.includes("--id=backend-2"))
    assert.ok(victim !== undefined, "backend-2 is a process of its own")
    const load = openLoop(traffic, agent, 200)
    // Or a failure would leave it running, and this process with it.
    t.after(() => void load.stop())
    await new Promise((resolve) => setTimeout(resolve, 2_000))
    assert.ok((await backendOf(admin, "backend-2"))!.requests > 0)
    process.kill(victim.pid, "SIGKILL")
    const killedAt = performance.now()
    const seen = new Map<string, number>()
    const watch = async (): Promise<boolean> => {
      const state = (await backendOf(admin, "backend-2"))?.state ?? "gone"
      if (!seen.has(state)) seen.set(state, Math.round(performance.now() - killedAt))
      return state === "gone"
    }
    await until(
      "it is out of rotation",
      async () => (await watch(), seen.has("ejected") || seen.has("suspect")),
    )
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, 4_000 - (performance.now() - killedAt))))
    const answers = await load.stop()
    await until("its lease has ended", watch)
    t.diagnostic(`${answers.length} requests; states by ms: ${JSON.stringify([...seen])}`)
    assert.ok(answers.length > 1_000, `${answers.length} requests`)
    assertAllAnswered(answers)
    await assertIdle(admin)
  })

  await t.test("the token that it prints changes the policy, and no other does", async () => {
    const [, token] = /Authorization: Bearer ([A-Za-z0-9_-]{12})'/.exec(demo.said()) ?? []
    assert.ok(token !== undefined, demo.said())
    const change = (bearer: string, name: string): Promise<Response> =>
      fetch(`http://127.0.0.1:${admin}/api/v1/policy`, {
        method: "POST",
        headers: { "Content-Type": "application/json", Authorization: `Bearer ${bearer}` },
        body: JSON.stringify({ name }),
      })
    assert.equal((await change(`${token}x`, "round-robin")).status, 401)
    assert.equal((await stateOf(admin)).policy, "auto")
    assert.equal((await change(token, "round-robin")).status, 200)
    assert.equal((await stateOf(admin)).policy, "round-robin")
    assert.equal((await change(token, "auto")).status, 200)
  })

  await t.test("Ctrl-C ends all of it within 10 s", async (t) => {
    const children = childrenOf(demo.pid).map(({ pid }) => pid)
    assert.equal(children.length, 2)
    const startedAt = performance.now()
    demo.process.kill("SIGINT")
    assert.equal(await demo.ended, 0)
    const ms = Math.round(performance.now() - startedAt)
    t.diagnostic(`it took ${ms} ms`)
    assert.ok(ms < 10_000, `it took ${ms} ms`)
    for (const port of [traffic, registration, admin, ...demo.backendPorts]) {
      assert.equal(await isOpen(port), false, `port ${port}`)
    }
    assert.deepEqual(
      children.filter((pid) => isAlive(pid)),
      [],
    )
  })
})

test("the backends end with the demonstration even when it is killed", async (t) => {
  const demo = await demonstration(t)
  const children = childrenOf(demo.pid).map(({ pid }) => pid)
  assert.equal(children.length, 3)
  demo.process.kill("SIGKILL")
  assert.equal(await demo.ended, "SIGKILL")
  await until("no backend is left", () => !children.some((pid) => isAlive(pid)))
  for (const port of demo.backendPorts) assert.equal(await isOpen(port), false, `port ${port}`)
})

test("a busy port is named with how to choose another", async (t) => {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  t.after(() => void server.close())
  const busy = (server.address() as AddressInfo).port
  const [one, two, three] = (await freePorts(3)) as [number, number, number]
  const cases: readonly (readonly [words: readonly string[], flag: string])[] = [
    [["serve", ...listeners(busy, one, two)], "-o host:port"],
    [["serve", ...listeners(one, busy, two)], "-i host:port"],
    [["serve", ...listeners(one, two, busy)], "-f host:port"],
    [["demo", ...listeners(busy, one, two)], "-o host:port"],
    [["demo", ...listeners(one, two, three), "--backends=1", `--backend-port=${busy}`], "--backend-port"],
    [["backend", `--port=${busy}`], "--port"],
  ]
  for (const [words, flag] of cases) {
    const started = linebacker(t, ...words)
    assert.equal(await started.ended, 1, words.join(" "))
    assert.match(started.said(), new RegExp(`port ${busy} is busy`), words.join(" "))
    assert.ok(started.said().includes(flag), `${words.join(" ")} said: ${started.said()}`)
  }
})

/** A backend of the seed's: first announces itself with the body of a GET, from its own address, then listens. */
class SeedBackend {
  readonly received: { readonly compute: unknown; readonly storage: unknown }[] = []
  readonly #server = createHttpServer((incoming, response) => {
    this.received.push({ compute: incoming.headers["compute"], storage: incoming.headers["storage"] })
    response.end("Success\n")
  })

  announce(registration: number): Promise<number> {
    const body = JSON.stringify({ "Compute-Vector": 20, "Storage-Vector": 13 })
    return new Promise((resolve, reject) => {
      request(
        {
          host: "127.0.0.1",
          port: registration,
          localAddress: seedHost,
          method: "GET",
          path: "/",
          headers: { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(body) },
          agent: false,
        },
        (response) => {
          response.resume()
          response.on("end", () => resolve(response.statusCode ?? 0))
        },
      )
        .on("error", reject)
        .end(body)
    })
  }

  listen(port: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once("error", reject).listen(port, seedHost, resolve)
    })
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve())
      this.#server.closeAllConnections()
    })
  }
}

const seedHost = "127.0.0.2"

async function seedBackendLives(t: TestContext, legacyPort: number): Promise<void> {
  const [traffic, registration, admin] = (await freePorts(3)) as [number, number, number]
  const folder = mkdtempSync(join(tmpdir(), "linebacker-"))
  t.after(() => rmSync(folder, { recursive: true }))
  const config = join(folder, "seed.yaml")
  writeFileSync(
    config,
    `demand: {mode: simulation}
registration: {legacyPort: ${legacyPort}}
checks: {interval: 200ms, timeout: 200ms, fall: 2}
response: {backendHeader: true}
`,
  )
  const serve = linebacker(t, "serve", "-c", config, ...listeners(traffic, registration, admin))
  await until(
    () => `it runs; it said: ${serve.said()}`,
    () => serve.said().includes("traffic on"),
  )
  const id = `seed-${seedHost}`
  const seed = new SeedBackend()
  t.after(() => seed.close())

  assert.equal(await seed.announce(registration), 200)
  await seed.listen(legacyPort)
  await until("it serves", async () => (await backendOf(admin, id))?.state === "serving")
  const { address, capacity } = (await backendOf(admin, id))!
  assert.deepEqual([address, capacity], [`${seedHost}:${legacyPort}`, { compute: 20, storage: 13 }])

  const answers = await askMany(traffic, agent, 20, 4)
  assertAllAnswered(answers)
  assert.deepEqual([...new Set(answers.map(({ backend }) => backend))], [id])
  assert.equal(seed.received.length, 20)
  // The response has left before it is counted, by another process than this one.
  await until("all 20 are counted", async () => (await backendOf(admin, id))?.requests === 20)
  const { total } = (await backendOf(admin, id))!
  const sums = { compute: 0, storage: 0 }
  for (const { compute, storage } of seed.received) {
    for (const amount of [compute, storage]) assert.match(String(amount), /^([1-9]|10)$/)
    sums.compute += Number(compute)
    sums.storage += Number(storage)
  }
  assert.deepEqual(total, sums)

  assert.equal(await seed.announce(registration), 200)
  assert.deepEqual(
    (await stateOf(admin)).backends.map((backend) => backend.id),
    [id],
  )
  await until("it still serves", async () => (await backendOf(admin, id))?.state === "serving")
  assertAllAnswered(await askMany(traffic, agent, 5, 1))
  await assertIdle(admin)

  await seed.close()
  const isOut = async (): Promise<boolean> => (await stateOf(admin)).totals.eligible === 0
  await until("it is taken out", isOut)
  // The threads hear of it a moment later.
  await until("requests are refused", async () => (await askMany(traffic, agent, 1, 1))[0]?.status === 503)
  serve.process.kill("SIGTERM")
  assert.equal(await serve.ended, 0)
}

test("a backend of the seed's lives on port 80 of its address", async (t) => {
  const probe = new SeedBackend()
  try {
    await probe.listen(80)
    await probe.close()
  } catch (error) {
    return t.skip(`${seedHost}:80 is not to be had here: ${String(error)}`)
  }
  await seedBackendLives(t, 80)
})

test("a backend of the seed's lives on another port when registration.legacyPort says so", async (t) => {
  await seedBackendLives(t, await freePortRow(1))
})
