import assert from "node:assert/strict"
import { test } from "node:test"
import * as fc from "fast-check"
import { fleet, ofCapacity, request, resourcesOf, type FakeBackend } from "../../../test/support/backends.ts"
import type { Backend } from "../../core/backend.ts"
import type { ResourceTable } from "../../core/resources.ts"
import { seeded } from "../../core/rng.ts"
import { nothingKnown } from "../../core/knowledge.ts"
import { Price } from "./price.ts"
import { PriceList } from "./price-list.ts"
import type { PickRequest, Policy } from "../policy.ts"

function priceOf(resources: ResourceTable, members: readonly Backend[], seed = 1): Policy {
  const policy = new Price({ rng: seeded(seed), resources, parameters: {} })
  policy.rebuild(members)
  return policy
}

/** What the request costs at each of them, in order. */
function pricesOf(resources: ResourceTable, members: readonly Backend[], asked: PickRequest): number[] {
  const list = new PriceList(resources, seeded(1))
  list.rebuild(members)
  list.ask(asked)
  return members.map((_, index) => list.of(index))
}

test("each of two kinds of request goes to the server made for it, until both are full", () => {
  // The example of DRFH (Wang, Li, Liang, 2015): ten requests of each kind fill both servers, when all of them
  // go to the right one. Placed first fit the fleet takes six of each.
  for (const kind of ["rate", "space"] as const) {
    const members = ofCapacity([2, 12], [12, 2])
    const policy = priceOf(resourcesOf(kind, kind), members)
    for (let i = 0; i < 10; i++) {
      for (const [server, demand] of [
        [0, [0.2, 1]],
        [1, [1, 0.2]],
      ] as const) {
        assert.equal(policy.pick(request(demand)), members[server], `request ${i} of ${server}, ${kind}`)
        members[server]!.load.hold(Float64Array.from(demand))
      }
    }
  }
})

test("three kinds of capacity get the requests of their shape, with rates kept even", () => {
  // Arrivals in turn keep each shape's own server at the least backlog in what that shape needs.
  const members = ofCapacity([20, 20], [20, 5], [5, 20])
  const policy = priceOf(resourcesOf("rate", "rate"), members)
  const demands = [
    [4, 4],
    [4, 1],
    [1, 4],
  ]
  for (let i = 0; i < 60; i++) {
    const kind = i % 3
    const picked = policy.pick(request(demands[kind]))
    assert.equal(picked, members[kind], `request ${i}`)
    members[kind]!.load.hold(Float64Array.from(demands[kind]!))
  }
})

test("an idle backend of twice the capacity is cheaper", () => {
  const members = ofCapacity([10, 10], [20, 20])
  assert.equal(priceOf(resourcesOf("rate", "rate"), members).pick(request()), members[1])
})

test("a backend without room is picked only when all are without", () => {
  const members = fleet({ capacity: [10], reserved: [10] }, { capacity: [10], reserved: [9] })
  const policy = priceOf(resourcesOf("space"), members)
  assert.equal(policy.pick(request([1])), members[1])
  assert.ok(policy.pick(request([5])), "full, and yet admitted: one has to be picked")
})

const amounts = fc.tuple(fc.integer({ min: 0, max: 50 }), fc.integer({ min: 0, max: 50 }))
const capacities = fc.tuple(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 50 }))
const traits = fc.record({ capacity: capacities, reserved: amounts })
const members = fc.array(traits, { minLength: 1, maxLength: 8 })
const kinds = fc.constantFrom(resourcesOf("rate", "rate"), resourcesOf("rate", "space"))
const often = { seed: 1, numRuns: 500 }

test("the winner has the least price of all, whatever the order of the members", () => {
  const shuffled = members.chain((list) =>
    fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length })),
  )
  fc.assert(
    fc.property(kinds, shuffled, amounts, (resources, orders, demand) => {
      const asked = request(demand)
      for (const order of orders) {
        const all = fleet(...order)
        const prices = pricesOf(resources, all, asked)
        const winner = all.indexOf(priceOf(resources, all).pick(asked) as FakeBackend)
        assert.equal(prices[winner], Math.min(...prices))
      }
    }),
    often,
  )
})

test("the cheapest of those admitted wins, however few are asked", () => {
  const refused = fc.array(fc.boolean(), { minLength: 8, maxLength: 8 })
  fc.assert(
    fc.property(kinds, members, amounts, refused, (resources, list, demand, refuses) => {
      const all = fleet(...list)
      const asked = request(demand, (one) => !refuses[all.indexOf(one as FakeBackend)])
      const prices = pricesOf(resources, all, asked).filter((_, index) => !refuses[index])
      const picked = priceOf(resources, all).pick(asked)
      if (prices.length === 0) assert.equal(picked, undefined)
      else {
        assert.ok(asked.admits(picked!))
        assert.equal(pricesOf(resources, all, asked)[all.indexOf(picked as FakeBackend)], Math.min(...prices))
      }
    }),
    often,
  )
})

