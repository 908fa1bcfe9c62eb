import assert from "node:assert/strict"
import { test } from "node:test"
import { resourcesOf } from "../../../test/support/backends.ts"
import { exponentialOf, group, kind, scenario } from "../../../test/support/scenarios.ts"
import { atRandom, spy } from "../../../test/support/policies/simulated-policies.ts"
import { plainPolicy } from "../../policies/index.ts"
import type { RunResult } from "../report/results.ts"
import { type PolicyFactory, type RunInput, runScenario } from "../run.ts"
import type { Fault, RequestClass, Scenario } from "../scenario/scenario.ts"

const leastConnections = plainPolicy("least-connections")

/** 100 requests per second for 200 s, each of 10 ms of work, on four backends that could each do 100 per second. */
const four = scenario({
  backends: [group({ count: 4, capacity: { r0: 1 } })],
  classes: [kind([0.01])],
  requests: 20_000,
  warmUp: 0,
})

function run(rehearsed: Scenario, more: Partial<RunInput> = {}): RunResult {
  return runScenario({
    scenario: rehearsed,
    policy: leastConnections,
    load: 1,
    thetaStar: 100,
    seed: 1,
    ...more,
  })
}

function withFault(fault: Fault, more: Partial<Scenario> = {}): Scenario {
  return { ...four, faults: [fault], ...more }
}

const always = { backend: "b-1", atMs: 0, forMs: undefined } as const

function amount(mean: number): RequestClass["demand"] {
  return { r0: { kind: "constant", mean } }
}

function failures(result: RunResult): number {
  return Object.values(result.failed).reduce((sum, count) => sum + count, 0)
}

function servedBy(result: RunResult, id: string): number {
  return result.backends.find((backend) => backend.id === id)!.requests
}

test("requests are counted once each: the completed, the failed, those of classes and of backends", () => {
  const result = run(withFault({ ...always, kind: "fast-failures", part: 0.5 }))

  assert.equal(result.requests, 20_000)
  assert.equal(result.completed + failures(result), 20_000)
  assert.equal(
    result.classes.reduce((sum, { requests }) => sum + requests, 0),
    result.completed,
  )
  assert.equal(
    result.backends.reduce((sum, { requests }) => sum + requests, 0),
    result.completed,
  )
  assert.ok(Math.abs(result.classes[0]!.shares["b"]! - 1) < 1e-9)
})

test("no request is lost when a backend crashes: what it had and what it would have got goes to others", () => {
  const result = run(withFault({ ...always, atMs: 50_000, kind: "crash" }))

  assert.equal(result.completed, 20_000)
  assert.ok(result.attempts > 1)
  // A quarter of the requests of the first quarter of the time: 1250, 4σ of the binomial is 120.
  assert.ok(Math.abs(servedBy(result, "b-1") - 1_250) < 200, `${servedBy(result, "b-1")}`)
})

test("a backend that is down is avoided, then ejected by its checks, and back at work once it has restarted", () => {
  const { factory, told } = spy()
  const result = run(withFault({ ...always, atMs: 50_000, forMs: 50_000, kind: "crash" }), {
    policy: factory,
  })

  assert.equal(result.completed, 20_000)
  const ids = told.members.map(({ ids }) => ids.join(" "))
  // None before the first snapshot; all; without it once three checks have failed; with it again, registered anew, so
  // last in order.
  assert.deepEqual(ids.slice(0, 2), ["", "b-1 b-2 b-3 b-4"])
  assert.ok(ids.includes("b-2 b-3 b-4"))
  assert.equal(ids.at(-1), "b-2 b-3 b-4 b-1")
  const goneAt = told.members.find(({ ids }) => ids.length === 3)!.at
  // Checked within 1 s of the first refusal, then each second (± 15 %), three times.
  assert.ok(goneAt > 50_000 && goneAt < 54_500, `gone at ${goneAt}`)
  const refused = told.settled.filter(({ result }) => result === "failure")
  // At once, then once per second while it is avoided; those in flight at the crash are a few.
  assert.ok(refused.length >= 3 && refused.length < 20, `${refused.length} refused`)
  const back = told.settled.filter(({ at, backend }) => backend === "b-1" && at > 100_000).length
  assert.ok(Math.abs(back - 2_500) < 200, `${back} after the restart`)
})

