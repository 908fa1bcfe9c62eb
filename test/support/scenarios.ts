// Small scenarios for tests of the simulator, said in a line.
import type { ResourceTable } from "../../src/core/resources.ts"
import type { BackendGroup, Distribution, RequestClass, Scenario } from "../../src/sim/scenario/scenario.ts"
import { resourcesOf } from "./backends.ts"

export const oneRate: ResourceTable = resourcesOf("rate")

/** Backends with 1 of each of two rates, no lane, all there from the start. */
export function group(more: Partial<BackendGroup> = {}): BackendGroup {
  return {
    name: "b",
    count: 1,
    capacity: { r0: 1, r1: 1 },
    actual: undefined,
    weight: 1,
    zone: undefined,
    tier: 0,
    discipline: "sharing",
    lane: {},
    joinsAtMs: 0,
    leavesAtMs: undefined,
    ...more,
  }
}

/** Requests with exponential demands of these means, one per resource. */
export function kind(means: readonly number[], more: Partial<RequestClass> = {}): RequestClass {
  const demand = Object.fromEntries(means.map((mean, r) => [`r${r}`, exponentialOf(mean)]))
  return {
    name: "a",
    share: 1,
    demand,
    holdMs: undefined,
    declaredError: 0,
    declaredBias: 1,
    ...more,
  }
}

export function exponentialOf(mean: number): Distribution {
  return { kind: "exponential", mean }
}

/** One backend, one rate, one class, known demand, Poisson arrivals, nothing that goes wrong. */
export function scenario(more: Partial<Scenario> = {}): Scenario {
  return {
    name: "test",
    summary: "",
    resources: oneRate,
    backends: [group({ capacity: { r0: 1 } })],
    classes: [kind([1])],
    arrivals: { kind: "poisson" },
    faults: [],
    balancers: 1,
    knowledge: { demand: "known", reports: "none", reportEveryMs: 1_000, reportDelayMs: 0 },
    requests: 20_000,
    warmUp: 0.1,
    loads: [0.5],
    ...more,
  }
}

const lanes = { r0: 1, r1: 1 }

/** Three types of backend and three classes, two rates: the class-blind ceiling is 4/7 of θ*. */
export const threeTypes: Scenario = scenario({
  name: "three-types",
  resources: resourcesOf("rate", "rate"),
  backends: [
    group({ name: "compute", count: 10, capacity: { r0: 8, r1: 2 }, lane: lanes }),
    group({ name: "middle", count: 10, capacity: { r0: 4, r1: 4 }, lane: lanes }),
    group({ name: "storage", count: 10, capacity: { r0: 2, r1: 8 }, lane: lanes }),
  ],
  classes: [
    kind([1, 0.1], { name: "computing", share: 0.4 }),
    kind([0.1, 1], { name: "storing", share: 0.4 }),
    kind([0.5, 0.5], { name: "both", share: 0.2 }),
  ],
  requests: 100_000,
  warmUp: 0.25,
})

/**
 * θ* of `threeTypes`, requests per second. Every request needs 0.54 of each rate on average and the fleet has 140 of
 * each, so no more than 140 / 0.54 can be carried. That can be: with the first class on the compute backends, the
 * second on the storage backends and the rest in between, the linear program reaches it.
 */
export const threeTypesThetaStar = 140 / 0.54
