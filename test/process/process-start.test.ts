/** How processes start: in folders that are gone, on Nodes of several ages, with little memory, twice. */
import assert from "node:assert/strict"
import { spawnSync } from "node:child_process"
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs"
import { createServer, type Server } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { test, type TestContext } from "node:test"
import { until } from "../support/until.ts"
import { scratch } from "../support/command-line.ts"
import {
  childrenOf,
  freeListeners,
  isAlive,
  launcher,
  linebacker,
  processes,
  type Started,
  started,
} from "../support/processes.ts"
import { freePortRow, freePorts } from "../support/free-ports.ts"

const { folder, file } = scratch()

/** Its port, until the test is over. */
async function listening(t: TestContext, server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  t.after(() => server.close())
  return (server.address() as AddressInfo).port
}

const gone = "linebacker: the folder that it was started in is gone; relative paths now start at /\n"

/** Starts it in a folder that is removed before it runs. */
function startedInGoneFolder(t: TestContext, words: readonly string[]): Started {
  const place = mkdtempSync(join(tmpdir(), "linebacker-gone-"))
  const script = `cd ${place} && rmdir ${place} && exec "$@"`
  return started(t, "sh", ["-c", script, "-", process.execPath, launcher, ...words])
}

test("commands run in a folder that is gone, and say so; a file beside them is not there", async (t) => {
  const commands: readonly (readonly [words: readonly string[], code: number])[] = [
    [["--help"], 0],
    [["policies"], 0],
    [["validate", "x.yaml"], 1],
    [["serve", "-c", "x.yaml"], 1],
    [["sim", "mild", "--requests=500", "--load=0.5", "--policy=price"], 0],
    [["spam", "http://127.0.0.1:9/"], 1],
  ]
  for (const [words, code] of commands) {
    const run = startedInGoneFolder(t, words)
    assert.equal(await run.ended, code, `${words.join(" ")}: ${run.said()}`)
    assert.ok(run.said().startsWith(gone), run.said())
    assert.doesNotMatch(run.said(), /^ {4}at /m)
  }
  const [port] = await freePorts(1)
  const services: readonly (readonly [words: readonly string[], says: string])[] = [
    [["serve", ...(await freeListeners()).words], "traffic on"],
    [
      ["demo", ...(await freeListeners()).words, `--backend-port=${await freePortRow(3)}`],
      "Ctrl-C ends all of it.",
    ],
    [["backend", `--port=${port}`], "listens on"],
  ]
  for (const [words, says] of services) {
    const run = startedInGoneFolder(t, words)
    await until(run.said, () => run.said().includes(says))
    run.process.kill("SIGTERM")
    assert.equal(await run.ended, 0)
    assert.doesNotMatch(run.said(), /^ {4}at /m)
  }
})

test("a folder that is removed later keeps no thread from being replaced, and no page from being shown", () => {
  const place = join(folder, "removed-later")
  mkdirSync(place)
  const source = new URL("../../src/", import.meta.url).href
  const code = `
    import { rmdirSync } from "node:fs"
    import { startBalancer } from "${source}balancer.ts"
    import { readConfig } from "${source}config/config-file.ts"
    import { policies } from "${source}policies/index.ts"
    const workers = []
    process.on("worker", (worker) => workers.push(worker))
    const at = "{listen: 127.0.0.1:0}"
    const text = "workers: 1\\nlisten: 127.0.0.1:0\\nregistration: " + at + "\\nadmin: " + at
    const balancer = await startBalancer(readConfig({ file: "x", text, policies, env: {} }).value)
    rmdirSync(${JSON.stringify(place)})
    await workers[0].terminate()
    const { port } = balancer.listeners.admin
    while (workers.length < 2 || balancer.state().workers < 1) await new Promise((resolve) => setTimeout(resolve, 20))
    console.log(workers.length, (await fetch("http://127.0.0.1:" + port + "/page.js")).status)
    await balancer.close()`
  const run = spawnSync(process.execPath, [file("removed-later.mjs", code)], {
    cwd: place,
    encoding: "utf8",
    timeout: 60_000,
  })
  assert.equal(run.stdout, "2 200\n", run.stderr)
})

