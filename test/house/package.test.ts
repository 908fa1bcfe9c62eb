/** What `npm pack` makes of a clean checkout works where it is installed, and changes nothing else there. */
import assert from "node:assert/strict"
import { execFileSync, spawn, spawnSync, type SpawnSyncReturns } from "node:child_process"
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { once } from "node:events"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { before, after, test } from "node:test"
import { blocksOf } from "../support/house/document-blocks.ts"
import { undocumented } from "../support/house/docstrings.ts"
import { setUp } from "../support/house/set-up.ts"
import { until } from "../support/until.ts"

const root = join(import.meta.dirname, "..", "..")
const folder = mkdtempSync(join(tmpdir(), "linebacker-package-"))
const installed = join(folder, "user", "node_modules", "linebacker")
const absent = spawnSync("npm", ["--version"]).status === 0 ? false : "npm is not installed"
after(() => rmSync(folder, { recursive: true }))

interface Packed {
  readonly filename: string
  readonly unpackedSize: number
  readonly files: readonly { readonly path: string }[]
}
let packed: Packed

before(() => {
  if (absent !== false) return
  // Packing would set up what is linked there, and npm empties a folder behind a link.
  setUp()
  const checkout = join(folder, "checkout")
  for (const file of execFileSync("git", ["ls-files", "-co", "--exclude-standard"], { cwd: root })
    .toString()
    .split("\n")
    .filter((name) => name !== "")) {
    mkdirSync(dirname(join(checkout, file)), { recursive: true })
    cpSync(join(root, file), join(checkout, file))
  }
  symlinkSync(join(root, "node_modules"), join(checkout, "node_modules"))
  const said = execFileSync("npm", ["pack", "--json", "--pack-destination", folder], {
    cwd: checkout,
    stdio: ["ignore", "pipe", "pipe"],
  })
  const text = said.toString()
  const list = JSON.parse(text.slice(text.search(/^[[{]/m))) as readonly Packed[] | Record<string, Packed>
  packed = Object.values(list)[0]!
  mkdirSync(installed, { recursive: true })
  execFileSync("tar", ["xzf", join(folder, packed.filename), "-C", installed, "--strip-components=1"])
  const manifest = JSON.parse(readFileSync(join(installed, "package.json"), "utf8")) as {
    readonly dependencies: Readonly<Record<string, string>>
  }
  for (const name of Object.keys(manifest.dependencies)) {
    const link = join(folder, "user", "node_modules", name)
    mkdirSync(dirname(link), { recursive: true })
    symlinkSync(join(root, "node_modules", name), link)
  }
  writeFileSync(join(folder, "user", "package.json"), `{"type": "module"}`)
})

test("a checkout that was never built packs the program, its types and the page", { skip: absent }, () => {
  const paths = packed.files.map(({ path }) => path)
  for (const path of [
    "bin/linebacker",
    "dist/cli/main.js",
    "dist/index.d.ts",
    "dist/announce/announce.js",
    "dist/dashboard/page.html",
    "LICENSE",
    "README.md",
  ]) {
    assert.ok(paths.includes(path), path)
  }
  assert.deepEqual(
    paths.filter((path) => /\.map$|\.test\.|\.ts$/.test(path) && !/\.d\.ts$|^examples\//.test(path)),
    [],
    "no sources, no tests, no maps to sources that are not there",
  )
})

test("the package brings no program of another name, and no Node.js", { skip: absent }, () => {
  const manifest = JSON.parse(readFileSync(join(installed, "package.json"), "utf8")) as Record<string, object>
  assert.deepEqual(manifest["bin"], { linebacker: "bin/linebacker" })
  const brought = Object.keys({ ...manifest["dependencies"], ...manifest["optionalDependencies"] })
  assert.deepEqual(
    brought.filter((name) => name.startsWith("node-")),
    [],
  )
  for (const name of brought) {
    const { bin = {} } = JSON.parse(
      readFileSync(join(root, "node_modules", name, "package.json"), "utf8"),
    ) as { readonly bin?: object }
    assert.ok(!Object.keys(bin).includes("node"), `${name} would put its own node into .bin`)
  }
})

test("its command runs where it is installed", { skip: absent }, () => {
  assert.match(run("--version").stdout, /^linebacker 0\./)
  writeFileSync(join(folder, "empty.yaml"), "")
  const { status, stdout, stderr } = run("validate", join(folder, "empty.yaml"))
  assert.equal(status, 0, stderr)
  assert.match(stdout, /is valid/)
})

test("every entry that the package exports can be imported", { skip: absent }, () => {
  const code = `for (const entry of ["linebacker", "linebacker/policies", "linebacker/announce", "linebacker/sim"]) {
    const names = Object.keys(await import(entry))
    if (names.length === 0) throw new Error(entry + " exports nothing")
  }`
  writeFileSync(join(folder, "user", "try.mjs"), code)
  const { status, stderr } = spawnSync(process.execPath, [join(folder, "user", "try.mjs")], {
    encoding: "utf8",
  })
  assert.equal(status, 0, stderr)
})

test(
  "an editor shows a docstring for every name that the package exports, and for what it consists of",
  { skip: absent },
  () => {
    assert.deepEqual(["index", "policies/index", "announce/announce"].flatMap(bare), [])
    // Of what the simulator gives, the names alone are held to it.
    assert.deepEqual(
      bare("sim/rehearse").filter((name) => !name.includes(".")),
      [],
    )
  },
)

test("the program in README compiles in a strict project, and runs", { skip: absent }, async (t) => {
  const program = blocksOf(root, "README.md").find(
    ({ language, text }) => language === "ts" && text.includes('from "linebacker"'),
  )
  const project = join(folder, "user")
  writeFileSync(join(project, "program.ts"), program!.text)
  const compilerOptions = { strict: true, module: "nodenext", target: "es2024", types: ["node"] }
  const files = ["program.ts"]
  writeFileSync(join(project, "tsconfig.json"), JSON.stringify({ compilerOptions, files }))
  for (const name of ["@types/node", "undici-types"]) {
    const link = join(project, "node_modules", name)
    mkdirSync(dirname(link), { recursive: true })
    symlinkSync(join(root, "node_modules", name), link)
  }
  const compiler = join(root, "node_modules", ".bin", "tsc")
  const compiled = spawnSync(compiler, ["--project", project], { encoding: "utf8" })
  assert.deepEqual([compiled.stdout, compiled.status], ["", 0])
  const child = spawn(process.execPath, [join(project, "program.js")], {
    stdio: ["ignore", "pipe", "inherit"],
  })
  t.after(() => child.kill("SIGKILL"))
  let said = ""
  child.stdout.on("data", (text: Buffer) => (said += text.toString()))
  await until("it listens", () => /listening on port \d+/.test(said))
  const exited = once(child, "exit")
  child.kill("SIGTERM")
  assert.deepEqual(await exited, [0, null])
})

function run(...words: readonly string[]): SpawnSyncReturns<string> {
  const program = join(installed, "bin", "linebacker")
  return spawnSync(process.execPath, [program, ...words], { encoding: "utf8" })
}

function bare(entry: string): string[] {
  return undocumented(join(installed, "dist", `${entry}.d.ts`))
}
