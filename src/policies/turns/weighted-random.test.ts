import assert from "node:assert/strict"
import { test } from "node:test"
import { ofWeight } from "../../../test/support/backends.ts"
import { unlikely, wins } from "../../../test/support/policies/picks.ts"
import { seeded } from "../../core/rng.ts"
import { WeightedRandom } from "./weighted-random.ts"

test("each wins in proportion to its weight", () => {
  const members = ofWeight(4, 2, 1, 0.5)
  const policy = new WeightedRandom(seeded(1))
  policy.rebuild(members)
  assert.equal(unlikely(wins(policy, members, 30_000), [4 / 7.5, 2 / 7.5, 1 / 7.5, 0.5 / 7.5]), "")
})

test("while the heaviest is refused the others share as their weights are", () => {
  const members = ofWeight(4, 2, 1)
  const policy = new WeightedRandom(seeded(1))
  policy.rebuild(members)
  const won = wins(policy, members, 30_000, (backend) => backend !== members[0])
  assert.equal(unlikely(won, [0, 2 / 3, 1 / 3]), "")
})

test("a weight that has changed counts from the next rebuild on", () => {
  const members = ofWeight(1, 3)
  const policy = new WeightedRandom(seeded(1))
  policy.rebuild(ofWeight(9, 1))
  policy.rebuild(members)
  assert.equal(unlikely(wins(policy, members, 10_000), [1 / 4, 3 / 4]), "")
})
