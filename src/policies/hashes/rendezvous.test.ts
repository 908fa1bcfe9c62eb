import assert from "node:assert/strict"
import { test } from "node:test"
import { fleet, ofWeight, request, type FakeBackend } from "../../../test/support/backends.ts"
import type { Backend } from "../../core/backend.ts"
import { mix32, seeded } from "../../core/rng.ts"
import { Rendezvous } from "./rendezvous.ts"

function rendezvous(members: readonly Backend[], balanceFactor = 0): Rendezvous {
  const policy = new Rendezvous(seeded(1), balanceFactor)
  policy.rebuild(members)
  return policy
}

const keys: readonly number[] = Array.from({ length: 20_000 }, (_, n) => mix32(n))

test("keys are shared in proportion to weight", () => {
  // 4σ of a binomial: p = 1/10, 1/5 and 7/10 of 20_000 keys are within 170, 227 and 260.
  const members = ofWeight(0.5, 1, 3.5)
  const policy = rendezvous(members)
  const wins = [0, 0, 0]
  for (const key of keys)
    wins[members.indexOf(policy.pick(request([1, 1], undefined, key)) as FakeBackend)]!++
  assert.ok(Math.abs(wins[0]! - 2_000) < 170, wins.join(" "))
  assert.ok(Math.abs(wins[1]! - 4_000) < 227, wins.join(" "))
  assert.ok(Math.abs(wins[2]! - 14_000) < 260, wins.join(" "))
})

test("a backend that comes takes its part and moves nothing else", () => {
  // 4σ of a binomial with p = 1/6 and 20_000 keys is 211.
  const members = fleet({}, {}, {}, {}, {}, {})
  const [before, after] = [rendezvous(members.slice(0, 5)), rendezvous(members.toReversed())]
  let moved = 0
  for (const key of keys) {
    const asked = request([1, 1], undefined, key)
    const now = after.pick(asked)
    if (before.pick(asked) === now) continue
    assert.equal(now, members[5])
    moved++
  }
  assert.ok(Math.abs(moved - keys.length / 6) < 211, `${moved}`)
})

test("more weight only takes keys, and less only gives them", () => {
  const light = ofWeight(1, 1, 1)
  const heavy = ofWeight(1, 1, 2)
  const [before, after] = [rendezvous(light), rendezvous(heavy)]
  for (const key of keys) {
    const asked = request([1, 1], undefined, key)
    const [old, now] = [before.pick(asked)!.id, after.pick(asked)!.id]
    if (old !== now) assert.equal(now, "c")
  }
})

test("a key whose owner is not admitted goes where it would go without that backend", () => {
  const members = ofWeight(1, 2, 3, 1)
  const policy = rendezvous(members)
  for (const key of keys.slice(0, 1_000)) {
    const owner = policy.pick(request([1, 1], undefined, key))!
    const without = rendezvous(members.filter((one) => one !== owner))
    assert.equal(
      policy.pick(request([1, 1], (one) => one !== owner, key)),
      without.pick(request([1, 1], undefined, key)),
    )
  }
})
