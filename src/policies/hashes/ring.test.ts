import assert from "node:assert/strict"
import { test } from "node:test"
import { seeded } from "../../core/rng.ts"
import { Ring, RingPoints } from "./ring.ts"

function pointsOf(...points: readonly (readonly [hash: number, owner: number])[]): RingPoints {
  const all = new RingPoints(points.length)
  for (const [hash, owner] of points) all.add(hash, owner)
  return all
}

test("points come in order of hash over all of uint32, those at one place in the order they were added", () => {
  const rng = seeded(1)
  const points = Array.from({ length: 5_000 }, (_, owner) => {
    // Few values in some bits, so that there are many equal ones.
    return [owner % 2 === 0 ? rng.below(2 ** 32) : rng.below(8) * 2 ** 29, owner] as const
  })
  const { hashes, owners } = pointsOf(...points).sorted()
  const expected = points.toSorted(([a], [b]) => a - b)
  assert.deepEqual(
    Array.from(hashes, (hash, i) => [hash, owners[i]]),
    expected,
  )
})

test("a key belongs to the first point at or after it, after the last to the first", () => {
  const ring = new Ring(pointsOf([0xf000_0000, 2], [10, 0], [0x8000_0000, 1]), false)
  const owners = [
    0, 10, 11, 0x7fff_ffff, 0x8000_0000, 0x8000_0001, 0xf000_0000, 0xf000_0001, 0xffff_ffff,
  ].map((key) => ring.owners[ring.at(key | 0)])
  assert.deepEqual(owners, [0, 0, 1, 1, 1, 2, 2, 0, 0])
})
