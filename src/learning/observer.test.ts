import assert from "node:assert/strict"
import { test } from "node:test"
import { outcome } from "../../test/support/backends.ts"
import { reportTo } from "../../test/support/learning-fleet.ts"
import { resourcesDefault } from "../core/resources.ts"
import { seeded } from "../core/rng.ts"
import { loadReport } from "./load-report.ts"
import { cellCost, cellFields, cellStride, type ObservationBatch, Observer } from "./observer.ts"

const samplesMax = 64

const resources = resourcesDefault

function costing(...cost: readonly number[]) {
  return loadReport(resources, { requestCost: Float64Array.from(cost) })
}

function using(...utilization: readonly number[]) {
  return loadReport(resources, { utilization: Float64Array.from(utilization) })
}

/** One number of the cell of this pair; undefined without one. */
function cell(batch: ObservationBatch, slot: number, route: number, field: number): number | undefined {
  const row = batch.cells.slots.findIndex((found, i) => found === slot && batch.cells.routes[i] === route)
  return row === -1 ? undefined : batch.cells.values[row * cellStride(resources) + field]
}

test("attempts are summed by backend and route", () => {
  const observer = new Observer(resources, 4)
  observer.settled(1, 2, outcome({ totalMs: 10, firstByteMs: 8 }))
  observer.settled(1, 2, outcome({ totalMs: 20, firstByteMs: 5 }))
  observer.settled(1, 2, outcome({ result: "failure", totalMs: 1_000 }))
  observer.settled(1, 2, outcome({ result: "ignored", totalMs: 1_000 }))
  observer.settled(3, 0, outcome({ totalMs: 7 }))
  const batch = observer.take(500)!

  assert.deepEqual([batch.since, batch.until], [NaN, 500])
  const of = (field: number) => cell(batch, 1, 2, field)
  assert.equal(of(cellFields.served), 2)
  assert.equal(of(cellFields.failed), 1)
  assert.equal(of(cellFields.ignored), 1)
  assert.equal(of(cellFields.totalMs), 30)
  assert.equal(of(cellFields.firstByteMsMin), 5)
  assert.equal(of(cellFields.answerMs), 10 - 8 + 20 - 5)
  assert.equal(cell(batch, 3, 0, cellFields.served), 1)
  assert.equal(batch.cells.slots.length, 2)
})

test("what was taken is forgotten, and nothing is taken when nothing happened", () => {
  const observer = new Observer(resources, 4)
  assert.equal(observer.take(0), undefined)
  observer.settled(1, 2, outcome())
  reportTo(observer, 1, 2, costing(1, 1), 0)
  const first = observer.take(1_000)!
  assert.equal(observer.take(2_000), undefined)
  observer.settled(0, 1, outcome())
  const second = observer.take(3_000)!
  assert.deepEqual([second.since, second.until], [2_000, 3_000])
  assert.equal(cell(second, 1, 2, cellFields.served), undefined)
  assert.equal(second.samples.routes.length, 0)
  assert.equal(cell(first, 1, 2, cellFields.served), 1, "an earlier batch stays as it was")
})

test("a batch travels between threads as it is", () => {
  const observer = new Observer(resources, 4)
  observer.settled(1, 2, outcome())
  reportTo(observer, 1, 2, costing(1, 1), 50)
  const batch = observer.take(1_000)!
  assert.deepEqual(structuredClone(batch), batch)
})

test("reported costs come one by one with the length of the body, and as a sum", () => {
  const observer = new Observer(resources, 4)
  reportTo(observer, 1, 2, costing(1, NaN), 10)
  reportTo(observer, 1, 2, costing(3, 5), 20)
  reportTo(observer, 1, 2, costing(NaN, NaN), 30)
  const batch = observer.take(1_000)!
  assert.deepEqual([...batch.samples.routes], [2, 2])
  assert.deepEqual([...batch.samples.values], [10, 1, NaN, 20, 3, 5])
  assert.equal(cell(batch, 1, 2, cellFields.reported), 2)
  assert.equal(cell(batch, 1, 2, cellCost), 4)
  assert.equal(cell(batch, 1, 2, cellCost + 1), 5)
})

test("of many costs a bounded number is passed on, each of them equally likely", () => {
  // 200 batches of 1 000 costs: a cost's place is passed on with probability 0.064. Of each tenth of the places
  // 200 · 100 · 0.064 = 1 280 are expected; 4σ of a binomial is 4 · √(20 000 · 0.064 · 0.936) = 139.
  const observer = new Observer(resources, 4, seeded(1))
  const tenths = Array.from({ length: 10 }, () => 0)
  for (let round = 0; round < 200; round++) {
    for (let i = 0; i < 1_000; i++) reportTo(observer, 0, 1, costing(i, 0), 0)
    const { samples } = observer.take(round)!
    assert.equal(samples.routes.length, samplesMax)
    for (let i = 0; i < samplesMax; i++) tenths[Math.floor(samples.values[i * 3 + 1]! / 100)]!++
  }
  for (const count of tenths) assert.ok(Math.abs(count - 1_280) < 139, tenths.join(" "))
})

test("utilization is a mean by backend, of the reports that had it", () => {
  const observer = new Observer(resources, 4)
  reportTo(observer, 2, 0, using(0.2, NaN), 0)
  reportTo(observer, 2, 5, using(0.6, 0.5), 0)
  reportTo(observer, 3, 5, using(NaN, NaN), 0)
  const { loads } = observer.take(1_000)!
  assert.deepEqual([...loads.slots], [2])
  assert.deepEqual([...loads.counts], [2])
  assert.deepEqual([...loads.utilization], [0.4, 0.5])
})

test("any number of pairs fits up to the bound, and beyond it routes become route 0", () => {
  const observer = new Observer(resources, 300)
  for (let slot = 0; slot < 300; slot++) {
    for (let route = 0; route < 100; route++) observer.settled(slot, route, outcome())
  }
  const { cells } = observer.take(1_000)!
  assert.equal(cells.slots.length, 16_384)
  const stride = cellStride(resources)
  const servedOf = (slot: number): number => {
    let served = 0
    for (const [row, found] of cells.slots.entries()) {
      if (found === slot) served += cells.values[row * stride + cellFields.served]!
    }
    return served
  }
  assert.equal(servedOf(0), 100)
  // 16 384 / 100: the pairs of slots 0 to 162 and 84 of slot 163 fit; its others count as its route 0.
  assert.equal(servedOf(163), 100)
  assert.equal(servedOf(164), 0)

  observer.settled(299, 99, outcome())
  assert.equal(observer.take(2_000)!.cells.slots.length, 1)
})
