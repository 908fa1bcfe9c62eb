import assert from "node:assert/strict"
import { test } from "node:test"
import * as fc from "fast-check"
import { formatDuration, parseDuration } from "./duration.ts"

test("reads every unit, decimals, and 0 without a unit", () => {
  const cases: readonly (readonly [string | number, number])[] = [
    ["250ms", 250],
    ["5s", 5_000],
    ["2m", 120_000],
    ["1h", 3_600_000],
    ["1.5s", 1_500],
    ["0s", 0],
    [0, 0],
  ]
  for (const [input, ms] of cases) assert.equal(parseDuration(input), ms, String(input))
})

test("refuses everything else", () => {
  const wrong = ["", "5", "s", "-5s", "5 s", "5S", "5d", "1m30s", ".5s", "5.s", "1e3s", "Infinitys", "٣s"]
  for (const text of wrong) assert.equal(parseDuration(text), undefined, text)
  for (const number of [1, 30, 0.5, 250, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
    assert.equal(parseDuration(number), undefined, `${number} could be seconds or milliseconds`)
  }
  assert.equal(parseDuration(`${"9".repeat(400)}h`), undefined)
})

test("writes the shortest exact text", () => {
  assert.deepEqual(
    [0, 1, 250, 1_000, 1_500, 90_000, 120_000, 3_600_000].map((ms) => formatDuration(ms)),
    ["0s", "1ms", "250ms", "1s", "1500ms", "90s", "2m", "1h"],
  )
})

test("what is written reads as the same", () => {
  fc.assert(fc.property(fc.nat(), (ms) => assert.equal(parseDuration(formatDuration(ms)), ms)))
})
