import assert from "node:assert/strict"
import { test } from "node:test"
import * as fc from "fast-check"
import { seeded, type Rng } from "../core/rng.ts"
import { afterCheck, checkTimesDefault as times, nextCheckMs, unprobed, type Health } from "./health.ts"

test("one pass brings a probing backend to serving", () => {
  assert.equal(after("+").condition, "healthy")
  assert.equal(after("-----+").condition, "healthy")
})

test("a backend that never passed is not ejected but goes on being probed", () => {
  assert.equal(after("----------").condition, "probing")
})

test("three failures in a row eject, and a pass between them starts the count again", () => {
  assert.equal(after("+--").condition, "healthy")
  assert.equal(after("+--+--").condition, "healthy")
  assert.equal(after("+---").condition, "ejected")
})

test("two passes in a row bring an ejected backend back", () => {
  assert.equal(after("+---+").condition, "ejected")
  assert.equal(after("+---+-+").condition, "ejected")
  assert.equal(after("+---++").condition, "healthy")
})

test("the interval is fast while the result is open", () => {
  const delays: [string, number][] = [
    ["", times.fastIntervalMs],
    ["-", times.fastIntervalMs],
    ["+", times.intervalMs],
    ["+-", times.fastIntervalMs],
    ["+---", times.intervalMs],
    ["+---+", times.fastIntervalMs],
    ["+---++", times.intervalMs],
  ]
  for (const [history, ms] of delays) assert.equal(nextCheckMs(after(history), times, middle), ms, history)
})

test("a fast interval longer than the normal one does not slow checks down", () => {
  assert.equal(nextCheckMs(unprobed, { ...times, intervalMs: 200 }, middle), 200)
})

test("delays stay within 15 % of the interval and spread over all of it", () => {
  const rng = seeded(1)
  const delays = Array.from({ length: 10_000 }, () => nextCheckMs(after("+"), times, rng))
  // 10_000 uniform draws leave the outer 1 % of the range empty with a probability of 0.99^10_000 < 1e-43.
  const [least, most] = [Math.min(...delays), Math.max(...delays)]
  assert.ok(least >= 4_250 && least < 4_265, String(least))
  assert.ok(most <= 5_750 && most > 5_735, String(most))
})

test("healthy means a pass and since then fewer than three failures in a row, or two passes after more", () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom("+", "-"), maxLength: 40 }), (history) => {
      assert.equal(after(history).condition, byHistory(history))
    }),
  )
})

const middle: Rng = { next: () => 0.5, below: () => 0 }

/** The health after checks that passed (+) or failed (-). */
function after(history: string): Health {
  return Array.from(history).reduce((health, mark) => afterCheck(health, mark === "+", times), unprobed)
}

/** The same rule again, over the whole history instead of step by step. */
function byHistory(history: string): Health["condition"] {
  if (!history.includes("+")) return "probing"
  const fell = history.lastIndexOf("---")
  if (fell === -1 || fell < history.indexOf("+")) return "healthy"
  return history.slice(fell + 3).includes("++") ? "healthy" : "ejected"
}
