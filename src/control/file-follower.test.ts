import assert from "node:assert/strict"
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { test, type TestContext } from "node:test"
import { HandTimers } from "../../test/support/hand-timers.ts"
import { fileStamp } from "../net/file-stamp.ts"
import { FileFollower } from "./file-follower.ts"

const lookMs = 1_000

test("a change is told once, when nothing has changed from one look to the next", () => {
  const world = new World({ a: "1", b: "1" })
  world.looks(3)
  assert.equal(world.changes, 0)
  world.stamps["a"] = "2"
  world.looks(1)
  world.stamps["b"] = "2"
  world.looks(1)
  assert.equal(world.changes, 0, "it is not quiet yet")
  world.looks(1)
  assert.equal(world.changes, 1)
  world.looks(3)
  assert.equal(world.changes, 1)
})

test("what comes and goes between two reads is no change; what is gone when it is quiet is one", () => {
  const world = new World({ a: "1" })
  world.stamps["a"] = "ENOENT"
  world.looks(1)
  world.stamps["a"] = "1"
  world.looks(2)
  assert.equal(world.changes, 0)
  world.stamps["a"] = "ENOENT"
  world.looks(2)
  assert.equal(world.changes, 1)
  world.stamps["a"] = "1"
  world.looks(2)
  assert.equal(world.changes, 2, "it is there again")
})

test("a follower that is closed looks at nothing", () => {
  const world = new World({ a: "1" })
  world.follower.close()
  assert.equal(world.timers.pending, 0)
})

/** What is done to `at/current/site.pem`; each is a change of what that path means. */
const renewals: Readonly<Record<string, (at: string) => void>> = {
  "the file is written": (at) => writeFileSync(join(at, "one", "site.pem"), "new content"),
  "another file is put in its place": (at) => {
    writeFileSync(join(at, "next"), "old")
    renameSync(join(at, "next"), join(at, "one", "site.pem"))
  },
  "the link to its folder is put on another folder": (at) => {
    symlinkSync("two", join(at, "next"))
    renameSync(join(at, "next"), join(at, "current"))
  },
  "its folder is put in another's place": (at) => {
    renameSync(join(at, "one"), join(at, "before"))
    renameSync(join(at, "two"), join(at, "one"))
  },
  "its folder is removed": (at) => rmSync(join(at, "one"), { recursive: true }),
  "a file of the same size and times is put in its place": (at) => {
    writeFileSync(join(at, "next"), "dlo")
    utimesSync(join(at, "next"), 1, 1)
    renameSync(join(at, "next"), join(at, "one", "site.pem"))
  },
}

for (const [what, renew] of Object.entries(renewals)) {
  test(`the stamp of a path changes when ${what}`, (t) => {
    const at = folder(t)
    for (const name of ["one", "two"]) {
      mkdirSync(join(at, name))
      writeFileSync(join(at, name, "site.pem"), "old")
      utimesSync(join(at, name, "site.pem"), 1, 1)
    }
    symlinkSync("one", join(at, "current"))
    const path = join(at, "current", "site.pem")
    const before = fileStamp(path)
    assert.equal(fileStamp(path), before)
    renew(at)
    assert.notEqual(fileStamp(path), before)
  })
}

test("a file that is not there has a stamp too, and another when it appears", (t) => {
  const path = join(folder(t), "later", "site.pem")
  assert.equal(fileStamp(path), "ENOENT")
  mkdirSync(join(path, ".."))
  writeFileSync(path, "x")
  assert.notEqual(fileStamp(path), "ENOENT")
})

class World {
  changes = 0
  readonly timers = new HandTimers()
  readonly stamps: Record<string, string>
  readonly follower: FileFollower

  constructor(stamps: Record<string, string>) {
    this.stamps = stamps
    this.follower = new FileFollower({
      paths: Object.keys(stamps),
      stamp: (path) => this.stamps[path]!,
      timers: this.timers,
    })
    this.follower.start(() => this.changes++)
  }

  looks(count: number): void {
    this.timers.advance(count * lookMs)
  }
}

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "linebacker-"))
  t.after(() => rmSync(path, { recursive: true, force: true }))
  return path
}
