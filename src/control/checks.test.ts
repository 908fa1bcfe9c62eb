import assert from "node:assert/strict"
import { createServer, type Server } from "node:http"
import {
  connect,
  createServer as createTcpServer,
  type AddressInfo,
  type Server as TcpServer,
} from "node:net"
import { test, type TestContext } from "node:test"
import { plainBackends } from "../../test/support/backend-options.ts"
import { formatAddress } from "../membership/address.ts"
import { checkTimesDefault, type CheckTimes } from "../membership/health.ts"
import { Registry, type CheckOutcome } from "../membership/registry.ts"
import type { Address, Check, StatusRange, TcpAddress } from "../membership/snapshot.ts"
import type { BackendId } from "../core/backend.ts"
import type { Millis } from "../core/clock.ts"
import { resourcesDefault } from "../core/resources.ts"
import type { Rng } from "../core/rng.ts"
import type { Timers } from "../system.ts"
import { type Destination, destinationOf, Dialer } from "../proxy/backends/dial.ts"
import { systemTimers } from "../system.ts"
import { Checker, type Probe, probeOf } from "./checks.ts"

const concurrentMax = 256

test("a new member is checked at once and serves when it passes", async () => {
  const world = new World()
  world.register("a")
  await world.run(0)
  assert.deepEqual(world.probes, [{ host: "a", at: 0 }])
  assert.equal(world.stateOf("a"), "serving")
})

test("a backend with a check of its own is asked by that, and by another from the next time on", async () => {
  const world = new World()
  const named = (check: Check | undefined): void => {
    const address = { host: "a", port: 80 }
    const backend = { id: "a", address, capacity: { compute: 1, storage: 1 }, check }
    assert.deepEqual(world.registry.configure([backend], 0), [])
    world.checker.follow(world.registry.snapshot)
  }
  const own: Check = { kind: "http", path: "/up", statuses: success }
  named(own)
  await world.run(0)
  named({ kind: "tcp" })
  await world.run(5_000)
  named(undefined)
  await world.run(10_000)
  assert.deepEqual(world.checks, [own, { kind: "tcp" }, undefined])
  assert.equal(world.stateOf("a"), "serving", "it was never probed anew")
})

test("the first check is at once and the next ones are fast also when the interval is 100 s", async () => {
  const world = new World({ intervalMs: 100_000 })
  world.answer = () => refused
  world.register("a")
  await world.run(2_500)
  world.answer = () => passed
  await world.run(200_000)
  assert.deepEqual(world.timesOf("a"), [0, 1_000, 2_000, 3_000, 103_000])
})

test("a healthy member is checked at the interval, faster while it fails, and is ejected after three", async () => {
  const world = new World()
  world.register("a")
  await world.run(5_000)
  world.answer = () => refused
  await world.run(12_000)
  assert.deepEqual(world.timesOf("a"), [0, 5_000, 10_000, 11_000, 12_000])
  assert.equal(world.stateOf("a"), "ejected")
  assert.equal(world.details("a").check.lastError, "connection refused")

  world.answer = () => passed
  await world.run(18_000)
  assert.deepEqual(world.timesOf("a").slice(5), [17_000, 18_000])
  assert.equal(world.stateOf("a"), "serving")
})

test("a check that this machine could not make ejects no backend, and is made again soon", async () => {
  const world = new World()
  world.register("a")
  await world.run(4_000)
  world.answer = () => "no verdict"
  await world.run(9_000)
  assert.deepEqual(world.timesOf("a"), [0, 5_000, 6_000, 7_000, 8_000, 9_000])
  assert.equal(world.stateOf("a"), "serving")
})

test("a backend that hangs does not delay the others", async () => {
  const world = new World()
  world.answer = ({ host }) => (host === "hung" ? undefined : passed)
  world.register("hung")
  world.register("a")
  await world.run(0)
  assert.equal(world.stateOf("a"), "serving")
})

test("no more checks run at the same time than the limit, and the others follow when there is room", async () => {
  const world = new World()
  world.answer = () => undefined
  for (let i = 0; i <= concurrentMax; i++) world.register(`b${i}`)
  await world.run(1_000)
  assert.equal(world.probes.length, concurrentMax)
  world.late(refused)
  await world.run(1_100)
  assert.equal(world.timesOf(`b${concurrentMax}`).length, 1)
})

