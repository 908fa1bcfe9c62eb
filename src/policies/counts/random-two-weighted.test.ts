import assert from "node:assert/strict"
import { test } from "node:test"
import { backends, fleet, ofWeight } from "../../../test/support/backends.ts"
import { order, unlikely, wins } from "../../../test/support/policies/picks.ts"
import { seeded, type Rng } from "../../core/rng.ts"
import { RandomTwoWeighted } from "./random-two-weighted.ts"

test("never picks the one with more in flight per weight of the two it drew", () => {
  const policy = new RandomTwoWeighted(seeded(1))
  policy.rebuild(backends(9, 1))
  assert.equal(order(policy, 1_000), "b".repeat(1_000))
  policy.rebuild(fleet({ inFlight: 3, weight: 2 }, { inFlight: 2, weight: 1 }))
  // 21 draws in a row of the same are one pick in 2^21 and less.
  assert.equal(order(policy, 100), "a".repeat(100))
})

test("on ties the second one drawn wins, which favours the lighter of two", () => {
  // The first drawn is the heavy one in 2/3 of the picks, and then the light one is the second.
  const members = ofWeight(2, 1)
  const policy = new RandomTwoWeighted(seeded(1))
  policy.rebuild(members)
  assert.equal(unlikely(wins(policy, members, 18_000), [1 / 3, 2 / 3]), "")
})

test("of three the pairs meet in proportion to weight", () => {
  // Weights 2, 1, 1 and rank in order. Pair ab: 2/4·1/2 + 1/4·2/3 = 5/12, ac the same, bc: 2·1/4·1/3 = 2/12.
  const members = fleet({ weight: 2 }, { inFlight: 1 }, { inFlight: 2 })
  const policy = new RandomTwoWeighted(seeded(1))
  policy.rebuild(members)
  assert.equal(unlikely(wins(policy, members, 24_000), [10 / 12, 2 / 12, 0]), "")
})

test("after more than twenty draws of the same it is a turn by weight", () => {
  // With q = 1000/1001, 22 draws of a in a row are q²² = 0.978: so often b, the idle one, is not even seen.
  // Then a turn gives it 1/1001. In all (1 − q²²) + q²²/1001.
  const q = 1_000 / 1_001
  const seen = 1 - q ** 22 + q ** 22 / 1_001
  const members = fleet({ weight: 1_000, inFlight: 5_000 }, { weight: 1 })
  const policy = new RandomTwoWeighted(seeded(1))
  policy.rebuild(members)
  assert.equal(unlikely(wins(policy, members, 20_000), [1 - seen, seen]), "")
})

test("exactly twenty draws may fail, the next failure ends the drawing", () => {
  // One draw that is kept and 21 of the same that are not.
  let draws = 0
  const alwaysFirst: Rng = { below: () => (draws++, 0), next: () => 0 }
  const policy = new RandomTwoWeighted(alwaysFirst)
  policy.rebuild(ofWeight(1, 1))
  assert.equal(order(policy, 1), "a")
  assert.equal(draws, 22)
})

test("while only one is admitted its turn always comes", () => {
  const policy = new RandomTwoWeighted(seeded(1))
  policy.rebuild(ofWeight(1, 1, 1))
  assert.equal(
    order(policy, 50, ({ id }) => id === "c"),
    "c".repeat(50),
  )
})
