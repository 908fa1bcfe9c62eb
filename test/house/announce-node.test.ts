/** The announcing client runs in other people's processes: on Node.js 18 and newer, whatever the balancer does. */
import assert from "node:assert/strict"
import { execFileSync, spawnSync } from "node:child_process"
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { stripTypeScriptTypes } from "node:module"
import { tmpdir } from "node:os"
import { delimiter, dirname, join, relative, resolve } from "node:path"
import { test } from "node:test"

const root = join(import.meta.dirname, "..", "..")
const entry = join(root, "src/announce/announce.ts")

/**
 * What is newer than Node.js 18.0, by how it is written. Whatever else comes: the test under an old Node.js finds it.
 */
const newer: readonly RegExp[] = [
  /\bPromise\.(withResolvers|try)\b/,
  /\bURL\.(parse|canParse)\b/,
  /\bAbortSignal\.any\b/,
  /\.(toSorted|toReversed|toSpliced|with|isWellFormed|toWellFormed|transfer)\(/,
  /\.(union|intersection|difference|symmetricDifference|isSubsetOf|isSupersetOf|isDisjointFrom)\(/,
  /\b(Object|Map)\.groupBy\b/,
  /\b(Array\.fromAsync|RegExp\.escape|Math\.sumPrecise|Error\.isError|Iterator|WebSocket|Float16Array|Navigator|navigator)\b/,
  /\bimport\.meta\.(dirname|filename|resolve)\b/,
  /\b(await )?using \w+ =/,
  /\bSymbol\.(dispose|asyncDispose)\b/,
  /\bimport .* with \{/,
]
/** Of Node.js itself, what these modules have had since long before. */
const modules = ["node:crypto"]

test("the announcing client and all that it imports use nothing newer than Node.js 18", () => {
  const sources = closureOf(entry)
  assert.ok(sources.size >= 3, [...sources.keys()].join())
  for (const [path, source] of sources) {
    const name = relative(root, path)
    for (const [index, line] of source.split("\n").entries()) {
      for (const pattern of newer) assert.doesNotMatch(line, pattern, `${name}:${index + 1}`)
    }
    for (const [, specifier] of source.matchAll(/from "(node:[^"]+)"/g)) {
      assert.ok(modules.includes(specifier!), `${name} imports ${specifier}`)
    }
  }
})

const old = oldestNode()

test(
  "under the oldest Node.js at hand it survives every balancer, and the process ends by itself",
  { skip: old === undefined ? "there is no Node.js older than the one that is brought along" : false },
  (t) => {
    const folder = mkdtempSync(join(tmpdir(), "linebacker-announce-"))
    t.after(() => rmSync(folder, { recursive: true }))
    writeFileSync(join(folder, "package.json"), '{"type": "module"}')
    for (const [path, source] of closureOf(entry)) {
      const target = join(folder, relative(join(root, "src"), path).replace(/\.ts$/, ".js"))
      mkdirSync(dirname(target), { recursive: true })
      writeFileSync(target, source.replaceAll(/(from "\.[^"]+)\.ts"/g, '$1.js"'))
    }
    const script = join(import.meta.dirname, "../support/house/hostile-balancers.mjs")
    const args = [script, join(folder, "announce/announce.js")]
    const { status, stdout, stderr } = spawnSync(old!.path, args, { encoding: "utf8", timeout: 600_000 })
    t.diagnostic(`Node.js ${old!.version}`)
    assert.equal(status, 0, stderr)
    assert.match(stdout, /^survived 21$/m)
  },
)

/** The file and all that it imports, by path, without types. */
function closureOf(path: string, found: Map<string, string> = new Map()): Map<string, string> {
  if (found.has(path)) return found
  const source = stripTypeScriptTypes(readFileSync(path, "utf8"))
  found.set(path, source)
  for (const [, specifier] of source.matchAll(/from "(\.[^"]+)"/g))
    closureOf(resolve(dirname(path), specifier!), found)
  return found
}

/** The oldest of those on the path from 18 on, other than the one that runs this. */
function oldestNode(): { readonly path: string; readonly version: string } | undefined {
  const folders = (process.env["PATH"] ?? "").split(delimiter)
  const found = folders.flatMap((folder) =>
    ["node", "nodejs"].flatMap((name) => {
      const path = join(folder, name)
      try {
        const version = execFileSync(path, ["-p", "process.versions.node"], { stdio: "pipe" })
          .toString()
          .trim()
        return [{ path, version, major: Number.parseInt(version, 10) }]
      } catch {
        return []
      }
    }),
  )
  const older = found.filter(({ major }) => major >= 18 && major < Number.parseInt(process.versions.node, 10))
  return older.toSorted((a, b) => a.major - b.major)[0]
}
