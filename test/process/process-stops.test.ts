/**
 * Every way to stop the demonstration, started by npm or directly, on the Node.js that comes with it and on an older
 * one (which starts a second process): nothing is left behind, one line says that it stops, and what runs is finished.
 * docs/faults.md has the table.
 */
import assert from "node:assert/strict"
import { spawnSync } from "node:child_process"
import { createServer, get, type ServerResponse } from "node:http"
import { createRequire } from "node:module"
import { delimiter, dirname, join } from "node:path"
import { test, type TestContext } from "node:test"
import {
  childrenOf,
  freeListeners,
  isAlive,
  isOpen,
  launcher,
  type Started,
  started,
} from "../support/processes.ts"
import { until } from "../support/until.ts"
import { freePortRow } from "../support/free-ports.ts"

const { isSafe } = createRequire(import.meta.url)("../../bin/oldest-node.cjs") as {
  readonly isSafe: (version: string) => boolean
}
const root = join(import.meta.dirname, "..", "..")

/** A Node.js in the PATH that the program does not run on itself, by which the launcher has to start another. */
function olderNode(): string | undefined {
  return (process.env["PATH"] ?? "")
    .split(delimiter)
    .map((folder) => join(folder, "node"))
    .find((node) => {
      const version = versionOf(node)
      return version !== "" && !isSafe(version)
    })
}

/** "" where there is none. */
function versionOf(node: string): string {
  return spawnSync(node, ["-p", "process.versions.node"], { encoding: "utf8" }).stdout?.trim() ?? ""
}

interface Running {
  readonly top: Started
  /** npm where it started all of it; the launcher; both and all that they started. */
  readonly npm: number | undefined
  readonly launcher: number
  readonly all: readonly number[]
  readonly ports: readonly number[]
  /** The status of a request that was under way, or why it has none. */
  readonly response: Promise<number | string>
  readonly answer: () => void
}

async function running(t: TestContext, by: "npm" | "launcher", node: string): Promise<Running> {
  const held = new Map<string, ServerResponse>()
  let answers = false
  const backend = createServer((request, response) => {
    if (answers || request.url === "/healthz") response.end("ok")
    else held.set(request.url ?? "", response)
  })
  await new Promise<void>((resolve) => backend.listen(0, "127.0.0.1", resolve))
  t.after(() => {
    backend.close()
    backend.closeAllConnections()
  })
  const { traffic, registration, admin, words: places } = await freeListeners()
  const first = await freePortRow(3)
  const words = [...places, "--backend-port", String(first)]
  const env = { ...process.env, PATH: [dirname(node), process.env["PATH"]].join(delimiter) }
  // The group of a shell's job, in which Ctrl-C reaches all.
  const top =
    by === "npm"
      ? started(t, "npm", ["start", "--", ...words], { cwd: root, env, detached: true })
      : started(t, node, [launcher, "demo", ...words], { env, detached: true })
  await until(
    () => `it runs; it said: ${top.said()}`,
    () => top.said().includes("Ctrl-C ends all of it."),
  )
  const all = [top.pid, ...descendants(top.pid)]
  t.after(() => {
    for (const pid of all) if (isAlive(pid)) process.kill(pid, "SIGKILL")
  })
  await announce(registration, backend.address(), admin)
  const sent = new Map<string, Promise<number | string>>()
  // Until one has been given to the backend that keeps it.
  await until("a request is under way", () => {
    if (held.size > 0) return true
    const path = `/${sent.size}`
    sent.set(path, statusOf(traffic, path))
    return false
  })
  const [path] = held.keys()
  const own = by === "npm" ? all.find((pid) => pid !== top.pid && childrenOf(pid).length > 0)! : top.pid
  return {
    top,
    npm: by === "npm" ? top.pid : undefined,
    launcher: own,
    all,
    ports: [traffic, registration, admin, first, first + 1, first + 2],
    response: sent.get(path!)!,
    answer: () => {
      answers = true
      for (const one of held.values()) one.end("ok")
    },
  }
}

function statusOf(port: number, path: string): Promise<number | string> {
  return new Promise((resolve) => {
    get({ host: "127.0.0.1", port, path, agent: false }, (incoming) => {
      incoming.resume().on("end", () => resolve(incoming.statusCode ?? 0))
      incoming.on("error", (error) => resolve(error.message))
    }).on("error", (error) => resolve(error.message))
  })
}

