import assert from "node:assert/strict"
import { test } from "node:test"
import { resourcesOf } from "../../test/support/backends.ts"
import type { ResourceKind } from "../core/resources.ts"
import { type ClosedStretch, WorkLedger } from "./work-ledger.ts"

/** A ledger of one resource and two routes that has settled: the seconds before 3 s do not count. */
function settled(kind: ResourceKind = "rate"): WorkLedger {
  const ledger = new WorkLedger(resourcesOf(kind), 0)
  ledger.routes = 2
  for (let s = 0; s < 3; s++) ledger.utilized(Float64Array.of(0.5), 0, 1, s * 1_000, (s + 1) * 1_000)
  return ledger
}

function report(ledger: WorkLedger, from: number, to: number, utilization = 0.5): void {
  for (let s = from; s < to; s++)
    ledger.utilized(Float64Array.of(utilization), 0, 1, s * 1_000, (s + 1) * 1_000)
}

function closed(ledger: WorkLedger, now: number): ClosedStretch[] {
  const seconds: ClosedStretch[] = []
  ledger.close(now, (second) => seconds.push(second))
  return seconds
}

test("requests count in the seconds in which they were served, not in which they ended", () => {
  const ledger = settled()
  report(ledger, 3, 8)
  // Eight requests of 2 s that end at 7 s: all in the seconds from 5 to 7.
  ledger.served(1, 8, 2_000, Float64Array.of(16), 0, 7_000, 7_000)
  const seconds = closed(ledger, 60_000)
  assert.deepEqual(
    seconds.map(({ at, served, work }) => [at, served.now[1], work[0]]),
    [
      [4_000, 0, 0],
      [5_000, 0, 0],
      [6_000, 4, 8],
      [7_000, 4, 8],
      [8_000, 0, 0],
    ],
  )
})

test("no request is lost or counted twice, whatever it took", () => {
  for (const duration of [0, 1, 700, 1_500, 40_000]) {
    const ledger = settled()
    report(ledger, 3, 40)
    ledger.served(0, 10, duration, Float64Array.of(5), 0, 30_300, 31_300)
    let served = 0
    let work = 0
    for (const second of closed(ledger, 100_000)) {
      served += second.served.now[0]!
      work += second.work[0]!
    }
    // What lies before the third second is in seconds that do not count: at most 3 of 31, of the longest.
    const least = duration === 40_000 ? 0.89 : 1 - 1e-9
    assert.ok(served > 10 * least && served < 10 + 1e-9, `${duration} ms: ${served}`)
    assert.ok(work > 5 * least && work < 5 + 1e-9)
  }
})

test("a second stays open as long as requests like those of late may end that were served in it", () => {
  const short = settled()
  report(short, 3, 10)
  short.served(0, 1, 100, Float64Array.of(1), 0, 9_000, 10_000)
  const long = settled()
  report(long, 3, 10)
  long.served(0, 1, 3_000, Float64Array.of(1), 0, 9_000, 10_000)
  assert.equal(closed(short, 10_000).at(-1)!.at, 8_000)
  assert.equal(closed(long, 10_000).at(-1)!.at, 4_000)
})

test("seconds without a report are left out, and a report speaks for the time that it covers", () => {
  const ledger = settled()
  ledger.utilized(Float64Array.of(0.4), 0, 2, 4_500, 5_500)
  ledger.utilized(Float64Array.of(0.8), 0, 2, 5_500, 6_500)
  const seconds = closed(ledger, 60_000)
  assert.deepEqual(
    seconds.map(({ at, utilization }) => [at, Math.round(utilization[0]! * 100) / 100]),
    [
      [5_000, 0.4],
      [6_000, 0.6],
      [7_000, 0.8],
    ],
  )
})

test("routes beyond those that there are count as route 0", () => {
  const ledger = settled()
  report(ledger, 3, 5)
  ledger.served(7, 2, 0, Float64Array.of(1), 0, 3_500, 3_500)
  assert.deepEqual([...closed(ledger, 60_000)[0]!.served.now], [2, 0])
})

test("a long silence takes no memory and no time", () => {
  const ledger = settled()
  closed(ledger, 1e12)
  ledger.utilized(Float64Array.of(0.5), 0, 1, 1e12, 1e12 + 1_000)
  assert.equal(closed(ledger, 1e12 + 60_000).length, 1)
})

