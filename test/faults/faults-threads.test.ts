/** Threads of the balancer that throw, stand still or hang in the system, with the default number of them. */
import assert from "node:assert/strict"
import { execFileSync, spawn } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { Agent, request } from "node:http"
import { availableParallelism, tmpdir } from "node:os"
import { join } from "node:path"
import { test } from "node:test"
import type { StateView } from "../../src/control/state-view.ts"
import { get, ok } from "../support/wire/messages.ts"
import type { Mishap } from "../support/mishap.ts"
import { type Answer, askMany, type Cleaner } from "../support/processes.ts"
import { answering, dial, type Message, type Wire } from "../support/relay.ts"
import { until } from "../support/until.ts"

/** By default there is one thread per core; a machine with a single core has two here. */
const threads = Math.max(2, availableParallelism())

interface Program {
  readonly port: number
  /** URL of the registration API. */
  readonly registration: string
  readonly folder: string
  readonly said: () => string
  /** Its exit code, or the signal that ended it. */
  readonly ended: Promise<number | string>
  readonly state: () => Promise<StateView>
  /** The status and the body of `/readyz`. */
  readonly readiness: () => Promise<readonly [status: number, body: string]>
  readonly cause: (mishap: Mishap) => void
  readonly signal: (name: NodeJS.Signals) => void
}

/** `serve` before one backend, which responds at once without `answer`; ready. */
async function program(
  cleaner: Cleaner & Parameters<typeof answering>[0],
  timeouts: Readonly<Record<string, string>> = {},
  answer: (request: Message) => string | Promise<string> = () => ok("ok"),
): Promise<Program> {
  const backend = await answering(cleaner, answer)
  const folder = mkdtempSync(join(tmpdir(), "linebacker-threads-"))
  const file = join(folder, "linebacker.json")
  const listen = "127.0.0.1:0"
  const settings = {
    listen,
    workers: threads,
    registration: { listen, ttl: "12h", suspect: "11h", renew: "1h" },
    admin: { listen },
    checks: { interval: "200ms" },
    timeouts: { threadStill: "3s", drain: "2s", unready: "0s", ...timeouts },
  }
  writeFileSync(file, JSON.stringify(settings))
  const root = join(import.meta.dirname, "..", "..")
  const child = spawn(
    process.execPath,
    [
      `--import=${join(root, "test", "support", "mishap.ts")}`,
      join(root, "src", "cli", "main.ts"),
      "serve",
      "-c",
      file,
    ],
    { stdio: ["ignore", "pipe", "pipe", "ipc"] },
  )
  let said = ""
  child.stdout!.on("data", (data: Buffer) => (said += data.toString()))
  child.stderr!.on("data", (data: Buffer) => (said += data.toString()))
  const ended = new Promise<number | string>((resolve) => {
    child.once("exit", (code, signal) => resolve(code ?? signal ?? "nothing"))
  })
  cleaner.after(() => {
    child.kill("SIGKILL")
    rmSync(folder, { recursive: true, force: true })
  })
  await until(
    () => said,
    () => said.includes("page on"),
  )
  const [, traffic, registration, admin] =
    /traffic on [^:]+:(\d+), registration on (\S+), page on (\S+?)\/,/.exec(said)!
  await fetch(`http://${registration}/v1/backends/b`, {
    method: "PUT",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({
      address: `${backend.host}:${backend.port}`,
      capacity: { compute: 1_000, storage: 1_000 },
    }),
  })
  const readiness = async (): Promise<readonly [number, string]> => {
    const response = await fetch(`${admin}/readyz`)
    return [response.status, await response.text()]
  }
  await until("it is ready", async () => (await readiness())[0] === 200)
  return {
    port: Number(traffic),
    registration: `http://${registration}`,
    folder,
    said: () => said,
    ended,
    state: async () => (await (await fetch(`${admin}/api/v1/state`)).json()) as StateView,
    readiness,
    cause: (mishap) => void child.send(mishap),
    signal: (name) => void child.kill(name),
  }
}