test("without any backend left, requests end with an error and not in limbo", () => {
  const one = scenario({
    backends: [group({ capacity: { r0: 100 } })],
    requests: 10_000,
    warmUp: 0,
    faults: [{ ...always, atMs: 50_000, kind: "crash" }],
  })
  const result = run(one, { load: 0.5 })

  assert.deepEqual(Object.keys(result.failed).toSorted(), ["backend_failed", "no_backend"])
  assert.equal(result.completed + failures(result), 10_000)
  assert.equal(result.p99Served, Infinity)
})

test("one that flaps is down half of the time", () => {
  const result = run(withFault({ ...always, kind: "flapping", everyMs: 40_000 }))

  // Down for the first 20 s of each 40 s: b-1 gets a quarter of half of all, 2500; 4σ is 4·√(n/4·3/4·1/2) = 173.
  assert.equal(result.completed, 20_000)
  assert.ok(Math.abs(servedBy(result, "b-1") - 2_500) < 200, `${servedBy(result, "b-1")}`)
})

test("a response that is an error is a response: it is not tried again", () => {
  const { factory, told } = spy()
  const result = run(withFault({ ...always, kind: "fast-failures", part: 0.5 }), { policy: factory })

  // An eighth of all, 2500: 4σ is 4·√(20_000·7/64) = 187.
  assert.ok(Math.abs(result.failed["backend_error"]! - 2_500) < 187)
  assert.equal(result.attempts, 1)
  const failed = told.settled.filter(({ result }) => result === "failure")
  assert.ok(
    failed.every(({ backend, status, totalMs }) => backend === "b-1" && status === 500 && totalMs === 0),
  )
})

test("a slowed backend and one with a neighbour have the capacity that is left", () => {
  for (const fault of [
    { ...always, kind: "slow", factor: 0.5 },
    { ...always, kind: "noisy-neighbour", resource: "r0", part: 0.5 },
  ] as const) {
    // M/M/1 with 50 per second at half load: 40 ms, half busy. Bounds as 4σ of the mean of 36_000 (see theory.test.ts
    // for the machinery): the asymptotic deviation of the number in the system is √(24/720 s·50) = 0.026 of 1.
    const one = { ...four, backends: [group({ capacity: { r0: 1 } })], faults: [fault] }
    const result = run(one, { load: 0.25, requests: 40_000 })
    assert.ok(Math.abs(result.mean - 40) < 40 * 4 * 0.026, `${fault.kind}: ${result.mean}`)
    assert.ok(Math.abs(result.utilization["r0"]! - 0.5) < 0.03, `${fault.kind}: ${result.utilization["r0"]}`)
  }
})

test("a fault ends when its time is over", () => {
  const result = run(withFault({ ...always, atMs: 0, forMs: 100, kind: "fast-failures", part: 1 }))
  assert.ok(failures(result) < 20, `${failures(result)} failed`)
})

test("a backend that joins is found, one that leaves finishes what it has, and nothing is lost", () => {
  const { factory, told } = spy()
  const elastic = {
    ...four,
    backends: [
      group({ name: "stays", count: 2, capacity: { r0: 1 } }),
      group({ name: "comes", capacity: { r0: 1 }, joinsAtMs: 50_000, leavesAtMs: 150_000 }),
    ],
  }
  const result = run(elastic, { policy: factory })

  assert.equal(result.completed, 20_000)
  const there = told.settled.filter(({ backend }) => backend === "comes-1").map(({ at }) => at)
  assert.ok(Math.min(...there) >= 50_000)
  assert.ok(Math.max(...there) < 150_200, `the last at ${Math.max(...there)}`)
  // A third of half of the requests: 4σ is 4·√(10_000·2/9) = 189.
  assert.ok(Math.abs(there.length - 10_000 / 3) < 220, `${there.length}`)
  // It was there half of the time, so its utilization is as that of the others then: a third of one second's work each.
  const utilization = result.backends[2]!.utilization["r0"]!
  assert.ok(Math.abs(utilization - 1 / 3) < 0.03, `${utilization}`)
})

