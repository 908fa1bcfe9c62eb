import assert from "node:assert/strict"
import { isIP } from "node:net"
import { test } from "node:test"
import { NameCache, type Resolve } from "./name-cache.ts"

const answersWithout = 3
const namesMax = 65_536
const slowMs = 500
const staleMs = 60_000
const failureMs = 1_000

const ttlMs = 5_000
const keepMs = 3_600_000

test("a name is asked for once within its time, however many want it", () => {
  const world = new World()
  const first = world.look("a")
  const second = world.look("a")
  assert.deepEqual(world.asked, ["a"])
  world.answer("a", "10.0.0.1")
  assert.deepEqual([first.addresses, second.addresses], [["10.0.0.1"], ["10.0.0.1"]])
  world.now += ttlMs - 1
  assert.deepEqual(world.look("a").addresses, ["10.0.0.1"])
  assert.deepEqual(world.asked, ["a"])
})

test("when its time is over the old answer serves on while a new one is asked for", () => {
  const world = new World()
  world.known("a", "10.0.0.1")
  world.now += ttlMs
  assert.deepEqual(world.look("a").addresses, ["10.0.0.1"])
  assert.deepEqual(world.look("a").addresses, ["10.0.0.1"])
  assert.deepEqual(world.asked, ["a", "a"])
  world.answer("a", "10.0.0.2")
  assert.deepEqual(world.look("a").addresses, ["10.0.0.2"])
})

test("a name that was not asked for lately is awaited anew", () => {
  const world = new World()
  world.known("a", "10.0.0.1")
  world.now += staleMs
  const late = world.look("a")
  assert.equal(late.addresses, undefined)
  world.answer("a", "10.0.0.2")
  assert.deepEqual(late.addresses, ["10.0.0.2"])
})

test("when the system is slow the old answer serves, however old it is", () => {
  const world = new World()
  world.known("a", "10.0.0.1")
  world.now += staleMs
  const first = world.look("a")
  world.now += slowMs
  assert.deepEqual(world.look("a").addresses, ["10.0.0.1"])
  assert.equal(first.addresses, undefined)
  world.fail("a", "EAI_AGAIN")
  assert.deepEqual(first.addresses, ["10.0.0.1"])
})

test("when the system fails the old answer serves on, and the system is left alone for a while", () => {
  const world = new World()
  world.known("a", "10.0.0.1")
  world.now += ttlMs
  world.look("a")
  world.fail("a", "EAI_AGAIN")
  world.now += failureMs - 1
  assert.deepEqual(world.look("a").addresses, ["10.0.0.1"])
  assert.equal(world.asked.length, 2)
  world.now += 1
  assert.deepEqual(world.look("a").addresses, ["10.0.0.1"])
  assert.equal(world.asked.length, 3)
})

test("a name that was never resolved fails with the system's word, and is asked for again a little later", () => {
  const world = new World()
  const first = world.look("a")
  world.fail("a", "ENOTFOUND")
  assert.equal(first.error?.code, "ENOTFOUND")
  assert.equal(world.look("a").error?.code, "ENOTFOUND")
  assert.equal(world.asked.length, 1)
  world.now += failureMs
  const again = world.look("a")
  world.answer("a", "10.0.0.1")
  assert.deepEqual(again.addresses, ["10.0.0.1"])
})

test("a name without an address is a failure too", () => {
  const world = new World()
  const looked = world.look("a")
  world.answer("a")
  assert.deepEqual([looked.error?.code, looked.error?.syscall], ["ENODATA", "getaddrinfo"])
})

test("the families of addresses come by turns, beginning with the first", () => {
  const world = new World()
  world.known("a", "fd00::1", "fd00::2", "fd00::3", "10.0.0.1")
  assert.deepEqual(world.look("a").addresses, ["fd00::1", "10.0.0.1", "fd00::2", "fd00::3"])
})

test("a name that fails keeps its last addresses for a while that is said once, and then has none", () => {
  const world = new World()
  world.known("a", "10.0.0.1")
  const foundAt = world.now
  const kept = "the name a cannot be resolved (EAI_AGAIN): its last addresses, 10.0.0.1, count for 1h"
  for (world.now = foundAt + ttlMs; world.now < foundAt + keepMs; world.now += keepMs / 10) {
    world.look("a")
    world.fail("a", "EAI_AGAIN")
    assert.deepEqual(world.look("a").addresses, ["10.0.0.1"])
    assert.deepEqual(world.said, [kept])
  }
  world.now = foundAt + keepMs
  const late = world.look("a")
  world.fail("a", "EAI_AGAIN")
  assert.equal(late.error?.code, "EAI_AGAIN")
  assert.equal(world.cache.hasLeft("a", "10.0.0.1"), false)
  world.now += failureMs
  world.known("a", "10.0.0.2")
  assert.deepEqual(world.said, [
    kept,
    "the name a has no addresses any more (EAI_AGAIN)",
    "the name a is resolved again, to 10.0.0.2",
  ])
})

