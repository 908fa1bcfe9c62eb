import assert from "node:assert/strict"
import { test } from "node:test"
import { seeded } from "../../core/rng.ts"
import { ofCapacity } from "../../../test/support/backends.ts"
import { kindsOf } from "./backend-kinds.ts"

test("backends of one shape are one kind, and have parts of it by size", () => {
  const kinds = kindsOf(ofCapacity([2, 4], [9, 1], [6, 12]), 2, 128)
  assert.deepEqual([...kinds.of], [0, 1, 0])
  assert.deepEqual([...kinds.capacity], [8, 16, 9, 1])
  assert.ok(Math.abs(kinds.part[0]! - 0.25) < 1e-12 && Math.abs(kinds.part[2]! - 0.75) < 1e-12)
  assert.equal(kinds.part[1], 1)
})

test("what is not there is a kind of its own", () => {
  assert.equal(kindsOf(ofCapacity([1, 0], [1, 1e-9], [0, 1], [7, 0]), 2, 128).count, 3)
})

test("too many shapes are rounded until they are few, and no further from their kind than that", () => {
  const rng = seeded(1)
  const members = ofCapacity(...Array.from({ length: 2_000 }, () => [1 + 9 * rng.next(), 1 + 9 * rng.next()]))
  const { count, of, capacity, part } = kindsOf(members, 2, 128)
  assert.ok(count <= 128 && count > 64, `${count} kinds`)
  // Ratios lie within ln 100 of each other, so steps of 0.04 make at most 116 kinds, and half a step is 2 %.
  for (const [member, one] of members.entries()) {
    const kind = of[member]!
    const ratio = capacity[kind * 2]! / capacity[kind * 2 + 1]!
    assert.ok(Math.abs(Math.log(ratio / (one.capacity[0]! / one.capacity[1]!))) < 0.041)
  }
  const sums = new Float64Array(count)
  for (const [member, kind] of of.entries()) sums[kind]! += part[member]!
  for (const sum of sums) assert.ok(Math.abs(sum - 1) < 1e-9)
})

test("without backends there are no kinds", () => {
  assert.equal(kindsOf([], 2, 128).count, 0)
})
