import assert from "node:assert/strict"
import { test } from "node:test"
import type { NamedAmounts, ResourceTable } from "../core/resources.ts"
import { resourcesDefault } from "../core/resources.ts"
import { resourcesOf } from "../../test/support/backends.ts"
import { fluidBounds } from "./fluid.ts"
import { solveFluid } from "./fluid-program.ts"
import type { BackendGroup, RequestClass, Scenario } from "./scenario/scenario.ts"

function group(
  name: string,
  count: number,
  capacity: NamedAmounts,
  more: Partial<BackendGroup> = {},
): BackendGroup {
  return {
    name,
    count,
    capacity,
    actual: undefined,
    weight: 1,
    zone: undefined,
    tier: 0,
    discipline: "sharing",
    lane: { compute: 1, storage: 1, r0: 1, r1: 1 },
    joinsAtMs: 0,
    leavesAtMs: undefined,
    ...more,
  }
}

function requests(name: string, share: number, mean: NamedAmounts, holdMs?: number): RequestClass {
  const demand = Object.fromEntries(
    Object.entries(mean).map(([resource, amount]) => [
      resource,
      { kind: "exponential", mean: amount } as const,
    ]),
  )
  const hold = holdMs === undefined ? undefined : ({ kind: "constant", mean: holdMs } as const)
  return { name, share, demand, holdMs: hold, declaredError: 0, declaredBias: 1 }
}

function scenario(
  backends: readonly BackendGroup[],
  classes: readonly RequestClass[],
  resources: ResourceTable = resourcesDefault,
): Scenario {
  return {
    name: "test",
    summary: "",
    resources,
    backends,
    classes,
    arrivals: { kind: "poisson" },
    faults: [],
    balancers: 1,
    knowledge: { demand: "known", reports: "costs", reportEveryMs: 1_000, reportDelayMs: 0 },
    requests: 1,
    warmUp: 0,
    loads: [],
  }
}

const of = (compute: number, storage: number): NamedAmounts => ({ compute, storage })

// The four fleets and mixes of the field notes.
const thirds = [
  requests("c", 0.4, of(1, 0.1)),
  requests("s", 0.4, of(0.1, 1)),
  requests("b", 0.2, of(0.5, 0.5)),
]
const fleets = {
  "three types": scenario(
    [group("c", 10, of(8, 2)), group("b", 10, of(4, 4)), group("s", 10, of(2, 8))],
    thirds,
  ),
  mild: scenario(
    [group("c", 10, of(8, 4)), group("b", 10, of(6, 6)), group("s", 10, of(4, 8))],
    [requests("c", 0.35, of(0.8, 0.2)), requests("s", 0.35, of(0.2, 0.8)), requests("b", 0.3, of(0.5, 0.5))],
  ),
  equal: scenario([group("a", 30, of(6, 6))], thirds),
  skewed: scenario(
    [group("c", 6, of(16, 2)), group("b", 12, of(4, 4)), group("s", 12, of(2, 6))],
    [requests("c", 0.15, of(3, 0.1)), requests("s", 0.6, of(0.1, 0.5)), requests("b", 0.25, of(0.4, 0.4))],
  ),
} as const

const near = (actual: number, expected: number, tolerance: number, what: string): void =>
  assert.ok(Math.abs(actual - expected) <= tolerance, `${what}: ${actual}, not ${expected}`)

test("the ceilings of policies that do not see the kind of a request are as known for the four fleets", async () => {
  for (const [name, ceiling] of [
    ["three types", 0.57],
    ["mild", 0.78],
    ["equal", 1],
    ["skewed", 0.53],
  ] as const) {
    near((await fluidBounds(fleets[name])).classBlindCeiling, ceiling, 0.005, name)
  }
})

test("equal turns are bound by the smallest backend for the mix", async () => {
  // Of the mix a request needs 0.54 of either; the smallest backends have 2 of one: 30 · 2 / 0.54 per second.
  const { thetaStar, roundRobinCeiling } = await fluidBounds(fleets["three types"])
  near(roundRobinCeiling * thetaStar, 60 / 0.54, 1e-6, "three types")
  near((await fluidBounds(fleets.equal)).roundRobinCeiling, 1, 1e-9, "equal")
})

test("θ* of equal backends is the pool's: what there is over what a request needs", async () => {
  near((await fluidBounds(fleets.equal)).thetaStar, 180 / 0.54, 1e-6, "equal")
})