test("one that left is checked no more, and its running check is stopped", async () => {
  const world = new World()
  world.register("a")
  await world.run(0)
  world.answer = () => undefined
  await world.run(5_000)
  world.remove("a")
  await world.run(60_000)
  assert.deepEqual(world.timesOf("a"), [0, 5_000])
  assert.equal(world.aborted, 1)
})

test("a new generation is checked at once, and the response to its predecessor is thrown away", async () => {
  const world = new World()
  world.answer = () => undefined
  world.register("a")
  await world.run(500)
  world.answer = () => refused
  world.register("a")
  world.late(passed)
  await world.run(500)
  assert.deepEqual(world.timesOf("a"), [0, 500])
  assert.equal(world.stateOf("a"), "probing")
})

test("a doubt brings the next check forward, but never to more than one per fast interval", async () => {
  const world = new World()
  world.register("a")
  await world.run(300)
  world.checker.checkNow("a" as BackendId)
  world.checker.checkNow("a" as BackendId)
  await world.run(1_000)
  assert.deepEqual(world.timesOf("a"), [0, 1_000])
  await world.run(3_000)
  world.checker.checkNow("a" as BackendId)
  await world.run(3_000)
  assert.deepEqual(world.timesOf("a"), [0, 1_000, 3_000])
  await world.run(8_000)
  assert.deepEqual(world.timesOf("a"), [0, 1_000, 3_000, 8_000])
  world.checker.checkNow("unknown" as BackendId)
})

test("a doubt about one that is being asked asks it no second time", async () => {
  const world = new World()
  world.answer = () => undefined
  world.register("a")
  await world.run(2_000)
  world.checker.checkNow("a" as BackendId)
  await world.run(2_000)
  assert.deepEqual(world.timesOf("a"), [0])
})

test("a backend of the seed that dies is dropped and checked no more", async () => {
  const world = new World()
  world.announce("10.0.0.7")
  await world.run(0)
  world.answer = () => refused
  await world.run(60_000)
  assert.deepEqual(world.timesOf("10.0.0.7"), [0, 5_000, 6_000, 7_000])
  assert.deepEqual(world.registry.snapshot.members, [])
})

test("after close nothing is checked and no timer is left", async () => {
  const world = new World()
  world.register("a")
  await world.run(0)
  world.answer = () => undefined
  world.register("b")
  await world.run(100)
  world.checker.close()
  world.register("c")
  await world.run(60_000)
  assert.deepEqual(world.hosts(), ["a", "b"])
  assert.equal(world.waiting, 0)
})

test("a change is told after the registry has it", async () => {
  const world = new World()
  world.register("a")
  await world.run(20_000)
  assert.deepEqual(new Set(world.changes), new Set([2]))
})

test("connecting passes when something listens and fails with the cause when nothing does", async (t) => {
  assert.deepEqual(await connecting(await listening(t, createTcpServer()), 2_000, never), passed)
  assert.deepEqual(await connecting(await freeAddress(), 2_000, never), refused)
})

test("asking for a path passes with 2xx, and a redirect is neither followed nor passed", async (t) => {
  const server = createServer((request, response) => {
    response.writeHead(Number(request.url!.slice(1)), { Location: "/200" }).end()
  })
  const address = await listening(t, server)
  for (const status of [200, 204, 299]) {
    assert.deepEqual(await getting(`/${status}`)(address, 2_000, never), passed, String(status))
  }
  for (const status of [300, 302, 308, 399, 400, 404, 500, 503]) {
    const error = `GET /${status} returned ${status}`
    assert.deepEqual(await getting(`/${status}`)(address, 2_000, never), {
      passed: false,
      error,
    })
  }
})

test("a check passes with the statuses that are configured, and with no other", async (t) => {
  const server = createServer((request, response) => {
    response.writeHead(Number(request.url!.slice(1))).end()
  })
  const address = await listening(t, server)
  const statuses = [
    { from: 200, to: 204 },
    { from: 401, to: 401 },
  ]
  for (const [status, passes] of [
    [200, true],
    [204, true],
    [205, false],
    [302, false],
    [400, false],
    [401, true],
    [402, false],
  ]) {
    const outcome = await getting(`/${status}`, statuses)(address, 2_000, never)
    assert.equal(outcome?.passed, passes, String(status))
  }
})

