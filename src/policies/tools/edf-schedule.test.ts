import assert from "node:assert/strict"
import { test } from "node:test"
import * as fc from "fast-check"
import { fleet, ofWeight, request } from "../../../test/support/backends.ts"
import { order } from "../../../test/support/policies/picks.ts"
import { seeded, type Rng } from "../../core/rng.ts"
import { EdfRoundRobin } from "../turns/edf-round-robin.ts"
import { EdfSchedule } from "./edf-schedule.ts"
import type { Policy } from "../policy.ts"

/** All are due at the start. */
const atOnce: Rng = { next: () => 0, below: () => 0 }

function scheduled(schedule: EdfSchedule): Policy {
  return {
    name: "schedule",
    rebuild: (members) => schedule.rebuild(members),
    pick: (one) => schedule.pick(one),
  }
}

test("of equal deadlines the one that has waited longer comes first", () => {
  // a is due at 0, ½, 1, 1½, 2 and b at 0, 1, 2: when both are due at 1, b was queued at 0 and a only at ½.
  const policy = scheduled(new EdfSchedule(atOnce))
  policy.rebuild(ofWeight(2, 1))
  assert.equal(order(policy, 10), "ababaabaab")
})

test("whatever the weights and the start, every member gets its share to within a turn or so", () => {
  // While the schedule's time moves by T each of n members has T·w turns give or take one. So the time that m
  // picks take is (m ± n)/W, with W the sum of weights, and w times that, give or take one, each wins.
  const weights = fc.array(fc.double({ min: 0.1, max: 10, noNaN: true }), { minLength: 2, maxLength: 8 })
  fc.assert(
    fc.property(weights, fc.nat(), (weights, seed) => {
      const members = ofWeight(...weights)
      const schedule = new EdfSchedule(seeded(seed))
      schedule.rebuild(members)
      const picks = 1_000
      const won = new Map(members.map(({ id }) => [id, 0]))
      for (let i = 0; i < picks; i++) {
        const { id } = schedule.pick(request())!
        won.set(id, won.get(id)! + 1)
      }
      const total = weights.reduce((sum, weight) => sum + weight, 0)
      for (const { id, weight } of members) {
        const share = (picks * weight) / total
        const slack = (members.length * weight) / total + 1
        assert.ok(Math.abs(won.get(id)! - share) <= slack, `${id} won ${won.get(id)} of ${share}`)
      }
    }),
    { seed: 1, numRuns: 200 },
  )
})

test("balancers that start together begin with different backends", () => {
  const firsts = Array.from({ length: 100 }, (_, seed) => {
    const policy = new EdfRoundRobin(seeded(seed))
    policy.rebuild(ofWeight(2, 1, 1))
    return order(policy, 1)
  })
  // The heavy one is due in the first half of a period: it begins 7/12 of the time, each of the others 5/24.
  for (const id of ["a", "b", "c"]) assert.ok(firsts.includes(id), `${id} was never the first`)
})

test("equal weights are a plain rotation", () => {
  const policy = new EdfRoundRobin(seeded(1))
  policy.rebuild(ofWeight(3, 3, 3))
  assert.equal(order(policy, 7), "abcabca")
})

test("a member that is refused for long is not owed a burst", () => {
  // c keeps one overdue deadline, so it is the first one picked; from then on it has its quarter.
  const policy = new EdfRoundRobin(seeded(1))
  policy.rebuild(ofWeight(2, 1, 1))
  const without = order(policy, 300, ({ id }) => id !== "c")
  assert.equal(without.split("a").length - 1, 200)
  const back = order(policy, 40)
  assert.equal(back[0], "c")
  const won = back.split("c").length - 1
  assert.ok(won === 10 || won === 11, `c won ${won} of 40`)
})

test("changes before every pick change nothing for those that stay", () => {
  const policy = scheduled(new EdfSchedule(atOnce))
  let taken = ""
  for (let i = 0; i < 10; i++) {
    policy.rebuild(ofWeight(2, 1))
    taken += order(policy, 1)
  }
  assert.equal(taken, "ababaabaab")
})

test("a newcomer is not owed the turns before it came", () => {
  const policy = scheduled(new EdfSchedule(seeded(1)))
  const [a, b, c] = ofWeight(2, 1, 1)
  policy.rebuild([a!, b!])
  order(policy, 3_000)
  policy.rebuild([a!, b!, c!])
  const won = order(policy, 400).split("c").length - 1
  assert.ok(Math.abs(won - 100) <= 2, `c won ${won} of 400`)
})

test("with a bias, what is in flight at a pick puts off the next turn", () => {
  const members = fleet({ weight: 2, inFlight: 3 }, { weight: 1 })
  const wonBy = (bias: number): number => {
    const policy = scheduled(new EdfSchedule(seeded(1), bias))
    policy.rebuild(members)
    return order(policy, 900).split("a").length - 1
  }
  // Weights 2 and 1; 2/4 and 1; 2/16 and 1. Two members, so at most 2 turns off (see above).
  for (const [bias, share] of [
    [0, 600],
    [1, 300],
    [2, 100],
  ] as const) {
    assert.ok(Math.abs(wonBy(bias) - share) <= 2.4, `bias ${bias}: a won ${wonBy(bias)}`)
  }
})
