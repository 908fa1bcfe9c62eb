import assert from "node:assert/strict"
import { test } from "node:test"
import { fleet } from "../../../test/support/backends.ts"
import { unlikely, wins } from "../../../test/support/policies/picks.ts"
import { seeded } from "../../core/rng.ts"
import { Random } from "./random.ts"

test("neither weight nor load matters: each of three wins a third", () => {
  const members = fleet({ weight: 9 }, { inFlight: 50 }, {})
  const policy = new Random(seeded(1))
  policy.rebuild(members)
  assert.equal(unlikely(wins(policy, members, 30_000), [1 / 3, 1 / 3, 1 / 3]), "")
})

test("the share of a refused member is spread over all others", () => {
  const members = fleet({}, {}, {}, {})
  const policy = new Random(seeded(1))
  policy.rebuild(members)
  const won = wins(policy, members, 30_000, (backend) => backend !== members[1])
  assert.equal(unlikely(won, [1 / 3, 0, 1 / 3, 1 / 3]), "")
})
