import assert from "node:assert/strict"
import { test } from "node:test"
import { HandTimers } from "../../../test/support/hand-timers.ts"
import type { Registration } from "../../membership/registration.ts"
import type { NotRegistered } from "../../membership/registry-errors.ts"
import type { Findings, Source } from "./source.ts"
import { Sources } from "./sources.ts"

const retryMs = 1_000
const full: NotRegistered = { code: "too_many_backends", message: "there is no room" }

test("what all sources find is put together, in their order", () => {
  const world = new World("a", "b")
  world.find(1, "b1")
  world.find(0, "a1", "a2")
  assert.deepEqual(world.ids, ["a1", "a2", "b1"])
  world.find(0)
  assert.deepEqual(world.ids, ["b1"], "a source that finds none changes nothing of the others")
  assert.deepEqual(world.lines, [])
})

test("of two with one id or address the one of the earlier source counts, and the other is told", () => {
  const world = new World("a", "b")
  world.find(0, "x")
  world.find(1, "x", "y=x", "z")
  assert.deepEqual(world.ids, ["x", "z"])
  assert.deepEqual(world.lines, [
    'b: the id "x" is that of another backend; this one is left out',
    "b: y is left out: x has its address x:80",
  ])
  world.find(0)
  assert.deepEqual(world.ids, ["x", "z"])
  assert.equal(world.lines[2], 'over: b: the id "x" is that of another backend; this one is left out')
})

test("a problem is logged when it begins and when it is over, and the state has it meanwhile", () => {
  const world = new World("a")
  world.find(0, "x")
  const found = { backends: [backend("x")], problems: ["a: it cannot be read"] }
  for (let i = 0; i < 3; i++) world.tell(0, found)
  assert.deepEqual(world.lines, ["a: it cannot be read"])
  assert.deepEqual(world.sources.view, [
    { kind: "file", name: "a", backends: 1, problems: ["a: it cannot be read"] },
  ])
  assert.deepEqual(world.ids, ["x"])
  world.find(0, "x")
  assert.deepEqual(world.lines, ["a: it cannot be read", "over: a: it cannot be read"])
  assert.deepEqual(world.sources.view[0]!.problems, [])
})

test("those that cannot join are offered again until there is room", () => {
  const world = new World("a")
  world.refused = [full]
  world.find(0, "x", "y")
  assert.deepEqual(world.lines, ["a backend cannot join: there is no room"])
  world.timers.advance(retryMs)
  assert.equal(world.configured, 2)
  world.refused = []
  world.timers.advance(retryMs)
  assert.equal(world.configured, 3)
  assert.equal(world.timers.pending, 0)
  assert.equal(world.lines[1], "over: a backend cannot join: there is no room")
})

test("all sources are closed, and nothing is offered again", () => {
  const world = new World("a", "b")
  world.refused = [full]
  world.find(0, "x")
  world.sources.close()
  assert.deepEqual(world.closed, ["a", "b"])
  assert.equal(world.timers.pending, 0)
})

/** `id`, or `id=host`. */
function backend(text: string): Registration {
  const [id = "", host = id] = text.split("=")
  return { id, address: { host, port: 80 }, capacity: { compute: 1, storage: 1 } }
}

class World {
  readonly timers = new HandTimers()
  readonly lines: string[] = []
  readonly closed: string[] = []
  readonly sources: Sources
  refused: readonly NotRegistered[] = []
  ids: readonly string[] = []
  configured = 0
  readonly #tells: ((findings: Findings) => void)[] = []

  constructor(...names: readonly string[]) {
    const sources = names.map((name): Source => {
      return {
        kind: "file",
        name,
        start: (found) => void this.#tells.push(found),
        close: () => void this.closed.push(name),
      }
    })
    this.sources = new Sources({
      sources,
      configure: (backends) => {
        this.configured++
        this.ids = backends.map(({ id }) => id)
        return this.refused
      },
      timers: this.timers,
      log: (line) => this.lines.push(line),
    })
    this.sources.start()
  }

  find(index: number, ...backends: readonly string[]): void {
    this.tell(index, { backends: backends.map(backend), problems: [] })
  }

  tell(index: number, findings: Findings): void {
    this.#tells[index]!(findings)
  }
}
