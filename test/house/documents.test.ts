/**
 * Every command in a document runs as it is printed, and every piece of configuration is valid.
 *
 * Commands name fixed ports, so they run in a network of their own, where all ports are free (Linux, as root). Each has
 * to end with exit code 0, or to be at work still, without a complaint, when it has run for a while.
 */
import assert from "node:assert/strict"
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process"
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { test } from "node:test"
import { readConfig } from "../../src/config/config-file.ts"
import { policies } from "../../src/policies/index.ts"
import { formatProblem } from "../../src/text/problem.ts"
import { readScenario } from "../../src/sim/scenario/scenario-file.ts"
import { readMix } from "../../src/load/mix-file.ts"
import { blocksOf, commandsOf, type ShownCommand } from "../support/house/document-blocks.ts"
import { setUp } from "../support/house/set-up.ts"
import { until } from "../support/until.ts"

const root = join(import.meta.dirname, "..", "..")
const paths = [
  "README.md",
  "CONTRIBUTING.md",
  ...readdirSync(join(root, "docs"))
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
]
const blocks = paths.flatMap((path) => blocksOf(root, path))
const commands = blocks.filter(({ language }) => language === "sh").flatMap(commandsOf)

/** Commands that this test cannot run, and why. */
const elsewhere: readonly (readonly [form: RegExp, reason: string])[] = [
  [/^npm test\b/, "it is what runs this test"],
  [/^npm start -- --spam$/, "the demonstration is up already; test/process/demonstration.test.ts runs it"],
  [/^npm run bench -- .*--markdown/, "it would write tables of an unfinished run into the documents"],
  [/^npm run bench$/, "it takes forty minutes; bench/relay.test.ts runs a small one"],
  [/^npm install --prefix|^apt-get /, "it installs something"],
  [/^(\w+=\S+ )*\.\/deploy\.sh\b/, "test/house/deploy.test.ts runs it"],
  [/^docker /, "it needs a Docker engine; test/house/deploy.test.ts reads the files"],
  [/^wrk /, "it is not ours"],
]
const here = commands.filter(({ text }) => !elsewhere.some(([form]) => form.test(text)))

/** How long a command may be at work, ms. What is wrong with its words or its files shows long before. */
const atWorkMs = 6_000

test("every command in a document runs as it is printed", { skip: withoutNamespaces() }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "linebacker-documents-"))
  const network = `linebacker-${process.pid}`
  const running = new Set<ChildProcess>()
  t.after(() => {
    for (const child of running) killGroup(child, "SIGKILL")
    spawnSync("ip", ["netns", "del", network])
    rmSync(folder, { recursive: true })
  })
  execFileSync("ip", ["netns", "add", network])
  execFileSync("ip", ["-n", network, "link", "set", "lo", "up"])
  prepare(folder)

  const start = (command: string): { readonly child: ChildProcess; readonly said: () => string } => {
    // A second balancer finds its ports taken, so it gets a network of its own.
    const apart = command.includes("linebacker serve") ? ["unshare", "--net"] : []
    const words = ["netns", "exec", network, ...apart, "bash", "-o", "pipefail", "-c", command]
    const child = spawn("ip", words, { cwd: folder, detached: true, stdio: ["ignore", "pipe", "pipe"] })
    running.add(child)
    let said = ""
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (data: Buffer) => (said = (said + data.toString()).slice(-4_000)))
    }
    return { child, said: () => said }
  }

  const first = here.findIndex(({ text }) => text === "npm start")
  assert.notEqual(first, -1, "README shows npm start")
  const demonstration = start("npm start")
  await until(demonstration.said, () => demonstration.said().includes("Linebacker is running"))
  const [, token] = /Authorization: Bearer (\S+?)'/.exec(demonstration.said()) ?? []
  assert.ok(token !== undefined, "the demonstration prints its token")
  // What performance.md measures against.
  const plain = `require("http").createServer((_, r) => r.end("ok")).listen(7811, "127.0.0.1")`
  start(`'${process.execPath}' -e '${plain}'`)

  const failures: string[] = []
  const rest = here.filter((_, index) => index !== first).values()
  // Two at a time, as there may be two cores; those of a document that build on each other stand in one line.
  await Promise.all([runRest(), runRest()])
  assert.deepEqual(failures, [])
  assert.equal(demonstration.child.exitCode, null, demonstration.said())

  async function runRest(): Promise<void> {
    for (const shown of rest) {
      const { child, said } = start(asPrinted(shown, token!))
      const code = await endOf(child, atWorkMs)
      running.delete(child)
      if (code === 0 || code === "at work") continue
      failures.push(`${shown.path}:${shown.line}: ${shown.text}\nended with ${code}: ${said().trim()}`)
    }
  }
})

test("what this test does not run is in a document, each for its reason", () => {
  for (const [form, reason] of elsewhere) {
    assert.ok(
      commands.some(({ text }) => form.test(text)),
      `no document has ${form.source} any more (${reason})`,
    )
  }
})

test("every piece of configuration in a document is valid", () => {
  const wrong = blocks
    .filter(({ language }) => language === "yaml")
    .flatMap(({ path, line, text }) => {
      const problems = text.includes("requests:")
        ? readMix(path, text)
        : text.includes("classes:")
          ? readScenario({ file: path, text })
          : readConfig({ file: path, text, policies, env: {} })
      if (problems.ok) return []
      const issues = problems.error
        .map((problem) => formatProblem({ ...problem, line: (problem.line ?? 1) + line - 1 }))
        // The files are the reader's own.
        .filter((issue) => !issue.includes("there is no such file"))
      return issues
    })
  assert.deepEqual(wrong, [])
})

/** The folder in which commands run: the project, where they write beside it and not into it. */
function prepare(folder: string): void {
  // `npm start` would set up what is linked there, and npm empties a folder behind a link.
  setUp()
  for (const name of readdirSync(root)) if (name !== ".git") symlinkSync(join(root, name), join(folder, name))
  for (const { language, text, path } of blocks) {
    // A policy of one's own, which a command beside it names.
    const name = language === "ts" ? /name: "(roomiest)"/.exec(text)?.[1] : undefined
    if (name !== undefined) writeFileSync(join(folder, `${name}.ts`), text)
    assert.ok(name === undefined || path.endsWith("simulator.md"), path)
  }
  mkdirSync(join(folder, "out"))
}

/** The command with what a reader has to put in. */
function asPrinted({ text }: ShownCommand, token: string): string {
  return text.replace("Bearer TOKEN", `Bearer ${token}`)
}

/** How it ended; "at work" where it had to be stopped because its time was over. */
async function endOf(child: ChildProcess, ms: number): Promise<number | string> {
  let isOver = false
  const timer = setTimeout(() => {
    isOver = true
    killGroup(child, "SIGTERM")
    setTimeout(() => killGroup(child, "SIGKILL"), 5_000).unref()
  }, ms)
  const end = await new Promise<number | string>((resolve) => {
    child.once("close", (code, signal) => resolve(code ?? signal ?? "nothing"))
  })
  clearTimeout(timer)
  return isOver ? "at work" : end
}

function killGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  try {
    process.kill(-child.pid!, signal)
  } catch {
    // It has ended.
  }
}

function withoutNamespaces(): string | false {
  const made = spawnSync("unshare", ["--net", "ip", "link", "set", "lo", "up"])
  return made.status === 0 ? false : "it needs Linux, ip(8) and the right to make a network namespace"
}
