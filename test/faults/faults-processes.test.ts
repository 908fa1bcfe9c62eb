/** Processes that are frozen, killed or short of descriptors, backends and the balancer itself. */
import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { connect, type Socket } from "node:net"
import { availableParallelism, tmpdir } from "node:os"
import { join } from "node:path"
import { test } from "node:test"
import type { StateView } from "../../src/control/state-view.ts"
import type { TcpAddress } from "../../src/membership/snapshot.ts"
import type { Cleaner } from "../support/processes.ts"
import { codeOf, get } from "../support/wire/messages.ts"
import { answering, dial, pause, relay } from "../support/relay.ts"
import { until } from "../support/until.ts"

const post = "POST /held HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody"

interface BackendProcess extends TcpAddress {
  readonly signal: (name: NodeJS.Signals) => void
}

async function backendProcess(cleaner: Cleaner): Promise<BackendProcess> {
  const child = spawn(
    process.execPath,
    ["--conditions=linebacker-source", join(import.meta.dirname, "..", "support", "plain-backend.ts")],
    { stdio: ["ignore", "pipe", "inherit"] },
  )
  cleaner.after(() => void child.kill("SIGKILL"))
  const [said] = (await once(child.stdout, "data")) as [Buffer]
  return { host: "127.0.0.1", port: Number(said.toString()), signal: (name) => void child.kill(name) }
}

// ── backends ──────────────────────────────────────────────────────────────────────────────────────────────────

test("a frozen backend costs its own requests their time, no others, and serves on when it thaws", async (t) => {
  const frozen = await backendProcess(t)
  const lively = await answering(t, () => "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nlively")
  const { client, counters, table } = await relay(t, [frozen, lively], { timeouts: { responseHeadMs: 200 } })
  frozen.signal("SIGSTOP")
  const wires = await Promise.all(Array.from({ length: 20 }, () => client()))
  const told = await Promise.all(
    wires.map((wire) => {
      wire.send(get())
      return wire.response()
    }),
  )
  const late = told.filter(({ status }) => status === 504)
  // Ten, unless some responses of the lively one come before the last requests have left.
  assert.ok(late.length > 0 && late.length < 20, `${late.length} are late`)
  for (const response of late) assert.equal(codeOf(response), "response_head_timeout")
  for (const { body, status } of told) if (status === 200) assert.equal(body.toString(), "lively")
  assert.deepEqual([counters.failures(0), counters.failures(1)], [late.length, 0])
  assert.ok(table.isIdle(0))
  frozen.signal("SIGCONT")
  const bodies = new Set<string>()
  for (let i = 0; i < 4; i++) {
    wires[0]!.send(get())
    bodies.add((await wires[0]!.response()).body.toString())
  }
  assert.deepEqual(bodies, new Set(["ok", "lively"]))
})

test("a backend that is killed in mid-request: GET goes to another, POST is 502, what had begun is cut", async (t) => {
  const killed = await backendProcess(t)
  const { client, counters, table, apply, members } = await relay(t, [
    killed,
    await answering(t, () => "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nother"),
  ])
  apply(members.slice(0, 1))
  const [held, posted, half] = [await client(), await client(), await client()]
  held.send(get("/held"))
  posted.send(post)
  half.send(get("/half"))
  await until("half a response", () => half.text.endsWith("half"))
  await until("all are there", () => table.inFlight(0) === 3)
  await pause(50)
  apply(members)
  killed.signal("SIGKILL")
  assert.equal((await held.response()).body.toString(), "other")
  const response = await posted.response()
  assert.deepEqual([response.status, codeOf(response)], [502, "backend_reset"])
  assert.equal(await half.closed, "broken")
  assert.ok(half.text.endsWith("\r\n\r\nhalf"))
  assert.deepEqual(counters.errors(), { backend_reset: 1, response_cut: 1 })
  await until("nothing is held", () => table.isIdle(0) && table.isIdle(1))
})

// ── the balancer ──────────────────────────────────────────────────────────────────────────────────────────────

