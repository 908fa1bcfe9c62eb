import assert from "node:assert/strict"
import { test } from "node:test"
import { crc32 } from "node:zlib"
import { fleet, ofWeight, request, type FakeBackend } from "../../../test/support/backends.ts"
import type { Backend } from "../../core/backend.ts"
import { mix32, seeded } from "../../core/rng.ts"
import { KeyHash } from "./key-hash.ts"

function keyHash(members: readonly Backend[]): KeyHash {
  const policy = new KeyHash(seeded(1))
  policy.rebuild(members)
  return policy
}

test("the backend is the one that nginx's arithmetic gives for the key", () => {
  // CRC-32 of the keys: d0e0396a, 8f910463, c443d071, 9643fed9; 15 bits of them: 20704, 3985, 17475, 5699;
  // mod 7: 5, 2, 3, 1. With weights 1, 2 and 4 the numbers 0, 1-2 and 3-6 belong to a, b and c.
  const policy = keyHash(ofWeight(1, 2, 4))
  const ids = ["alpha", "beta", "gamma", "delta"].map(
    (key) => policy.pick(request([1, 1], undefined, crc32(key)))?.id,
  )
  assert.deepEqual(ids, ["c", "b", "c", "b"])
})

test("a refused key is hashed again with the number of the try, and the sums add up", () => {
  // The second sums of the four keys, computed apart with zlib: 50966, 13040, 48109, 23527; mod 7: 6, 6, 5, 0.
  const policy = keyHash(ofWeight(1, 1, 1, 1, 1, 1, 1))
  const seconds = ["alpha", "beta", "gamma", "delta"].map((key) => {
    const owner = policy.pick(request([1, 1], undefined, crc32(key)))
    return policy.pick(request([1, 1], (one) => one !== owner, crc32(key)))?.id
  })
  assert.deepEqual(seconds, ["g", "g", "f", "a"])
})

test("keys are shared in proportion to weight, also to fractions and above 15 bits of weight", () => {
  // 4σ of a binomial with n = 20_000 and p = 1/6 or 1/2: 211 or 283.
  for (const unit of [0.5, 1, 20_000]) {
    const members = ofWeight(unit, 2 * unit, 3 * unit)
    const policy = keyHash(members)
    const wins = [0, 0, 0]
    for (let n = 0; n < 20_000; n++) {
      wins[members.indexOf(policy.pick(request([1, 1], undefined, mix32(n))) as FakeBackend)]!++
    }
    assert.ok(Math.abs(wins[0]! - 3_333) < 211, `${unit}: ${wins.join(" ")}`)
    assert.ok(Math.abs(wins[2]! - 10_000) < 283, `${unit}: ${wins.join(" ")}`)
  }
})

test("after 21 refused tries it is the turn of any admitted member", () => {
  const members = fleet(...Array.from({ length: 1_000 }, () => ({})))
  const few = members.slice(500, 502)
  const policy = keyHash(members)
  // 21 tries meet one of the two with probability 1 − (998/1000)^21 = 4 %: nearly all are turns, which alternate.
  const wins = [0, 0]
  for (let n = 0; n < 400; n++) {
    const picked = policy.pick(request([1, 1], (one) => few.includes(one as FakeBackend), mix32(n)))
    wins[few.indexOf(picked as FakeBackend)]!++
  }
  for (const won of wins) assert.ok(Math.abs(won - 200) < 20, wins.join(" "))
})
