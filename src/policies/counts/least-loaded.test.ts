import assert from "node:assert/strict"
import { test } from "node:test"
import { backends, request } from "../../../test/support/backends.ts"
import type { Backend } from "../../core/backend.ts"
import { seeded } from "../../core/rng.ts"
import { LeastLoaded } from "./least-loaded.ts"
import { inFlight } from "./load-metrics.ts"

function wins(policy: LeastLoaded, members: readonly Backend[], picks: number): number[] {
  policy.rebuild(members)
  const won = members.map(() => 0)
  for (let i = 0; i < picks; i++) won[members.indexOf(policy.pick(request())!)]!++
  return won
}

test("the least load wins, wherever it stands", () => {
  const policy = new LeastLoaded("least", seeded(1), inFlight)
  assert.deepEqual(wins(policy, backends(1, 2, 3), 100), [100, 0, 0])
  assert.deepEqual(wins(policy, backends(3, 1, 2), 100), [0, 100, 0])
  assert.deepEqual(wins(policy, backends(3, 2, 1), 100), [0, 0, 100])
})

test("each of the tied is equally likely, and no other is picked", () => {
  // 4σ of a binomial with n = 30_000 and p = 1/3 is 327 picks.
  const policy = new LeastLoaded("least", seeded(1), inFlight)
  const won = wins(policy, backends(7, 2, 2, 9, 2), 30_000)
  assert.deepEqual([won[0], won[3]], [0, 0])
  for (const each of [won[1]!, won[2]!, won[4]!]) {
    assert.ok(Math.abs(each - 10_000) <= 327, `won ${won.join(", ")}`)
  }
})

test("Infinity is picked only when there is nothing else, and then at random", () => {
  // 4σ of a binomial with n = 10_000 and p = 1/2 is 200 picks.
  const full = new LeastLoaded("least", seeded(1), ({ load }) => (load.inFlight === 9 ? Infinity : 0))
  assert.deepEqual(wins(full, backends(9, 1, 9), 100), [0, 100, 0])
  const won = wins(full, backends(9, 9), 10_000)
  assert.ok(Math.abs(won[0]! - 5_000) <= 200, `won ${won.join(", ")}`)
})

test("only those admitted are compared", () => {
  const compared = new Set<string>()
  const policy = new LeastLoaded("least", seeded(1), ({ id, load }) => {
    compared.add(id)
    return load.inFlight
  })
  policy.rebuild(backends(1, 2, 3))
  assert.equal(policy.pick(request([1, 1], ({ id }) => id !== "a"))?.id, "b")
  assert.deepEqual([...compared], ["b", "c"])
})
