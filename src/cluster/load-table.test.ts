import assert from "node:assert/strict"
import { test } from "node:test"
import { assert as check, array, constantFrom, integer, property, record } from "fast-check"
import { type ResourceTable, unitsMax } from "../core/resources.ts"
import { LoadTable, SlotAllocator } from "./load-table.ts"

const resources: ResourceTable = [
  { name: "compute", kind: "rate", resolution: 1 / 1024 },
  { name: "slots", kind: "space", resolution: 1 },
]
const room = Int32Array.of(unitsMax, 3)

test("what is released is exactly what was acquired", () => {
  const table = LoadTable.create(resources, 4, 2)
  const units = new Int32Array(2)
  table.toUnits(Float64Array.of(2.5, 1), units)
  assert.equal(table.acquire(1, units, room, 0), true)
  assert.deepEqual([table.inFlight(1), table.reserved(1, 0), table.reserved(1, 1)], [1, 2.5, 1])
  assert.deepEqual([table.loadOf(1).inFlight, table.loadOf(1).reserved(0)], [1, 2.5])
  table.release(1, units, 0)
  assert.equal(table.isIdle(1), true)
})

test("a demand is never counted as less than it is", () => {
  const table = LoadTable.create(resources, 1, 1)
  const units = new Int32Array(2)
  table.toUnits(Float64Array.of(0.0001, 0.1), units)
  assert.deepEqual([...units], [1, 1])
})

test("a space resource takes no more than it has room for, and a refusal changes nothing", () => {
  const table = LoadTable.create(resources, 1, 1)
  const units = Int32Array.of(1024, 2)
  assert.equal(table.acquire(0, units, room, 0), true)
  assert.equal(table.acquire(0, units, room, 0), false)
  assert.deepEqual([table.inFlight(0), table.reserved(0, 0), table.reserved(0, 1)], [1, 1, 2])
})

test("a thread that dies gives back all that it held and nothing of the others", () => {
  const steps = array(
    record({
      slot: integer({ min: 0, max: 3 }),
      worker: constantFrom(0, 1),
      units: integer({ min: 0, max: 3 }),
    }),
  )
  check(
    property(steps, (acquires) => {
      const table = LoadTable.create(resources, 4, 2)
      const survivors = LoadTable.create(resources, 4, 2)
      const wide = Int32Array.of(unitsMax, unitsMax)
      for (const { slot, worker, units } of acquires) {
        table.acquire(slot, Int32Array.of(units, units), wide, worker)
        if (worker === 1) survivors.acquire(slot, Int32Array.of(units, units), wide, 1)
      }
      table.releaseAll(0)
      for (let slot = 0; slot < 4; slot++) {
        assert.equal(table.inFlight(slot), survivors.inFlight(slot))
        assert.equal(table.reserved(slot, 1), survivors.reserved(slot, 1))
      }
      table.releaseAll(1)
      for (let slot = 0; slot < 4; slot++) assert.equal(table.isIdle(slot), true)
    }),
  )
})

test("a row is given out again only when it is idle and every thread has let go of its member", () => {
  const table = LoadTable.create(resources, 1, 1)
  const cleared: number[] = []
  const slots = new SlotAllocator(table, (slot) => cleared.push(slot))
  const units = Int32Array.of(1, 1)
  const slot = slots.allocate()!
  assert.equal(slots.allocate(), undefined)
  table.acquire(slot, units, room, 0)
  slots.retire(slot, 7)
  slots.reclaim(6)
  slots.reclaim(7)
  assert.equal(slots.allocate(), undefined)
  table.release(slot, units, 0)
  slots.reclaim(6)
  assert.equal(slots.allocate(), undefined)
  slots.reclaim(7)
  assert.deepEqual([cleared, slots.allocate()], [[slot], slot])
})