test("it names its agent, names the backend as host, and asks on a connection of its own", async (t) => {
  const seen: (string | undefined)[] = []
  const server = createServer(({ method, headers }, response) => {
    seen.push(method, headers.host, headers["user-agent"], headers.connection)
    response.end()
  })
  const destination = await listening(t, server)
  await getting("/")(destination, 2_000, never)
  assert.deepEqual(seen, ["GET", formatAddress(destination.address), "linebacker-check", "close"])
})

test("a body without an end is not waited for", async (t) => {
  const server = createServer((_request, response) => {
    const more = (): void => {
      while (!response.destroyed && response.write("x".repeat(65_536)));
    }
    response.on("drain", more)
    more()
  })
  assert.deepEqual(await getting("/")(await listening(t, server), 2_000, never), passed)
})

test("garbage, an endless head and an early end fail", async (t) => {
  for (const answer of ["SSH-2.0-x\r\n", `HTTP/1.1 200 OK\r\nX: ${"x".repeat(20_000)}\r\n\r\n`, ""]) {
    const server = createTcpServer((socket) => {
      socket.on("error", () => undefined)
      socket.end(answer)
    })
    const outcome = await getting("/")(await listening(t, server), 2_000, never)
    assert.equal(outcome?.passed, false, answer.slice(0, 20))
  }
})

test(
  "a backend that changes the protocol unasked fails, and its connection ends",
  { timeout: 120_000 },
  async (t) => {
    const { promise: ended, resolve } = Promise.withResolvers<void>()
    const server = createTcpServer((socket) => {
      socket.on("error", () => undefined).on("close", () => resolve())
      socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
      socket.resume()
    })
    const outcome = await getting("/")(await listening(t, server), 2_000, never)
    assert.deepEqual(outcome, { passed: false, error: "GET / returned 101" })
    await ended
  },
)

test("what this machine could not ask says nothing about the backend", async () => {
  const exhausted: Pick<Dialer, "dial"> = {
    dial: (_to, dialling) => {
      const error = Object.assign(new Error("none left"), { code: "EMFILE" })
      process.nextTick(() => dialling.onFailed("local_shortage", error))
      return () => {}
    },
  }
  const destination = plainly({ host: "127.0.0.1", port: 80 })
  assert.equal(await getting("/", success, exhausted as Dialer)(destination, 2_000, never), undefined)
})

test("a probe without a response ends when its time is up, or when it is told to", async (t) => {
  const silent = await listening(
    t,
    createServer(() => undefined),
  )
  assert.deepEqual(await getting("/")(silent, 20, never), {
    passed: false,
    error: "no response within 20 ms",
  })
  const controller = new AbortController()
  const probe = getting("/")(silent, 600_000, controller.signal)
  controller.abort()
  assert.equal((await probe)?.passed, false)
})

function getting(path: string, statuses: readonly StatusRange[] = success, by: Dialer = dialer): Probe {
  return probeOf({ kind: "http", path, statuses }, by)
}

const never: AbortSignal = new AbortController().signal
const passed: CheckOutcome = { passed: true }
const refused: CheckOutcome = { passed: false, error: "connection refused" }

/** A registry and a checker in virtual time, with backends whose address is their id. */
class World implements Timers {
  readonly registry: Registry
  readonly checker: Checker
  readonly probes: { readonly host: string; readonly at: Millis }[] = []
  readonly checks: (Check | undefined)[] = []
  /** Snapshot versions that the checker told of. */
  readonly changes: number[] = []
  aborted = 0
  /** What a probe finds; undefined is no response. */
  answer: (address: TcpAddress) => CheckOutcome | "no verdict" | undefined = () => passed
  #now = 0
  #timers: { readonly at: Millis; readonly fn: () => void }[] = []
  #unanswered: ((outcome: CheckOutcome) => void)[] = []

