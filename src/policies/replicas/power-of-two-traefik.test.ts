import assert from "node:assert/strict"
import { test } from "node:test"
import { backends, fleet } from "../../../test/support/backends.ts"
import { order, unlikely, wins } from "../../../test/support/policies/picks.ts"
import { seeded } from "../../core/rng.ts"
import { PowerOfTwoTraefik } from "./power-of-two-traefik.ts"

test("neighbours meet more often: 8/16, 5/16, 3/16 and none by rank, where a power of two has 3/6, 2/6, 1/6", () => {
  // Of 16 ordered draws of four, each pair of neighbours in the ring has two and the one that coincides on
  // its earlier member: 3. The two pairs across have 2. a beats b, c, d: 3 + 2 + 3; b beats c, d: 3 + 2; c
  // beats d: 3.
  const members = backends(0, 1, 2, 3)
  const policy = new PowerOfTwoTraefik(seeded(1))
  policy.rebuild(members)
  assert.equal(unlikely(wins(policy, members, 32_000), [8 / 16, 5 / 16, 3 / 16, 0]), "")
})

test("the busier of two never wins: draws that coincide are set apart", () => {
  const policy = new PowerOfTwoTraefik(seeded(1))
  policy.rebuild(backends(9, 1))
  assert.equal(order(policy, 1_000), "b".repeat(1_000))
})

test("the tied win alike, and weight is not looked at", () => {
  const members = fleet({ inFlight: 2, weight: 9 }, { inFlight: 2 }, { inFlight: 2 }, { inFlight: 2 })
  const policy = new PowerOfTwoTraefik(seeded(1))
  policy.rebuild(members)
  assert.equal(unlikely(wins(policy, members, 32_000), [1 / 4, 1 / 4, 1 / 4, 1 / 4]), "")
})
