import assert from "node:assert/strict"
import { test } from "node:test"
import { fleet } from "../../../test/support/backends.ts"
import { believedOf } from "./believed.ts"

test("without penalties, or where all have the same, each member is what it says", () => {
  const members = fleet({ capacity: [1, 2] }, { capacity: [1_000, 2], weight: 7 })
  for (const penalty of [1, 16]) {
    const believed = believedOf(members, new Map(members.map(({ id }) => [id, penalty])))
    assert.deepEqual([...believed.penalties], [1, 1])
    assert.equal(believed.hasPenalties, false)
    assert.deepEqual(believed.capacities, [members[0]!.capacity, members[1]!.capacity])
    assert.deepEqual([...believed.weights], [1, 7])
  }
})

test("one that fails is no larger than the mean of those that do not, whatever it announces", () => {
  for (const factor of [1, 10, 1_000, 1e9]) {
    const members = fleet(
      { capacity: [2 * factor, 0.5], weight: factor },
      { capacity: [1, 1] },
      { capacity: [3, 1] },
    )
    const believed = believedOf(members, new Map([[members[0]!.id, 16]]))
    assert.deepEqual([...believed.capacities[0]!], [2, 0.5])
    assert.deepEqual([...believed.weights], [1, 1, 1])
    assert.equal(believed.capacities[1], members[1]!.capacity)
    assert.deepEqual(believed.isGood, [false, true, true])
  }
})

test("the more it fails the less of its size is left", () => {
  const members = fleet({ capacity: [100] }, { capacity: [1] })
  const sizes = [1, 1.1, 1.5, 2, 8].map(
    (penalty) => believedOf(members, new Map([[members[0]!.id, penalty]])).capacities[0]![0]!,
  )
  assert.deepEqual(
    sizes.toSorted((a, b) => b - a),
    sizes,
  )
  assert.ok(sizes[0] === 100 && sizes[1]! > 50 && sizes[3] === 1 && sizes[4] === 1, sizes.join(", "))
})

test("what none of the good ones has is left as it is", () => {
  const members = fleet({ capacity: [4, 9] }, { capacity: [4, 0] })
  assert.deepEqual([...believedOf(members, new Map([[members[0]!.id, 16]])).capacities[0]!], [4, 9])
})

test("there may be no member", () => {
  assert.equal(believedOf([], new Map()).hasPenalties, false)
})
