import assert from "node:assert/strict"
import { test } from "node:test"
import { HandTimers } from "../../test/support/hand-timers.ts"
import { NameResolver, type NameSystem, type Query } from "./name-resolver.ts"
import { parseHosts, parseResolvConf } from "./system-names.ts"

const familyGraceMs = 250

test("a name in the hosts file is found without asking a server, also with a dot behind it", () => {
  const world = new World({ hosts: () => parseHosts("10.0.0.1 app.internal\n") })
  for (const name of ["app.internal", "App.Internal", "app.internal."])
    assert.deepEqual(world.look(name).addresses, ["10.0.0.1"])
  assert.deepEqual(world.look("localhost").addresses, ["::1", "127.0.0.1"])
  assert.deepEqual(world.look("a.localhost").addresses, ["::1", "127.0.0.1"])
  assert.deepEqual(world.asked, [])
})

test("a name whose server is silent holds up no other", () => {
  const world = new World()
  const dead = Array.from({ length: 100 }, (_, i) => world.look(`dead${i}.example`))
  const alive = world.look("alive.example")
  world.answer("alive.example", ["10.0.0.1"], [])
  assert.deepEqual(alive.addresses, ["10.0.0.1"])
  assert.ok(dead.every(({ addresses, error }) => addresses === undefined && error === undefined))
})

test("both families are asked for; the second has a little time when the first is there", () => {
  const world = new World()
  const both = world.look("a.example")
  world.one(4, "a.example", ["10.0.0.1"])
  assert.equal(both.addresses, undefined)
  world.one(6, "a.example", ["2001:db8::1"])
  assert.deepEqual(both.addresses, ["10.0.0.1", "2001:db8::1"])

  const half = world.look("b.example")
  world.one(4, "b.example", ["10.0.0.2"])
  world.timers.advance(familyGraceMs)
  assert.deepEqual(half.addresses, ["10.0.0.2"])
  world.one(6, "b.example", ["2001:db8::2"])
  assert.deepEqual(half.addresses, ["10.0.0.2"], "it is resolved once")
  assert.equal(world.timers.pending, 0)
})

test("global IPv6 addresses come first where this machine has one, unique local ones never", () => {
  const world = new World({ hasIpv6: () => true })
  const looked = world.look("a.example")
  world.answer("a.example", ["10.0.0.1"], ["fd00::1", "2001:db8::1"])
  assert.deepEqual(looked.addresses, ["2001:db8::1", "10.0.0.1", "fd00::1"])
})

test("the search list is gone through while the servers say no, and not when they are silent", () => {
  const conf = parseResolvConf("search x.example y.example\noptions ndots:2")
  const world = new World({ resolvConf: () => conf })
  const found = world.look("app")
  world.fail("app.x.example", "ENOTFOUND")
  world.fail("app.y.example", "ESERVFAIL")
  world.answer("app", ["10.0.0.1"], [])
  assert.deepEqual(found.addresses, ["10.0.0.1"])

  const failed = world.look("app")
  world.fail("app.x.example", "ESERVFAIL")
  world.fail("app.y.example", "ENOTFOUND")
  world.fail("app", "ENODATA")
  assert.equal(failed.error?.code, "ESERVFAIL", "that a server failed counts for more than a no")

  const silent = world.look("app")
  world.fail("app.x.example", "ETIMEOUT")
  assert.equal(silent.error?.code, "ETIMEOUT")
})

test("a server that fails for one family only has failed, unless the other has addresses", () => {
  const world = new World()
  const failed = world.look("a.example")
  world.one(4, "a.example", "ESERVFAIL")
  world.one(6, "a.example", "ENODATA")
  assert.equal(failed.error?.code, "ESERVFAIL")
  const found = world.look("a.example")
  world.one(4, "a.example", ["10.0.0.1"])
  world.one(6, "a.example", "ESERVFAIL")
  assert.deepEqual(found.addresses, ["10.0.0.1"])
})

test("what DNS does not know is asked of the system where that has other sources, and nothing else is", () => {
  const plain = new World()
  const unknown = plain.look("printer")
  plain.fail("printer", "ENOTFOUND")
  assert.equal(unknown.error?.code, "ENOTFOUND")

  const world = new World({ sources: () => ["files", "mymachines", "mdns4_minimal", "dns"] })
  const container = world.look("container")
  world.fail("container", "ENOTFOUND")
  assert.deepEqual(container.addresses, ["10.9.9.9"])
  const silent = world.look("dead.example")
  world.fail("dead.example", "ETIMEOUT")
  assert.equal(silent.error?.code, "ETIMEOUT")
  const alone = world.look("app.example")
  world.fail("app.example", "ECONNREFUSED")
  assert.deepEqual(alone.addresses, ["10.9.9.9"], "there is no name server that could be silent")
  assert.deepEqual(world.look("printer.local").addresses, ["10.9.9.9"], "by mDNS, without DNS")
  assert.deepEqual(world.system, ["container", "app.example", "printer.local"])
  assert.ok(!world.asked.includes("4 printer.local"))
})

interface Looked {
  addresses?: readonly string[]
  error?: NodeJS.ErrnoException
}

/** A resolver before servers that respond when they are told to; the system knows every name. */
class World {
  readonly timers = new HandTimers()
  readonly asked: string[] = []
  readonly system: string[] = []
  readonly #resolver: NameResolver
  readonly #open = new Map<string, Parameters<Query>[2]>()

  constructor(change: Partial<NameSystem> = {}) {
    this.#resolver = new NameResolver({
      timers: this.timers,
      hosts: () => parseHosts(""),
      resolvConf: () => parseResolvConf(""),
      sources: () => ["files", "dns"],
      query: (family, name, answer) => {
        this.asked.push(`${family} ${name}`)
        this.#open.set(`${family} ${name}`, answer)
      },
      getaddrinfo: (name, answer) => {
        this.system.push(name)
        answer(null, [{ address: "10.9.9.9", family: 4 }])
      },
      hasIpv6: () => false,
      ...change,
    })
  }

  look(name: string): Looked {
    const looked: Looked = {}
    this.#resolver.resolve(name, (error, addresses) => {
      if (error === null) looked.addresses = addresses.map(({ address }) => address)
      else looked.error = error
    })
    return looked
  }

  answer(name: string, four: readonly string[], six: readonly string[]): void {
    this.one(4, name, four.length === 0 ? "ENODATA" : four)
    this.one(6, name, six.length === 0 ? "ENODATA" : six)
  }

  fail(name: string, code: string): void {
    this.one(4, name, code)
    this.one(6, name, code)
  }

  one(family: 4 | 6, name: string, answer: readonly string[] | string): void {
    const open = this.#open.get(`${family} ${name}`)
    assert.ok(open !== undefined, `${name} was asked for`)
    this.#open.delete(`${family} ${name}`)
    if (typeof answer === "string") open(Object.assign(new Error(answer), { code: answer }), [])
    else open(null, answer)
  }
}
