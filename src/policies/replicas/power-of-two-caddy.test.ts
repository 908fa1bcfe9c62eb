import assert from "node:assert/strict"
import { test } from "node:test"
import { backends } from "../../../test/support/backends.ts"
import { order, unlikely, wins } from "../../../test/support/policies/picks.ts"
import { seeded } from "../../core/rng.ts"
import { inFlight } from "../counts/load-metrics.ts"
import { PowerOfTwoCaddy } from "./power-of-two-caddy.ts"
import { PowerOfTwoChoices } from "../counts/power-of-two.ts"

/** What each of two with these attempts in flight wins of 20,000 picks. */
function diluted(...counts: [number, number]): number[] {
  const members = backends(...counts)
  const policy = new PowerOfTwoCaddy(seeded(1))
  policy.rebuild(members)
  return wins(policy, members, 20_000)
}

test("of the same two a power of two picks only the less busy", () => {
  const members = backends(9, 1)
  const policy = new PowerOfTwoChoices("power-of-two", seeded(1), inFlight)
  policy.rebuild(members)
  assert.deepEqual(wins(policy, members, 20_000), [0, 20_000])
})

test("a busier one that comes first keeps a quarter", () => {
  // Half of the picks have only the later one; in half of the others a coin decides.
  assert.equal(unlikely(diluted(9, 1), [1 / 4, 3 / 4]), "")
})

test("a busier one that comes last keeps half, also against an idle one", () => {
  assert.equal(unlikely(diluted(1, 9), [1 / 2, 1 / 2]), "")
  assert.equal(unlikely(diluted(0, 9), [1 / 2, 1 / 2]), "")
})

test("of two that are as busy the later wins three quarters", () => {
  assert.equal(unlikely(diluted(4, 4), [1 / 4, 3 / 4]), "")
})

test("an idle one that comes last wins always", () => {
  assert.deepEqual(diluted(9, 0), [0, 20_000])
})

test("of three busy ones the busiest wins more than a quarter where it should win nothing", () => {
  // Loads 1, 2, 3 in order. Two slots after a: (a, –). After b, ½ each: (b, –), (a, b). After c, ⅓ each: from
  // (b, –) (c, –), (b, c), (b, –); from (a, b) (c, b), (a, c), (a, b). In all of these but (c, b) the first
  // is the less loaded and wins; of (c, b) a coin decides. So a wins 2/6, b 2/6 + 1/12, c 1/6 + 1/12.
  const members = backends(1, 2, 3)
  const policy = new PowerOfTwoCaddy(seeded(1))
  policy.rebuild(members)
  assert.equal(unlikely(wins(policy, members, 30_000), [4 / 12, 5 / 12, 3 / 12]), "")
})

test("members that are not admitted are counted all the same, and may leave no candidate: then the first is used", () => {
  // c is third: it goes into slot 0, 1 or none, each as likely. d is fourth: slot 0, 1 or, half of the time,
  // none. Neither: 1/3 · 1/2 = 1/6, and then c. d alone: 1/3 · 1/2. c alone or overwritten: d with 1/4 each
  // way. All are idle, so the first slot wins when it is filled. c in 0 (1/3): c unless d overwrites, 3/4. c
  // in 1 (1/3): c unless d takes 0 or 1, 1/2. So c has 1/6 + 1/4 + 1/6 = 7/12.
  const members = backends(0, 0, 0, 0)
  const policy = new PowerOfTwoCaddy(seeded(1))
  policy.rebuild(members)
  const won = wins(policy, members, 24_000, ({ id }) => id > "b")
  assert.equal(unlikely(won, [0, 0, 7 / 12, 5 / 12]), "")
})

test("idle ones win alike", () => {
  const members = backends(0, 0, 0, 0)
  const policy = new PowerOfTwoCaddy(seeded(1))
  policy.rebuild(members)
  assert.equal(unlikely(wins(policy, members, 20_000), [1 / 4, 1 / 4, 1 / 4, 1 / 4]), "")
  assert.equal(
    order(policy, 1, () => false),
    "-",
  )
})
