import assert from "node:assert/strict"
import { test } from "node:test"
import { HandTimers } from "../../../test/support/hand-timers.ts"
import type { Millis } from "../../core/clock.ts"
import type { DnsRecord, OnDnsAnswer } from "../../net/dns/dns-questions.ts"
import { type DnsEntry, DnsSource } from "./dns-source.ts"
import type { Findings } from "./source.ts"

test("each address of a name is a backend, in one order however the server turns them", () => {
  const world = new World()
  world.answer(5_000, address("10.0.0.2"), address("10.0.0.1"))
  assert.deepEqual(world.found.backends, [
    { ...common, id: "10.0.0.1:80", address: { host: "10.0.0.1", port: 80 } },
    { ...common, id: "10.0.0.2:80", address: { host: "10.0.0.2", port: 80 } },
  ])
  world.timers.advance(5_000)
  world.answer(5_000, address("2001:db8::1"))
  assert.deepEqual(world.ids, ["2001:db8::1:80"])
  assert.deepEqual(world.found.problems, [])
})

test("it is asked again when the time to live is over, neither sooner than after 1 s nor later than after 1 h", () => {
  const waits: readonly (readonly [ttlMs: Millis | undefined, waitMs: Millis])[] = [
    [5_000, 5_000],
    [0, 1_000],
    [86_400_000, 3_600_000],
    [undefined, 10_000],
  ]
  const world = new World()
  for (const [index, [ttlMs, waitMs]] of waits.entries()) {
    world.answer(ttlMs, address("10.0.0.1"))
    world.timers.advance(waitMs - 1)
    assert.equal(world.asked, index + 1)
    world.timers.advance(1)
    assert.equal(world.asked, index + 2)
  }
})

test("with an interval it is asked again after that, whatever the time to live", () => {
  const world = new World({ intervalMs: 3_000 })
  world.answer(60_000, address("10.0.0.1"))
  world.timers.advance(3_000)
  assert.equal(world.asked, 2)
})

test("while the name cannot be resolved what was found stays, and it is asked again soon", () => {
  const world = new World()
  world.fail("ETIMEOUT")
  assert.deepEqual(world.found, {
    backends: [],
    problems: ["the name app.internal (A) cannot be resolved (ETIMEOUT); nothing is known of it yet"],
  })
  world.timers.advance(2_000)
  world.answer(60_000, address("10.0.0.1"))
  assert.deepEqual(world.found.problems, [])
  world.timers.advance(60_000)
  for (const code of ["ENOTFOUND", "ESERVFAIL"]) {
    world.fail(code)
    assert.deepEqual(world.ids, ["10.0.0.1:80"])
    assert.deepEqual(world.found.problems, [
      `the name app.internal (A) cannot be resolved (${code}); what it had found stays`,
    ])
    world.timers.advance(2_000)
  }
  world.answer(60_000, address("10.0.0.3"))
  assert.deepEqual([world.ids, world.found.problems], [["10.0.0.3:80"], []])
})

test("targets of services have their port, their weight, and a tier by the order of priorities", () => {
  const world = new World({ type: "SRV" })
  world.answer(undefined, service("a", 10, 5), service("b", 30, 0), service("c", 20, 2), service("d", 10, 1))
  assert.deepEqual(
    world.found.backends.map(({ id, address, labels, weight }) => [id, address, labels, weight]),
    [
      ["a:8080", { host: "a", port: 8080 }, {}, 5],
      ["b:8080", { host: "b", port: 8080 }, { tier: "2" }, 0.001],
      ["c:8080", { host: "c", port: 8080 }, { tier: "1" }, 2],
      ["d:8080", { host: "d", port: 8080 }, {}, 1],
    ],
  )
})

test("weights keep their proportions within what the registry takes, and all of 0 are alike", () => {
  const world = new World({ type: "SRV" })
  world.answer(undefined, service("a", 0, 50_000), service("b", 0, 10_000))
  assert.deepEqual(world.weights, [1_000, 200])
  world.timers.advance(10_000)
  world.answer(undefined, service("a", 0, 0), service("b", 0, 0))
  assert.deepEqual(world.weights, [1, 1])
})

test("a source that is closed hears and asks nothing more", () => {
  const world = new World()
  const { found } = world
  world.source.close()
  world.answer(1_000, address("10.0.0.1"))
  assert.equal(world.found, found)
  assert.deepEqual([world.timers.pending, world.isClosed], [0, true])
})

const common = { capacity: { compute: 1 }, labels: {}, weight: 1 }

function address(host: string): DnsRecord {
  return { host, service: undefined }
}

function service(host: string, priority: number, weight: number): DnsRecord {
  return { host, service: { port: 8080, priority, weight } }
}

class World {
  readonly timers = new HandTimers()
  readonly source: DnsSource
  found: Findings = { backends: [], problems: [] }
  asked = 0
  isClosed = false
  #answered: OnDnsAnswer = () => {}

  constructor(change: Partial<DnsEntry> = {}) {
    const example = { ...common, id: "", address: { host: "app.internal", port: 80 } }
    const entry: DnsEntry = {
      name: "app.internal",
      type: "A",
      intervalMs: undefined,
      server: undefined,
      example,
      ...change,
    }
    const dns = {
      ask: (_type: string, _name: string, answered: OnDnsAnswer) => {
        this.asked++
        this.#answered = answered
      },
      close: () => (this.isClosed = true),
    }
    this.source = new DnsSource(entry, dns, this.timers)
    this.source.start((findings) => (this.found = findings))
  }

  answer(ttlMs: Millis | undefined, ...records: readonly DnsRecord[]): void {
    this.#answered(undefined, { ttlMs, records })
  }

  fail(code: string): void {
    this.#answered(Object.assign(new Error(code), { code }), { ttlMs: undefined, records: [] })
  }

  get ids(): readonly string[] {
    return this.found.backends.map(({ id }) => id)
  }

  get weights(): readonly unknown[] {
    return this.found.backends.map(({ weight }) => weight)
  }
}
