import assert from "node:assert/strict"
import { Agent, createServer as createHttpServer, get, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { test, type TestContext } from "node:test"
import type { Worker } from "node:worker_threads"
import { LoadTable } from "../../placing/load-table.ts"
import { memberAt } from "../../../test/support/members.ts"
import { dataPlaneOptions, type RelayChange, routingOf } from "../../../test/support/relay.ts"
import { cellFields, cellStride } from "../../learning/observer.ts"
import type { Snapshot } from "../../membership/snapshot.ts"
import { nothingKnown } from "../../core/knowledge.ts"
import { resourcesDefault as resources } from "../../core/resources.ts"
import { Counters } from "../../metrics/counters.ts"
import { systemClock, systemTimers } from "../../system.ts"
import type { Observed } from "../data-plane.ts"
import type { Learned } from "./messages.ts"
import type { RoutingOptions } from "../options.ts"
import { ListenError } from "../../net/ports.ts"
import { Threads } from "./threads.ts"
import { until } from "../../../test/support/until.ts"
import { freePorts } from "../../../test/support/free-ports.ts"

interface Running {
  readonly threads: Threads
  readonly table: LoadTable
  readonly counters: Counters
  /** The threads as Node has them, in the order in which they were started. */
  readonly workers: readonly Worker[]
  readonly deaths: number[]
  /** What ended them. */
  readonly errors: unknown[]
  /** What they could not take. */
  readonly bugs: readonly (readonly [lane: number, where: string, stack: string])[]
  readonly observed: readonly Observed[]
  /** Requests to `/held` that the backend has not answered. */
  readonly held: ServerResponse[]
  /** Asks on a connection of its own: the status, or the error's code. */
  readonly ask: (path: string) => Promise<number | string>
  /** How many requests one thread has answered. */
  readonly answeredBy: (worker: number) => number
}

/** Two threads on one port before one backend. */
async function running(t: TestContext, port = 0, timeouts: RelayChange["timeouts"] = {}): Promise<Running> {
  const held: ServerResponse[] = []
  const backend = createHttpServer((request, response) => {
    if (request.url === "/held") held.push(response)
    else response.end("ok")
  })
  await new Promise<void>((resolve) => backend.listen(0, "127.0.0.1", resolve))
  t.after(() => {
    backend.close()
    backend.closeAllConnections()
  })
  // Node tells of every thread that is started: a way to end one that production does not need.
  const workers: Worker[] = []
  const onWorker = (worker: Worker): void => void workers.push(worker)
  process.on("worker", onWorker)
  t.after(() => void process.off("worker", onWorker))

  const table = LoadTable.create(resources, 2, 2)
  const counters = Counters.create(2, 2, resources.length)
  const deaths: number[] = []
  const errors: unknown[] = []
  const bugs: Running["bugs"][number][] = []
  const observed: Observed[] = []
  const threads = await Threads.start({
    workers: 2,
    heapMiB: 64,
    options: {
      ...dataPlaneOptions(resources, {
        limits: { queueMax: 2 },
        timeouts: { responseHeadMs: 20_000, ...timeouts },
      }),
      listen: { host: "127.0.0.1", port },
    },
    table,
    counters,
    snapshot: snapshotOf(1, (backend.address() as AddressInfo).port),
    learned: { knowledge: nothingKnown, routes: { version: 0, rules: [], learned: [] } },
    onObserved: (seen) => observed.push(seen),
    onConnectFailed: () => {},
    clock: systemClock,
    timers: systemTimers,
    connectionsMax: undefined,
    stillMsMax: 60_000,
    onApplied: () => {},
    onDeath: (lane, error) => {
      deaths.push(lane)
      errors.push(error)
    },
    onBug: (lane, where, stack) => bugs.push([lane, where, stack]),
    onStill: () => {},
    onStuck: () => {},
  })
  t.after(() => threads.stop())
  const first = new Counters({ ...counters.shape, workers: 1 })
  return {
    threads,
    table,
    counters,
    workers,
    deaths,
    errors,
    bugs,
    observed,
    held,
    ask: (path) => ask(threads.port, path),
    answeredBy: (worker) =>
      worker === 0 ? first.total("answered") : counters.total("answered") - first.total("answered"),
  }
}

function snapshotOf(version: number, port: number): Snapshot {
  const member = memberAt(0, { host: "127.0.0.1", port }, { compute: 1_000, storage: 1_000 })
  return { version, members: [member], eligible: [member] }
}

function ask(port: number, path: string): Promise<number | string> {
  return new Promise((resolve) => {
    const agent = new Agent({ keepAlive: false })
    get({ host: "127.0.0.1", port, path, agent }, (response) => {
      response.resume()
      response.on("end", () => resolve(response.statusCode ?? 0))
      response.on("error", () => resolve("cut"))
    }).on("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
  })
}

/** Asks on new connections until the thread has served so many more. */
async function untilAnswered({ ask: askOnce, answeredBy }: Running, worker: number): Promise<void> {
  const before = answeredBy(worker)
  await until(`thread ${worker} responds`, async () => {
    assert.equal(await askOnce("/"), 200)
    return answeredBy(worker) > before
  })
}

test("two threads share one port, and both serve", async (t) => {
  const both = await running(t)
  assert.equal(both.threads.count, 2)
  assert.equal(both.workers.length, 2)
  await untilAnswered(both, 0)
  await untilAnswered(both, 1)
  // A client may have read the response's end a moment before the thread has settled it.
  await until("nothing is held", () => both.table.isIdle(0))
})

test("a snapshot counts as applied when every thread has taken it", async (t) => {
  const { threads } = await running(t)
  await until("the first is applied", () => threads.appliedByAll === 1)
  threads.apply({ version: 2, members: [], eligible: [] })
  assert.equal(threads.appliedByAll, 1)
  await until("the second is applied", () => threads.appliedByAll === 2)
})

test("what was learned, and a changed policy, are known to a thread that follows a dead one", async (t) => {
  const both = await running(t)
  const { threads, table, workers, deaths, held, ask: askOnce } = both
  const mean = Float64Array.of(5, 7)
  const routes = [{ name: "", mean, rate: 1, isLearned: true }]
  threads.learn({
    knowledge: { ...nothingKnown, version: 1, routes },
    routes: { version: 0, rules: [], learned: [] },
  })
  threads.reroute(routingOf("price"))
  for (const worker of [0, 1]) {
    await workers[worker]!.terminate()
    await until("its death is known", () => deaths.length > worker)
    await until("another takes its place", () => threads.count === 2)
    await untilAnswered(both, worker)
  }
  const answers = [askOnce("/held"), askOnce("/held"), askOnce("/held")]
  await until("all requests are held", () => held.length === 3)
  assert.deepEqual([table.reserved(0, 0), table.reserved(0, 1)], [15, 21])
  for (const response of held) response.end("late")
  assert.deepEqual(await Promise.all(answers), [200, 200, 200])
})

test("what threads have seen comes to the control plane, all of it before they stop", async (t) => {
  const { threads, observed, ask: askOnce } = await running(t)
  for (let i = 0; i < 20; i++) assert.equal(await askOnce("/seen"), 200)
  await threads.stop()
  const served = observed.map(({ batch }) => {
    const values = batch?.cells.values ?? new Float64Array(0)
    const stride = cellStride(resources)
    return values.filter((_, at) => at % stride === cellFields.served).reduce((sum, one) => sum + one, 0)
  })
  assert.equal(
    served.reduce((sum, one) => sum + one, 0),
    20,
  )
  const unknown = observed.flatMap((one) => one.unknown)
  assert.ok(unknown.every(([template]) => template === "GET /seen"))
})

test("a port that is taken is refused, although threads share theirs", async (t) => {
  const { threads } = await running(t)
  await assert.rejects(
    running(t, threads.port),
    (error) => error instanceof ListenError && error.code === "EADDRINUSE",
  )
})

test("of two that start on one port together one listens, and the other finds the port busy", async (t) => {
  const [port] = (await freePorts(1)) as [number]
  // The second asks while the first has seen that the port is free and does not listen yet.
  for (const waitMs of [0, 10, 40, 120]) {
    const first = running(t, port)
    await new Promise((resolve) => setTimeout(resolve, waitMs))
    const both = await Promise.allSettled([first, running(t, port)])
    const won = both.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []))
    const lost = both.flatMap((one) => (one.status === "rejected" ? [one.reason as unknown] : []))
    assert.equal(won.length, 1, `${won.length} listen when the second waits ${waitMs} ms`)
    assert.ok(lost[0] instanceof ListenError && lost[0].code === "EADDRINUSE")
    await won[0]!.threads.stop()
  }
})

