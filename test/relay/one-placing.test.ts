/**
 * The product and the simulator place by the same code, and use it alike: what the simulator's engine plays, product
 * exchanges are given again in virtual time, and each must ask its placer the same, in the same order, and get the same.
 *
 * The script is what came to the simulator's balancer from outside: arrivals, memberships, knowledge, ticks, and what
 * backends did with each attempt. Choices, retries, refusals, turns in the queue, outcomes and accounts are each side's
 * own, and are compared line by line.
 */
import assert from "node:assert/strict"
import { test, type TestContext } from "node:test"
import { namedOf, type ResourceTable } from "../../src/core/resources.ts"
import { seeded, type Rng } from "../../src/core/rng.ts"
import { nothingKnown } from "../../src/core/knowledge.ts"
import type { RouteList } from "../../src/routing/routes.ts"
import type { AttemptObserver } from "../../src/placing/placer.ts"
import type { LoadReport } from "../../src/core/load-report.ts"
import { makePolicy, plainPolicy, type PolicyName } from "../../src/policies/index.ts"
import { Engine, type EngineLimits } from "../../src/sim/engine/engine.ts"
import type { Fault, Scenario, TracedRequest } from "../../src/sim/scenario/scenario.ts"
import { resourcesOf } from "../support/backends.ts"
import { exchangeWorld, type FakeBackendConnection, type FakeSocket } from "../support/exchange-world.ts"
import { type Input, Tape, type TapeDeck, tapePlacers, tapePolicy } from "../support/placing-tape.ts"
import { noAffinity, type RelayChange } from "../support/relay.ts"
import { group, kind, scenario } from "../support/scenarios.ts"
import { VirtualClock } from "../support/virtual-clock.ts"
import { get } from "../support/wire/messages.ts"
import { sweepMs } from "../../src/net/deadlines.ts"

interface Script {
  readonly policy: PolicyName
  readonly scenario: Scenario
  readonly limits: Partial<EngineLimits>
  readonly seed: number
}

/** One in so many milliseconds: a power of two, so that times are exact however they are summed up. */
const gapMs = 16
const requestsOf = 256

/** Requests of two classes at random times, in eighths of a millisecond, of these amounts. */
function traceOf(rng: Rng, amountsOf: () => readonly number[], holdMsOf: () => number): TracedRequest[] {
  const last = (requestsOf - 1) * gapMs
  const times = Array.from({ length: requestsOf - 2 }, () => 0.125 * (1 + rng.below(8 * last - 1)))
  return [0, ...times.toSorted((a, b) => a - b), last].map((atMs) => ({
    atMs,
    class: rng.below(2),
    demand: amountsOf(),
    holdMs: holdMsOf(),
  }))
}

/** At a time that is no request's, in this part of the script. */
function sometime(rng: Rng, from = 0, to = 1): number {
  const length = requestsOf * gapMs
  return Math.floor(from * length) + rng.below((to - from) * length) + 0.05
}

const classes = [kind([1, 1], { name: "c0", share: 0.5 }), kind([1, 1], { name: "c1", share: 0.5 })]

const comeAndGo = (rng: Rng): Scenario["backends"] => [
  group({ count: 4 }),
  group({ name: "late", joinsAtMs: sometime(rng), capacity: { r0: 3, r1: 1 } }),
  group({ name: "leaving", leavesAtMs: sometime(rng), tier: 1 }),
]

function workOf(rng: Rng): Scenario["arrivals"] {
  const amount = (): number => (1 + rng.below(80)) / 1_000
  return {
    kind: "trace",
    requests: traceOf(
      rng,
      () => [amount(), amount()],
      () => 0,
    ),
  }
}

/**
 * Backends crash and come back. What requests need is known from the start: the simulator's are tried again by what is
 * known then, the product's by what was known when they came (`Engine.#place`).
 */
function crashes(policy: PolicyName, seed: number): Script {
  const rng = seeded(seed)
  const atMs = sometime(rng, 0.2, 0.6)
  // One after the other, so that there is a third attempt.
  const faults = [1, 2, 3].map((n): Fault => ({
    kind: "crash",
    backend: `b-${n}`,
    atMs: atMs + n * 25,
    forMs: 200 + rng.below(1_500),
  }))
  return {
    policy,
    seed,
    limits: {},
    scenario: scenario({
      resources: resourcesOf("rate", "rate"),
      backends: comeAndGo(rng),
      classes,
      faults,
      arrivals: workOf(rng),
    }),
  }
}

