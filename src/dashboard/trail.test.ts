import assert from "node:assert/strict"
import { test } from "node:test"
import { Trail } from "./trail.ts"

const trailMs = 60_000

function trail(...points: readonly (readonly [at: number, value: number])[]): Trail {
  const trail = new Trail()
  for (const [at, value] of points) trail.add(at, value)
  return trail
}

test("a line needs two points", () => {
  assert.equal(trail().path(100, 10, 1, false), "")
  assert.equal(trail([0, 1]).path(100, 10, 1, false), "")
})

test("the newest point is at the right edge, the peak at the top, nothing at the bottom", () => {
  assert.equal(
    trail([0, 0], [30_000, 5], [60_000, 10]).path(100, 10, 10, false),
    "M0.0 10.0L50.0 5.0L100.0 0.0",
  )
})

test("the area goes down to the base line and back to where the line began", () => {
  assert.equal(trail([30_000, 2], [60_000, 1]).path(100, 10, 2, true), "M50.0 0.0L100.0 5.0L100 10L50.0 10Z")
})

test("without any traffic the line lies on the base", () => {
  assert.equal(trail([0, 0], [60_000, 0]).path(100, 10, 0, false), "M0.0 10.0L100.0 10.0")
})

test("what is older than the trail is forgotten, and so is its peak", () => {
  const long = new Trail()
  for (let second = 0; second <= 300; second++) long.add(second * 1_000, second === 0 ? 99 : 1)

  assert.equal(long.peak, 1)
  const points = long.path(600, 10, 1, false).split(/[ML]/).length - 1
  assert.equal(points, trailMs / 1_000 + 1)
})

test("a balancer that started anew starts its trail anew", () => {
  const again = trail([50_000, 7], [51_000, 8], [200, 1])

  assert.equal(again.peak, 1)
  assert.equal(again.path(100, 10, 1, false), "")
})
