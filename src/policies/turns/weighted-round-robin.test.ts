import assert from "node:assert/strict"
import { test } from "node:test"
import * as fc from "fast-check"
import { ofWeight, request } from "../../../test/support/backends.ts"
import type { Backend } from "../../core/backend.ts"
import { WeightedRoundRobin } from "./weighted-round-robin.ts"

function turns(policy: WeightedRoundRobin, count: number, admits?: (backend: Backend) => boolean): string {
  return Array.from({ length: count }, () => policy.pick(request([1, 1], admits))?.id ?? "-").join("")
}

function countOf(id: string, order: string): number {
  return order.split(id).length - 1
}

test("weights 5, 1, 1 are spread out: a a b a c a a", () => {
  const policy = new WeightedRoundRobin()
  policy.rebuild(ofWeight(5, 1, 1))
  assert.equal(turns(policy, 14), "aabacaaaabacaa")
})

test("fractional weights take their turns exactly", () => {
  const policy = new WeightedRoundRobin()
  policy.rebuild(ofWeight(0.5, 0.25, 0.25))
  assert.equal(turns(policy, 8), "abcaabca")
})

test("whatever the whole weights, every cycle gives each member its weight", () => {
  // The credits are whole numbers that return to 0 after as many turns as the sum of the weights.
  const weights = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 8 })
  fc.assert(
    fc.property(weights, (weights) => {
      const members = ofWeight(...weights)
      const policy = new WeightedRoundRobin()
      policy.rebuild(members)
      const cycle = weights.reduce((sum, weight) => sum + weight, 0)
      for (let round = 0; round < 3; round++) {
        const won = new Map<Backend, number>()
        for (let i = 0; i < cycle; i++) {
          const picked = policy.pick(request())!
          won.set(picked, (won.get(picked) ?? 0) + 1)
        }
        for (const member of members) assert.equal(won.get(member), member.weight)
      }
    }),
    { seed: 1, numRuns: 200 },
  )
})

test("while a member is not admitted the others keep their proportion, and it returns without a burst", () => {
  const policy = new WeightedRoundRobin()
  policy.rebuild(ofWeight(2, 1, 1))
  const without = turns(policy, 300, ({ id }) => id !== "c")
  assert.equal(countOf("a", without), 200)
  assert.equal(countOf("c", turns(policy, 400)), 100)
})

test("changes before every pick do not favour the first", () => {
  const policy = new WeightedRoundRobin()
  let order = ""
  for (let i = 0; i < 7; i++) {
    policy.rebuild(ofWeight(5, 1, 1))
    order += turns(policy, 1)
  }
  assert.equal(order, "aabacaa")
})

test("a newcomer is not starved by credit that leavers left behind", () => {
  // The heavy one comes, takes a turn, which gives the others a credit of 1 each, and leaves without repaying.
  // Measured from the mean a newcomer then stands where the others stand: its third, give or take one turn.
  const policy = new WeightedRoundRobin()
  const [a, b, heavy, newcomer] = ofWeight(1, 1, 100, 1)
  for (let i = 0; i < 50; i++) {
    policy.rebuild([a!, b!])
    policy.rebuild([a!, b!, heavy!])
    assert.equal(turns(policy, 1), "c")
  }
  policy.rebuild([a!, b!, newcomer!])
  const won = countOf("d", turns(policy, 30))
  assert.ok(Math.abs(won - 10) <= 1, `the newcomer won ${won} of 30`)
})
