// The simulator against what queueing theory knows exactly. Seconds here, milliseconds in results.
import assert from "node:assert/strict"
import { test } from "node:test"
import { resourcesOf } from "../../test/support/backends.ts"
import { exponentialOf, group, kind, scenario } from "../../test/support/scenarios.ts"
import { atRandom, betterOfTwo, shortestQueue } from "../../test/support/policies/simulated-policies.ts"
import { plainPolicy } from "../policies/index.ts"
import type { RunResult } from "./report/results.ts"
import { type PolicyFactory, runScenario } from "./run.ts"
import type { Scenario } from "./scenario/scenario.ts"

const roundRobin = plainPolicy("round-robin")

/** The scenario at this rate, requests per second, once per seed. */
function runs(
  rehearsed: Scenario,
  rate: number,
  policy: PolicyFactory | typeof roundRobin = roundRobin,
  limits = {},
  seeds = 10,
): RunResult[] {
  return Array.from({ length: seeds }, (_, seed) =>
    runScenario({ scenario: rehearsed, policy, load: rate, thetaStar: 1, seed, limits }),
  )
}

/**
 * Holds the mean over ten seeds against what it should be: it is within 4.78 standard errors, estimated from the ten,
 * with 99.9 % (Student's t, nine degrees of freedom). The estimate must be worth something: 3 % of the mean or less.
 */
function isAbout(found: readonly RunResult[], of: (result: RunResult) => number, expected: number): void {
  const values = found.map(of)
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1)
  const error = Math.sqrt(variance / values.length)
  assert.ok(error <= 0.03 * mean, `the standard error ${error} of ${mean} is too large to say anything`)
  assert.ok(Math.abs(mean - expected) <= 4.78 * error + 1e-9, `${mean} is not ${expected} (± ${error})`)
}

const meanSeconds = (result: RunResult): number => result.mean / 1_000

test("one sharing backend: the mean time is E[S] / (1 − ρ), the utilization is ρ, whatever the distribution of sizes", () => {
  const sizes = [
    { kind: "exponential", mean: 1 },
    { kind: "constant", mean: 1 },
    { kind: "uniform", min: 0, max: 2 },
    { kind: "bimodal", small: 0.5, large: 5.5, often: 0.1 },
    { kind: "lognormal", mean: 1, cv: 2 },
  ] as const
  for (const size of sizes) {
    const found = runs(scenario({ classes: [kind([], { demand: { r0: size } })] }), 0.6)
    isAbout(found, meanSeconds, 1 / (1 - 0.6))
    isAbout(found, ({ utilization }) => utilization["r0"]!, 0.6)
  }
})

test("one sharing backend: the slowdown is the same for small and large requests, 1 / (1 − ρ)", () => {
  const classes = [
    kind([], { name: "small", share: 0.9, demand: { r0: { kind: "constant", mean: 0.5 } } }),
    kind([], { name: "large", share: 0.1, demand: { r0: { kind: "constant", mean: 5.5 } } }),
  ]
  const found = runs(scenario({ classes }), 0.5)
  isAbout(found, ({ slowdown }) => slowdown, 2)
  isAbout(found, ({ classes }) => classes[0]!.mean / 1_000, 1)
  isAbout(found, ({ classes }) => classes[1]!.mean / 1_000, 11)
})

/** Erlang's C: the part that has to wait of Poisson arrivals at `offered` work per second before `servers`. */
function erlangC(servers: number, offered: number): number {
  // The blocking of Erlang's B by its recursion, then C from B.
  let blocking = 1
  for (let n = 1; n <= servers; n++) blocking = (offered * blocking) / (n + offered * blocking)
  return blocking / (1 - (offered / servers) * (1 - blocking))
}

test("first come, first served at one speed a lane is M/M/c", () => {
  const four = scenario({ backends: [group({ capacity: { r0: 4 }, lane: { r0: 1 }, discipline: "fifo" })] })
  isAbout(runs(four, 3.2), meanSeconds, 1 + erlangC(4, 3.2) / (4 - 3.2))
})