test("serve --to is a balancer in one line: it says what it serves, and serves it", async (t) => {
  const servers = ["one", "two"].map((name) => createServer((_request, response) => response.end(name)))
  const [one, two] = await Promise.all(servers.map((server) => listening(t, server)))
  const { traffic, words } = await freeListeners()
  const serve = linebacker(t, "serve", "--to", `:${one}`, "--to", `http://localhost:${two}`, ...words)
  await until(serve.said, () => serve.said().includes("tells them apart\n"))
  assert.ok(
    serve
      .said()
      .includes(
        `linebacker: known backends: :${one} (127.0.0.1:${one}), localhost:${two}; ` +
          "all count the same, as no capacity or weight tells them apart\n",
      ),
    serve.said(),
  )
  const seen = new Set<string>()
  await until("both are asked", async () => {
    seen.add(await (await fetch(`http://127.0.0.1:${traffic}/`)).text())
    return seen.size === 2
  })
  assert.deepEqual([...seen].sort(), ["one", "two"])
  serve.process.kill("SIGTERM")
  assert.equal(await serve.ended, 0)
})

test("of two that are started together one listens, and the other says that the port is busy", async (t) => {
  const words = ["serve", "-c", file("two.yaml", "workers: 2\n"), ...(await freeListeners()).words]
  const both = [0, 1].map(() => started(t, process.execPath, [launcher, ...words]))
  const lost = await Promise.race(both.map(async (one) => [await one.ended, one] as const))
  assert.equal(lost[0], 1)
  assert.match(lost[1].said(), /linebacker serve: port \d+ is busy/)
  const won = both.find((one) => one !== lost[1])!
  await until(won.said, () => won.said().includes("traffic on"))
  won.process.kill("SIGTERM")
  assert.equal(await won.ended, 0)
})

/** Node.js that takes itself for another version, as the launcher sees it. */
function nodeOfVersion(version: string): readonly string[] {
  const path = file(
    `version-${version}.cjs`,
    `Object.defineProperty(process.versions, "node", { value: "${version}" })\n`,
  )
  return ["--require", path]
}

test("a Node.js that is not safe, but can become another program, does: there is one process", async (t) => {
  const serve = started(t, process.execPath, [
    ...nodeOfVersion("24.1.0"),
    launcher,
    "serve",
    "-c",
    file("execve.yaml", "workers: 1\n"),
    ...(await freeListeners()).words,
  ])
  await until(serve.said, () => serve.said().includes("traffic on"))
  const { words } = processes().find(({ pid }) => pid === serve.pid)!
  assert.match(words, /--disable-sigusr1 .*bin\/linebacker serve/)
  assert.deepEqual(childrenOf(serve.pid), [])
  serve.process.kill("SIGTERM")
  assert.equal(await serve.ended, 0)
  assert.doesNotMatch(serve.said(), /Warning/)
})

test("a pinned Node.js that has stayed from an earlier version is not used", () => {
  const copy = join(folder, "stale")
  const pinned = join(copy, "node_modules", `node-linux-${process.arch}`)
  mkdirSync(join(copy, "bin"), { recursive: true })
  mkdirSync(join(pinned, "bin"), { recursive: true })
  for (const name of ["linebacker", "oldest-node.cjs"]) {
    copyFileSync(join(dirname(launcher), name), join(copy, "bin", name))
  }
  writeFileSync(join(pinned, "package.json"), '{"version": "24.21.0"}')
  symlinkSync(process.execPath, join(pinned, "bin", "node"))
  const words = [...nodeOfVersion("22.20.0"), join(copy, "bin", "linebacker"), "--help"]
  const { status, stderr } = spawnSync(process.execPath, words, { encoding: "utf8", timeout: 60_000 })
  assert.equal(status, 1)
  assert.match(stderr, /^linebacker: needs Node\.js .* not installed, or too old itself\.$/m)
})

test("such a Node.js that npm has started ends with npm, also in its second life", async (t) => {
  const { words } = await freeListeners()
  // npm lives as long as this shell: what it started has no chance to be told of its end.
  const npm = started(t, "sh", [
    "-c",
    'npm_lifecycle_event=start "$@" & wait',
    "-",
    process.execPath,
    ...nodeOfVersion("22.20.0"),
    launcher,
    "serve",
    "-c",
    file("npm.yaml", "workers: 1\n"),
    ...words,
  ])
  await until(npm.said, () => npm.said().includes("traffic on"))
  const [serve] = childrenOf(npm.pid)
  npm.process.kill("SIGKILL")
  await until(
    () => `it has ended; it said: ${npm.said()}`,
    () => !isAlive(serve!.pid),
  )
})