test("rows sum to 1, no group is overloaded at θ*, and the prices pay for exactly θ*", async () => {
  // Strong duality: Σ price · capacity is θ*, and no class finds a cheaper group than those it uses.
  for (const [name, one] of Object.entries(fleets)) {
    const { thetaStar, shares, prices } = await fluidBounds(one)
    for (const row of shares)
      near(
        row.reduce((a, b) => a + b, 0),
        1,
        1e-9,
        `${name}, a row`,
      )
    for (const [g, { count, capacity }] of one.backends.entries()) {
      for (const resource of ["compute", "storage"]) {
        const work = one.classes.reduce((sum, { share, demand }, c) => {
          const { mean } = demand[resource] as { readonly mean: number }
          return sum + thetaStar * share * shares[c]![g]! * mean
        }, 0)
        assert.ok(work <= count * capacity[resource]! * (1 + 1e-9), `${name}: ${resource} of group ${g}`)
      }
    }
    const worth = one.backends.reduce(
      (sum, { count, capacity }, g) =>
        sum +
        count *
          (capacity["compute"]! * prices[g]!["compute"]! + capacity["storage"]! * prices[g]!["storage"]!),
      0,
    )
    near(worth, thetaStar, thetaStar * 1e-8, name)
  }
})

test("a price is what one more unit of capacity adds", async () => {
  const { prices, thetaStar } = await fluidBounds(fleets["three types"])
  const [, ...others] = fleets["three types"].backends
  const grown = await fluidBounds(scenario([group("c", 10, of(8, 2.1)), ...others], thirds))
  near(grown.thetaStar - thetaStar, prices[0]!["storage"]!, 1e-6, "one unit of storage more, a tenth each")
})

test("units do not matter: bytes may stand beside CPU seconds", async () => {
  const plain = await fluidBounds(fleets.skewed)
  const inBytes = await fluidBounds(
    scenario(
      fleets.skewed.backends.map(({ name, count, capacity }) =>
        group(name, count, of(capacity["compute"]!, capacity["storage"]! * 1e9)),
      ),
      [
        requests("c", 0.15, of(3, 0.1e9)),
        requests("s", 0.6, of(0.1, 0.5e9)),
        requests("b", 0.25, of(0.4, 0.4e9)),
      ],
    ),
  )
  near(inBytes.thetaStar, plain.thetaStar, plain.thetaStar * 1e-8, "θ*")
})

test("space is held for the work at the speed of a lane, and for the hold", async () => {
  // 1 unit of work at a lane of 0.5 takes 2 s, then 3 s of hold: 5 s with 2 of 20 units held. That is 2 per second; the
  // rate alone would allow 100.
  const resources = resourcesOf("rate", "space")
  const fleet = [group("a", 1, { r0: 100, r1: 20 }, { lane: { r0: 0.5 } })]
  const { thetaStar, prices } = await fluidBounds(
    scenario(fleet, [requests("one", 1, { r0: 1, r1: 2 }, 3_000)], resources),
  )
  near(thetaStar, 2, 1e-9, "θ*")
  near(prices[0]!["r1"]!, 0.1, 1e-9, "price of a unit of space")
  assert.equal(prices[0]!["r0"], 0)
})

test("a group without a resource gets no request that needs it", async () => {
  const fleet = [group("c", 1, of(10, 0)), group("s", 1, of(10, 10))]
  const { thetaStar, shares } = await fluidBounds(
    scenario(fleet, [requests("c", 0.5, of(1, 0)), requests("s", 0.5, of(1, 1))]),
  )
  near(thetaStar, 20, 1e-8, "θ*")
  assert.deepEqual(shares[1], [0, 1])
})

test("a group counts with what it really has", async () => {
  const honest = scenario([group("a", 2, of(5, 5))], thirds)
  const liar = scenario([group("a", 2, of(50, 50), { actual: of(5, 5) })], thirds)
  assert.deepEqual(await fluidBounds(liar), await fluidBounds(honest))
})

test("recorded requests count as recorded", async () => {
  const classes = [requests("small", 0.5, of(9, 9)), requests("large", 0.5, of(9, 9))]
  const played: Scenario = {
    ...scenario([group("a", 1, of(10, 10))], classes),
    arrivals: {
      kind: "trace",
      requests: [
        { atMs: 0, class: 0, demand: [1, 0], holdMs: 0 },
        { atMs: 1, class: 0, demand: [3, 0], holdMs: 0 },
        { atMs: 2, class: 0, demand: [2, 0], holdMs: 0 },
        { atMs: 3, class: 1, demand: [6, 1], holdMs: 0 },
      ],
    },
  }
  // 12 units of compute in 4 requests.
  near((await fluidBounds(played)).thetaStar, 10 / 3, 1e-9, "θ*")
})

test("a class that fits nowhere, and requests that need nothing, are errors that say so", async () => {
  const impossible = scenario([group("c", 1, of(10, 0))], [requests("backup", 1, of(0, 1))])
  await assert.rejects(fluidBounds(impossible), /no backend can serve "backup"/)
  const nothing = scenario([group("c", 1, of(10, 0))], [requests("idle", 1, of(0, 0))])
  await assert.rejects(fluidBounds(nothing), /no bound/)
})

test("a class without requests goes where it is cheapest", async () => {
  const { shares } = await solveFluid({
    names: ["some", "none"],
    parts: [1, 0],
    counts: [1, 1],
    capacity: [
      [1, 9],
      [9, 1],
    ],
    use: [
      [
        [1, 1],
        [1, 1],
      ],
      [
        [1, 0],
        [1, 0],
      ],
    ],
  })
  assert.deepEqual(shares[1], [0, 1])
})