test("what is in flight is known where a resource is held", () => {
  const ledger = settled("space")
  report(ledger, 3, 8)
  ledger.served(1, 8, 2_500, Float64Array.of(0), 0, 7_000, 7_000)
  const held: (number | undefined)[] = []
  ledger.close(60_000, (second) => held.push(second.held?.now[1]))
  assert.deepEqual(held, [0, 4, 8, 8, 0])
  const rates = settled()
  report(rates, 3, 8)
  assert.equal(closed(rates, 60_000)[0]!.held, undefined)
})

test("seconds join until there are enough requests, or ten of them", () => {
  for (const [perSecond, expected] of [
    [50, 1],
    [8, 3],
    [1, 10],
  ] as const) {
    const ledger = new WorkLedger(resourcesOf("rate"))
    for (let s = 0; s < 33; s++) {
      ledger.utilized(Float64Array.of(0.5), 0, 1, s * 1_000, (s + 1) * 1_000)
      ledger.served(0, perSecond, 0, Float64Array.of(perSecond), 0, s * 1_000 + 1, s * 1_000 + 999)
    }
    const [first] = closed(ledger, 60_000)
    assert.equal(first!.seconds, expected)
    const { averaged, now } = first!.served
    assert.ok(Math.abs(now[0]! - expected * perSecond) < 1e-9)
    assert.ok(Math.abs(averaged[0]![0]! - expected * perSecond) < 1e-9)
    assert.ok(Math.abs(first!.work[0]! - expected * perSecond) < 1e-9)
    assert.equal(first!.utilization[0], 0.5)
  }
})

/** Quiet seconds of ten without a request, after ninety with so many each. */
function quietOf(perSecond: number): number {
  const ledger = new WorkLedger(resourcesOf("rate"), 0)
  let quiet = 0
  for (let s = 0; s < 110; s++) {
    ledger.utilized(Float64Array.of(0.2), 0, 1, s * 1_000, (s + 1) * 1_000)
    if (s < 90) ledger.served(0, perSecond, 0, Float64Array.of(1), 0, s * 1_000 + 1, s * 1_000 + 999)
    for (const { at, isQuiet } of closed(ledger, (s + 1) * 1_000)) if (isQuiet && at <= 100_000) quiet++
  }
  return quiet
}

test("it is quiet when requests are missing that would have been there, and not because there never were many", () => {
  // Of ten seconds the first three are waited for; at two per second twenty are missing in the end, which is too few.
  assert.equal(quietOf(100), 7)
  assert.equal(quietOf(2), 0)
})

/**
 * Requests of others for each of ten that are sent from here per second, where the backend says that it serves so many.
 */
function othersOf(rps: number): number {
  const ledger = new WorkLedger(resourcesOf("rate"), 0)
  let found = NaN
  for (let s = 1; s <= 60; s++) {
    ledger.utilized(Float64Array.of(0.5), 0, 1, (s - 1) * 1_000, s * 1_000)
    ledger.ended(10, s * 1_000)
    ledger.answers(rps, 1, s * 1_000)
    for (const { others } of closed(ledger, s * 1_000)) found = others
  }
  return found
}

test("a backend that says it serves more than it was sent from here has others' requests", () => {
  assert.ok(Math.abs(othersOf(80) - 7) < 0.2, `${othersOf(80)}`)
  assert.equal(othersOf(11), 0, "windows differ by as much")
  assert.equal(othersOf(NaN), 0)
})

test("numbers that no utilization and no rate can be are not taken for one", () => {
  for (const kind of ["rate", "space"] as const) {
    const ledger = settled(kind)
    report(ledger, 3, 8, 0.5)
    for (const absurd of [1e200, Infinity, kind === "space" ? 1.5 : 101]) report(ledger, 3, 8, absurd)
    ledger.ended(10, 7_000)
    ledger.answers(1e300, 1, 7_000)
    ledger.answers(Infinity, 1, 7_000)
    ledger.answers(20_000, 1, 7_000)
    const seconds = closed(ledger, 60_000)
    assert.equal(seconds.length, 5)
    for (const { utilization, others } of seconds) assert.deepEqual([utilization[0], others], [0.5, 0])
  }
})
