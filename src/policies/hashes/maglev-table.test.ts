import assert from "node:assert/strict"
import { test } from "node:test"
import { fleet } from "../../../test/support/backends.ts"
import { maglevTable } from "./maglev-table.ts"

const size = 65_537

function many(count: number) {
  return fleet(...Array.from({ length: count }, () => ({})))
}

function placesOf(owners: Int32Array, members: number): number[] {
  const places = Array.from({ length: members }, () => 0)
  for (const owner of owners) places[owner]!++
  return places
}

test("equal backends get equal numbers of places but for one", () => {
  for (const count of [1, 2, 3, 7, 100, 1_000]) {
    const places = placesOf(maglevTable(many(count), size).owners, count)
    assert.ok(Math.max(...places) - Math.min(...places) <= 1, `${count}`)
  }
})

test("places are in proportion to weight, within one round of turns", () => {
  // A member behind the heaviest by a factor has its turn in that part of the rounds, and the last round is cut short.
  const members = fleet({ weight: 0.5 }, { weight: 1 }, { weight: 3 }, { weight: 0.1 })
  const places = placesOf(maglevTable(members, size).owners, members.length)
  for (const [i, { weight }] of members.entries()) {
    assert.ok(Math.abs(places[i]! - (size * weight) / 4.6) <= 2, places.join(" "))
  }
})

test("the table does not depend on the order of registration", () => {
  const members = many(20)
  const one = maglevTable(members, size).owners
  const reversed = members.toReversed()
  const other = maglevTable(reversed, size).owners
  for (let i = 0; i < size; i++) assert.equal(members[one[i]!], reversed[other[i]!])
})

test("a backend that comes moves little more than its part", () => {
  // Its part is 1/(n+1). One that is refused a place because the newcomer has it is pushed ahead in its own order, and
  // may take what another had. When a part f of the table is filled, at most f/n of it are places that are taken sooner
  // than before, so a turn is affected with probability at most (f/n)/(1−f); added up to f = n/(n+1), when the table is
  // full, that is (ln(n+1) − n/(n+1))/n.
  for (const count of [3, 10, 30, 100]) {
    const members = many(count + 1)
    const before = maglevTable(members.slice(0, count), size).owners
    const after = maglevTable(members, size).owners
    let [taken, between] = [0, 0]
    for (let i = 0; i < size; i++) {
      if (after[i] === before[i]) continue
      if (after[i] === count) taken++
      else between++
    }
    const bound = (Math.log(count + 1) - count / (count + 1)) / count
    assert.ok(Math.abs(taken - size / (count + 1)) <= 1, `${count}: took ${taken}`)
    assert.ok(between / size < bound, `${count}: ${between / size} of ${bound}`)
  }
})

test("a table smaller than the fleet is filled by the first in order of id", () => {
  const { owners } = maglevTable(many(10), 3)
  assert.deepEqual(new Set(owners), new Set([0, 1, 2]))
})

test("the size is raised to a prime", () => {
  const sizes = [2, 3, 4, 100, 65_536, 5_000_011].map(
    (sizeMin) => maglevTable(many(1), sizeMin).owners.length,
  )
  assert.deepEqual(sizes, [2, 3, 5, 101, 65_537, 5_000_011])
})
