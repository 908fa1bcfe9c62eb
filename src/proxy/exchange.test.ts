import assert from "node:assert/strict"
import { test } from "node:test"
import { cellFields, cellStride, Observer } from "../learning/observer.ts"
import { resourcesDefault } from "../core/resources.ts"
import { runScenario } from "../sim/run.ts"
import type { Distribution, Fault } from "../sim/scenario/scenario.ts"
import type { Outcome } from "../policies/policy.ts"
import { plainPolicy, type PolicyName } from "../policies/index.ts"
import { resourcesOf } from "../../test/support/backends.ts"
import { exchangeWorld, type ExchangeWorld } from "../../test/support/exchange-world.ts"
import { get } from "../../test/support/wire/messages.ts"
import { noAffinity, type RelayChange, routingOf } from "../../test/support/relay.ts"
import { group, kind, scenario } from "../../test/support/scenarios.ts"
import { spy } from "../../test/support/policies/simulated-policies.ts"
import { VirtualClock } from "../../test/support/virtual-clock.ts"
import type { PoolMatch } from "../config/config.ts"
import type { RoutingOptions } from "./options.ts"

// ── what is recorded of an attempt ────────────────────────────────────────────────────────────────────────────

/** An observer that writes outcomes down before it counts them. */
class Witness extends Observer {
  readonly seen: Outcome[] = []

  override settled(...told: Parameters<Observer["settled"]>): void {
    this.seen.push({ ...told[2] })
    super.settled(...told)
  }
}

/** Passes time, and sweeps as often as a thread does. */
async function pass(clock: VirtualClock, { deadlines }: ExchangeWorld, ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 250) {
    await clock.run(clock.now() + Math.min(left, 250))
    deadlines.sweep(clock.now())
  }
}

/** One request: 1 s to the head of the response and 3 s more to its end, which these bytes are. */
async function attempt(
  policy: PolicyName,
  head: string,
  rest: string | undefined,
): Promise<{ readonly outcome: Outcome; readonly observer: Witness }> {
  const clock = new VirtualClock()
  const observer = new Witness(resourcesDefault, 16)
  const change: RelayChange = { routing: routingOf(policy), limits: { attemptsMax: 1 } }
  const world = exchangeWorld(clock, change, { observer })
  const { socket } = world.client()
  socket.push(Buffer.from(get()))
  await Promise.resolve()
  const backend = world.busy.pop()!
  await pass(clock, world, 1_000)
  backend.say(Buffer.from(head))
  await pass(clock, world, 3_000)
  if (rest === undefined) backend.socket.emit("close")
  else backend.say(Buffer.from(rest))
  assert.equal(observer.seen.length, 1)
  assert.ok(world.table.isIdle(0) && world.table.isIdle(1))
  return { outcome: observer.seen[0]!, observer }
}

function constant(mean: number): Distribution {
  return { kind: "constant", mean }
}

/** The same attempt in the simulator: 1 s of work, and 3 s in which it only holds space. */
function rehearsed(fault?: Partial<Fault>): Outcome {
  const { factory, told } = spy()
  const demand = { r0: constant(1), r1: constant(1) }
  runScenario({
    scenario: scenario({
      resources: resourcesOf("rate", "space"),
      backends: [group()],
      classes: [kind([1, 1], { demand, holdMs: constant(3_000) })],
      requests: 1,
      warmUp: 0,
      faults: fault === undefined ? [] : [{ backend: "b-1", forMs: undefined, ...fault } as Fault],
    }),
    policy: factory,
    // It arrives within the first millisecond.
    load: 1e6,
    thetaStar: 1,
    seed: 1,
  })
  return told.settled[0]!
}

/** All of an outcome but what is numbered differently on both sides. */
function shown({ result, status, firstByteMs, totalMs, retryAfterMs }: Outcome): unknown {
  return { result, status, firstByteMs: Math.round(firstByteMs), totalMs: Math.round(totalMs), retryAfterMs }
}

const half = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nha"

for (const policy of [
  "price",
  "mix",
  "auto",
  "least-time",
  "join-idle-queue",
  "least-connections-haproxy",
] as const) {
  test(`under ${policy} an attempt is recorded as in the simulator: a success, with the time of its first byte`, async () => {
    const { outcome, observer } = await attempt(policy, half, "lf")
    assert.deepEqual(shown(outcome), {
      result: "success",
      status: 200,
      firstByteMs: 1_000,
      totalMs: 4_000,
      retryAfterMs: NaN,
    })
    assert.deepEqual(shown(outcome), shown(rehearsed()))
    assert.equal(outcome.isExact, policy === "least-time")
    const { values } = observer.take(5_000)!.cells
    assert.equal(values.length, cellStride(resourcesDefault))
    assert.equal(values[cellFields.answerMs], 3_000)
    // Times of sweeps are no measurement one by one: their least is 0 for all that is faster than a sweep.
    assert.equal(values[cellFields.firstByteMsMin], outcome.isExact ? 1_000 : Infinity)
  })
}

test("an attempt that is cut behind its head is recorded as in the simulator: a failure with the status it had shown", async () => {
  const { outcome } = await attempt("price", half, undefined)
  assert.deepEqual(shown(outcome), {
    result: "failure",
    status: 200,
    firstByteMs: 1_000,
    totalMs: 4_000,
    retryAfterMs: NaN,
  })
  const simulated = rehearsed({ kind: "crash", atMs: 3_999.9 })
  assert.deepEqual(shown(simulated), shown(outcome))
})

