import assert from "node:assert/strict"
import { type ChildProcess, spawn } from "node:child_process"
import { Agent, get } from "node:http"
import { createServer, type AddressInfo } from "node:net"
import { join } from "node:path"
import { after, before, test } from "node:test"
import type { StateView } from "../src/control/state-view.ts"

/** The whole demonstration as a newcomer starts it, on ports of its own. */

const launcher = join(import.meta.dirname, "..", "bin", "linebacker")
const agent = new Agent({ keepAlive: true, maxSockets: 64 })
let ports: number[] = []
let demo: ChildProcess | undefined
let said = ""

before(async () => {
  ports = await freePorts(3)
  const [traffic, registration, admin] = ports
  const first = 20_000 + Math.floor(Math.random() * 20_000)
  demo = run([
    "demo",
    "-o",
    `127.0.0.1:${traffic}`,
    "-i",
    `127.0.0.1:${registration}`,
    "-f",
    `127.0.0.1:${admin}`,
    "--backend-port",
    String(first),
  ])
  demo.stdout?.on("data", (data: Buffer) => (said += data.toString()))
  demo.stderr?.on("data", (data: Buffer) => (said += data.toString()))
  await until(() => said.includes("Ctrl-C ends all of it."), 20_000)
})

after(() => {
  demo?.kill("SIGKILL")
  agent.destroy()
})

test("three hundred requests are answered by all three backends, and the totals are what the backends counted", async () => {
  const answers = await load(300, 16)
  assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]))
  assert.equal(new Set(answers.map(({ backend }) => backend)).size, 3)
  const { backends, totals } = await state()
  assert.equal(totals.requests, 300)
  for (const { address, total, requests, inFlight, reserved } of backends) {
    const counted = (await (await fetch(`http://${address}/stats`)).json()) as {
      totals: unknown
      requests: number
    }
    assert.deepEqual(total, counted.totals)
    assert.equal(requests, counted.requests)
    assert.deepEqual([inFlight, reserved], [0, { compute: 0, storage: 0 }])
  }
})

test("a backend that joins while requests run gets its share, and leaves without losing one", async () => {
  const [port] = await freePorts(1)
  const running = load(1_500, 16)
  const joined = run([
    "backend",
    "--port",
    String(port),
    "--id",
    "joined",
    "--capacity",
    "compute=20,storage=30",
    "--announce",
    `http://127.0.0.1:${ports[1]}`,
  ])
  try {
    await until(
      async () => ((await state()).backends.find(({ id }) => id === "joined")?.requests ?? 0) > 20,
      10_000,
    )
    joined.kill("SIGTERM")
    await until(async () => !(await state()).backends.some(({ id }) => id === "joined"), 10_000)
  } finally {
    joined.kill("SIGKILL")
  }
  const failed = (await running).filter(({ status }) => status !== 200)
  assert.deepEqual(failed, [])
})

test("a backend that is killed costs no request that had not begun to be answered", async () => {
  const [port] = await freePorts(1)
  const victim = run([
    "backend",
    "--port",
    String(port),
    "--id",
    "victim",
    "--capacity",
    "compute=20,storage=40",
    "--announce",
    `http://127.0.0.1:${ports[1]}`,
  ])
  await until(
    async () => (await state()).backends.some(({ id, state }) => id === "victim" && state === "serving"),
    10_000,
  )
  const running = load(1_500, 16)
  await until(
    async () => ((await state()).backends.find(({ id }) => id === "victim")?.requests ?? 0) > 20,
    10_000,
  )
  victim.kill("SIGKILL")
  const failed = (await running).filter(({ status }) => status !== 200)
  assert.deepEqual(failed, [])
  await until(async () => !(await state()).backends.some(({ id }) => id === "victim"), 15_000)
  const { backends } = await state()
  for (const { inFlight, reserved } of backends)
    assert.deepEqual([inFlight, reserved], [0, { compute: 0, storage: 0 }])
})

test("Ctrl-C ends all of it, and nothing listens any more", async () => {
  const code = await new Promise((resolve) => {
    demo?.once("exit", resolve)
    demo?.kill("SIGINT")
  })
  assert.equal(code, 0)
  assert.match(said, /stopped/)
  for (const port of ports) await assert.rejects(fetch(`http://127.0.0.1:${port}/`))
})

test("a busy port is named with how to choose another", async () => {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const { port } = server.address() as AddressInfo
  const [registration, admin] = await freePorts(2)
  const child = run([
    "serve",
    "-o",
    `127.0.0.1:${port}`,
    "-i",
    `127.0.0.1:${registration}`,
    "-f",
    `127.0.0.1:${admin}`,
  ])
  let words = ""
  child.stderr?.on("data", (data: Buffer) => (words += data.toString()))
  const code = await new Promise((resolve) => child.once("close", resolve))
  server.close()
  assert.equal(code, 1)
  assert.match(words, new RegExp(`port ${port} is busy.*-o host:port`))
})

interface Answer {
  readonly status: number | string
  readonly backend: string
}

function run(args: readonly string[]): ChildProcess {
  return spawn(process.execPath, [launcher, ...args], { stdio: ["ignore", "pipe", "pipe"] })
}

/** `count` GETs, so many at a time. */
async function load(count: number, atOnce: number): Promise<Answer[]> {
  const answers: Answer[] = []
  let sent = 0
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      while (sent++ < count) answers.push(await request())
    }),
  )
  return answers
}

function request(): Promise<Answer> {
  return new Promise((resolve) => {
    get({ host: "127.0.0.1", port: ports[0], agent }, (response) => {
      response.resume()
      const backend = String(response.headers["x-linebacker-backend"])
      response.on("end", () => resolve({ status: response.statusCode ?? 0, backend }))
      response.on("error", (error) => resolve({ status: `cut: ${error.message}`, backend }))
    }).on("error", (error) => resolve({ status: error.message, backend: "" }))
  })
}

async function state(): Promise<StateView> {
  return (await (await fetch(`http://127.0.0.1:${ports[2]}/api/v1/state`)).json()) as StateView
}

async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer()
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
      return server
    }),
  )
  const free = servers.map((server) => (server.address() as AddressInfo).port)
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return free
}

async function until(holds: () => boolean | Promise<boolean>, ms: number): Promise<void> {
  const end = performance.now() + ms
  while (!(await holds())) {
    assert.ok(
      performance.now() < end,
      `it did not come about within ${ms} ms; the demonstration said: ${said}`,
    )
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}
