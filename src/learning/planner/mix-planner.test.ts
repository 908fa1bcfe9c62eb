import assert from "node:assert/strict"
import { test } from "node:test"
import type { Mix, RouteKnowledge } from "../../core/knowledge.ts"
import type { ResourceTable } from "../../core/resources.ts"
import { fleet, ofCapacity, resourcesOf, type FakeBackend } from "../../../test/support/backends.ts"
import { solveFluid } from "../../sim/fluid-program.ts"
import { MixPlanner } from "./mix-planner.ts"

const rates = resourcesOf("rate", "rate")

function route(name: string, mean: readonly number[], more: Partial<RouteKnowledge> = {}): RouteKnowledge {
  return { name, mean: Float64Array.from(mean), rate: 1, isLearned: true, ...more }
}

const routes = [route("compute", [1, 0.1]), route("storage", [0.1, 1])]

function plan(
  members: readonly FakeBackend[],
  known: readonly RouteKnowledge[] = routes,
  resources: ResourceTable = rates,
): Mix {
  return new MixPlanner(resources).plan(members, known)!
}

/** The share of a route's requests that a member gets. */
function share(mix: Mix, row: number, member: number): number {
  return mix.shares[row * mix.backends.length + member]!
}

function sumsToOne({ backends, shares }: Mix): void {
  for (let row = 0; row * backends.length < shares.length; row++) {
    const sum = shares.subarray(row * backends.length, (row + 1) * backends.length).reduce((a, b) => a + b, 0)
    assert.ok(Math.abs(sum - 1) < 1e-9, `row ${row} sums to ${sum}`)
  }
}

test("routes go to the backends of their shape, by size", () => {
  const mix = plan(ofCapacity([8, 2], [2, 8], [4, 1]))
  assert.deepEqual(mix.backends, ["a", "b", "c"])
  sumsToOne(mix)
  assert.ok(share(mix, 0, 1) < 0.1 && share(mix, 1, 1) > 0.75, mix.shares.join(", "))
  assert.ok(Math.abs(share(mix, 0, 0) / share(mix, 0, 2) - 2) < 1e-9)
})

test("the first plan for three types of backend is within 1 % of the bound by linear program", async () => {
  const types = [
    [8, 2],
    [4, 4],
    [2, 8],
  ]
  const members = ofCapacity(...Array.from({ length: 30 }, (_, i) => types[i % 3]!))
  const known = [
    route("compute", [1, 0.1], { rate: 40 }),
    route("storage", [0.1, 1], { rate: 40 }),
    route("both", [0.5, 0.5], { rate: 20 }),
  ]
  const { thetaStar } = await solveFluid({
    names: known.map(({ name }) => name),
    parts: [0.4, 0.4, 0.2],
    counts: [10, 10, 10],
    capacity: types,
    use: known.map(({ mean }) => types.map(() => Array.from(mean))),
  })
  const mix = plan(members, known)
  let worst = 0
  for (const [j, { capacity }] of members.entries()) {
    for (let r = 0; r < 2; r++) {
      const work = known.reduce((sum, { rate, mean }, c) => sum + rate * share(mix, c, j) * mean[r]!, 0)
      worst = Math.max(worst, work / capacity[r]!)
    }
  }
  assert.ok(100 / worst >= 0.99 * thetaStar, `${100 / worst} of ${thetaStar}`)
})

test("nothing is planned without backends, without routes, or while nothing is learned", () => {
  const planner = new MixPlanner(rates)
  assert.equal(planner.plan([], routes), undefined)
  assert.equal(planner.plan(ofCapacity([1, 1]), []), undefined)
  assert.equal(planner.plan(ofCapacity([1, 1]), [route("", [1, 1], { isLearned: false })]), undefined)
})

test("the next plan begins where the last ended, whatever joined, left or moved", () => {
  // Where the last plan is as good as the present asks for, it is kept. A planner that forgot, or took one backend or
  // route for another, would give other shares.
  const members = ofCapacity([8, 2], [2, 8], [4, 4], [8, 2])
  const planner = new MixPlanner(rates)
  const first = planner.plan(members, routes)!
  const moved = planner.plan([members[2]!, members[0]!, members[1]!, members[3]!], routes.toReversed())!
  for (const [was, is] of [2, 0, 1, 3].entries()) {
    for (const row of [0, 1]) {
      assert.ok(Math.abs(share(moved, 1 - row, was) - share(first, row, is)) < 1e-9)
    }
  }
  const [newcomer] = fleet({ id: "new", capacity: [8, 2] })
  const grown = planner.plan([...members, newcomer!], [...routes, route("other", [1, 1], { rate: 0 })])!
  sumsToOne(grown)
  assert.ok(Math.abs(share(grown, 0, 4) - share(grown, 0, 0)) < 1e-9, "a newcomer gets what its like get")
  const shrunk = planner.plan(members.slice(0, 2), routes)!
  sumsToOne(shrunk)
  assert.ok(share(shrunk, 0, 0) > 0.8)
})

test("a failing backend gets less in proportion", () => {
  const [a, b] = ofCapacity([4, 4], [4, 4])
  const mix = new MixPlanner(rates).plan([a!, { ...b!, penalty: 4 }], routes)!
  for (const row of [0, 1]) assert.ok(Math.abs(share(mix, row, 1) - 0.2) < 1e-6, mix.shares.join(", "))
})

test("space counts for as long as it is held", () => {
  // Both routes hold as much, but the first for ten times as long: of the space 10 parts in 11 are its. The other
  // backend's space is small; what needs it little has to go there.
  const resources = resourcesOf("rate", "space")
  const members = ofCapacity([10, 110], [10, 11])
  const known = [route("long", [1, 1], { holdMs: 10_000 }), route("short", [1, 1], { holdMs: 1_000 })]
  const mix = plan(members, known, resources)
  assert.ok(share(mix, 0, 0) > 0.85, mix.shares.join(", "))
  assert.ok(share(mix, 1, 1) > 0.6, mix.shares.join(", "))
})

test("without times held, the scarcest space is as scarce as the scarcest rate, in whatever units", () => {
  const known = [route("work", [1, 0.1]), route("room", [0.1, 1])]
  const members = ofCapacity([8, 2], [2, 8])
  const kinds = resourcesOf("rate", "space")
  const asIs = plan(members, known, kinds)
  assert.ok(share(asIs, 0, 0) > 0.85 && share(asIs, 1, 1) > 0.85, asIs.shares.join(", "))
  // Powers of two, so that nothing is rounded.
  const inBytes = plan(
    ofCapacity([8, 2 * 2 ** 20], [2, 8 * 2 ** 20]),
    [route("work", [1, 0.1 * 2 ** 20]), route("room", [0.1, 2 ** 20])],
    kinds,
  )
  for (const [i, each] of inBytes.shares.entries()) assert.ok(Math.abs(each - asIs.shares[i]!) < 1e-9)
})

test("amounts that are none do no harm", () => {
  const mix = plan(ofCapacity([1, 1], [1, 1]), [
    route("odd", [NaN, Infinity], { rate: NaN }),
    route("even", [1, 1]),
  ])
  sumsToOne(mix)
})