test("one at a time is M/G/1: the wait is what Pollaczek and Khinchine say", () => {
  const size = { kind: "uniform", min: 0, max: 2 } as const
  const one = scenario({
    backends: [group({ capacity: { r0: 1 }, lane: { r0: 1 }, discipline: "fifo" })],
    classes: [kind([], { demand: { r0: size } })],
  })
  // Wait λE[S²] / 2(1 − ρ), E[S²] = 4/3.
  isAbout(runs(one, 0.6), meanSeconds, 1 + (0.6 * (4 / 3)) / (2 * 0.4))
})

test("two stations one after the other: the times of both add up (Burke)", () => {
  const tandem = scenario({
    resources: resourcesOf("rate", "rate"),
    backends: [group({ capacity: { r0: 2, r1: 1 } })],
    classes: [kind([1, 1])],
  })
  isAbout(runs(tandem, 0.6), meanSeconds, 1 / (2 - 0.6) + 1 / (1 - 0.6))
  isAbout(runs(tandem, 0.6), ({ utilization }) => utilization["r0"]!, 0.3)
})

const slots = resourcesOf("space")
const oneSlotEach = { demand: { r0: { kind: "constant", mean: 1 } }, holdMs: exponentialOf(1_000) } as const
const patient = { queueMs: 1e12, queueMax: 1e6 }

test("room for four that is waited for at the balancer is M/M/4, and the part held is ρ", () => {
  const four = scenario({
    resources: slots,
    backends: [group({ capacity: { r0: 4 } })],
    classes: [kind([], oneSlotEach)],
  })
  const found = runs(four, 3.2, roundRobin, patient)
  isAbout(found, meanSeconds, 1 + erlangC(4, 3.2) / (4 - 3.2))
  isAbout(found, ({ queued, requests }) => queued / requests, erlangC(4, 3.2))
  isAbout(found, ({ utilization }) => utilization["r0"]!, 0.8)
})

test("room that several balancers each think their own is waited for at the backend, and is M/M/4 again", () => {
  const four = scenario({
    resources: slots,
    backends: [group({ capacity: { r0: 4 } })],
    classes: [kind([], oneSlotEach)],
    balancers: 16,
  })
  isAbout(runs(four, 3.2, roundRobin, patient), meanSeconds, 1 + erlangC(4, 3.2) / (4 - 3.2))
})

test("holding needs nothing but time: with room for all it is M/G/∞", () => {
  const many = scenario({
    resources: slots,
    backends: [group({ capacity: { r0: 1_000 } })],
    classes: [kind([], { ...oneSlotEach, holdMs: { kind: "lognormal", mean: 2_000, cv: 1 } })],
  })
  const found = runs(many, 100)
  isAbout(found, meanSeconds, 2)
  isAbout(found, ({ utilization }) => utilization["r0"]!, 0.2)
})

test("a hundred backends: random is M/M/1, two choices are Mitzenmacher's, the shortest queue is better yet", () => {
  const hundred = scenario({
    backends: [group({ count: 100, capacity: { r0: 1 } })],
    warmUp: 0.2,
    requests: 60_000,
  })
  isAbout(runs(hundred, 60, atRandom), meanSeconds, 2.5)
  // With infinitely many backends Σ λ^(2^i − 2) = 2.614; a hundred are worse by something of order 1/n, and chance makes
  // about 1 % of one run.
  const two = runs(hundred, 90, betterOfTwo, {}, 3).map(meanSeconds)
  for (const mean of two) assert.ok(mean > 2.5 && mean < 2.75, `better of two: ${mean}`)
  const shortest = runs(hundred, 90, shortestQueue, {}, 3).map(meanSeconds)
  for (const [i, mean] of shortest.entries()) assert.ok(mean < two[i]! && mean > 1, `shortest queue: ${mean}`)
})
