import assert from "node:assert/strict"
import { test } from "node:test"
import { backends, fleet } from "../../../test/support/backends.ts"
import { order, unlikely, wins } from "../../../test/support/policies/picks.ts"
import { seeded } from "../../core/rng.ts"
import { inFlight } from "./load-metrics.ts"
import { PowerOfTwoChoices } from "./power-of-two.ts"

const powerOfTwo = (): PowerOfTwoChoices => new PowerOfTwoChoices("power-of-two", seeded(1), inFlight)

test("never picks the busier of the two it sampled", () => {
  const policy = powerOfTwo()
  policy.rebuild(backends(9, 1))
  assert.equal(order(policy, 1_000), "b".repeat(1_000))
})

test("wins follow rank: 2/3, 1/3 and none of the picks among three", () => {
  // Three distinct pairs, equally likely. The idlest is in two and wins both, the busiest wins none.
  const members = backends(1, 2, 3)
  const policy = powerOfTwo()
  policy.rebuild(members)
  assert.equal(unlikely(wins(policy, members, 30_000), [2 / 3, 1 / 3, 0]), "")
})

test("every pair is equally likely, neighbours or not", () => {
  // Of the six pairs of four, rank k of 0..3 wins 3 − k.
  const members = backends(0, 1, 2, 3)
  const policy = powerOfTwo()
  policy.rebuild(members)
  assert.equal(unlikely(wins(policy, members, 30_000), [3 / 6, 2 / 6, 1 / 6, 0]), "")
})

test("twice the weight may carry twice as many", () => {
  const policy = powerOfTwo()
  policy.rebuild(fleet({ inFlight: 3, weight: 2 }, { inFlight: 2 }))
  assert.equal(order(policy, 100), "a".repeat(100))
})

test("a refused member loses to one that is admitted, however busy", () => {
  const policy = powerOfTwo()
  policy.rebuild(backends(0, 9))
  assert.equal(
    order(policy, 100, ({ id }) => id === "b"),
    "b".repeat(100),
  )
})

test("the tied win alike", () => {
  const members = backends(4, 4, 4)
  const policy = powerOfTwo()
  policy.rebuild(members)
  assert.equal(unlikely(wins(policy, members, 30_000), [1 / 3, 1 / 3, 1 / 3]), "")
})
