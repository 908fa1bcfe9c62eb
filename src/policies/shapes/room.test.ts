import assert from "node:assert/strict"
import { test } from "node:test"
import { backend, fleet, resourcesOf } from "../../../test/support/backends.ts"
import { Room } from "./room.ts"

test("what is left of a space is what no request holds, and never less than nothing", () => {
  const room = new Room(resourcesOf("space", "space"), 7)
  const one = backend({ capacity: [10, 4], reserved: [3, 5] })
  assert.deepEqual([room.left(one, 0), room.left(one, 1)], [7, 0])
})

test("what is left of a rate is the work that can be added and still be done within the horizon", () => {
  // 4 units per second for 2.5 seconds are 10 units of work.
  const room = new Room(resourcesOf("rate", "space"), 2.5)
  const one = backend({ capacity: [4, 4], reserved: [3, 3] })
  assert.deepEqual([room.whole(one, 0), room.left(one, 0)], [10, 7])
  assert.deepEqual([room.whole(one, 1), room.left(one, 1)], [4, 1])
})

test("a request fits when it fits in every resource, just as well as exactly", () => {
  const room = new Room(resourcesOf("rate", "space"), 1)
  const one = backend({ capacity: [4, 8], reserved: [3, 3] })
  assert.equal(room.fits(one, Float64Array.of(1, 5)), true)
  assert.equal(room.fits(one, Float64Array.of(1.001, 0)), false)
  assert.equal(room.fits(one, Float64Array.of(0, 5.001)), false)
  assert.equal(room.fits(backend({ capacity: [4, 0] }), Float64Array.of(4, 0)), true)
})

test("totals are those of the members there are now", () => {
  const room = new Room(resourcesOf("rate", "space"), 2)
  room.rebuild(fleet({ capacity: [1, 1] }, { capacity: [3, 5] }))
  assert.deepEqual([...room.totals], [8, 6])
  room.rebuild([])
  assert.deepEqual([...room.totals], [0, 0])
})

test("fullness is the largest share in use after placement, what is not needed included", () => {
  const room = new Room(resourcesOf("rate", "space"), 2)
  const members = fleet(
    { capacity: [5, 8], reserved: [1, 6] },
    { capacity: [5, 8], reserved: [1, 0] },
    { capacity: [5, 0] },
    { capacity: [0, 8] },
    { capacity: [5, 8] },
  )
  const values = Float64Array.of(0, 0, 0, 0, NaN)
  room.fullness(members, Float64Array.of(4, 0), values)
  // (1 + 4) / 10 against 6 / 8; nothing of nothing is no share; what is needed and not there never fits.
  assert.deepEqual([...values], [0.75, 0.5, 0.4, Infinity, NaN])
})
