import assert from "node:assert/strict"
import { test } from "node:test"
import { resourcesDefault } from "../../core/resources.ts"
import { ofCapacity, request, resourcesOf } from "../../../test/support/backends.ts"
import { makePolicy, plainPolicy, policies } from "../index.ts"
import { SeedRatio } from "./seed-ratio.ts"
import { seeded } from "../../core/rng.ts"

type Pair = readonly [compute: number, storage: number]

/** The place in the fleet of the backend picked, -1 for none. */
function picked(capacities: readonly Pair[], demand: Pair): number {
  const members = ofCapacity(...capacities)
  const policy = new SeedRatio(resourcesDefault)
  policy.rebuild(members)
  return members.findIndex((member) => member === policy.pick(request(demand)))
}

const three: readonly Pair[] = [
  [20, 20],
  [20, 5],
  [20, 40],
]

test("the vectors of the seed", () => {
  assert.equal(picked([[20, 40]], [5, 10]), 0, "error 0")
  assert.equal(picked(three, [9, 2]), 1, "error 0.11, the first under 0.2")
  assert.equal(picked(three, [9, 1]), 1, "error 0.56, the nearest")
  assert.equal(picked(three, [1, 10]), 2, "error 0.8, the nearest")
  assert.equal(picked([], [1, 1]), -1)
})

test("the first of equal backends gets everything", () => {
  const equal: readonly Pair[] = [
    [20, 20],
    [20, 20],
    [20, 20],
  ]
  for (const [compute, storage] of everyJob()) assert.equal(picked(equal, [compute, storage]), 0)
})

test("the first under 0.2 wins over a later one that is nearer", () => {
  assert.equal(
    picked(
      [
        [9, 10],
        [10, 10],
      ],
      [1, 1],
    ),
    0,
  )
})

test("the nearest is the first of those that are equally far", () => {
  assert.equal(
    picked(
      [
        [10, 20],
        [20, 10],
      ],
      [1, 1],
    ),
    0,
  )
})

test("of all hundred jobs the three backends get 46, 20 and 34", () => {
  const shares = [0, 0, 0]
  for (const job of everyJob()) shares[picked(three, job)]!++
  assert.deepEqual(shares, [46, 20, 34])
})

test("an error of exactly a fifth falls on either side, as floating point has it", () => {
  // 1 − 4/5 is 0.19999999999999996 and (5/4 − 1) / (5/4) is 0.2. Whether 20:20 was close enough shows in
  // whether a backend of exactly the right shape behind it is reached.
  assert.equal(
    picked(
      [
        [20, 20],
        [4, 5],
      ],
      [4, 5],
    ),
    0,
  )
  assert.equal(
    picked(
      [
        [20, 20],
        [5, 4],
      ],
      [5, 4],
    ),
    1,
  )
})

test("a backend without storage or without anything is never picked", () => {
  for (const job of everyJob()) {
    assert.equal(picked([[20, 0]], job), -1)
    assert.equal(picked([[0, 0]], job), -1)
  }
  assert.equal(
    picked(
      [
        [20, 0],
        [0, 0],
        [1, 40],
      ],
      [10, 1],
    ),
    2,
  )
})

test("a request with a ratio that cannot be compared is for no backend", () => {
  assert.equal(picked(three, [0, 0]), -1)
  assert.equal(picked(three, [1, 0]), -1)
  assert.equal(picked(three, [NaN, 1]), -1)
})

test("a backend without compute is the last resort of a request with compute", () => {
  assert.equal(picked([[0, 5]], [1, 10]), 0, "error 1")
  assert.equal(
    picked(
      [
        [0, 5],
        [20, 1],
      ],
      [1, 10],
    ),
    1,
    "error 0.995",
  )
})

test("a close one that is not admitted is passed over", () => {
  const members = ofCapacity(...three)
  const policy = new SeedRatio(resourcesDefault)
  policy.rebuild(members)
  assert.equal(policy.pick(request([1, 1], (backend) => backend !== members[0])), members[2])
})

test("it finds its resources wherever they stand in the table", () => {
  const [compute, storage] = resourcesDefault
  const policy = new SeedRatio([storage!, { ...compute!, name: "memory" }, compute!])
  const members = ofCapacity([20, 1, 20], [5, 1, 20])
  policy.rebuild(members)
  assert.equal(policy.pick(request([2, 1, 9])), members[1])
})

test("resources without compute and storage are refused, by name", () => {
  const resources = resourcesOf("rate", "space")
  const reason = policies["seed-ratio"].unsuitable?.(resources)
  assert.match(reason ?? "", /needs both as resources; found "r0", "r1"/)
  assert.throws(() => makePolicy(plainPolicy("seed-ratio"), { rng: seeded(1), resources }), {
    message: reason!,
  })
  assert.equal(policies["seed-ratio"].unsuitable?.(resourcesDefault), undefined)
})

/** Compute and storage from 1 to 10 each. */
function everyJob(): Pair[] {
  return Array.from({ length: 100 }, (_, job) => [1 + Math.floor(job / 10), 1 + (job % 10)])
}
