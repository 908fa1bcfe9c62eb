import assert from "node:assert/strict"
import { test } from "node:test"
import { openAll, type Opened, type ListenAddress } from "./listen-addresses.ts"

test("localhost is both families at one port, and an address or every interface is one listener", async () => {
  const world = new World()
  assert.deepEqual(await world.open("localhost", 80), ["127.0.0.1:80", "::1:80"])
  assert.deepEqual(await world.open("LocalHost.", 0), ["127.0.0.1:1", "::1:1"])
  assert.deepEqual(await world.open("10.0.0.1", 80), ["10.0.0.1:80"])
  assert.deepEqual(await world.open("", 80), ["undefined:80"])
})

test("a family that this machine does not have is passed over; when it has none, that is the error", async () => {
  for (const code of ["EADDRNOTAVAIL", "EAFNOSUPPORT"]) {
    const world = new World(({ host }) => (host === "::1" ? code : undefined))
    assert.deepEqual(await world.open("localhost", 80), ["127.0.0.1:80"])
    await assert.rejects(world.open("::1", 80), { code })
  }
})

test("a port that is taken at one of the addresses is an error, and leaves none open", async () => {
  const world = new World(({ host }) => (host === "::1" ? "EADDRINUSE" : undefined))
  await assert.rejects(world.open("localhost", 80), { code: "EADDRINUSE" })
  assert.deepEqual([...world.listening], [])
})

test("a free port is one that is free at all addresses", async () => {
  const world = new World(({ host, port }) => (host === "::1" && port < 3 ? "EADDRINUSE" : undefined))
  assert.deepEqual(await world.open("localhost", 0), ["127.0.0.1:3", "::1:3"])
  assert.deepEqual([...world.listening], ["127.0.0.1:3", "::1:3"])
})

/** Ports that are given out from 1 on. */
class World {
  readonly listening = new Set<string>()
  readonly #fault: (place: ListenAddress) => string | undefined
  #port = 0

  constructor(fault: (place: ListenAddress) => string | undefined = () => undefined) {
    this.#fault = fault
  }

  async open(host: string, port: number): Promise<readonly string[]> {
    const opened = await openAll({ host, port }, (place) => this.#open(place))
    return opened.map(({ name }) => name)
  }

  #open({ host, port }: ListenAddress): Promise<Opened & { readonly name: string }> {
    const chosen = port === 0 ? ++this.#port : port
    const code = this.#fault({ host, port: chosen })
    if (code !== undefined) return Promise.reject(Object.assign(new Error(code), { code }))
    const name = `${host}:${chosen}`
    this.listening.add(name)
    return Promise.resolve({ name, port: chosen, close: () => this.listening.delete(name) })
  }
}