test("threads that are still starting stop when they are asked to, and every call resolves", async (t) => {
  const { threads, workers, deaths } = await running(t, 0, { drainMs: 600_000 })
  await workers[0]!.terminate()
  await until("another is being started", () => workers.length === 3)
  assert.deepEqual(deaths, [0])
  await Promise.all([threads.stop(), threads.stop()])
  await threads.stop()
  assert.equal(threads.count, 0)
})

test("what the control plane sends by mistake ends no thread, now or when it is born: it is told", async (t) => {
  const both = await running(t)
  const { threads, workers, deaths, bugs } = both
  const nonsense = { version: 2 } as unknown
  const told = (count: number): Promise<void> => until("all have told it", () => bugs.length === count)
  threads.learn(nonsense as Learned)
  threads.apply(nonsense as Snapshot)
  await told(4)
  // One that follows is born with both.
  await workers[0]!.terminate()
  await until("another takes its place", () => workers.length === 3 && threads.count === 2)
  await told(6)
  threads.reroute(nonsense as RoutingOptions)
  await told(8)
  const places = bugs.map(([lane, where]) => `${lane} ${where}`).toSorted()
  const once = ["1 learned", "1 routing", "1 snapshot"]
  assert.deepEqual(places, ["0 learned", "0 learned", "0 routing", "0 snapshot", "0 snapshot", ...once])
  for (const [, , stack] of bugs) assert.match(stack, /TypeError: .*\n {4}at /)
  // The one that follows has no members, and says so.
  await until("the other serves on", async () => (await both.ask("/")) === 200)
  assert.deepEqual(deaths, [0])
})