interface Program {
  readonly port: number
  readonly state: () => Promise<StateView>
}

/** By default there is one thread per core; a machine with a single core has two here. */
const threads = Math.max(2, availableParallelism())

/** `bin/linebacker serve` with so many descriptors, before this backend. */
async function program(cleaner: Cleaner, descriptors: number, backend: TcpAddress): Promise<Program> {
  const folder = mkdtempSync(join(tmpdir(), "linebacker-faults-"))
  const file = join(folder, "linebacker.yaml")
  const listen = "127.0.0.1:0"
  const lasting = { ttl: "12h", suspect: "11h", renew: "1h" }
  writeFileSync(
    file,
    JSON.stringify({ listen, workers: threads, registration: { listen, ...lasting }, admin: { listen } }),
  )
  const launcher = join(import.meta.dirname, "..", "..", "bin", "linebacker")
  const limit = `--nofile=${descriptors}:${descriptors}`
  const child = spawn("prlimit", [limit, process.execPath, launcher, "serve", "-c", file], {
    stdio: ["ignore", "pipe", "pipe"],
  })
  cleaner.after(() => {
    child.kill("SIGKILL")
    rmSync(folder, { recursive: true, force: true })
  })
  let said = ""
  child.stdout.on("data", (data: Buffer) => (said += data.toString()))
  child.stderr.on("data", (data: Buffer) => (said += data.toString()))
  while (!said.includes("page on")) {
    assert.equal(child.exitCode, null, said)
    await pause(20)
  }
  const [, traffic, registration, admin] =
    /traffic on [^:]+:(\d+), registration on (\S+), page on (\S+?)\/,/.exec(said)!
  const registered = await fetch(`http://${registration}/v1/backends/b`, {
    method: "PUT",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({
      address: `${backend.host}:${backend.port}`,
      capacity: { compute: 1_000, storage: 1_000 },
    }),
  })
  assert.equal(registered.status, 201)
  const state = async (): Promise<StateView> =>
    (await (await fetch(`${admin}/api/v1/state`)).json()) as StateView
  for (let i = 0; i < 200 && (await state()).totals.eligible === 0; i++) await pause(20)
  return { port: Number(traffic), state }
}

test("out of descriptors, the program serves the clients that it has, and all again once some have left", async (t) => {
  const backend = await answering(t, () => "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
  const { port, state } = await program(t, 100, backend)
  const early = await dial(port)
  early.send(get())
  assert.equal((await early.response()).status, 200)
  const crowd: Socket[] = []
  t.after(() => {
    for (const socket of crowd) socket.destroy()
  })
  for (let i = 0; i < 150; i++) {
    crowd.push(connect(port, "127.0.0.1").on("error", () => {}))
    if (i % 10 === 0) await pause(5)
  }
  await pause(200)
  assert.ok(
    crowd.some((socket) => socket.destroyed),
    "there were descriptors for all",
  )
  // Its own connections and the one to the backend are open: they go on.
  for (let i = 0; i < 20; i++) {
    early.send(get())
    assert.equal((await early.response()).status, 200)
  }
  // A new client is told at once, by whichever thread, and the control plane still responds.
  for (let i = 0; i < 20; i++) await (await dial(port)).closed
  assert.ok((await state()).totals.errors["too_many_connections"]! >= 20)
  for (const socket of crowd) socket.destroy()
  let status = 0
  for (let i = 0; i < 100 && status !== 200; i++) {
    const late = await dial(port)
    late.send(get())
    status = await late.response().then(
      (response) => response.status,
      () => 0,
    )
    late.socket.destroy()
    await pause(20)
  }
  assert.equal(status, 200)
  early.socket.destroy()
  for (let i = 0; i < 250 && (await state()).totals.connections > 0; i++) await pause(20)
  const { totals } = await state()
  assert.deepEqual([totals.connections, totals.inFlight, totals.reserved], [0, 0, { compute: 0, storage: 0 }])
})