/** Backends report what requests cost, which is learned, and fail some of them. */
function lessons(policy: PolicyName, seed: number): Script {
  const rng = seeded(seed)
  const [one, other] = [sometime(rng), sometime(rng)]
  return {
    policy,
    seed,
    limits: { learnMs: 500 },
    scenario: scenario({
      resources: resourcesOf("rate", "rate"),
      backends: comeAndGo(rng),
      classes,
      faults: [
        { kind: "fast-failures", backend: "b-1", atMs: one, forMs: 1_000, part: 0.5 },
        { kind: "slow", backend: "b-2", atMs: other, forMs: 1_000, factor: 0.2 },
      ],
      arrivals: workOf(rng),
      knowledge: { demand: "learned", reports: "costs", reportEveryMs: 250, reportDelayMs: 0 },
    }),
  }
}

/** Spaces of which requests say what they need: queues that are long, full and too slow, and what fits nowhere. */
function spaces(policy: PolicyName, seed: number): Script {
  const rng = seeded(seed)
  const resources = resourcesOf("space", "rate")
  return {
    policy,
    seed,
    limits: { queueMax: 12, queueMs: 500 },
    scenario: scenario({
      resources,
      backends: [
        group({ count: 3, capacity: { r0: 10, r1: 1 } }),
        group({ name: "late", joinsAtMs: sometime(rng, 0.75, 1), capacity: { r0: 24, r1: 2 } }),
        group({ name: "leaving", leavesAtMs: sometime(rng, 0, 0.5), capacity: { r0: 16, r1: 1 } }),
      ],
      classes,
      arrivals: {
        kind: "trace",
        requests: traceOf(
          rng,
          () => [(1 + rng.below(11_500)) / 1_000, (1 + rng.below(20)) / 1_000],
          () => 1 + rng.below(300),
        ),
      },
      knowledge: { demand: "declared", reports: "none", reportEveryMs: 250, reportDelayMs: 0 },
    }),
  }
}

// ── one side ──────────────────────────────────────────────────────────────────────────────────────────────────

type Endings = Record<string, number>

function count(endings: Endings, name: string): void {
  endings[name] = (endings[name] ?? 0) + 1
}

/** Plays the script in the simulator. */
function rehearse({ limits, policy, scenario, seed }: Script, deck: TapeDeck): Endings {
  const { resources } = scenario
  const endings: Endings = {}
  new Engine({
    scenario,
    rate: 1_000 / gapMs,
    requests: requestsOf,
    balancers: 1,
    seed,
    limits,
    recorder: {
      completed: () => count(endings, "complete"),
      failed: (_, failure) => count(endings, failure === "backend_error" ? "complete" : failure),
      arrived: () => false,
    },
    // Chance as the exchanges' world has it.
    makePolicy: () => tapePolicy(deck, makePolicy(plainPolicy(policy), { rng: seeded(1), resources })),
  }).run()
  return endings
}

// ── the other side ────────────────────────────────────────────────────────────────────────────────────────────

/** A client's connection, on which requests come one after the other. */
interface Client {
  readonly socket: FakeSocket
  readonly exchange: { readonly isIdle: boolean }
}

/** The product's exchanges, in a time that passes with the script. */
class Product {
  readonly endings: Endings = {}
  readonly #clock = new VirtualClock()
  readonly #world
  readonly #routes: RouteList
  readonly #resources: ResourceTable
  readonly #scenario: Scenario
  readonly #clients: Client[] = []
  /** By request, where its last attempt is; and what its response is to end with. */
  readonly #connections = new Map<number, FakeBackendConnection>()
  readonly #trailers = new Map<number, string>()
  readonly #idOfHost = new Map<string, string>()