  constructor(times: Partial<CheckTimes> = {}) {
    let slots = 0
    this.registry = new Registry({
      resources: resourcesDefault,
      slots: { allocate: () => slots++, retire: () => undefined },
      firstGeneration: 1,
      checkTimes: { ...checkTimesDefault, ...times },
    })
    this.checker = new Checker({
      registry: this.registry,
      probe: ({ address }, _timeoutMs, signal, check) => {
        this.checks.push(check)
        return this.#probe(address, signal)
      },
      clock: { now: () => this.#now },
      rng: middle,
      timers: this,
      onChange: () => {
        this.changes.push(this.registry.snapshot.version)
        this.checker.follow(this.registry.snapshot)
      },
    })
  }

  get waiting(): number {
    return this.#timers.length
  }

  register(id: string): void {
    const address = { host: id, port: 80 }
    const capacity = { compute: 1, storage: 1 }
    assert.ok(this.registry.register({ id, address, capacity }, this.#now).ok)
    this.checker.follow(this.registry.snapshot)
  }

  announce(host: string): void {
    assert.ok(this.registry.announce(host, { compute: 1, storage: 1 }, this.#now).ok)
    this.checker.follow(this.registry.snapshot)
  }

  remove(id: string): void {
    assert.ok(this.registry.remove(id).ok)
    this.checker.follow(this.registry.snapshot)
  }

  /** Lets the probes that have no response yet find this. */
  late(outcome: CheckOutcome): void {
    for (const resolve of this.#unanswered.splice(0)) resolve(outcome)
  }

  /** Goes on until this time, with everything that is due on the way. */
  async run(until: Millis): Promise<void> {
    await settled()
    for (;;) {
      const next = this.#timers.toSorted((a, b) => a.at - b.at)[0]
      if (next === undefined || next.at > until) break
      this.#now = next.at
      this.#timers = this.#timers.filter((timer) => timer !== next)
      next.fn()
      await settled()
    }
    this.#now = until
  }

  stateOf(id: string): string | undefined {
    return this.registry.snapshot.members.find((member) => member.id === id)?.state
  }

  details(id: string): NonNullable<ReturnType<Registry["details"]>> {
    const details = this.registry.details(id as BackendId, this.#now)
    assert.ok(details !== undefined)
    return details
  }

  hosts(): string[] {
    return this.probes.map(({ host }) => host)
  }

  timesOf(host: string): Millis[] {
    return this.probes.filter((probe) => probe.host === host).map(({ at }) => at)
  }

  set(ms: Millis, fn: () => void): () => void {
    const timer = { at: this.#now + ms, fn }
    this.#timers.push(timer)
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer)
    }
  }

  async #probe(address: Address, signal: AbortSignal): Promise<CheckOutcome | undefined> {
    assert.ok("host" in address)
    this.probes.push({ host: address.host, at: this.#now })
    const outcome = this.answer(address)
    if (outcome === "no verdict") return undefined
    if (outcome !== undefined) return outcome
    const { promise, resolve } = Promise.withResolvers<CheckOutcome>()
    this.#unanswered.push(resolve)
    signal.addEventListener("abort", () => this.aborted++)
    return promise
  }
}

const dialer = new Dialer(plainBackends, { now: () => 0 }, { timers: systemTimers })

const connecting = probeOf({ kind: "tcp" }, dialer)
const success: readonly StatusRange[] = [{ from: 200, to: 299 }]

const middle: Rng = { next: () => 0.5, below: () => 0 }

function plainly(address: Address): Destination {
  return destinationOf({ address, scheme: "http", labels: {} })
}

/** Everything that can happen without time passing has happened. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve()
}

async function listening(t: TestContext, server: Server | TcpServer): Promise<Destination> {
  const { promise, resolve } = Promise.withResolvers<Destination>()
  server.listen(0, "127.0.0.1", () =>
    resolve(plainly({ host: "127.0.0.1", port: (server.address() as AddressInfo).port })),
  )
  t.after(() => {
    server.close()
    if ("closeAllConnections" in server) server.closeAllConnections()
  })
  return promise
}

/** An address where nothing listens any more. */
async function freeAddress(): Promise<Destination> {
  const { promise, resolve } = Promise.withResolvers<Destination>()
  const server = createTcpServer((socket) => socket.destroy())
  server.listen(0, "127.0.0.1", () => {
    const { port } = server.address() as AddressInfo
    const socket = connect(port, "127.0.0.1")
    socket.on("error", () => undefined)
    socket.on("close", () => server.close(() => resolve(plainly({ host: "127.0.0.1", port }))))
  })
  return promise
}