/** So many new connections with one request each: all get responses. */
async function answersAll(port: number, count: number): Promise<void> {
  const wires: Wire[] = []
  for (let i = 0; i < count; i++) {
    const wire = await dial(port)
    wires.push(wire)
    wire.send(get())
    assert.equal((await wire.response()).status, 200)
  }
  for (const wire of wires) wire.socket.destroy()
}

function post(port: number, agent: Agent): Promise<Answer> {
  return new Promise((resolve) => {
    const asked = request({ host: "127.0.0.1", port, agent, method: "POST" }, (response) => {
      response.resume()
      response.on("end", () => resolve({ status: response.statusCode ?? 0, backend: "" }))
    })
    asked.on("error", (error) => resolve({ status: error.message, backend: "" }))
    asked.end("body")
  })
}

test("what nothing catches in the control plane is said with its stack, and traffic flows on", async (t) => {
  const { port, cause, said, state, readiness } = await program(t)
  cause({ to: "main", kind: "throw" })
  await until("the bug is said", () => /a bug in .*\n {4}at /.test(said()))
  assert.match(said(), /Error: a mishap of the test\n {4}at happen /)
  // Once, however often.
  for (let i = 0; i < 20; i++) cause({ to: "main", kind: "throw" })
  await until("all are counted", async () => (await state()).faults.bugs === 21)
  assert.equal(said().split("a mishap of the test").length, 2)
  await answersAll(port, 10)
  assert.equal((await readiness())[0], 200)
})

test("when all of the control plane throws, each bug is said with its stack, and traffic flows on", async (t) => {
  const { port, registration, cause, said, state, readiness } = await program(t)
  cause({ to: "main", kind: "break" })
  const names = ["expire", "sample", "learn", "reclaim", "checked"]
  await until(said, () => names.every((name) => said().includes(`Error: ${name} is broken\n    at `)))
  const renewal = await fetch(`${registration}/v1/backends/b/renew`, { method: "POST" })
  assert.equal(renewal.status, 500)
  assert.match(said(), /a bug in the registration API; the balancer goes on: Error: renew is broken/)
  await answersAll(port, 20)
  assert.equal((await readiness())[0], 200)
  assert.ok((await state()).faults.bugs > names.length)
  // Those of each second were said once.
  assert.equal(said().split("learn is broken").length, 2)
})

test("a data-plane thread that throws is replaced, and its stack is said", async (t) => {
  const { port, cause, said, state } = await program(t)
  cause({ to: 1, kind: "throw" })
  await until("its death is known", async () => (await state()).faults.threadsDied === 1)
  assert.match(
    said(),
    /data-plane thread 1, .*died and is replaced.*Error: a mishap of the test\n {4}at happen /,
  )
  await until("another has its place", async () => (await state()).workers === threads)
  // What the system let in for the thread that died is lost with it.
  await until("all are served", () =>
    answersAll(port, 20).then(
      () => true,
      () => false,
    ),
  )
})

test("without any thread that takes connections it is not ready, and it is again once there are others", async (t) => {
  const { port, cause, state, readiness } = await program(t)
  // Again and again: on a busy machine the first is replaced before the last has heard of it.
  const isUnready = async (): Promise<boolean> => {
    for (let lane = 0; lane < threads; lane++) cause({ to: lane, kind: "throw" })
    return (await readiness())[0] === 503
  }
  await until("it is not ready", isUnready)
  await until("it is ready again", async () => (await readiness())[0] === 200)
  await until("all are replaced", async () => (await state()).workers === threads)
  await answersAll(port, 10)
})

test("a data-plane thread that stands still is said, makes it unready, and is replaced", async (t) => {
  const { port, cause, said, state, readiness } = await program(t)
  const before = await Promise.all(Array.from({ length: 8 * threads }, () => dial(port)))
  cause({ to: 0, kind: "spin" })
  await until("it is known", async () => (await state()).faults.threadsStill === 1)
  assert.match(said(), /data-plane thread 0 has stood still for [\d.]+ s: it is ended and replaced/)
  await until("it is ready again", async () => (await readiness())[0] === 200)
  await until("another has its place", async () => (await state()).workers === threads)
  await answersAll(port, 40)
  for (const wire of before) wire.socket.destroy()
  const rest = async (): Promise<readonly unknown[]> => {
    const { totals } = await state()
    return [totals.inFlight, totals.connections, totals.reserved["compute"]]
  }
  await until("all is given back", async () => (await rest()).join() === "0,0,0")
})

