/** Signals whose default is to end a process do nothing to its traffic, and open nothing. */
import assert from "node:assert/strict"
import { spawnSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { Agent, createServer, type ServerResponse } from "node:http"
import { constants } from "node:os"
import { after, test } from "node:test"
import { scratch } from "../support/command-line.ts"
import {
  ask,
  childrenOf,
  freeListeners,
  isAlive,
  isOpen,
  launcher,
  linebacker,
  type Started,
  started,
} from "../support/processes.ts"
import { until } from "../support/until.ts"
import { freePortRow, freePorts } from "../support/free-ports.ts"

const { file } = scratch()
const agent = new Agent({ keepAlive: false })
after(() => agent.destroy())

const harmless = [
  "SIGHUP",
  "SIGUSR1",
  "SIGUSR2",
  "SIGALRM",
  "SIGVTALRM",
  "SIGIO",
  "SIGPWR",
  "SIGSTKFLT",
  "SIGXCPU",
  "SIGPROF",
] as const
/** Where Node's debugger listens. */
const debuggerPort = 9229

async function says(program: Started, words: string): Promise<void> {
  await until(
    () => `it says "${words}"; it said: ${program.said()}`,
    () => program.said().includes(words),
  )
}

/** Sends each, and waits for its one line where the process has one to say. */
async function survives(program: Started, pid = program.pid): Promise<void> {
  for (const signal of [...harmless, "SIGPIPE", "SIGXFSZ"] as const) {
    process.kill(pid, signal)
    if (pid === program.pid && !["SIGPIPE", "SIGXFSZ"].includes(signal)) await says(program, `${signal}: `)
  }
  // The last of them has been heard when something that comes behind it has.
  await new Promise((resolve) => setTimeout(resolve, 100))
  assert.ok(isAlive(pid))
  assert.equal(await isDebugged(pid), false)
}

/** Whether the process listens where a debugger would ask. */
async function isDebugged(pid: number): Promise<boolean> {
  if (!(await isOpen(debuggerPort))) return false
  const found = spawnSync("ss", ["-ltnp", `sport = :${debuggerPort}`], { encoding: "utf8" })
  return found.stdout.includes(`pid=${pid},`)
}

test("a balancer says of each signal what it did, and ends with 0 when it is stopped", async (t) => {
  for (const stop of ["SIGINT", "SIGTERM", "SIGQUIT"] as const) {
    const { traffic, words } = await freeListeners()
    const serve = linebacker(
      t,
      "serve",
      "-c",
      file("serve.yaml", "workers: 1\ntimeouts: {queue: 200ms}\n"),
      ...words,
    )
    await says(serve, "traffic on")
    await survives(serve)
    assert.match(
      serve.said(),
      /^SIGHUP: there are no certificates to read again; the configuration is read at the start only$/m,
    )
    assert.match(serve.said(), /^SIGUSR2: it has no meaning here; nothing was done$/m)
    assert.equal((await ask(traffic, agent)).status, 503)
    serve.process.kill(stop)
    assert.equal(await serve.ended, 0)
    assert.equal(serve.said().match(/stopping/g)?.length, 1)
  }
})

test("a backend, a load and the demonstration with its backends go on", async (t) => {
  const [port] = await freePorts(1)
  const backend = linebacker(t, "backend", `--port=${port}`)
  await says(backend, "listens on")
  await survives(backend)
  const load = linebacker(t, "spam", `http://127.0.0.1:${port}/`, "--rate=20", "--duration=10m")
  await until("it is asked", async () => (await requestsOf(port!)) > 5)
  await survives(load)
  const asked = await requestsOf(port!)
  await until("it is still asked", async () => (await requestsOf(port!)) > asked)
  load.process.kill("SIGTERM")
  assert.equal(await load.ended, 0)
  assert.match(load.said(), /stopping: what was sent so far is summed up/)
  assert.match(load.said(), /p99/)
  backend.process.kill("SIGTERM")
  assert.equal(await backend.ended, 0)

  const { traffic, words } = await freeListeners()
  const demo = linebacker(t, "demo", ...words, `--backend-port=${await freePortRow(3)}`)
  await says(demo, "Ctrl-C ends all of it.")
  const children = childrenOf(demo.pid).map(({ pid }) => pid)
  assert.equal(children.length, 3)
  for (const pid of children) await survives(demo, pid)
  await survives(demo)
  assert.equal((await ask(traffic, agent)).status, 200)
  demo.process.kill("SIGTERM")
  assert.equal(await demo.ended, 0)
})

async function requestsOf(port: number): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${port}/stats`).catch(() => undefined)
  return response === undefined ? 0 : ((await response.json()) as { readonly requests: number }).requests
}

test("a stop by several ways within a moment is one; one more after that ends the process at once, by its own code", async (t) => {
  const held: ServerResponse[] = []
  const backend = createServer((_, response) => void held.push(response))
  await new Promise<void>((resolve) => backend.listen(0, "127.0.0.1", resolve))
  t.after(() => {
    backend.close()
    backend.closeAllConnections()
  })
  const address = backend.address()
  assert.ok(typeof address === "object" && address !== null)
  for (const [signal, code] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
    ["SIGQUIT", 131],
  ] as const) {
    const { registration, traffic, words } = await freeListeners()
    const serve = linebacker(t, "serve", "-c", file("twice.yaml", "workers: 1\n"), ...words)
    await says(serve, "traffic on")
    await fetch(`http://127.0.0.1:${registration}/v1/backends/a`, {
      method: "PUT",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ address: `127.0.0.1:${address.port}`, capacity: { compute: 1, storage: 1 } }),
    })
    held.length = 0
    const response = ask(traffic, agent)
    await until("a request is under way", () => held.length > 0)
    for (const one of ["SIGINT", "SIGTERM", signal, signal] as const) serve.process.kill(one)
    await says(serve, "stopping")
    // A person needs longer than this to press Ctrl-C again.
    await new Promise((resolve) => setTimeout(resolve, 800))
    assert.ok(isAlive(serve.pid), serve.said())
    serve.process.kill(signal)
    assert.equal(await serve.ended, code)
    assert.equal(serve.said().match(/stopping/g)?.length, 1)
    assert.equal(typeof (await response).status, "string")
  }
})

