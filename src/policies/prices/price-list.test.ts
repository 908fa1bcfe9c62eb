import assert from "node:assert/strict"
import { test } from "node:test"
import * as fc from "fast-check"
import type { Knowledge, RouteKnowledge } from "../../core/knowledge.ts"
import { nothingKnown } from "../../core/knowledge.ts"
import { resolutionDefault, type ResourceTable } from "../../core/resources.ts"
import { seeded } from "../../core/rng.ts"
import { fleet, request, resourcesOf, type FakeBackend, type Traits } from "../../../test/support/backends.ts"
import { PriceList } from "./price-list.ts"

function listOf(
  resources: ResourceTable,
  members: readonly FakeBackend[],
  known: Partial<Knowledge> = {},
): PriceList {
  const list = new PriceList(resources, seeded(1))
  list.rebuild(members)
  list.learn({ ...nothingKnown, ...known })
  return list
}

/** What this demand costs at each member. */
function pricesOf(list: PriceList, count: number, demand: readonly number[]): number[] {
  list.ask(request(demand))
  return Array.from({ length: count }, (_, index) => list.of(index))
}

function price(resources: ResourceTable, traits: Traits, demand: readonly number[]): number {
  return pricesOf(listOf(resources, fleet(traits)), 1, demand)[0]!
}

const route = (holdMs?: number): RouteKnowledge => ({
  name: "",
  mean: Float64Array.of(1, 1),
  rate: 1,
  isLearned: true,
  holdMs,
})

test("a rate is priced by its backlog half way through the placing, over the fleet's mean capacity", () => {
  // 4 / 8 · (10 + 2) / 8
  assert.equal(price(resourcesOf("rate"), { capacity: [8], reserved: [10] }, [4]), 0.75)
  // A second backend of 24 makes the mean 16.
  const two = fleet({ capacity: [8], reserved: [10] }, { capacity: [24], reserved: [10] })
  assert.deepEqual(pricesOf(listOf(resourcesOf("rate"), two), 2, [4]), [0.375, 0.125])
})

test("a space is priced by the fraction held over the fraction free", () => {
  // The fraction is (4 + 2) / 8 = 3/4, so 4 / 8 · (3/4) / (1/4).
  assert.equal(price(resourcesOf("space"), { capacity: [8], reserved: [4] }, [4]), 1.5)
})

test("a space is Infinity from full on", () => {
  assert.equal(price(resourcesOf("space"), { capacity: [8], reserved: [6] }, [4]), Infinity)
  assert.equal(price(resourcesOf("space"), { capacity: [8], reserved: [60] }, [4]), Infinity)
})

test("the price of a request is the sum over what it needs", () => {
  // 2/4 · (3 + 1) / 4 = 1/2, then 4/16 · 1/4 · 4/3 = 1/12 for the quarter held, and 1/10 · 0.5 / 10.
  const traits = { capacity: [4, 16, 10], reserved: [3, 2, 0] }
  const found = price(resourcesOf("rate", "space", "rate"), traits, [2, 4, 1])
  assert.ok(Math.abs(found - (1 / 2 + 1 / 12 + 0.005)) < 1e-12, String(found))
})

test("what a backend lacks costs Infinity when it is needed and nothing when it is not", () => {
  for (const kind of ["rate", "space"] as const) {
    const resources = resourcesOf(kind, "rate")
    const two = fleet({ capacity: [0, 10] }, { capacity: [10, 10] })
    assert.equal(pricesOf(listOf(resources, two), 2, [1, 1])[0], Infinity)
    assert.ok(Math.abs(pricesOf(listOf(resources, two), 2, [0, 2])[0]! - 0.02) < 1e-12)
    assert.equal(price(resources, { capacity: [0, 10] }, [1, 1]), Infinity, "also when no member has any")
  }
})

test("a rate's utilization stands beside the fraction of a space: work in flight over what is done in the time that requests take", () => {
  // Requests take 8 s. The rate does 80 in that and has 40 in flight, the space has half of its 8 held.
  const members = fleet({ capacity: [10, 8], reserved: [40, 4] })
  const list = listOf(resourcesOf("rate", "space"), members, { routes: [route(8_000)] })
  const little = 2 ** -20
  const [work] = pricesOf(list, 1, [80 * little, 0])
  const [room] = pricesOf(list, 1, [0, 8 * little])
  assert.ok(Math.abs(work! / little - 0.5) < 1e-4 && Math.abs(room! / little - 1) < 1e-4, `${work}, ${room}`)
})

test("until it is known how long requests take a rate counts by the second, and with one sort of resource it has no say", () => {
  const members = fleet({ capacity: [10, 8], reserved: [3, 4] })
  for (const [kinds, same] of [
    [["rate", "space"], false],
    [["rate", "rate"], true],
    [["space", "space"], true],
  ] as const) {
    const unknown = pricesOf(listOf(resourcesOf(...kinds), members), 1, [1, 1])
    const ask = (holdMs: number): number[] =>
      pricesOf(listOf(resourcesOf(...kinds), members, { routes: [route(), route(holdMs)] }), 1, [1, 1])
    assert.deepEqual(ask(1_000), unknown)
    assert.equal(ask(9_000)[0] === unknown[0], same)
  }
})

test("a space counts for as long as requests of the route hold it", () => {
  const members = fleet({ capacity: [10, 10], reserved: [0, 4] })
  const routes = [route(), route(1_000), { ...route(9_000), rate: 3 }]
  const list = listOf(resourcesOf("rate", "space"), members, { routes })
  // The mean over four requests is 7 s. Half way through the placing half is held: 2/10 · 1, times 1/7, 9/7 and 1.
  for (const [asked, expected] of [0.2, 0.2 / 7, 1.8 / 7, 0.2].entries()) {
    list.ask(request([0, 2], undefined, undefined, { route: asked }))
    assert.ok(Math.abs(list.of(0) - expected) < 1e-12, `route ${asked}: ${list.of(0)}`)
  }
})

