import assert from "node:assert/strict"
import { test } from "node:test"
import * as fc from "fast-check"
import { backend, fleet, ofCapacity, request, resourcesOf } from "../../test/support/backends.ts"
import type { Backend } from "../core/backend.ts"
import type { ResourceTable } from "../core/resources.ts"
import { seeded } from "../core/rng.ts"
import { resourcePrice } from "./load-metrics.ts"
import { price } from "./price.ts"
import type { Policy } from "./policy.ts"

function priceOf(resources: ResourceTable, members: readonly Backend[], seed = 1): Policy {
  const policy = price({ rng: seeded(seed), resources, parameters: {} })
  policy.rebuild(members)
  return policy
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
  assert.ok(policy.pick(request([5])), "full, and yet admitted: somebody has to be picked")
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
    fc.property(kinds, shuffled, amounts, (resources, [list, order], demand) => {
      const asked = request(demand)
      const priced = (one: Backend): number => resourcePrice(resources)(one, asked)
      const least = Math.min(...list.map((one) => priced(backend(one))))
      for (const each of [list, order]) {
        assert.equal(priced(priceOf(resources, fleet(...each)).pick(asked)!), least)
      }
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
      const winner = priceOf(resources, all).pick(asked)!
      const least = resourcePrice(resources)(winner, asked)
      const losers = all.filter((one) => resourcePrice(resources)(one, asked) > least)
      for (const loser of losers) loser.load.hold(Float64Array.of(1, 1))
      const again = priceOf(resources, all).pick(asked)!
      assert.ok(!losers.some((loser) => loser === again))
    }),
    often,
  )
})
