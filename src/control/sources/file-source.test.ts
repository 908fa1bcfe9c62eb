import assert from "node:assert/strict"
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { test, type TestContext } from "node:test"
import { HandTimers } from "../../../test/support/hand-timers.ts"
import { parseConfig } from "../../config/config-parse.ts"
import { fail } from "../../core/result.ts"
import { policies } from "../../policies/index.ts"
import { FileSource } from "./file-source.ts"
import type { Findings } from "./source.ts"

const lookMs = 1_000

test("the backends of a file are there at once, and those of its next content when it has changed", (t) => {
  const world = new World(t, { "a.yaml": "- 10.0.0.1:80\n- {id: b, address: 10.0.0.2:80, weight: 2}\n" })
  world.follow("a.yaml")
  assert.deepEqual(world.ids, ["10.0.0.1:80", "b"])
  world.write("a.yaml", "[{id: c, address: 10.0.0.3:80}]")
  world.look()
  assert.deepEqual([world.ids, world.problems], [["c"], []])
  world.write("a.yaml", "[]\n")
  world.look()
  assert.deepEqual([world.ids, world.problems], [[], []])
})

test("a wrong file counts as it last was, and every mistake is told with its place", (t) => {
  const world = new World(t, { "d/a.yaml": "[10.0.0.1:80]", "d/b.yaml": "[10.0.0.2:80]" })
  world.follow("d/*.yaml")
  const wrong: readonly (readonly [text: string, ...problems: readonly string[]])[] = [
    ["", "d/a.yaml:1:1: expected a list of backends, each behind a dash; [] is none, found nothing"],
    [
      "backends: [10.0.0.1:80]",
      "d/a.yaml:1:1: expected a list of backends, each behind a dash; [] is none, found a mapping",
    ],
    [
      "- [",
      "d/a.yaml:1:4: not valid YAML: Flow sequence in block collection must be sufficiently indented and end with a ]",
    ],
    [
      "- x y\n- {address: ':1', wieght: 2}",
      'd/a.yaml:1:3: [0]: expected an address like 10.0.0.7:8080, :8080 for 127.0.0.1, https://app.example or unix:/path/to.sock, found "x y"',
      'd/a.yaml:2:19: [1].wieght: unknown key "wieght"; did you mean "weight"?',
    ],
    [
      "- ':1'\n- {id: b, address: ':1'}\n- {address: ':2', capacity: {cpu: 1}}",
      "d/a.yaml:2:3: [1]: another backend has the address 127.0.0.1:1",
      'd/a.yaml:3:35: [2].capacity.cpu: unknown resource "cpu"; the resources here are compute, storage',
    ],
    ["- ${HOME}", "d/a.yaml:1:3: [0]: the environment variable HOME is not set"],
    [
      "- ${file:/etc/hostname}",
      'd/a.yaml:1:3: [0]: the file "/etc/hostname" cannot be read: nothing is put in here',
    ],
  ]
  for (const [text, ...problems] of wrong) {
    world.write("d/a.yaml", text)
    world.look()
    assert.deepEqual(
      world.problems,
      problems.map((line) => `${line}; what it said before counts`),
    )
    assert.deepEqual(world.ids, ["10.0.0.1:80", "10.0.0.2:80"])
  }
  world.write("d/b.yaml", "[10.0.0.3:80]")
  world.look()
  assert.deepEqual(world.ids, ["10.0.0.1:80", "10.0.0.3:80"], "another file is read all the same")
  world.write("d/a.yaml", "[10.0.0.4:80]")
  world.look()
  assert.deepEqual([world.ids, world.problems], [["10.0.0.4:80", "10.0.0.3:80"], []])
})

test("files that fit the pattern come and go with their backends", (t) => {
  const world = new World(t, { "d/b.yaml": "[10.0.0.2:80]", "d/b.yml": "wrong", "d/.hidden.yaml": "wrong" })
  world.follow("d/?.yaml")
  assert.deepEqual(world.ids, ["10.0.0.2:80"])
  world.write("d/a.yaml", "[10.0.0.1:80]")
  world.write("d/ab.yaml", "wrong")
  world.look()
  assert.deepEqual(world.ids, ["10.0.0.1:80", "10.0.0.2:80"])
  rmSync(world.path("d/b.yaml"))
  world.look()
  assert.deepEqual([world.ids, world.problems], [["10.0.0.1:80"], []])
})

test("a file that is named as it is may come later; when it is gone, its backends stay", (t) => {
  const world = new World(t, {})
  world.follow("a.yaml")
  const gone = "a.yaml: cannot be read: there is no such file"
  assert.deepEqual([world.ids, world.problems], [[], [`${gone}; nothing of it counts`]])
  world.write("a.yaml", "[10.0.0.1:80]")
  world.look()
  assert.deepEqual([world.ids, world.problems], [["10.0.0.1:80"], []])
  rmSync(world.path("a.yaml"))
  world.look()
  assert.deepEqual([world.ids, world.problems], [["10.0.0.1:80"], [`${gone}; what it said before counts`]])
})

test("while the folder is gone all stay, and the pattern is followed through links that are swapped", (t) => {
  const world = new World(t, { "one/a.yaml": "[10.0.0.1:80]", "two/b.yaml": "[10.0.0.2:80]" })
  symlinkSync("one", world.path("current"))
  world.follow("current/*.yaml")
  assert.deepEqual(world.ids, ["10.0.0.1:80"])
  symlinkSync("two", world.path("next"))
  renameSync(world.path("next"), world.path("current"))
  world.look()
  assert.deepEqual(world.ids, ["10.0.0.2:80"])
  rmSync(world.path("two"), { recursive: true })
  world.look()
  assert.deepEqual(world.ids, ["10.0.0.2:80"])
  assert.deepEqual(world.problems, ["current/*.yaml: there is no such folder; what it had found stays"])
})

test("a source that is closed looks at nothing", (t) => {
  const world = new World(t, { "a.yaml": "[]" })
  world.follow("a.yaml").close()
  assert.equal(world.timers.pending, 0)
})

class World {
  readonly timers = new HandTimers()
  #found: Findings = { backends: [], problems: [] }
  readonly #folder = mkdtempSync(join(tmpdir(), "linebacker-files-"))

  constructor(t: TestContext, files: Readonly<Record<string, string>>) {
    t.after(() => rmSync(this.#folder, { recursive: true }))
    for (const [name, text] of Object.entries(files)) this.write(name, text)
  }

  path(name: string): string {
    return join(this.#folder, name)
  }

  write(name: string, text: string): void {
    mkdirSync(dirname(this.path(name)), { recursive: true })
    writeFileSync(this.path(name), text)
  }

  follow(name: string): FileSource {
    const config = parseConfig({}, { policies, readFile: () => fail("there is no such file") })
    assert.ok(config.ok)
    const source = new FileSource(name, this.path(name), { settings: config.value, timers: this.timers })
    source.start((findings) => (this.#found = findings))
    return source
  }

  /** Until what has changed is read. */
  look(): void {
    this.timers.advance(2 * lookMs)
  }

  get ids(): readonly string[] {
    return this.#found.backends.map(({ id }) => id)
  }

  get problems(): readonly string[] {
    return this.#found.problems
  }
}
