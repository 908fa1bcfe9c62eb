import assert from "node:assert/strict"
import { test } from "node:test"
import { request } from "../../../test/support/backends.ts"
import { mix32, seeded } from "../../core/rng.ts"
import { affinityKey, drawAtRandom, drawByKey, drawLimits, drawn } from "./draw.ts"

const drawMax = 2 ** 30

/** How many of evenly spaced draws each share gets. */
function counts(shares: readonly number[], draws = 1_000): readonly number[] {
  const limits = drawLimits(shares)
  const wins = shares.map(() => 0)
  for (let i = 0; i < draws; i++) wins[drawn(limits, Math.floor(((i + 0.5) / draws) * drawMax))]!++
  return wins
}

test("draws are shared in proportion, whatever the shares add up to", () => {
  assert.deepEqual(counts([1, 2, 7]), [100, 200, 700])
  assert.deepEqual(counts([0.25, 0.25]), [500, 500])
  assert.deepEqual(counts([3]), [1_000])
})

test("a share of nothing is never drawn, unless all are nothing", () => {
  assert.deepEqual(counts([0, 1, 0, 1, 0]), [0, 500, 0, 500, 0])
  assert.deepEqual(counts([0, 0]), [500, 500])
  const limits = drawLimits([0, 1 / 3, 0, 2 / 3, 0])
  assert.deepEqual([drawn(limits, 0), drawn(limits, drawMax - 1)], [1, 3])
})

test("a key draws the same again, and with another salt something that has nothing to do with it", () => {
  const [one, other] = [1, 2].map((salt) => drawByKey(seeded(1), salt, affinityKey))
  // Both draws in the lower half: 4σ of a binomial with n = 10_000 and p = 1/4 is 173.
  let both = 0
  for (let n = 0; n < 10_000; n++) {
    const asked = request([1, 1], undefined, mix32(n))
    const draw = one!(asked)
    assert.equal(one!(asked), draw)
    if (draw < drawMax / 2 && other!(asked) < drawMax / 2) both++
  }
  assert.ok(Math.abs(both - 2_500) < 173, `${both}`)
})

test("without a key, draws are as good as at random", () => {
  const draw = drawByKey(seeded(1), 1, affinityKey)
  const chance = drawAtRandom(seeded(1))
  for (let n = 0; n < 100; n++) assert.equal(draw(request()), chance(request()))
})
