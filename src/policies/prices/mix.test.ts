import assert from "node:assert/strict"
import { test } from "node:test"
import type { Knowledge, RouteKnowledge } from "../../core/knowledge.ts"
import { nothingKnown } from "../../core/knowledge.ts"
import { seeded } from "../../core/rng.ts"
import { fleet, ofCapacity, request, resourcesOf, type FakeBackend } from "../../../test/support/backends.ts"
import { MixPolicy } from "./mix.ts"

const resources = resourcesOf("rate", "rate")

function mixPolicy(samples = 1, explored = 0, seed = 1): MixPolicy {
  return new MixPolicy({ rng: seeded(seed), resources, parameters: { samples, explored } })
}

function route(more: Partial<RouteKnowledge> = {}): RouteKnowledge {
  return { name: "", mean: Float64Array.of(1, 1), rate: 1, isLearned: true, ...more }
}

/** Knowledge of one row of shares a route, over these members. */
function known(members: readonly FakeBackend[], ...rows: readonly (readonly number[])[]): Knowledge {
  return {
    ...nothingKnown,
    routes: rows.map(() => route()),
    mix: { backends: members.map((member) => member.id), shares: Float64Array.from(rows.flat()) },
  }
}

function wins(policy: MixPolicy, members: readonly FakeBackend[], picks: number, routeNumber = 0): number[] {
  const won = members.map(() => 0)
  const asked = request([1, 1], undefined, undefined, { route: routeNumber })
  for (let i = 0; i < picks; i++) won[members.indexOf(policy.pick(asked) as FakeBackend)]!++
  return won
}

/** Within 4σ of a binomial. */
function near(won: number, picks: number, part: number, what: string): void {
  const sigma = Math.sqrt(picks * part * (1 - part))
  assert.ok(Math.abs(won - picks * part) <= 4 * sigma, `${what} won ${won} of ${picks}, not ${part}`)
}

test("one draw follows the shares of the route", () => {
  const members = fleet({}, {}, {})
  const policy = mixPolicy()
  policy.rebuild(members)
  policy.learn(known(members, [0.5, 0.3, 0.2], [0, 0, 1]))
  for (const [i, won] of wins(policy, members, 10_000).entries())
    near(won, 10_000, [0.5, 0.3, 0.2][i]!, `${i}`)
  assert.deepEqual(wins(policy, members, 100, 1), [0, 0, 100])
})

test("every backend gets its part of what is explored", () => {
  const members = fleet({}, {}, {}, {})
  const policy = mixPolicy(1, 0.2)
  policy.rebuild(members)
  policy.learn(known(members, [1, 0, 0, 0]))
  for (const [i, won] of wins(policy, members, 10_000).entries())
    near(won, 10_000, i === 0 ? 0.85 : 0.05, `${i}`)
})

test("of two draws the cheaper wins", () => {
  // Both are drawn with probability 1/2, else twice the same one: the idle one wins 3 in 4.
  const members = fleet({}, { reserved: [5, 5] })
  const policy = mixPolicy(2)
  policy.rebuild(members)
  policy.learn(known(members, [0.5, 0.5]))
  near(wins(policy, members, 10_000)[0]!, 10_000, 0.75, "the idle one")
})

test("a member that the mix does not know is drawn as often as the average, one that left not at all", () => {
  const members = fleet({}, {}, {}, {})
  const policy = mixPolicy()
  policy.learn(known([members[0]!, members[1]!, members[2]!], [0.2, 0.4, 0.4]))
  const now = [members[0]!, members[1]!, members[3]!]
  policy.rebuild(now)
  // 0.2 and 0.4 of those planned, and a third for the newcomer.
  const sum = 0.2 + 0.4 + 1 / 3
  for (const [i, won] of wins(policy, now, 10_000).entries())
    near(won, 10_000, [0.2, 0.4, 1 / 3][i]! / sum, `${i}`)
})