test("each of the tied is equally likely, also when all are full", () => {
  // 4σ of a binomial with n = 30_000 and p = 1/3 is 327 picks.
  const asked = request([3])
  for (const reserved of [2, 9]) {
    const all = fleet({ reserved: [reserved] }, { reserved: [reserved] }, { reserved: [reserved] })
    const policy = priceOf(resourcesOf("space"), all)
    const won = all.map(() => 0)
    for (let i = 0; i < 30_000; i++) won[all.indexOf(policy.pick(asked) as FakeBackend)]!++
    for (const each of won) assert.ok(Math.abs(each - 10_000) <= 327, `won ${won.join(", ")}`)
  }
})

test("counting a resource in another unit changes no choice", () => {
  // By powers of two, so that nothing is rounded.
  const factors = fc.tuple(fc.integer({ min: -20, max: 20 }), fc.integer({ min: -20, max: 20 }))
  fc.assert(
    fc.property(kinds, members, amounts, factors, (resources, list, demand, powers) => {
      const scaled = (vector: readonly number[]): number[] => vector.map((each, r) => each * 2 ** powers[r]!)
      const one = priceOf(resources, fleet(...list)).pick(request(demand))
      const inOthers = list.map(({ capacity, reserved }) => ({
        capacity: scaled(capacity),
        reserved: scaled(reserved),
      }))
      assert.equal(priceOf(resources, fleet(...inOthers)).pick(request(scaled(demand)))?.id, one?.id)
    }),
    often,
  )
})

test("counting time in another unit changes no choice", () => {
  // Rates per second become rates per half a second, and what took a second takes a half: the work is the same.
  fc.assert(
    fc.property(members, amounts, (list, demand) => {
      const mixed = resourcesOf("rate", "space")
      const route = { name: "", mean: Float64Array.of(1, 1), rate: 1, isLearned: true }
      const ask = (traits: typeof list, holdMs: number): string | undefined => {
        const policy = priceOf(mixed, fleet(...traits))
        policy.learn?.({ ...nothingKnown, routes: [{ ...route, holdMs }] })
        return policy.pick(request(demand))?.id
      }
      const faster = list.map(({ capacity: [work, room], reserved }) => ({
        capacity: [work * 2, room] as [number, number],
        reserved,
      }))
      assert.equal(ask(faster, 500), ask(list, 1_000))
    }),
    often,
  )
})

test("where the fleet has as much of each resource, it is the plain sum of demand times backlog", () => {
  // Every fleet comes with its mirror image, so that the means of both resources are alike.
  fc.assert(
    fc.property(members, amounts, (list, demand) => {
      const both = [
        ...list,
        ...list.map(({ capacity: [a, b], reserved: [c, d] }) => ({ capacity: [b, a], reserved: [d, c] })),
      ]
      const all = fleet(...both)
      const prices = pricesOf(resourcesOf("rate", "rate"), all, request(demand))
      const plain = all.map(({ capacity, load }) =>
        demand.reduce((sum, d, r) => sum + (d * (load.reserved(r) + d / 2)) / capacity[r]!, 0),
      )
      const mean = all.reduce((sum, { capacity }) => sum + capacity[0]!, 0) / all.length
      for (const [i, each] of plain.entries()) assert.ok(Math.abs(prices[i]! * mean - each) <= 1e-9 * each)
    }),
    often,
  )
})

test("a resource the request does not need has no say", () => {
  const other = fc.array(fc.nat(50), { minLength: 1, maxLength: 8 })
  fc.assert(
    fc.property(kinds, members, other, (resources, list, other) => {
      const elsewhere = list.map(({ capacity, reserved }, i) => ({
        capacity: [capacity[0], other[i % other.length]!],
        reserved: [reserved[0], other[(i + 1) % other.length]!],
      }))
      const asked = request([3, 0])
      const one = priceOf(resources, fleet(...list)).pick(asked)
      assert.equal(priceOf(resources, fleet(...elsewhere)).pick(asked)?.id, one?.id)
    }),
    often,
  )
})

test("rates that are all twice as fast change no choice", () => {
  // Every price is halved, exactly, as 2 is a power of two.
  const rates = resourcesOf("rate", "rate")
  fc.assert(
    fc.property(members, amounts, (list, demand) => {
      const faster = list.map((one) => ({ ...one, capacity: one.capacity.map((amount) => amount * 2) }))
      const one = priceOf(rates, fleet(...list)).pick(request(demand))
      assert.equal(priceOf(rates, fleet(...faster)).pick(request(demand))?.id, one?.id)
    }),
    often,
  )
})

test("more load on one that lost does not make it win", () => {
  fc.assert(
    fc.property(kinds, members, amounts, (resources, list, demand) => {
      const asked = request(demand)
      const all = fleet(...list)
      const prices = pricesOf(resources, all, asked)
      const losers = all.filter((_, index) => prices[index]! > Math.min(...prices))
      for (const loser of losers) loser.load.hold(Float64Array.of(1, 1))
      const again = priceOf(resources, all).pick(asked)!
      assert.ok(!losers.some((loser) => loser === again))
    }),
    often,
  )
})