test("an address has left its name when it was missing several times in a row", () => {
  const world = new World()
  assert.equal(world.cache.hasLeft("a", "10.0.0.1"), false, "nothing is known of the name")
  world.known("a", "10.0.0.1", "10.0.0.2")
  for (let i = 0; i < answersWithout; i++) {
    assert.equal(world.cache.hasLeft("a", "10.0.0.1"), false)
    world.now += ttlMs
    world.cache.follow("a")
    world.answer("a", "10.0.0.2")
  }
  assert.equal(world.cache.hasLeft("a", "10.0.0.1"), true)
  assert.equal(world.cache.hasLeft("a", "10.0.0.2"), false)
})

test("addresses that a server gives in turn have not left", () => {
  const world = new World()
  world.known("a", "10.0.0.0")
  for (let i = 1; i < 20; i++) {
    world.now += ttlMs
    world.cache.follow("a")
    world.answer("a", `10.0.0.${i % answersWithout}`)
    for (let k = 0; k < Math.min(i, answersWithout); k++)
      assert.equal(world.cache.hasLeft("a", `10.0.0.${k}`), false)
  }
})

test("a name that is followed is asked for when its time is over, and not more often than once per second", () => {
  const world = new World(0)
  world.cache.follow("a")
  world.answer("a", "10.0.0.1")
  world.cache.follow("a")
  world.now += failureMs - 1
  world.cache.follow("a")
  assert.deepEqual(world.asked, ["a"])
  world.now += 1
  world.cache.follow("a")
  world.cache.follow("a")
  assert.deepEqual(world.asked, ["a", "a"])
})

test("names do not hold each other up, and no more are remembered than the limit", () => {
  const world = new World()
  const stuck = world.look("stuck")
  world.known("a", "10.0.0.1")
  for (let i = 0; i < namesMax; i++) world.known(`n${i}`, "10.0.0.2")
  // The eldest is forgotten, and the request that waits for it gets its addresses all the same.
  assert.equal(world.look("stuck").addresses, undefined)
  assert.equal(world.asked.filter((name) => name === "stuck").length, 2)
  world.answer("stuck", "10.0.0.3")
  assert.deepEqual(stuck.addresses, ["10.0.0.3"])
})

interface Looked {
  addresses?: readonly string[]
  error?: NodeJS.ErrnoException
}

/** A cache in virtual time before a system that answers when it is told to, in the order of asking. */
class World {
  now = 1_000
  readonly asked: string[] = []
  readonly said: string[] = []
  readonly cache: NameCache
  readonly #open: { readonly name: string; readonly answer: Parameters<Resolve>[1] }[] = []

  constructor(ttl: number = ttlMs) {
    this.cache = new NameCache({
      ttlMs: ttl,
      keepMs,
      clock: { now: () => this.now },
      resolve: (name, answer) => {
        this.asked.push(name)
        this.#open.push({ name, answer })
      },
      log: (line) => this.said.push(line),
    })
  }

  look(name: string): Looked {
    const looked: Looked = {}
    this.cache.find(name, (error, addresses) => {
      if (error === undefined) looked.addresses = addresses
      else looked.error = error
    })
    return looked
  }

  known(name: string, ...addresses: readonly string[]): void {
    this.look(name)
    this.answer(name, ...addresses)
  }

  answer(name: string, ...addresses: readonly string[]): void {
    this.#take(name)(
      null,
      addresses.map((address) => ({ address, family: isIP(address) })),
    )
  }

  fail(name: string, code: string): void {
    this.#take(name)(Object.assign(new Error(code), { code, syscall: "getaddrinfo" }), [])
  }

  #take(name: string): Parameters<Resolve>[1] {
    const index = this.#open.findIndex((open) => open.name === name)
    assert.ok(index !== -1, `${name} was asked for`)
    return this.#open.splice(index, 1)[0]!.answer
  }
}