test("requests wait at the balancer while all room is taken, a limited number for a limited time", () => {
  const slot = scenario({
    resources: resourcesOf("space"),
    backends: [group({ capacity: { r0: 1 } })],
    classes: [kind([], { demand: amount(1), holdMs: exponentialOf(10) })],
    requests: 20_000,
    warmUp: 0,
  })
  // Twice what can be done: half cannot be served. With much patience the queue is full; with little, time runs out.
  const full = run(slot, { load: 2, limits: { queueMax: 10, queueMs: 1e9 } })
  const late = run(slot, { load: 2, limits: { queueMax: 1_000, queueMs: 50 } })

  assert.deepEqual(Object.keys(full.failed), ["queue_full"])
  assert.deepEqual(Object.keys(late.failed), ["queue_timeout"])
  // Half of them: 4σ is about 4·√20_000 = 566 by the Poisson arrivals and as much by the holds.
  assert.ok(Math.abs(full.completed - 10_000) < 800, `${full.completed}`)
  // The longest waits its 50 ms and is then served, for at most 10·ln(20_000) + some: 200 ms.
  assert.ok(late.max < 250, `${late.max}`)
  assert.ok(Math.abs(full.utilization["r0"]! - 1) < 0.01)
})

test("a request that says that it needs more room than any backend has fails at once, also when others wait", () => {
  const slots = scenario({
    resources: resourcesOf("space"),
    backends: [group({ count: 2, capacity: { r0: 2 } })],
    classes: [
      kind([], { name: "small", share: 0.9, demand: amount(1), holdMs: exponentialOf(10) }),
      kind([], { name: "large", share: 0.1, demand: amount(1), declaredBias: 3 }),
    ],
    knowledge: { ...four.knowledge, demand: "declared" },
    warmUp: 0,
  })
  const result = run(slots, { load: 3.5, limits: { queueMs: 1e9 } })

  assert.deepEqual(Object.keys(result.failed), ["no_backend_fits"])
  // A tenth of 20 000: 4σ is 170. Of the others about half wait.
  assert.ok(Math.abs(failures(result) - 2_000) < 170, `${failures(result)}`)
  assert.ok(result.queued > 5_000, `${result.queued}`)
})

test("what is only believed is cut to what fits: a prior above all capacities keeps no request waiting", () => {
  const roomy = scenario({
    resources: resourcesOf("space"),
    backends: [group({ count: 4, capacity: { r0: 0.5 } })],
    classes: [kind([], { demand: amount(0.2), holdMs: exponentialOf(10) })],
    knowledge: { ...four.knowledge, demand: "learned", reports: "costs" },
    warmUp: 0,
  })
  assert.equal(run(roomy).completed, 20_000)
})

test("a request that waits is served as in production: small requests pass a large one that does not fit, but not for ever", () => {
  const narrow = scenario({
    resources: resourcesOf("space"),
    backends: [group({ capacity: { r0: 10 } })],
    classes: [
      kind([], {
        name: "small",
        share: 0.99,
        demand: { r0: { kind: "constant", mean: 1 } },
        holdMs: exponentialOf(100),
      }),
      kind([], {
        name: "large",
        share: 0.01,
        demand: { r0: { kind: "constant", mean: 10 } },
        holdMs: { kind: "constant", mean: 1 },
      }),
    ],
    requests: 20_000,
    warmUp: 0,
  })
  const result = run(narrow, { load: 0.8, limits: { queueMs: 1e9, queueMax: 1e6 } })
  const [small, large] = result.classes
  assert.equal(result.completed, 20_000)
  // In order of arrival the small ones would wait for the backend to become empty as the large ones do.
  assert.ok(small!.mean < large!.mean / 3, `small ${small!.mean}, large ${large!.mean}`)
  // 64 small ones at ten in a tenth of a second, then what is there must end.
  assert.ok(large!.mean < 2_000, `${large!.mean}`)
})

