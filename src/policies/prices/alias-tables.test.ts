import assert from "node:assert/strict"
import { test } from "node:test"
import * as fc from "fast-check"
import { AliasTables } from "./alias-tables.ts"

function fill(tables: AliasTables, row: number, weights: readonly number[]): void {
  tables.weights.set(weights)
  tables.fill(row)
}

/** How often each outcome comes up when the random numbers are spread evenly over [0, 1). */
function partsOf(tables: AliasTables, row: number, outcomes: number, draws: number): number[] {
  const counts = Array.from({ length: outcomes }, () => 0)
  for (let i = 0; i < draws; i++) counts[tables.draw(row, (i + 0.5) / draws)]!++
  return counts.map((count) => count / draws)
}

test("outcomes come up by weight", () => {
  const weights = fc
    .array(fc.oneof(fc.constant(0), fc.double({ min: 0, max: 100, noNaN: true })), {
      minLength: 1,
      maxLength: 40,
    })
    .filter((list) => list.some((weight) => weight > 1e-9))
  fc.assert(
    fc.property(weights, (list) => {
      const tables = new AliasTables()
      tables.reset(1, list.length)
      fill(tables, 0, list)
      const sum = list.reduce((a, b) => a + b, 0)
      // Of evenly spaced numbers each border between two sides can claim one too many: two borders a column.
      const draws = 20_000
      for (const [i, part] of partsOf(tables, 0, list.length, draws).entries()) {
        assert.ok(
          Math.abs(part - list[i]! / sum) <= (2 * list.length) / draws,
          `${i} of ${list.join(", ")}: ${part}`,
        )
      }
    }),
    { seed: 1, numRuns: 200 },
  )
})

test("what has no weight never comes up", () => {
  const tables = new AliasTables()
  tables.reset(1, 4)
  fill(tables, 0, [0, 3, 0, 1])
  assert.deepEqual(partsOf(tables, 0, 4, 1_000), [0, 0.75, 0, 0.25])
})

test("rows do not touch each other, and a reset empties them", () => {
  const tables = new AliasTables()
  tables.reset(2, 2)
  fill(tables, 0, [1, 3])
  assert.deepEqual([tables.isFilled(0), tables.isFilled(1)], [true, false])
  fill(tables, 1, [1, 0])
  assert.deepEqual(partsOf(tables, 0, 2, 100), [0.25, 0.75])
  assert.deepEqual(partsOf(tables, 1, 2, 100), [1, 0])
  tables.reset(1, 3)
  assert.equal(tables.isFilled(0), false)
  fill(tables, 0, [1, 1, 2])
  assert.deepEqual(
    partsOf(tables, 0, 3, 300),
    [75, 75, 150].map((count) => count / 300),
  )
})
