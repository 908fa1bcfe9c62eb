import assert from "node:assert/strict"
import { test } from "node:test"
import type { Knowledge } from "../../core/knowledge.ts"
import { nothingKnown } from "../../core/knowledge.ts"
import { seeded } from "../../core/rng.ts"
import { fleet, request, resourcesOf, type FakeBackend } from "../../../test/support/backends.ts"
import { Auto } from "./auto.ts"

function auto(): Auto {
  const parameters = { samples: 2, explored: 0 }
  return new Auto({ rng: seeded(1), resources: resourcesOf("rate", "rate"), parameters })
}

/** One idle backend, the last, among others with work. */
function almostBusy(count: number): FakeBackend[] {
  return fleet(...Array.from({ length: count }, (_, i) => ({ reserved: i === count - 1 ? [0, 0] : [5, 5] })))
}

/** A mix that sends everything to the first. */
function toFirst(members: readonly FakeBackend[]): Knowledge {
  const shares = new Float64Array(members.length)
  shares[0] = 1
  const mean = Float64Array.of(1, 1)
  return {
    ...nothingKnown,
    routes: [{ name: "", mean, rate: 1, isLearned: true }],
    mix: { backends: members.map((member) => member.id), shares },
  }
}

test("up to 64 members all are looked at, above the mix is followed", () => {
  const policy = auto()
  const few = almostBusy(64)
  const many = almostBusy(65)
  policy.rebuild(few)
  policy.learn(toFirst(many))
  assert.equal(policy.pick(request()), few[63])
  policy.rebuild(many)
  assert.equal(policy.pick(request()), many[0], "it knows what was learned when the fleet was small")
  policy.rebuild(few)
  assert.equal(policy.pick(request()), few[63])
})

test("what is learned later reaches the one in use", () => {
  const policy = auto()
  const many = almostBusy(65)
  policy.rebuild(many)
  policy.learn(toFirst(many))
  assert.equal(policy.pick(request()), many[0])
  policy.learn(toFirst(many.toReversed()))
  assert.equal(policy.pick(request()), many[64])
})

test("a tick tells how loaded the fleet is: an idle backend that fails does not look cheap", () => {
  const policy = auto()
  const members = almostBusy(64)
  policy.rebuild(members)
  policy.learn({ ...nothingKnown, penalties: new Map([[members[63]!.id, 4]]) })
  for (const one of members.slice(0, 63)) one.load.hold(Float64Array.of(20, 20))
  policy.tick()
  assert.notEqual(policy.pick(request()), members[63])
})