test("what a backend does not have at all gets an error, and a request larger than a backend too", () => {
  const lacking = scenario({
    resources: resourcesOf("rate", "space"),
    backends: [group({ capacity: { r0: 1, r1: 4 }, actual: { r0: 1, r1: 2 } })],
    classes: [
      kind([0.01], { name: "small", share: 0.5 }),
      kind([0.01], {
        name: "large",
        share: 0.5,
        demand: { r1: { kind: "constant", mean: 3 } },
      }),
    ],
    requests: 1_000,
    warmUp: 0,
  })
  const result = run(lacking, { load: 0.1 })
  assert.equal(result.completed + result.failed["backend_error"]!, 1_000)
  assert.equal(result.classes[1]!.requests, 0)
})

test("a policy is told of every attempt: begun, then settled with its times", () => {
  const { factory, told } = spy()
  const holding = { ...four, classes: [kind([0.01], { holdMs: { kind: "constant", mean: 7 } })] }
  run(holding, { policy: factory, requests: 1_000 })

  assert.equal(told.begun, 1_000)
  assert.equal(told.settled.length, 1_000)
  for (const { firstByteMs, result, route, status, totalMs } of told.settled) {
    assert.deepEqual([result, status, route], ["success", 200, 1])
    assert.ok(firstByteMs > 0 && Math.abs(totalMs - firstByteMs - 7) < 1e-6)
  }
})

test("each balancer gets its part of the requests and has a policy of its own", () => {
  const { factory, told } = spy()
  run(four, { policy: factory, balancers: 8, requests: 8_000 })
  assert.equal(told.policies.length, 8)
  assert.equal(told.settled.length, 8_000)
})

function reportsOf(fault: Fault | undefined, knowledge: Partial<Scenario["knowledge"]>) {
  const { factory, told } = spy()
  const faults = fault === undefined ? [] : [fault]
  run({ ...four, faults, knowledge: { ...four.knowledge, ...knowledge } }, { policy: factory })
  return told.reports
}

test("where backends report costs, each response says what its request cost", () => {
  const costs = reportsOf(undefined, { reports: "costs" }).filter(({ cost }) => cost[0]! >= 0)
  // One an answer, on average 0.01 with as large a deviation: 4σ is 0.01·4/√20_000 = 0.0003.
  assert.equal(costs.length, 20_000)
  const mean = costs.reduce((sum, { cost }) => sum + cost[0]!, 0) / costs.length
  assert.ok(Math.abs(mean - 0.01) < 0.0003, `${mean}`)
})

test("where backends report utilization it comes every so often, as late as was said, and is true", () => {
  const every = { reports: "utilization", reportEveryMs: 2_000, reportDelayMs: 700 } as const
  const reports = reportsOf(undefined, every)
  assert.ok(reports.every(({ at, cost }) => Number.isNaN(cost[0]) && Math.abs((at % 2_000) - 700) < 1e-6))
  // 200 s: each of four backends about a hundred times.
  assert.ok(Math.abs(reports.length - 400) <= 12, `${reports.length}`)
  const mean = reports.reduce((sum, { utilization }) => sum + utilization[0]!, 0) / reports.length
  // A quarter busy. 4σ of the work of 20_000 exponential requests over what there is: 0.25·4·√2/√20_000 = 0.01.
  assert.ok(Math.abs(mean - 0.25) < 0.011, `${mean}`)
  assert.equal(reportsOf(undefined, { reports: "none" }).length, 0)
})

