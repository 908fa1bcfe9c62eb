// Through the policy that uses it: what is too dear shows in what is picked, and in what waits.
import assert from "node:assert/strict"
import { test } from "node:test"
import { fleet, request, resourcesOf, type FakeBackend, type Traits } from "../../../test/support/backends.ts"
import type { Backend } from "../../core/backend.ts"
import { nothingKnown, type Knowledge, type RouteKnowledge } from "../../core/knowledge.ts"
import type { ResourceTable } from "../../core/resources.ts"
import { seeded } from "../../core/rng.ts"
import type { PickRequest } from "../policy.ts"
import { PriceList } from "./price-list.ts"
import { Price } from "./price.ts"

const mixed = resourcesOf("rate", "space")

/** Prompts need much work and hold little for a second; talks need little and hold for ten. */
const prompts = 1
const talks = 2
const routes: readonly RouteKnowledge[] = [
  { name: "", mean: Float64Array.of(1, 1), rate: 0, isLearned: false },
  { name: "prompts", mean: Float64Array.of(4, 2), rate: 10, isLearned: true, holdMs: 1_500, answerMs: 1_000 },
  {
    name: "talks",
    mean: Float64Array.of(0.4, 2),
    rate: 2,
    isLearned: true,
    holdMs: 10_050,
    answerMs: 10_000,
  },
]

/** One with fast work, and one with a tenth of that and as much space. */
const fast: Traits = { id: "fast", capacity: [40, 100] }
const slow: Traits = { id: "slow", capacity: [4, 100] }

function policyOf(
  members: readonly Backend[],
  known: Partial<Knowledge> = {},
  resources: ResourceTable = mixed,
): Price {
  const policy = new Price({ rng: seeded(1), resources, parameters: {} })
  policy.rebuild(members)
  policy.learn({ ...nothingKnown, routes, ...known })
  return policy
}

/** A request that admits those with room for it, but for the refused. */
function asking(route: number, refuses: readonly string[] = []): PickRequest {
  const { mean } = routes[route]!
  const admits = ({ id, load, capacity }: Backend): boolean =>
    load.reserved(1) + mean[1]! <= capacity[1]! && !refuses.includes(id)
  return request([...mean], admits, undefined, { route })
}

const full = (traits: Traits): Traits => ({ ...traits, reserved: [0, 99] })

test("a request waits for room where it is in place rather than take room where it is far dearer", () => {
  const policy = policyOf(fleet(full(fast), { ...slow, reserved: [10, 90] }))
  assert.equal(policy.pick(asking(prompts)), undefined)
})

test("so it does where a few are drawn and the far dearer one is all that has room", () => {
  const [roomy, taken] = fleet({ ...slow, reserved: [10, 90] }, full(fast))
  const prices = new PriceList(mixed, seeded(1))
  prices.rebuild([roomy!, taken!])
  prices.learn({ ...nothingKnown, routes })
  const both = Int32Array.of(0, 1)
  assert.equal(prices.cheapestOf(asking(prompts), both), undefined)
  assert.equal(prices.cheapestOf(asking(talks), both), roomy)
  // A member that is not drawn is not waited for.
  assert.equal(prices.cheapestOf(asking(prompts), Int32Array.of(0, 0)), roomy)
})

test("a request that is in place there takes that room", () => {
  const members = fleet(full(fast), { ...slow, reserved: [10, 90] })
  assert.equal(policyOf(members).pick(asking(talks)), members[1])
})

test("room that no request uses is not dear", () => {
  const members = fleet(full(fast), { ...slow, reserved: [0, 4] })
  assert.equal(policyOf(members).pick(asking(prompts)), members[1])
})

test("no request waits for a backend that would not be used if it had room", () => {
  // It has been tried, or has refused a connection.
  const idle = fleet(fast, { ...slow, reserved: [10, 90] })
  assert.equal(policyOf(idle).pick(asking(prompts, ["fast"])), idle[1])
  // It is too small for the request.
  const small = fleet({ id: "small", capacity: [40, 1] }, { ...slow, reserved: [10, 90] })
  assert.equal(policyOf(small).pick(asking(prompts)), small[1])
  // It fails.
  const members = fleet(full(fast), { ...slow, reserved: [10, 90] })
  const penalties = new Map([[members[0]!.id, 3]])
  assert.equal(policyOf(members, { penalties }).pick(asking(prompts)), members[1])
})

test("a place that suits no route better is used by all", () => {
  // Work of 20 takes half a second and two and a half. With four others each holds for 2.5 s, of which 2 count as its
  // own and 4 on the slow one. That one is 2.4 times as dear now, and 1.3 times when both are used alike.
  const space = 20
  const only = {
    name: "",
    mean: Float64Array.of(20, space),
    rate: 10,
    isLearned: true,
    holdMs: 2_500,
    answerMs: 0,
  }
  const members = fleet(
    { id: "fast", capacity: [40, 100], reserved: [60, 100] },
    { id: "slow", capacity: [8, 100], reserved: [30, 80] },
  )
  const asked = request([20, space], (one) => one.id === "slow")
  assert.equal(policyOf(members, { routes: [only] }).pick(asked), members[1])
  // A route that is as well off there takes that away.
  const other = { ...only, name: "other", mean: Float64Array.of(0.1, space), answerMs: 2_500 }
  assert.equal(policyOf(members, { routes: [only, other] }).pick(asked), undefined)
  // Not one that has next to no requests, nor one of which nothing is known.
  for (const more of [{ rate: 0.01 }, { isLearned: false }]) {
    assert.equal(policyOf(members, { routes: [only, { ...other, ...more }] }).pick(asked), members[1])
  }
})

test("nothing is too dear while no times are known, and where all resources are of one kind", () => {
  const members = fleet(full(fast), { ...slow, reserved: [10, 90] })
  const unknown = routes.map(({ name, mean, rate, isLearned }) => ({ name, mean, rate, isLearned }))
  assert.equal(policyOf(members, { routes: unknown }).pick(asking(prompts)), members[1])
  for (const kind of ["rate", "space"] as const) {
    assert.equal(policyOf(members, {}, resourcesOf(kind, kind)).pick(asking(prompts)), members[1])
  }
})

test("a request that waits is served as soon as requests end where it is in place", () => {
  const members = fleet(full(fast), { ...slow, reserved: [10, 90] })
  const policy = policyOf(members)
  assert.equal(policy.pick(asking(prompts)), undefined)
  members[0]!.load.hold(Float64Array.of(0, -2))
  assert.equal(policy.pick(asking(prompts)), members[0])
})

test("of those not too dear the cheapest is taken, and ties are broken evenly", () => {
  const members = fleet(
    { id: "fast-1", capacity: [40, 100], reserved: [20, 50] },
    { id: "fast-2", capacity: [40, 100], reserved: [20, 50] },
    { id: "fast-3", capacity: [40, 100], reserved: [20, 60] },
  )
  const policy = policyOf(members)
  const won = members.map(() => 0)
  for (let i = 0; i < 10_000; i++) won[members.indexOf(policy.pick(asking(prompts)) as FakeBackend)]!++
  // 4σ of a binomial with n = 10_000 and p = 1/2 is 200.
  assert.ok(Math.abs(won[0]! - 5_000) <= 200 && won[2] === 0, won.join(", "))
})
