import assert from "node:assert/strict"
import { suite, test } from "node:test"
import { backends, fleet, ofWeight, request, type FakeBackend } from "../../../test/support/backends.ts"
import { resourcesDefault } from "../../core/resources.ts"
import { seeded } from "../../core/rng.ts"
import { makePolicy, policySpec } from "../index.ts"
import { balanceFactorOf, LoadBound } from "./load-bound.ts"
import type { Policy } from "../policy.ts"

function bounded(name: string, balanceFactor: number): Policy {
  const spec = policySpec(name, { balanceFactor })
  assert.ok(spec.ok)
  return makePolicy(spec.value, { rng: seeded(1), resources: resourcesDefault })
}

/** The most a member may have in flight after a pick, from the definition. */
function slotsOf(member: FakeBackend, members: readonly FakeBackend[], factor: number): number {
  const inFlight = members.reduce((sum, one) => sum + one.load.inFlight, 0)
  const weight = members.reduce((sum, one) => sum + one.weight, 0)
  const slots = Math.ceil(((inFlight + 1) * factor) / 100)
  return Math.max(1, Math.ceil((slots * member.weight) / weight - 1e-9))
}

test("slots are shared by weight and rounded up, with one for every member", () => {
  // 9 in flight and one to come, times 1.25: 13 slots. Of 4, 1 and 0.2 in 5.2 that is 10, 2.5 and 0.5.
  const members = fleet({ weight: 4, inFlight: 9 }, { weight: 1 }, { weight: 0.2 })
  const bound = new LoadBound(125)
  bound.rebuild(members)
  const limits = members.map((member, place) => {
    const before = member.load.inFlight
    let limit = 0
    bound.begin()
    for (member.load.inFlight = 0; bound.hasRoom(place); member.load.inFlight++) limit++
    member.load.inFlight = before
    return limit
  })
  assert.deepEqual(limits, [10, 3, 1])
})

test("a factor below 100 is 100, and 0 is none", () => {
  assert.deepEqual(
    [0, 1, 99, 100, 250].map((balanceFactor) => balanceFactorOf({ balanceFactor })),
    [0, 100, 100, 100, 250],
  )
})

for (const name of ["ring-hash", "ketama", "maglev", "rendezvous"]) {
  suite(`bounded loads of ${name}`, () => {
    test("no member passes its bound, however few keys there are", () => {
      for (const factor of [100, 125, 300]) {
        const members = ofWeight(1, 1, 2, 0.5, 3, 1)
        const policy = bounded(name, factor)
        policy.rebuild(members)
        const rng = seeded(3)
        for (let n = 0; n < 2_000; n++) {
          // Three keys, of which one makes most of the load; attempts end at random.
          const key = 0x9000_0000 + Math.min(2, rng.below(10))
          const picked = policy.pick(request([1, 1], undefined, key)) as FakeBackend
          assert.ok(picked.load.inFlight < slotsOf(picked, members, factor), `${picked.id} of ${factor} %`)
          picked.load.inFlight++
          const ends = members[rng.below(members.length)]!
          if (rng.below(3) > 0 && ends.load.inFlight > 0) ends.load.inFlight--
        }
      }
    })

    test("while there is room, a key stays where it is without a bound", () => {
      const members = backends(2, 2, 2, 2, 2)
      const [with150, without] = [bounded(name, 150), bounded(name, 0)]
      with150.rebuild(members)
      without.rebuild(members)
      // ceil(11 · 1.5) slots of five are 4 each.
      for (let key = 0; key < 500; key++) {
        const asked = request([1, 1], undefined, key)
        assert.equal(with150.pick(asked), without.pick(asked))
      }
    })

    test("what is too much for one goes to all others, and back when it has room", () => {
      const members = fleet({}, {}, {}, {}, {}, {}, {}, {})
      const policy = bounded(name, 150)
      policy.rebuild(members)
      const owned = Array.from({ length: 4_000 }, (_, key) => key).filter(
        (key) => policy.pick(request([1, 1], undefined, key)) === members[0],
      )
      members[0]!.load.inFlight = 50
      const elsewhere = new Set(owned.map((key) => policy.pick(request([1, 1], undefined, key))))
      assert.equal(elsewhere.size, 7)
      assert.ok(!elsewhere.has(members[0]))
      members[0]!.load.inFlight = 0
      for (const key of owned) assert.equal(policy.pick(request([1, 1], undefined, key)), members[0])
    })

    test("the bound gives way when every member with room is refused", () => {
      const members = backends(90, 90, 0, 0)
      const policy = bounded(name, 125)
      policy.rebuild(members)
      for (let key = 0; key < 200; key++) {
        const picked = policy.pick(request([1, 1], (one) => one.load.inFlight > 0, key))
        assert.ok(picked !== undefined && picked.load.inFlight === 90)
      }
    })
  })
}