test("rates and utilization as one number are averages over ten seconds", () => {
  const told: number[] = []
  const listening: PolicyFactory = {
    name: "listening",
    make: (context) => {
      const inner = atRandom.make(context)
      return {
        name: "listening",
        rebuild: (members) => inner.rebuild(members),
        pick: (request) => inner.pick(request),
        onReport: (_, { rpsFractional }, now) => {
          if (now > 30_000) told.push(rpsFractional)
        },
      }
    },
  }
  const knowledge = { ...four.knowledge, reports: "utilization" } as const
  run({ ...four, knowledge }, { policy: listening, requests: 10_000 })
  const mean = told.reduce((sum, rps) => sum + rps, 0) / told.length
  const deviation = Math.sqrt(told.reduce((sum, rps) => sum + (rps - mean) ** 2, 0) / told.length)
  // 25 per second. Counted over a second that is ± 5; an exponential average of 10 s makes it 5 · √(0.095 / 1.905) =
  // 1.1.
  assert.ok(Math.abs(mean - 25) < 1, `${mean}`)
  assert.ok(deviation < 1.7, `${deviation}`)
})

test("lies, staleness and neighbours show in the reports", () => {
  const every = { reports: "utilization" } as const
  const mean = (fault: Fault, id = "b-1"): number => {
    const mine = reportsOf(fault, every).filter(({ backend }) => backend === id)
    return mine.reduce((sum, { utilization }) => sum + utilization[0]!, 0) / mine.length
  }
  // 4σ for one backend's 5000 requests: 0.25·4·√2/√5_000 = 0.02, and that much more for what is multiplied.
  assert.ok(Math.abs(mean({ ...always, kind: "lying-reports", factor: 3 }) - 0.75) < 0.06)
  assert.ok(Math.abs(mean({ ...always, kind: "lying-reports", factor: 3 }, "b-2") - 0.25) < 0.02)
  // A neighbour takes half of the machine, our work another quarter of the whole.
  const noisy = { ...always, kind: "noisy-neighbour", resource: "r0", part: 0.5 } as const
  assert.ok(Math.abs(mean(noisy) - 0.75) < 0.03)

  const stale = reportsOf({ ...always, atMs: 10_500, kind: "stale-reports" }, every)
  const later = stale.filter(({ at, backend }) => backend === "b-1" && at > 11_500)
  assert.equal(new Set(later.map(({ utilization }) => utilization[0])).size, 1)
})

test("a request that declares its demand is believed, with its error and its bias", () => {
  const { factory, told } = spy()
  const declaring = {
    ...four,
    classes: [
      kind([], { demand: { r0: { kind: "constant", mean: 2 } }, declaredBias: 3, declaredError: 0.5 }),
    ],
    knowledge: { ...four.knowledge, demand: "declared" },
  } as const
  run(declaring, { policy: factory, thetaStar: 1 })
  const declared = told.demands.map(([amount]) => amount!)
  const mean = declared.reduce((sum, amount) => sum + amount, 0) / declared.length
  // 2·3 on average with a deviation of half of that: 4σ is 3·4/√20_000 = 0.085.
  assert.ok(Math.abs(mean - 6) < 0.085, `${mean}`)
  assert.ok(new Set(declared).size > 19_000)
})

