import assert from "node:assert/strict"
import { test, type TestContext } from "node:test"
import { Worker } from "node:worker_threads"
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

interface Hammering {
  /** The most of the space resource that was held at once, as those that held it counted. */
  readonly held: number
  readonly taken: number
  readonly refused: number
}

/**
 * A thread that takes and gives back at random. What it holds it also counts in `truth`, after it has taken and
 * before it gives back, so that the count is never more than what the table has really admitted.
 */
const hammer = `
const { parentPort, workerData } = require("node:worker_threads")
const { module, resources, shape, truth, worker, seed, turns, keeps, room } = workerData
import(module).then(({ LoadTable }) => {
  const table = new LoadTable(resources, shape)
  const held = new Int32Array(truth)
  const mine = []
  let state = seed
  const below = (n) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * n)
  }
  const giveBack = (at) => {
    const [slot, units] = mine.splice(at, 1)[0]
    Atomics.sub(held, slot, units[1])
    table.release(slot, units, worker)
  }
  const result = { held: 0, taken: 0, refused: 0 }
  // All begin together, so that they really contend.
  Atomics.add(held, 2, 1)
  while (Atomics.load(held, 2) < shape.workers);
  // One that keeps ends with something to keep: it never has all the room, so there is some for the other.
  for (let turn = 0; turn < turns || (keeps && mine.length === 0); turn++) {
    if (mine.length > 3 || (mine.length > 0 && below(2) === 0)) giveBack(below(mine.length))
    const slot = below(2)
    const units = Int32Array.of(1 + below(5000), 1 + below(3))
    if (table.acquire(slot, units, room, worker)) {
      result.held = Math.max(result.held, Atomics.add(held, slot, units[1]) + units[1])
      result.taken++
      mine.push([slot, units])
    } else result.refused++
  }
  if (!keeps) while (mine.length > 0) giveBack(0)
  parentPort.postMessage({ result, mine })
})
`

/** Runs threads against one table until all have had their turns; those of `keeping` give nothing back. */
async function hammered(
  t: TestContext,
  table: LoadTable,
  workers: number,
  keeping: readonly number[] = [],
): Promise<{ results: readonly Hammering[]; kept: readonly (readonly [number, Int32Array])[][] }> {
  const seed = process.pid
  t.diagnostic(`seed ${seed}`)
  const truth = new SharedArrayBuffer(12)
  const messages = await Promise.all(
    Array.from({ length: workers }, (_, worker) => {
      const thread = new Worker(hammer, {
        eval: true,
        workerData: {
          module: new URL("./load-table.ts", import.meta.url).href,
          resources,
          shape: table.shape,
          truth,
          worker,
          seed: seed + worker * 7_919,
          turns: 50_000,
          keeps: keeping.includes(worker),
          room: Int32Array.of(unitsMax, 7),
        },
      })
      return new Promise<{ result: Hammering; mine: (readonly [number, Int32Array])[] }>(
        (resolve, reject) => {
          thread.once("message", resolve).once("error", reject)
        },
      )
    }),
  )
  return { results: messages.map(({ result }) => result), kept: messages.map(({ mine }) => mine) }
}

test("threads that take and give back at once never hold more space than there is, and leave nothing", async (t) => {
  const table = LoadTable.create(resources, 2, 4)
  const { results } = await hammered(t, table, 4)
  t.diagnostic(JSON.stringify(results))
  for (const { held } of results) assert.ok(held <= 7, `${held} of 7 were held`)
  assert.ok(results.some(({ taken }) => taken > 0) && results.some(({ refused }) => refused > 0))
  assert.ok(results.some(({ held }) => held === 7))
  assert.deepEqual([table.isIdle(0), table.isIdle(1)], [true, true])
})

test("what a thread held when it ended is given back exactly, and what others hold stays", async (t) => {
  const table = LoadTable.create(resources, 2, 3)
  const { kept } = await hammered(t, table, 3, [0, 1])
  const expected = (workers: readonly number[], slot: number): number[] => {
    const units = workers.flatMap((worker) => kept[worker]!.filter((one) => one[0] === slot))
    const sum = (r: number): number => units.reduce((all, [, amounts]) => all + amounts[r]!, 0)
    return [units.length, sum(0) / 1024, sum(1)]
  }
  const found = (slot: number): number[] => [
    table.inFlight(slot),
    table.reserved(slot, 0),
    table.reserved(slot, 1),
  ]
  assert.ok(kept[0]!.length > 0 && kept[1]!.length > 0)
  for (const slot of [0, 1]) assert.deepEqual(found(slot), expected([0, 1], slot))
  table.releaseAll(0)
  for (const slot of [0, 1]) assert.deepEqual(found(slot), expected([1], slot))
  table.releaseAll(0)
  for (const slot of [0, 1]) assert.deepEqual(found(slot), expected([1], slot))
  table.releaseAll(1)
  assert.deepEqual([table.isIdle(0), table.isIdle(1)], [true, true])
})