test("an error of a backend is recorded as in the simulator: a failure whose first byte came when it did", async () => {
  const { outcome } = await attempt("price", "HTTP/1.1 500 No\r\nContent-Length: 4\r\n\r\n", "oops")
  assert.deepEqual(shown(outcome), {
    result: "failure",
    status: 500,
    firstByteMs: 1_000,
    totalMs: 4_000,
    retryAfterMs: NaN,
  })
  const simulated = rehearsed({ kind: "fast-failures", part: 1, atMs: 0 })
  assert.deepEqual(shown(simulated), {
    result: "failure",
    status: 500,
    firstByteMs: 0,
    totalMs: 0,
    retryAfterMs: NaN,
  })
})

test("what a backend asks clients to wait is recorded with its attempt", async () => {
  const { outcome } = await attempt(
    "price",
    "HTTP/1.1 503 No\r\nRetry-After: 7\r\nContent-Length: 4\r\n\r\n",
    "busy",
  )
  assert.deepEqual([outcome.result, outcome.retryAfterMs, outcome.firstByteMs], ["failure", 7_000, 1_000])
})

// ── the queue ─────────────────────────────────────────────────────────────────────────────────────────────────

function only(id: string): PoolMatch {
  return { labels: {}, zone: undefined, ids: [id] }
}

/** All requests go to this one of two pools, each of which has one backend with one connection. */
function routedTo(pool: 0 | 1): RoutingOptions {
  const choosing = { policy: plainPolicy("round-robin") }
  const groups = [
    { pool: "one", match: only("b0"), choosing },
    { pool: "other", match: only("b1"), choosing },
  ]
  return { groups: pool === 0 ? groups : groups.toReversed(), routes: [], affinity: noAffinity }
}

/**
 * The pool of its route has no room for the one request that waits, and then its route gets the other pool, which has
 * none either.
 */
async function moved(timeouts: RelayChange["timeouts"] = {}) {
  const clock = new VirtualClock()
  const world = exchangeWorld(clock, {
    routing: routedTo(0),
    limits: { connectionsPerBackendMax: 1, queueMax: 10 },
    ...(timeouts === undefined ? {} : { timeouts }),
  })
  const reroute = (pool: 0 | 1): void => {
    world.fleet.regroup(routedTo(pool).groups)
    world.routes.reroute(routedTo(pool))
  }
  const [one, other] = [world.client(), world.client()]
  one.socket.push(Buffer.from(get("/one")))
  await Promise.resolve()
  reroute(1)
  other.socket.push(Buffer.from(get("/other")))
  await Promise.resolve()
  reroute(0)
  const answers: string[] = []
  const waiting = world.client((bytes) => void answers.push(bytes.toString("latin1")))
  waiting.socket.push(Buffer.from(get("/waits")))
  const queueOf = (pool: 0 | 1) => world.fleet.placer.groups[pool]!.queue
  const queues = [queueOf(0), queueOf(1)] as const
  assert.deepEqual(
    queues.map(({ length }) => length),
    [1, 0],
  )
  return { ...world, answers, clock, queues, reroute, waiting }
}

test("a request whose route got another pool while it waited leaves the queue it is in when its client goes", async () => {
  const { fleet, queues, reroute, waiting } = await moved()
  reroute(1)
  fleet.placer.serve(0)
  waiting.socket.emit("error")
  assert.deepEqual(
    queues.map(({ length }) => length),
    [0, 0],
  )
})

test("such a request waits on among those of its new pool, no longer than it would have, and is served there", async () => {
  const { answers, busy, clock, deadlines, fleet, queues, reroute } = await moved({ queueMs: 5_000 })
  reroute(1)
  fleet.placer.serve(0)
  assert.deepEqual(
    queues.map(({ length }) => length),
    [0, 1],
  )
  await clock.run(4_000)
  deadlines.sweep(4_000)
  fleet.placer.serve(4_000)
  assert.equal(queues[1].length, 1)
  // The new pool's connection comes free.
  const [, other] = busy.splice(0)
  assert.equal(other!.port, 2)
  other!.say(Buffer.from("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
  fleet.placer.serve(4_000)
  assert.deepEqual([queues[1].length, busy.length, busy[0]!.port], [0, 1, 2])
  busy[0]!.say(Buffer.from("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
  assert.match(answers.join(""), /^HTTP\/1\.1 200 [^]*ok$/)
})

test("such a request is given up once, by the queue it is in", async () => {
  const { answers, clock, deadlines, fleet, queues, reroute } = await moved({ queueMs: 5_000 })
  await clock.run(4_000)
  deadlines.sweep(4_000)
  reroute(1)
  fleet.placer.serve(4_000)
  await clock.run(6_000)
  deadlines.sweep(6_000)
  fleet.placer.serve(6_000)
  assert.deepEqual(
    queues.map(({ length }) => length),
    [0, 0],
  )
  assert.match(answers.join(""), /^HTTP\/1\.1 503 [^]*"queue_timeout"/)
  assert.equal(answers.join("").match(/HTTP\/1\.1/g)!.length, 1)
})
