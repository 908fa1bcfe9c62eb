/** What every policy that is told of penalties does with a backend that fails, however large it says that it is. */
import assert from "node:assert/strict"
import { suite, test } from "node:test"
import { fleet, request, type FakeBackend } from "../../test/support/backends.ts"
import { nothingKnown, penaltyMax, type Knowledge } from "../core/knowledge.ts"
import { resourcesDefault } from "../core/resources.ts"
import { seeded } from "../core/rng.ts"
import { makePolicy, plainPolicy, policyNames, type PolicyName } from "./index.ts"
import { MixPlanner } from "../learning/planner/mix-planner.ts"
import type { Policy } from "./policy.ts"

const requests = 10_000

function made(name: PolicyName): Policy {
  return makePolicy(plainPolicy(name), { rng: seeded(1), resources: resourcesDefault })
}

/** What is learned of these members when one route is known, with its mix. */
function known(members: readonly FakeBackend[], penalties: Knowledge["penalties"]): Knowledge {
  const routes = [{ name: "", mean: Float64Array.of(1, 1), rate: 100, isLearned: true }]
  const asked = members.map(({ id, capacity }) => ({ id, capacity, penalty: penalties.get(id) }))
  const mix = new MixPlanner(resourcesDefault).plan(asked, routes)
  return { ...nothingKnown, routes, penalties, mix }
}

/** How many requests of all each member gets, of which those at members that fail end at once. */
function shares(
  policy: Policy,
  members: readonly FakeBackend[],
  penalties: Knowledge["penalties"],
): Map<FakeBackend, number> {
  policy.rebuild(members)
  policy.learn?.(known(members, penalties))
  const rng = seeded(2)
  const counts = new Map(members.map((one) => [one, 0]))
  const running: FakeBackend[] = []
  for (let n = 0; n < requests; n++) {
    // Ticks come four times per second.
    if (n % 25 === 0) policy.tick?.(n * 10)
    const demand = [1 + rng.below(3), 1 + rng.below(3)]
    const picked = policy.pick(request(demand, undefined, undefined, { now: n * 10 })) as FakeBackend
    counts.set(picked, counts.get(picked)! + 1)
    policy.onBegun?.(picked, request(demand))
    if (penalties.has(picked.id)) continue
    picked.load.hold(Float64Array.from(demand))
    running.push(picked)
    if (running.length <= 2 * members.length) continue
    const [ended] = running.splice(rng.below(running.length), 1)
    ended!.load.inFlight--
    ended!.load.hold(
      Float64Array.of(-Math.min(2, ended!.load.reserved(0)), -Math.min(2, ended!.load.reserved(1))),
    )
    ended!.load.inFlight--
  }
  return counts
}

for (const name of policyNames) {
  if (made(name).learn === undefined) continue
  suite(`of ${name}`, () => {
    for (const size of [2, 4, 100]) {
      test(`one of ${size} that fails gets next to nothing, whatever it announces`, () => {
        for (const factor of [0.1, 1, 10, 100, 1_000, 1e6]) {
          const failing = { id: "failing", capacity: [10 * factor, 10 * factor], weight: factor }
          const members = fleet(failing, ...Array.from({ length: size - 1 }, (_, i) => ({ id: `b${i}` })))
          const got = shares(made(name), members, new Map([[members[0]!.id, penaltyMax]])).get(members[0]!)!
          assert.ok(got < 0.02 * requests && got > 0, `${got} of ${requests} with ${factor} times the size`)
        }
      })
    }

    test("where all fail alike each gets what it would get if none did", () => {
      const traits = [{}, {}, { capacity: [30, 30] }, { capacity: [5, 20] }]
      const [some, others] = [fleet(...traits), fleet(...traits)]
      const failing = shares(made(name), some, new Map(some.map(({ id }) => [id, penaltyMax])))
      const working = made(name)
      working.rebuild(others)
      working.learn?.(known(others, new Map()))
      const counts = new Map(others.map((one) => [one, 0]))
      const rng = seeded(2)
      for (let n = 0; n < requests; n++) {
        const demand = [1 + rng.below(3), 1 + rng.below(3)]
        const picked = working.pick(request(demand, undefined, undefined, { now: n * 10 })) as FakeBackend
        working.onBegun?.(picked, request(demand))
        counts.set(picked, counts.get(picked)! + 1)
      }
      assert.deepEqual([...failing.values()], [...counts.values()])
    })

    test("one that fails still serves what no other can", () => {
      const members = fleet({ id: "failing", capacity: [10, 10] }, { id: "b", capacity: [10, 0] })
      const policy = made(name)
      policy.rebuild(members)
      policy.learn?.(known(members, new Map([[members[0]!.id, penaltyMax]])))
      for (let n = 0; n < 100; n++) assert.equal(policy.pick(request([1, 1])), members[0])
      for (let n = 0; n < 90; n++) assert.equal(policy.pick(request([1, 0])), members[1])
    })

    test("requests that need nothing go elsewhere too", () => {
      const members = fleet({ id: "failing", weight: 1_000 }, {}, {})
      const policy = made(name)
      policy.rebuild(members)
      policy.learn?.(known(members, new Map([[members[0]!.id, penaltyMax]])))
      for (let n = 0; n < 90; n++) assert.notEqual(policy.pick(request([0, 0])), members[0])
    })
  })
}