  constructor({ limits, policy, scenario }: Script, deck: TapeDeck) {
    const { resources } = scenario
    this.#scenario = scenario
    this.#resources = resources
    const { queueMs = 5_000, ...others } = limits
    const rules = classes.map(({ name }) => ({ name, method: undefined, host: undefined, path: `/${name}` }))
    this.#routes = { version: 1, rules, learned: [] }
    const change: RelayChange = {
      resources,
      routing: {
        groups: [{ pool: "", match: undefined, choosing: { policy: plainPolicy(policy) } }],
        routes: rules.map((rule) => ({
          rule,
          group: 0,
          demand: undefined,
          isTrusted: true,
          affinity: noAffinity,
        })),
        affinity: noAffinity,
      },
      limits: {
        attemptsMax: 3,
        queueMax: others.queueMax ?? 1_024,
        connectionsPerBackendMax: 10_000,
        // Each attempt has a connection of its own: one that breaks is not tried again on a fresh one.
        idlePerBackendMax: 0,
      },
      // Exchanges wait until the sweep behind it.
      timeouts: { queueMs: queueMs - sweepMs },
      // As the simulator's prior.
      demand: { default: Object.fromEntries(resources.map(({ name }) => [name, 1])) },
    }
    this.#world = exchangeWorld(this.#clock, change, {
      members: [],
      // As the simulator, which has none where everything is known.
      ...(scenario.knowledge.demand === "known" ? { observer: deaf } : {}),
      onRequestEnd: ({ ending, error }) => count(this.endings, error === undefined ? ending : wordFor(error)),
    })
    this.#world.routes.learn(nothingKnown, this.#routes)
    tapePolicy(deck, this.#world.fleet.placer.groups[0]!.policy)
  }

  /** Gives it what came to the simulator's balancer. */
  async play(inputs: readonly Input[]): Promise<void> {
    for (const input of inputs) {
      await this.#clock.run(input.at)
      this.#world.deadlines.sweep(input.at)
      this.#fail()
      this.#take(input)
      await this.#quiet()
    }
  }

  #take(input: Input): void {
    const { fleet, routes } = this.#world
    const { placer } = fleet
    switch (input.kind) {
      case "apply":
        for (const { address, id } of input.snapshot.members) {
          if ("host" in address) this.#idOfHost.set(address.host, id)
        }
        placer.apply(input.snapshot, input.at)
        routes.refit()
        break
      case "learn":
        placer.learn(input.knowledge)
        routes.learn(input.knowledge, this.#routes)
        break
      case "tick":
        fleet.tick(input.at)
        break
      case "serve":
        placer.serve(input.at)
        break
      case "arrive":
        this.#ask(input)
        break
      case "responded":
        this.#say(input.request, headOf(input.status))
        break
      case "report":
        this.#trailers.set(input.request, trailerOf(input.report, this.#resources))
        break
      case "settle":
        this.#end(input)
        break
    }
  }

  #ask({ demand, request, route }: Input & { readonly kind: "arrive" }): void {
    const declares = this.#scenario.knowledge.demand === "declared"
    const amounts = Object.entries(namedOf(this.#resources, Float64Array.from(demand)))
    const text = amounts.map(([name, amount]) => `${name}=${amount}`).join(", ")
    const client = this.#idleClient()
    const demandLine = declares ? `Linebacker-Demand: ${text}\r\n` : ""
    client.socket.push(Buffer.from(get(`/c${route - 1}`, `X-Number: ${request}\r\n${demandLine}`)))
  }

  #end({ ending, request }: Input & { readonly kind: "settle" }): void {
    if (ending === "complete") {
      this.#say(request, `0\r\n${this.#trailers.get(request) ?? ""}\r\n`)
      return
    }
    const connection = this.#connections.get(request)
    assert.ok(connection !== undefined, `request ${request} is at no backend`)
    this.#connections.delete(request)
    connection.socket.emit("close")
  }

  #say(request: number, text: string): void {
    const connection = this.#connections.get(request)
    assert.ok(connection !== undefined, `request ${request} is at no backend`)
    connection.say(Buffer.from(text))
    if (text.startsWith("0\r\n")) this.#connections.delete(request)
  }

  #idleClient(): Client {
    const idle = this.#clients.find(({ exchange, socket }) => exchange.isIdle && socket.gone === undefined)
    if (idle !== undefined) return idle
    const client = this.#world.client()
    this.#clients.push(client)
    return client
  }

  /** Which backends refuse connections now. */
  #fail(): void {
    const { refusing } = this.#world.dialling
    refusing.clear()
    for (const fault of this.#scenario.faults) {
      const { atMs, backend, forMs = Infinity } = fault
      const isDown = fault.kind === "crash" && atMs <= this.#clock.now() && this.#clock.now() < atMs + forMs
      if (!isDown) continue
      for (const [host, id] of this.#idOfHost) if (id === backend) refusing.add(host)
    }
  }

  /** Until nothing more comes of what was given: a connection is made or refused in the next turn, and so on. */
  async #quiet(): Promise<void> {
    for (let turn = 0; turn < 8; turn++) await Promise.resolve()
    for (const connection of this.#world.busy.splice(0)) {
      const number = /^X-Number: (\d+)\r$/im.exec(connection.asked.toString("latin1"))?.[1]
      if (number !== undefined) this.#connections.set(Number(number), connection)
    }
  }
}