test("what a thread threw is told with its stack", async (t) => {
  const { workers, deaths, errors } = await running(t)
  // Nothing that the control plane would send.
  workers[1]!.postMessage(undefined)
  await until("its death is known", () => deaths.length > 0)
  assert.match((errors[0] as Error).stack!, /TypeError: .*\n {4}at /)
})

test("each thread has the heap that it is given, and no more", async (t) => {
  const { workers } = await running(t)
  assert.deepEqual(
    workers.map(({ resourceLimits }) => resourceLimits?.maxOldGenerationSizeMb),
    [64, 64],
  )
})

test("a thread that dies is replaced, gives back what it held, and costs the other nothing", async (t) => {
  const both = await running(t)
  const { threads, table, counters, workers, deaths, held } = both
  await untilAnswered(both, 0)
  await untilAnswered(both, 1)
  const answers = Array.from({ length: 32 }, () => both.ask("/held"))
  await until("all requests are held", () => held.length === 32)
  assert.deepEqual([table.inFlight(0), table.reserved(0, 0), table.reserved(0, 1)], [32, 32, 32])

  await workers[0]!.terminate()
  await until("its death is known", () => deaths.length > 0)
  assert.deepEqual(deaths, [0])
  assert.equal(threads.count, 1)
  const left = table.inFlight(0)
  t.diagnostic(`${32 - left} of 32 requests were on the thread that died`)
  assert.ok(left > 0 && left < 32)
  assert.deepEqual([table.reserved(0, 0), table.reserved(0, 1)], [left, left])
  // The other one serves on, before there is a new one.
  await untilAnswered(both, 1)

  await until("another takes its place", () => threads.count === 2)
  await untilAnswered(both, 0)
  for (const response of held) response.end("late")
  const outcomes = await Promise.all(answers)
  assert.equal(outcomes.filter((outcome) => outcome === 200).length, left)
  await until("nothing is held", () => table.isIdle(0))
  await threads.stop()
  assert.equal(threads.count, 0)
  assert.deepEqual(deaths, [0])
  assert.equal(counters.total("accepted"), counters.total("closed"))
})