test("when all that were planned for have left, all members are drawn alike", () => {
  const gone = fleet({ id: "x" })
  const members = fleet({}, {})
  const policy = mixPolicy()
  policy.learn({
    ...known(gone, [1]),
    mix: { backends: [gone[0]!.id, members[0]!.id], shares: Float64Array.of(1, 0) },
  })
  policy.rebuild([members[0]!])
  assert.equal(policy.pick(request()), members[0])
})

test("when none of those drawn is admitted the cheapest that is gets the request", () => {
  const members = fleet({}, { reserved: [9, 9] }, { reserved: [4, 4] }, { reserved: [8, 8] })
  const policy = mixPolicy(2)
  policy.rebuild(members)
  policy.learn(known(members, [1, 0, 0, 0]))
  for (let i = 0; i < 20; i++) {
    assert.equal(policy.pick(request([1, 1], (one) => one !== members[0])), members[2])
  }
})

test("one that is full, or lacks what is needed, is passed over for one that is not drawn", () => {
  const spaces = resourcesOf("rate", "space")
  const members = ofCapacity([10, 10], [10, 0], [10, 10])
  members[0]!.load.hold(Float64Array.of(0, 10))
  const policy = new MixPolicy({ rng: seeded(1), resources: spaces, parameters: { samples: 2, explored: 0 } })
  policy.rebuild(members)
  policy.learn(known(members, [0.5, 0.5, 0]))
  for (let i = 0; i < 20; i++) assert.equal(policy.pick(request()), members[2])
})

test("without a mix for its route a request gets the cheapest of a small fleet", () => {
  const members = fleet({ reserved: [9, 9] }, { reserved: [1, 1] }, { reserved: [5, 5] })
  const policy = mixPolicy()
  policy.rebuild(members)
  assert.deepEqual(wins(policy, members, 20), [0, 20, 0], "nothing is known")
  policy.learn({ ...known(members, [1, 0, 0]), routes: [route({ isLearned: false }), route()] })
  assert.deepEqual(wins(policy, members, 20, 0), [0, 20, 0], "its demand is not learned")
  assert.deepEqual(wins(policy, members, 20, 1), [0, 20, 0], "the mix has no row for it")
  assert.deepEqual(wins(policy, members, 20, 7), [0, 20, 0], "there is no such route")
})

test("without a mix for its route a request gets the cheapest of eight of a large fleet", () => {
  // With one idle of 100, eight draws find it with probability 1 − 0.99^8.
  const members = fleet(...Array.from({ length: 100 }, (_, i) => ({ reserved: i === 50 ? [0, 0] : [5, 5] })))
  const policy = mixPolicy()
  policy.rebuild(members)
  near(wins(policy, members, 10_000)[50]!, 10_000, 1 - 0.99 ** 8, "the idle one")
})

test("a change of members or of the mix is followed at once", () => {
  const members = fleet({}, {}, {})
  const policy = mixPolicy()
  policy.rebuild(members)
  policy.learn(known(members, [1, 0, 0]))
  assert.deepEqual(wins(policy, members, 50), [50, 0, 0])
  policy.learn(known(members, [0, 1, 0]))
  assert.deepEqual(wins(policy, members, 50), [0, 50, 0])
  policy.rebuild([members[2]!, members[1]!])
  assert.deepEqual(wins(policy, members, 50), [0, 50, 0])
})

test("a backend that fails loses against one that does not, however idle it is", () => {
  const members = fleet({ id: "failing" }, ...Array.from({ length: 9 }, () => ({ reserved: [20, 20] })))
  const policy = mixPolicy(8)
  policy.rebuild(members)
  const even = known(
    members,
    members.map(() => 0.1),
  )
  policy.learn(even)
  assert.ok(wins(policy, members, 1_000)[0]! > 400)
  policy.learn({ ...even, penalties: new Map([[members[0]!.id, 4]]) })
  policy.tick()
  assert.ok(wins(policy, members, 1_000)[0]! < 5)
})