test("SIGUSR1 opens no debugger, whenever in the start it comes", async (t) => {
  const { words } = await freeListeners()
  const serve = linebacker(t, "serve", "-c", file("start.yaml", "workers: 1\n"), ...words)
  // Before Node.js itself hears the signal it ends the process.
  await until("Node.js runs", () => hears(serve.pid, constants.signals.SIGUSR1))
  while (!serve.said().includes("traffic on")) {
    assert.ok(isAlive(serve.pid), serve.said())
    process.kill(serve.pid, "SIGUSR1")
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  await until("no debugger is open", async () => !(await isDebugged(serve.pid)))
  serve.process.kill("SIGTERM")
  assert.equal(await serve.ended, 0)
})

/** Whether the process has a handler for it. */
function hears(pid: number, signal: number): boolean {
  const status = readFileSync(`/proc/${pid}/status`, "utf8")
  const mask = BigInt(`0x${/^SigCgt:\s*(\w+)$/m.exec(status)?.[1] ?? "0"}`)
  return (mask & (1n << BigInt(signal - 1))) !== 0n
}

test("nohup keeps a process from the hang-up of its terminal; without it that is a stop", async (t) => {
  // `script` gives it a terminal, which is gone when `script` is killed.
  for (const [prefix, survived] of [
    ["nohup ", true],
    ["", false],
  ] as const) {
    const { traffic, words } = await freeListeners()
    const log = file(`hangup-${survived}.log`, "")
    const config = file("hangup.yaml", "workers: 1\n")
    const command = [process.execPath, launcher, "serve", "-c", config, ...words].join(" ")
    const output = survived ? ` > ${log} 2>&1 < /dev/null` : ""
    const terminal = started(t, "script", ["-qfc", `${prefix}${command}${output}`, "/dev/null"])
    await until("it listens", () => isOpen(traffic))
    const shell = childrenOf(terminal.pid)
    const pids = [...shell, ...shell.flatMap(({ pid }) => childrenOf(pid))]
    const serve = pids.find(({ words: all }) => all.startsWith(process.execPath))!.pid
    t.after(() => {
      if (isAlive(serve)) process.kill(serve, "SIGKILL")
    })
    terminal.process.kill("SIGKILL")
    if (survived) {
      await until("it says so", () => readFileSync(log, "utf8").includes("SIGHUP: "))
      assert.ok(await isOpen(traffic))
      process.kill(serve, "SIGTERM")
    }
    await until("it has ended", () => !isAlive(serve))
  }
})
