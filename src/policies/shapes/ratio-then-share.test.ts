import assert from "node:assert/strict"
import { test } from "node:test"
import { fleet, request, resourcesOf, type Traits } from "../../../test/support/backends.ts"
import { mirrored, packed } from "../../../test/support/policies/packing.ts"
import { seeded } from "../../core/rng.ts"
import type { Policy } from "../policy.ts"
import { ratioThenShare } from "./ratio-then-share.ts"

function made(band = 0.2): Policy {
  const parameters = { band, horizonSeconds: 1 }
  return ratioThenShare.make({ rng: seeded(1), resources: resourcesOf("space", "space"), parameters })
}

function picked(traits: readonly Traits[], demand: readonly number[], band?: number): number {
  const members = fleet(...traits)
  const policy = made(band)
  policy.rebuild(members)
  return members.indexOf(policy.pick(request(demand)) as (typeof members)[number])
}

/** What is left: 4:4, 9:10 and 40:20. For an even request the errors are 0, 0.1 and 0.5. */
const three: readonly Traits[] = [
  { capacity: [10, 10], reserved: [6, 6] },
  { capacity: [10, 10], reserved: [1, 0] },
  { capacity: [40, 20] },
]

test("within the band the least full wins, and outside of it none, however empty", () => {
  assert.equal(picked(three, [1, 1]), 1)
  assert.equal(picked(three, [1, 1], 0.05), 0)
  assert.equal(picked(three, [1, 1], 0.6), 2)
})

test("the band lies above the best error there is", () => {
  // For 1:2 the errors are 0.5, 0.44 and 0.75: the first two are within a fifth of the best.
  assert.equal(picked(three, [1, 2]), 1)
  assert.equal(picked([three[0]!, three[2]!], [1, 2]), 0)
})

test("with no band it is the nearest shape, with the whole band it is load alone", () => {
  assert.equal(picked(three, [2, 1], 0), 2)
  assert.equal(picked([three[0]!, { capacity: [8, 100] }], [1, 1], 1), 1)
})

test("equal backends are filled evenly, where the seed's rule fills the first", () => {
  const policy = made()
  const members = fleet({}, {}, {})
  policy.rebuild(members)
  for (let i = 0; i < 9; i++) {
    const one = policy.pick(request([1, 2])) as (typeof members)[number]
    one.load.hold(Float64Array.of(1, 2))
  }
  assert.deepEqual(
    members.map((member) => member.load.inFlight),
    [3, 3, 3],
  )
})

test("it packs the two servers of the DRFH paper as well as the best fit", () => {
  assert.deepEqual(packed(made(), mirrored.servers, mirrored.users), [
    [10, 0],
    [0, 10],
  ])
})