test("where memory is little the heap of the main thread is less, in the same process, unless it was set", async (t) => {
  const little = file("memory.cjs", "process.constrainedMemory = () => 384 * 1024 * 1024\n")
  const config = file("memory.yaml", "workers: 2\n")
  for (const [options, heap] of [
    [[], 115],
    [["--max-old-space-size=200"], 200],
  ] as const) {
    const words = ["serve", "-c", config, ...(await freeListeners()).words]
    const serve = started(t, process.execPath, ["--require", little, ...options, launcher, ...words])
    await until(serve.said, () => serve.said().includes("traffic on"))
    const found = processes().find(({ pid }) => pid === serve.pid)!
    assert.ok(found.words.includes(`--max-old-space-size=${heap} `), found.words)
    assert.match(
      serve.said(),
      /^memory: 384 MiB of the container; .* and 57 MiB in each of 2 data-plane threads/m,
    )
    serve.process.kill("SIGTERM")
    assert.equal(await serve.ended, 0)
  }
})

/** Runs a command with this environment alone. */
function helpWith(env: NodeJS.ProcessEnv): void {
  const { status, stderr } = spawnSync(process.execPath, [launcher, "--help"], {
    env: { PATH: process.env["PATH"], HOME: "/nonexistent", ...env },
    encoding: "utf8",
    cwd: folder,
    timeout: 60_000,
  })
  assert.deepEqual([status, stderr], [0, ""])
}

test("compiled code is kept in a folder of the user's own, and nowhere else", (t) => {
  const cache = join(folder, "cache")
  helpWith({ XDG_CACHE_HOME: cache })
  assert.equal(statSync(join(cache, "linebacker")).mode & 0o777, 0o700)
  assert.ok(readdirSync(join(cache, "linebacker")).length > 0)
  helpWith({ XDG_CACHE_HOME: join(folder, "named"), NODE_COMPILE_CACHE: join(folder, "other") })
  assert.ok(existsSync(join(folder, "other")) && !existsSync(join(folder, "named")))
  helpWith({ XDG_CACHE_HOME: join(folder, "none"), NODE_DISABLE_COMPILE_CACHE: "1" })
  assert.ok(!existsSync(join(folder, "none")))

  // Others may write there: what lies there is not run.
  const shared = join(folder, "shared", "linebacker")
  mkdirSync(shared, { recursive: true })
  chmodSync(shared, 0o777)
  helpWith({ XDG_CACHE_HOME: join(folder, "shared") })
  assert.deepEqual(readdirSync(shared), [])
  // No folder can be made there.
  writeFileSync(join(folder, "file"), "")
  helpWith({ XDG_CACHE_HOME: join(folder, "file") })
  // A home that is not there stays so; in /proc the system says that a parent is missing, whatever there is.
  helpWith({ XDG_CACHE_HOME: undefined, HOME: join(folder, "no-home") })
  assert.ok(!existsSync(join(folder, "no-home")))
  helpWith({ XDG_CACHE_HOME: undefined, HOME: "/proc" })
  for (const home of ["", "relative"]) helpWith({ XDG_CACHE_HOME: undefined, HOME: home })
  assert.ok(!existsSync(join(folder, ".cache")) && !existsSync(join(folder, "relative")))
  t.after(() => rmSync(shared, { recursive: true, force: true }))
})

test("a load that fails does not end the demonstration", async (t) => {
  // The first thread of a generator ends as it starts.
  const node = ["--require", file("dying.cjs", dyingGenerator)]
  const words = ["--spam", ...(await freeListeners()).words, `--backend-port=${await freePortRow(3)}`]
  const demo = started(t, process.execPath, [...node, launcher, "demo", ...words])
  const says = "the load has ended, the demonstration goes on: generator thread 0 ended without a result\n"
  await until(demo.said, () => demo.said().includes(says))
  const [backend] = childrenOf(demo.pid)
  process.kill(backend!.pid, "SIGKILL")
  await until(demo.said, () => /^backend-\d ended \(SIGKILL\)$/m.test(demo.said()))
  assert.ok(isAlive(demo.pid))
  demo.process.kill("SIGINT")
  assert.equal(await demo.ended, 0)
})

const dyingGenerator = `
process.on("worker", (worker) => {
  worker.once("message", (message) => message.kind === "ready" && worker.terminate())
})
`