/** A backend beside the demonstration's, with so much capacity that it gets the next request. */
async function announce(registration: number, address: unknown, admin: number): Promise<void> {
  const { port } = address as { readonly port: number }
  const response = await fetch(`http://127.0.0.1:${registration}/v1/backends/slow`, {
    method: "PUT",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ address: `127.0.0.1:${port}`, capacity: { compute: 1e6, storage: 1e6 } }),
  })
  assert.equal(response.status, 201)
  const states = async (): Promise<unknown> =>
    (
      (await (await fetch(`http://127.0.0.1:${admin}/api/v1/state`)).json()) as {
        readonly totals: { readonly eligible: number }
      }
    ).totals.eligible
  await until("it serves", async () => (await states()) === 4)
}

function descendants(pid: number): number[] {
  const found = [pid]
  for (const parent of found) found.push(...childrenOf(parent).map((child) => child.pid))
  return found.slice(1)
}

interface Way {
  readonly name: string
  readonly signal: NodeJS.Signals
  /** The program is a process of its own where the launcher cannot become it. */
  readonly to: "group" | "npm" | "launcher" | "program"
  /** The exit code of npm or the launcher, whichever was started, or the signal that ended it. */
  readonly code: number | string
}

const ways: readonly Way[] = [
  { name: "Ctrl-C", signal: "SIGINT", to: "group", code: 0 },
  { name: "SIGTERM to the group", signal: "SIGTERM", to: "group", code: 0 },
  { name: "SIGTERM to npm", signal: "SIGTERM", to: "npm", code: 0 },
  { name: "SIGTERM to the launcher", signal: "SIGTERM", to: "launcher", code: 0 },
  { name: "SIGKILL of npm", signal: "SIGKILL", to: "npm", code: "SIGKILL" },
  { name: "SIGKILL of the launcher", signal: "SIGKILL", to: "launcher", code: "SIGKILL" },
  { name: "SIGKILL of the program", signal: "SIGKILL", to: "program", code: 137 },
  { name: "SIGKILL of the group", signal: "SIGKILL", to: "group", code: "SIGKILL" },
]

const older = olderNode()
const starts = [
  { by: "npm", node: process.execPath, name: "npm start, Node.js that comes with it" },
  { by: "launcher", node: process.execPath, name: "bin/linebacker demo, Node.js that comes with it" },
  { by: "npm", node: older, name: "npm start, an older Node.js" },
  { by: "launcher", node: older, name: "bin/linebacker demo, an older Node.js" },
] as const

for (const { by, node, name } of starts) {
  test(name, { skip: node === undefined && "there is no older Node.js in the PATH" }, async (t) => {
    for (const way of ways) {
      if (way.to === "npm" && by !== "npm") continue
      // npm finds the Node.js that comes with it first: there is one process.
      const isOne = by === "npm" || isSafe(versionOf(node!))
      if (way.to === "program" && isOne) continue
      await t.test(way.name, async (inner) => {
        const run = await running(inner, by, node!)
        assert.equal(childrenOf(run.launcher).length, isOne ? 3 : 1)
        const program = isOne ? run.launcher : childrenOf(run.launcher)[0]!.pid
        const pid = { group: -run.top.pid, npm: run.npm ?? 0, launcher: run.launcher, program }[way.to]
        const startedAt = performance.now()
        process.kill(pid, way.signal)
        const finishes = way.signal !== "SIGKILL" || way.to === "npm" || (way.to === "launcher" && !isOne)
        if (finishes) await until("it stops", () => run.top.said().includes("stopping"))
        run.answer()
        assert.equal(typeof (await run.response), finishes ? "number" : "string")
        if (finishes) assert.equal(await run.response, 200)
        const code = await run.top.ended
        await until("nothing is left", () => !run.all.some(isAlive))
        const ms = Math.round(performance.now() - startedAt)
        const lines = run.top.said().match(/stopping/g)?.length ?? 0
        inner.diagnostic(
          `| ${name} | ${way.name} | ${isOne ? 1 : 2} | ${String(code)} | ${lines} | ${String(await run.response)} | ${ms} ms |`,
        )
        assert.equal(code, way.code)
        assert.equal(lines, finishes ? 1 : 0)
        // Another program may be given the port a moment later, and keep it for as long as it likes to.
        for (const port of run.ports) await until(`port ${port} is closed`, async () => !(await isOpen(port)))
      })
    }
  })
}