test("a space counts for longer where the request's work takes longer", () => {
  const members = fleet({ capacity: [10, 10] }, { capacity: [2, 10] })
  const list = listOf(resourcesOf("rate", "space"), members, { routes: [route(1_000)] })
  // Both idle. Work of 5 is half a second on the one and two and a half on the other, of what takes 1 s in the mean.
  const [fast, slow] = pricesOf(list, 2, [5, 2])
  const [fastWork, slowWork] = pricesOf(list, 2, [5, 0])
  const room = 0.2 * (0.1 / 0.9)
  assert.ok(Math.abs(fast! - fastWork! - room) < 1e-12, `${fast}, ${fastWork}`)
  assert.ok(Math.abs(slow! - slowWork! - 3 * room) < 1e-12, `${slow}, ${slowWork}`)
})

test("a price is that of the formula in docs/choosing.md, but for a factor that is the same for all", () => {
  const capacities = [
    [8, 6],
    [2, 9],
    [5, 3],
  ]
  const reserved = [
    [3, 2],
    [1, 4],
    [0, 1],
  ]
  const [T, routeSeconds] = [(1 + 3 * 4) / 4, 4]
  const [work, room] = [2, 1] as const
  // By that page: what rates and spaces have on average, and how long the space is held, longer where work is slow.
  const mean = (r: number): number => capacities.reduce((sum, all) => sum + all[r]!, 0) / 3
  const formula = capacities.map((all, i) => {
    const busy = (reserved[i]![0]! + work / 2) / (T * all[0]!)
    const held = (reserved[i]![1]! + room / 2) / all[1]!
    const t = routeSeconds + work / all[0]! - work / 8
    return (work / mean(0)) * busy + ((room / mean(1)) * t * held) / (1 - held)
  })
  const members = fleet(...capacities.map((capacity, i) => ({ capacity, reserved: reserved[i]! })))
  const routes = [route(1_000), { ...route(4_000), rate: 3 }]
  const list = listOf(resourcesOf("rate", "space"), members, { routes })
  list.ask(request([work, room], undefined, undefined, { route: 1 }))
  for (const [i, expected] of formula.entries()) {
    assert.ok(Math.abs(list.of(i) * T - expected) < 1e-12, `${list.of(i)} · ${T} is not ${expected}`)
  }
})

test("an idle backend that fails fast is dearer than a loaded one that does not", () => {
  // Each other backend has a second of backlog. One failure in two is a penalty of 2: as dear as the mean of the fleet.
  const traits = Array.from({ length: 20 }, () => ({ capacity: [8, 8], reserved: [8, 8] }))
  const members = fleet({ id: "failing", capacity: [8, 8] }, ...traits)
  for (const resources of [resourcesOf("rate", "rate"), resourcesOf("rate", "space")]) {
    const penalties = new Map([[members[0]!.id, 2.2]])
    const fair = pricesOf(listOf(resourcesOf("rate", "rate"), members), 21, [0.25, 0.25])
    assert.ok(fair[0]! < fair[1]! / 10)
    const known = pricesOf(listOf(resources, members, { penalties }), 21, [0.25, 0.25])
    assert.ok(known[0]! > fair[1]!, `${known[0]} is not above ${fair[1]}`)
  }
})

test("a penalty follows the load of the fleet when it is refreshed", () => {
  const members = fleet({ capacity: [8, 8] }, { capacity: [8, 8] })
  const list = listOf(resourcesOf("rate", "rate"), members, { penalties: new Map([[members[0]!.id, 3]]) })
  const [before] = pricesOf(list, 2, [1, 1])
  members[1]!.load.hold(Float64Array.of(80, 80))
  assert.equal(pricesOf(list, 2, [1, 1])[0], before)
  list.refresh()
  // The other has 80 of 8, ten seconds; two more times what the request costs there: 2 · 2/8 · 10.
  assert.ok(Math.abs(pricesOf(list, 2, [1, 1])[0]! - before! - 5) < 1e-12)
})

// Amounts as the load table has them: whole multiples of its resolution.
const amount = fc.oneof(fc.constant(0), fc.nat(2 ** 30)).map((units) => units * resolutionDefault)

test("a price is a number from 0 to Infinity, never NaN, and never falls when load is added", () => {
  const amounts = fc.array(amount, { minLength: 3, maxLength: 3 })
  const tables = fc.constantFrom(resourcesOf("rate", "space", "rate"), resourcesOf("rate", "rate"))
  fc.assert(
    fc.property(
      tables,
      amounts,
      amounts,
      amounts,
      amounts,
      (resources, capacity, reserved, demand, added) => {
        const [target] = fleet({ capacity, reserved })
        const list = listOf(resources, [target!])
        const [before] = pricesOf(list, 1, demand)
        target!.load.hold(Float64Array.from(added))
        assert.ok(before! >= 0 && pricesOf(list, 1, demand)[0]! >= before!)
      },
    ),
    { seed: 1, numRuns: 2_000 },
  )
})

test("a request that needs nothing costs the attempts in flight per weight: zeros that were learned are no blindness", () => {
  const members = fleet(
    { capacity: [4, 4], reserved: [9, 9], inFlight: 3 },
    { capacity: [4, 4], inFlight: 8, weight: 2 },
  )
  const list = listOf(resourcesOf("rate", "rate"), members)
  assert.deepEqual(pricesOf(list, 2, [0, 0]), [3, 4])
  for (let i = 0; i < 20; i++) assert.equal(list.cheapest(request([0, 0])), members[0])
})
