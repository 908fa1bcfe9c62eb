import assert from "node:assert/strict"
import { test } from "node:test"
import * as fc from "fast-check"
import { ofWeight } from "../../../test/support/backends.ts"
import type { Rng } from "../../core/rng.ts"
import { WeightedDraw } from "./weighted-draw.ts"

test("every place has exactly the chance that its weight says", () => {
  // Chance by hand: each column in turn, and in each all fractions of a fine grid. A column is split at one
  // point, which falls between two of the grid's, so each column is off by at most one of `grid`.
  const grid = 500
  const weights = fc.array(fc.double({ min: 1e-3, max: 1e3, noNaN: true }), { minLength: 1, maxLength: 6 })
  fc.assert(
    fc.property(weights, (weights) => {
      let column = 0
      let fraction = 0
      const rng: Rng = { below: () => column, next: () => fraction }
      const draw = new WeightedDraw(rng)
      draw.rebuild(ofWeight(...weights))
      const drawn = weights.map(() => 0)
      for (column = 0; column < weights.length; column++) {
        for (let i = 0; i < grid; i++) {
          fraction = (i + 0.5) / grid
          drawn[draw.next()]!++
        }
      }
      const total = weights.reduce((sum, weight) => sum + weight, 0)
      const cells = grid * weights.length
      for (const [place, weight] of weights.entries()) {
        const expected = (cells * weight) / total
        assert.ok(Math.abs(drawn[place]! - expected) <= weights.length, `${drawn[place]} for ${expected}`)
      }
    }),
    { seed: 1, numRuns: 300 },
  )
})
