import assert from "node:assert/strict"
import { test } from "node:test"
import { backends, fleet } from "../../../test/support/backends.ts"
import { order, unlikely, wins } from "../../../test/support/policies/picks.ts"
import { seeded } from "../../core/rng.ts"
import { LeastRequest } from "./least-request.ts"

test("both draws may be the same, so the busier of two still wins a quarter", () => {
  const members = backends(0, 9)
  const policy = new LeastRequest(seeded(1), 2, 1)
  policy.rebuild(members)
  assert.equal(unlikely(wins(policy, members, 20_000), [3 / 4, 1 / 4]), "")
})

test("with three choices it wins an eighth", () => {
  const members = backends(0, 9)
  const policy = new LeastRequest(seeded(1), 3, 1)
  policy.rebuild(members)
  assert.equal(unlikely(wins(policy, members, 20_000), [7 / 8, 1 / 8]), "")
})

test("among three, rank decides: 5/9, 3/9 and 1/9", () => {
  // Nine ordered pairs. The busiest needs both draws, the next one both draws among the two busiest but that.
  const members = backends(0, 1, 2)
  const policy = new LeastRequest(seeded(1), 2, 1)
  policy.rebuild(members)
  assert.equal(unlikely(wins(policy, members, 27_000), [5 / 9, 3 / 9, 1 / 9]), "")
})

test("a refused one that is drawn loses, also when it is drawn twice", () => {
  const members = backends(0, 5, 9)
  const policy = new LeastRequest(seeded(1), 2, 1)
  policy.rebuild(members)
  const won = wins(policy, members, 1_000, (backend) => backend !== members[0])
  assert.equal(won[0], 0)
  assert.ok(won[1]! > won[2]!)
})

test("when weights differ, load only stretches the turns: the busiest never drains", () => {
  // Weights 2/(99 + 1) and 1: a has its fiftieth, to within two turns.
  const policy = new LeastRequest(seeded(1), 2, 1)
  policy.rebuild(fleet({ weight: 2, inFlight: 99 }, { weight: 1 }))
  const won = order(policy, 5_100).split("a").length - 1
  assert.ok(Math.abs(won - 100) <= 2, `a won ${won}`)
})

test("weights that become equal are sampled, and turns by weight when they differ again", () => {
  const policy = new LeastRequest(seeded(1), 2, 0)
  policy.rebuild(fleet({ inFlight: 9 }, {}))
  const sampled = order(policy, 1_000).split("a").length - 1
  assert.ok(Math.abs(sampled - 250) < 55, `a won ${sampled}`)
  policy.rebuild(fleet({ inFlight: 9, weight: 3 }, {}))
  const turns = order(policy, 1_000).split("a").length - 1
  assert.ok(Math.abs(turns - 750) <= 3, `a won ${turns}`)
})