test("a question to a backend gets the truth, a moment later, and no response from one that is down", () => {
  const answers: {
    readonly asked: number
    readonly at: number
    readonly inFlight: number
    readonly latencyMs: number
  }[] = []
  let asked = 0
  const asking: PolicyFactory = {
    name: "asking",
    make: (context) => {
      const inner = atRandom.make(context)
      return {
        name: "asking",
        rebuild: (members) => inner.rebuild(members),
        pick: (request) => {
          const backend = inner.pick(request)
          const { now } = request
          asked++
          if (backend !== undefined) {
            context.prober!.probe(backend, (inFlight, latencyMs, at) =>
              answers.push({ asked: now, at, inFlight, latencyMs }),
            )
          }
          return backend
        },
      }
    },
  }
  run(four, { policy: asking, requests: 5_000 })
  assert.equal(asked, 5_000)
  // The last responses come after the last request has ended.
  assert.ok(answers.length > 4_900)
  assert.ok(answers.every(({ asked, at }) => Math.abs(at - asked - 1) < 1e-6))
  // It sees the request that asked, unless that has ended already: 1 and more in most answers. M/M/1 at a quarter.
  const mean = answers.reduce((sum, { inFlight }) => sum + inFlight, 0) / answers.length
  assert.ok(mean > 1 && mean < 2, `${mean}`)
  // The more there are the longer those took that had as much company.
  const latencyWith = (isMeant: (inFlight: number) => boolean): number => {
    const found = answers.filter(({ inFlight, latencyMs }) => latencyMs > 0 && isMeant(inFlight))
    return found.reduce((sum, { latencyMs }) => sum + latencyMs, 0) / found.length
  }
  const [alone, together] = [latencyWith((n) => n <= 1), latencyWith((n) => n >= 3)]
  assert.ok(together > 1.2 * alone, `${alone}, ${together}`)

  answers.length = 0
  run(
    withFault({ ...always, backend: "b-1", kind: "crash" }, { backends: [group({ capacity: { r0: 1 } })] }),
    {
      policy: asking,
      requests: 100,
    },
  )
  assert.equal(answers.length, 0)
})

test("a backend that is asked now and then knows what company each request had when it began", () => {
  // One is served alone, then ten come together and are served one after the other, then one comes to an idle backend.
  const atMs = [0, ...Array.from({ length: 10 }, (_, n) => 1_000 + n), 5_000]
  const demand = { r0: { kind: "constant" as const, mean: 0.1 } }
  const played = scenario({
    backends: [group({ capacity: { r0: 1 }, discipline: "fifo" })],
    classes: [kind([], { demand })],
    arrivals: {
      kind: "trace",
      requests: atMs.map((at) => ({ atMs: at, class: 0, demand: [0.1], holdMs: 0 })),
    },
    requests: atMs.length,
    warmUp: 0,
  })
  const answers: [inFlight: number, latencyMs: number][] = []
  let picks = 0
  const asking: PolicyFactory = {
    name: "asking",
    make: ({ prober, rng, resources }) => {
      const inner = atRandom.make({ prober, rng, resources })
      return {
        name: "asking",
        rebuild: (members) => inner.rebuild(members),
        pick: (request) => {
          const backend = inner.pick(request)!
          if (picks === 0 || picks === atMs.length - 1) {
            prober!.probe(backend, (inFlight, latencyMs) => void answers.push([inFlight, latencyMs]))
          }
          picks++
          return backend
        },
      }
    },
  }
  // The pace of the recording.
  run(played, { policy: asking, load: 1, thetaStar: (1_000 * (atMs.length - 1)) / 5_000 })
  const [, [inFlight, latencyMs]] = answers as [unknown, [number, number]]
  assert.equal(inFlight, 1)
  // With one more in flight, one like those that began beside up to two others: 100, 100, 199 and 298 ms.
  assert.ok(Math.abs(latencyMs - 149.5) < 1, `${latencyMs}`)
})

test("a fault that names no backend or has a number that makes no sense is refused", () => {
  const wrong: readonly Fault[] = [
    { ...always, backend: "b-9", kind: "crash" },
    { ...always, kind: "slow", factor: 0 },
    { ...always, kind: "noisy-neighbour", resource: "r7", part: 0.5 },
    { ...always, kind: "noisy-neighbour", resource: "r0", part: 1 },
    { ...always, kind: "fast-failures", part: 2 },
    { ...always, kind: "flapping", everyMs: 0 },
  ]
  for (const fault of wrong) assert.throws(() => run(withFault(fault)), RangeError, fault.kind)
  const twice = { ...four, backends: [group(), group()] }
  assert.throws(() => run(twice), /same name/)
})