test("a thread that hangs in the system is replaced, is not ready, and does not keep SIGTERM from ending it", async (t) => {
  const held: (() => void)[] = []
  const hold = (): Promise<string> => new Promise((resolve) => held.push(() => resolve(ok("ok"))))
  const { cause, folder, port, said, state, readiness, signal, ended } = await program(t, {}, hold)
  const path = join(folder, "pipe")
  execFileSync("mkfifo", [path])
  cause({ to: 0, kind: "system", path })
  await until(said, () => said().includes("hangs in the system"))
  await until("another has its place", async () => (await state()).workers === threads)
  const [status, body] = await readiness()
  assert.equal(status, 503)
  assert.match(body, /stands still/)

  // New connections that reach those that live.
  const wires = await Promise.all(Array.from({ length: 16 * threads }, () => dial(port)))
  for (const wire of wires) wire.send(get())
  await until("most are under way", () => held.length >= 4 * threads)
  await until("all of them count", async () => (await state()).totals.inFlight === held.length)
  // The call returns after all, and the thread ends: that gives back nothing of what its successor holds.
  writeFileSync(path, "")
  await until("it is ready again", async () => (await readiness())[0] === 200)
  const { inFlight, reserved } = (await state()).totals
  assert.deepEqual([inFlight, reserved["compute"]], [held.length, held.length])
  for (const release of held) release()
  await until("all are served", async () => (await state()).totals.inFlight === 0)

  execFileSync("mkfifo", [`${path}2`])
  cause({ to: 1, kind: "system", path: `${path}2` })
  await until("it is known", () => said().split("hangs in the system").length === 3)
  signal("SIGTERM")
  assert.ok([0, 143, "SIGTERM"].includes(await ended))
})

test("a thread that has just begun to hang in the system does not keep SIGTERM from ending the process", async (t) => {
  const { cause, folder, signal, ended } = await program(t)
  const path = join(folder, "pipe")
  execFileSync("mkfifo", [path])
  cause({ to: 1, kind: "system", path })
  signal("SIGTERM")
  assert.ok([0, 143, "SIGTERM"].includes(await ended))
})

test("a second SIGTERM ends the process at once, although a thread hangs in the system", async (t) => {
  const { cause, folder, said, signal, ended, readiness, state } = await program(t, {
    drain: "5m",
    threadStill: "5m",
  })
  const path = join(folder, "pipe")
  execFileSync("mkfifo", [path])
  cause({ to: 0, kind: "system", path })
  await until("its pulse is missed", async () => (await readiness())[0] === 503)
  assert.equal((await state()).faults.threadsStill, 0)
  signal("SIGTERM")
  await until(said, () => said().includes("stopping"))
  // One that follows too soon counts as the same.
  await new Promise((resolve) => setTimeout(resolve, 700))
  signal("SIGTERM")
  assert.ok([143, "SIGTERM"].includes(await ended))
})

test("a stop is seen at /readyz first, while new connections are still served, and no request is lost", async (t) => {
  const { port, readiness, signal, ended } = await program(t, { unready: "5s" })
  const agent = new Agent({ keepAlive: true, maxSockets: 4 })
  t.after(() => agent.destroy())
  assert.ok((await askMany(port, agent, 20, 4)).every(({ status }) => status === 200))
  signal("SIGTERM")
  await until("it is not ready", async () => (await readiness())[0] === 503)
  assert.match((await readiness())[1], /stopping/)
  const answers: Answer[] = []
  // Posts on kept connections: a client does not repeat one whose connection was closed under it.
  for (let i = 0; i < 10; i++) answers.push(await post(port, agent))
  assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]))
  assert.equal(await ended, 0)
})
