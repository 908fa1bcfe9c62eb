/** The outputs of a process that cannot be written: a line is lost, data ends its command, traffic never notices. */
import assert from "node:assert/strict"
import { spawnSync } from "node:child_process"
import { closeSync, openSync } from "node:fs"
import { Agent, createServer } from "node:http"
import { join } from "node:path"
import { after, test, type TestContext } from "node:test"
import type { StateView } from "../../src/control/state-view.ts"
import { ask, freeListeners, launcher, type Started, started } from "../support/processes.ts"
import { scratch } from "../support/command-line.ts"
import { until } from "../support/until.ts"

const { file, folder } = scratch()
const agent = new Agent({ keepAlive: false })
after(() => agent.destroy())

interface Service extends Started {
  readonly traffic: number
  readonly ask: () => Promise<number | string>
  readonly state: () => Promise<StateView>
  /** Makes it log a line. */
  readonly provoke: () => Promise<void>
}

/** `serve` before one backend, with these outputs. */
async function service(t: TestContext, stdout: "pipe" | number, stderr: "pipe" | number): Promise<Service> {
  const backend = createServer((_, response) => void response.end("ok"))
  await new Promise<void>((resolve) => backend.listen(0, "127.0.0.1", resolve))
  t.after(() => {
    backend.close()
    backend.closeAllConnections()
  })
  const { traffic, registration, admin, words } = await freeListeners()
  const config = file(
    `${traffic}.yaml`,
    "workers: 1\nadmin: {token: secret}\nregistration: {ttl: 1h, suspect: 50m, renew: 30m}\n",
  )
  const serve = started(t, process.execPath, [launcher, "serve", "-c", config, ...words], {
    stdio: ["ignore", stdout, stderr],
  })
  const at = `http://127.0.0.1:${admin}`
  await until("it runs", () =>
    fetch(`${at}/healthz`).then(
      (response) => response.ok,
      () => false,
    ),
  )
  const address = backend.address()
  await fetch(`http://127.0.0.1:${registration}/v1/backends/a`, {
    method: "PUT",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({
      address: `127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`,
      capacity: { compute: 10, storage: 10 },
    }),
  })
  const state = async (): Promise<StateView> =>
    (await (await fetch(`${at}/api/v1/state`)).json()) as StateView
  await until("its backend serves", async () => (await state()).totals.eligible === 1)
  const provoke = async (): Promise<void> => {
    const response = await fetch(`${at}/api/v1/policy`, {
      method: "POST",
      headers: { "Content-Type": "application/json", Authorization: "Bearer secret" },
      body: JSON.stringify({ name: "price" }),
    })
    assert.equal(response.status, 200)
  }
  return { ...serve, traffic, state, provoke, ask: async () => (await ask(traffic, agent)).status }
}

/** A line is logged and traffic flows; then it stops in order. */
async function livesOn(t: TestContext, serve: Service, lost: number): Promise<void> {
  await serve.provoke()
  await serve.provoke()
  assert.equal(await serve.ask(), 200)
  await until("the lines are counted", async () => (await serve.state()).faults.linesLost >= lost)
  t.diagnostic(`${(await serve.state()).faults.linesLost} lines are lost`)
  serve.process.kill("SIGTERM")
  assert.equal(await serve.ended, 0)
}

test("the log's reader goes away: requests are served, and a stop is an orderly one", async (t) => {
  const serve = await service(t, "pipe", "pipe")
  serve.process.stderr!.destroy()
  await livesOn(t, serve, 2)
})

test("the output's reader goes away", async (t) => {
  const serve = await service(t, "pipe", "pipe")
  serve.process.stdout!.destroy()
  await livesOn(t, serve, 0)
})

test("the log is on a disk that is full", async (t) => {
  await livesOn(t, await service(t, "pipe", openSync("/dev/full", "w")), 2)
})

test("both outputs are on a disk that is full", async (t) => {
  const full = openSync("/dev/full", "w")
  await livesOn(t, await service(t, full, full), 3)
})

test("the log's reader stands still: nothing waits for it, not even the end", async (t) => {
  const fifo = join(folder, "log")
  assert.equal(spawnSync("mkfifo", [fifo]).status, 0)
  // It is open for reading, and takes 64 KiB.
  const reader = openSync(fifo, "r+")
  t.after(() => closeSync(reader))
  const serve = await service(t, "pipe", openSync(fifo, "w"))
  for (let i = 0; i < 40; i++) await Promise.all(Array.from({ length: 100 }, serve.provoke))
  await livesOn(t, serve, 0)
})

test("data that cannot be written fails with one line; a reader that has enough is no failure", () => {
  const full = openSync("/dev/full", "w")
  for (const words of [["--help"], ["--version"], ["policies"], ["validate", "--schema"], ["sim", "list"]]) {
    const { status, stderr } = spawnSync(process.execPath, [launcher, ...words], {
      stdio: ["ignore", full, "pipe"],
      encoding: "utf8",
    })
    assert.equal(status, 1, words.join(" "))
    assert.match(stderr, /^linebacker: the output cannot be written: ENOSPC.*\n$/, words.join(" "))
    const piped = spawnSync(
      "bash",
      ["-o", "pipefail", "-c", '"$@" | head -c 1', "-", process.execPath, launcher, ...words],
      {
        encoding: "utf8",
      },
    )
    assert.deepEqual([piped.status, piped.stderr], [0, ""], words.join(" "))
  }
})
