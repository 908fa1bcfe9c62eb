import assert from "node:assert/strict"
import { test } from "node:test"
import { fleet, request, type FakeBackend } from "../../../test/support/backends.ts"
import type { Backend } from "../../core/backend.ts"
import { resourcesDefault } from "../../core/resources.ts"
import { mix32, seeded } from "../../core/rng.ts"
import { makePolicy, plainPolicy } from "../index.ts"
import type { Policy } from "../policy.ts"
import { ringHash } from "./ring-hash.ts"

function ring(members: readonly Backend[], parameters: Record<string, number> = {}): Policy {
  const { parameters: usual } = plainPolicy("ring-hash")
  const given = { ...usual, ...parameters }
  const policy = ringHash.make({ rng: seeded(1), resources: resourcesDefault, parameters: given })
  policy.rebuild(members)
  return policy
}

const keys: readonly number[] = Array.from({ length: 20_000 }, (_, n) => mix32(n))

function shares(policy: Policy, members: readonly FakeBackend[]): readonly number[] {
  const wins = new Map<Backend | undefined, number>()
  for (const key of keys) {
    const picked = policy.pick(request([1, 1], undefined, key))
    wins.set(picked, (wins.get(picked) ?? 0) + 1)
  }
  return members.map((member) => (wins.get(member) ?? 0) / keys.length)
}

function movedShare(before: Policy, after: Policy): number {
  const moved = keys.filter((key) => {
    const asked = request([1, 1], undefined, key)
    return before.pick(asked)!.id !== after.pick(asked)!.id
  })
  return moved.length / keys.length
}

test("a key stays with its backend, in whatever order and at whatever address they registered", () => {
  const members = fleet({}, {}, {}, {}, {})
  const elsewhere = fleet(...members.map((_, n) => ({ address: `elsewhere:${n}` })))
  assert.equal(movedShare(ring(members), ring(elsewhere.toReversed())), 0)
})

test("a backend that comes moves what it takes, and what fewer points of the others move", () => {
  // Four have 256 points each; with the fifth, 205 each. A key stays at its point when the first at or after it, among
  // the 4·256 + 205 of before and after, is one of the 4·205 that stay: 66.7 %. Of the rest, one in five has the same
  // owner by chance: 26.6 % move, 20 % is the least. The arcs of 1,000 points deviate by √(0.27·0.73/1000); 4σ 5.6 %.
  const members = fleet({}, {}, {}, {}, {})
  const moved = movedShare(ring(members.slice(0, 4)), ring(members))
  assert.ok(Math.abs(moved - 0.266) < 0.056, `${moved}`)
})

test("keys are shared in proportion to weight", () => {
  // 114, 228 and 683 of 1,025 points: 4σ of the arcs, relative, is 4·√((1−p/N)/p): 36 %, 24 % and 9 %.
  const members = fleet({ weight: 0.5 }, { weight: 1 }, { weight: 3 })
  const [a, b, c] = shares(ring(members), members)
  assert.ok(Math.abs(a! / (1 / 9) - 1) < 0.36, `${a}`)
  assert.ok(Math.abs(b! / (2 / 9) - 1) < 0.24, `${b}`)
  assert.ok(Math.abs(c! / (6 / 9) - 1) < 0.09, `${c}`)
})

test("a larger ring shares more evenly", () => {
  // 4σ with 6,554 points each is 4.4 % of a share of 20 %, and 1.4 % of the whole for the sample of keys.
  const members = fleet({}, {}, {}, {}, {})
  for (const share of shares(ring(members, { ringSize: 32_768 }), members)) {
    assert.ok(Math.abs(share - 0.2) < 0.2 * 0.044 + 0.014, `${share}`)
  }
})

test("without a key, requests are shared as keys are", () => {
  // The same arcs with 20_000 random draws: 4σ of the difference of two samples, √(2·0.2·0.8/20_000), is 1.6 %.
  const members = fleet({}, {}, {}, {}, {})
  const policy = ring(members)
  const byKey = shares(policy, members)
  const wins = members.map(() => 0)
  for (let i = 0; i < keys.length; i++) wins[members.indexOf(policy.pick(request()) as FakeBackend)]!++
  for (const [i, share] of byKey.entries()) assert.ok(Math.abs(wins[i]! / keys.length - share) < 0.016)
})

test("the table of policies makes it with its parameters", () => {
  const policy = makePolicy(plainPolicy("ring-hash"), { rng: seeded(1), resources: resourcesDefault })
  const members = fleet({}, {}, {})
  policy.rebuild(members)
  assert.equal(movedShare(policy, ring(members)), 0)
})