const deaf: AttemptObserver = { settled() {}, load() {}, cost() {} }

function headOf(status: number): string {
  return `HTTP/1.1 ${status} Some\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n`
}

function trailerOf({ requestCost, utilization }: LoadReport, resources: ResourceTable): string {
  const said = [
    ["request_cost", requestCost],
    ["utilization", utilization],
  ] as const
  const parts = said.flatMap(([name, vector]) =>
    resources.flatMap((resource, r) =>
      Number.isNaN(vector[r]!) ? [] : [`${name}.${resource.name}=${vector[r]}`],
    ),
  )
  return `Endpoint-Load-Metrics: TEXT ${parts.join(", ")}\r\n`
}

/** As the simulator calls it. */
function wordFor(error: string): string {
  return error === "connect_failed" || error === "backend_reset" ? "backend_failed" : error
}

// ── both ──────────────────────────────────────────────────────────────────────────────────────────────────────

interface Both {
  readonly simulated: Tape
  readonly relayed: Tape
  readonly endings: Endings
}

async function both(t: TestContext, script: Script): Promise<Both> {
  const deck: TapeDeck = tapePlacers(t)
  const simulated = deck.tape
  const endings = rehearse(script, deck)
  // Before the first snapshot there is nothing to compare.
  deck.tape = new Tape()
  const product = new Product(script, deck)
  const relayed = (deck.tape = new Tape())
  try {
    await product.play(simulated.inputs)
  } finally {
    // Where they differ, what comes of it may be anything.
    same(simulated.lines, relayed.lines)
  }
  assert.deepEqual(product.endings, endings)
  return { simulated, relayed, endings }
}

/** The first line that differs, and what came before it. */
function same(simulated: readonly string[], relayed: readonly string[]): void {
  const at = simulated.findIndex((line, i) => line !== relayed[i])
  const end = at === -1 ? relayed.length : at
  if (at === -1 && relayed.length === simulated.length) return
  const shown = (lines: readonly string[]): string => lines.slice(Math.max(0, end - 3), end + 2).join("\n  ")
  assert.fail(`line ${end}\nsimulator:\n  ${shown(simulated)}\nproduct:\n  ${shown(relayed)}`)
}

function says({ lines }: Tape, ...words: readonly string[]): void {
  for (const word of words) {
    assert.ok(
      lines.some((line) => line.includes(word)),
      `nothing says "${word}"`,
    )
  }
}

for (const [i, policy] of (
  ["price", "mix", "least-connections", "power-of-two", "least-time"] as const
).entries()) {
  test(`under ${policy} attempts that fail are tried again alike`, async (t) => {
    const { simulated } = await both(t, crashes(policy, 1 + i))
    says(simulated, "tries again", "refused by", "failure 0", "success 200", "attempt 3")
  })

  test(`under ${policy} attempts are recorded alike, and what backends report`, async (t) => {
    const { simulated } = await both(t, lessons(policy, 1 + i))
    says(simulated, "failure 500", "success 200", "cost", "reports", "learns")
  })

  test(`under ${policy} requests that wait for room have their turns alike`, async (t) => {
    const { endings } = await both(t, spaces(policy, 1 + i))
    for (const ending of ["complete", "queue_full", "queue_timeout", "no_backend_fits"]) {
      assert.ok((endings[ending] ?? 0) > 0, `${ending}: ${JSON.stringify(endings)}`)
    }
  })
}
