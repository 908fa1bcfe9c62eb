import assert from "node:assert/strict"
import { test } from "node:test"
import { type Given, UsageError } from "./command.ts"
import { durationOf, integerOf, loadsOf, numberOf } from "./numbers.ts"

function given(values: Given["values"]): Given {
  return { values, positionals: [] }
}

function refuses(read: () => unknown, message: string): void {
  assert.throws(read, (error) => error instanceof UsageError && error.message === message, message)
}

test("what was not given is undefined, not a mistake", () => {
  const nothing = given({})
  assert.equal(integerOf(nothing, "seed", 0, 9), undefined)
  assert.equal(numberOf(nothing, "speed", { above: 0 }), undefined)
  assert.equal(durationOf(nothing, "duration", 1), undefined)
  assert.equal(loadsOf(nothing, { above: 0, to: 2 }), undefined)
})

test("an integer is digits alone, its ends included", () => {
  for (const [written, value] of [
    ["2", 2],
    ["007", 7],
    ["9", 9],
  ] as const) {
    assert.equal(integerOf(given({ n: written }), "n", 2, 9), value)
  }
  for (const written of ["", "1", "10", "5.0", "5e0", "-5", "+5", " 5", "0x5", "five"]) {
    refuses(
      () => integerOf(given({ n: written }), "n", 2, 9),
      `--n: expected an integer from 2 to 9, found "${written}"`,
    )
  }
})

test("a number may have a point and an exponent, and lies in its range", () => {
  const above = { above: 0 }
  for (const [written, value] of [
    ["3", 3],
    ["0.25", 0.25],
    [".25", 0.25],
    ["1e3", 1_000],
    ["2.5e-7", 2.5e-7],
  ] as const) {
    assert.equal(numberOf(given({ n: written }), "n", above), value)
  }
  for (const written of ["", "0", "-1", "1.", "1e999", "Infinity", "NaN", "0x5", "5 ", "1,5"]) {
    refuses(
      () => numberOf(given({ n: written }), "n", above),
      `--n: expected a number above 0, found "${written}"`,
    )
  }
  assert.equal(numberOf(given({ n: "0.5" }), "n", { from: 0.5, to: 2 }), 0.5)
  assert.equal(numberOf(given({ n: "2" }), "n", { above: 0, to: 2 }), 2)
  refuses(
    () => numberOf(given({ n: "0.4" }), "n", { from: 0.5, to: 2 }),
    '--n: expected a number from 0.5 to 2, found "0.4"',
  )
  refuses(
    () => numberOf(given({ n: "2.1" }), "n", { above: 0, to: 2 }),
    '--n: expected a number above 0, up to 2, found "2.1"',
  )
})

test("a duration has a unit and is long enough", () => {
  assert.equal(durationOf(given({ t: "1.5s" }), "t", 1), 1_500)
  assert.equal(durationOf(given({ t: "0s" }), "t", 0), 0)
  refuses(
    () => durationOf(given({ t: "0s" }), "t", 1),
    '--t: expected a duration with its unit, like 5s or 250ms, at least 1ms, found "0s"',
  )
  refuses(
    () => durationOf(given({ t: "30" }), "t", 0),
    '--t: expected a duration with its unit, like 5s or 250ms, found "30"',
  )
})

test("loads are sorted, each once, with space around them or not", () => {
  assert.deepEqual(loadsOf(given({ load: "0.9, 0.5,0.9,2" }), { above: 0, to: 2 }), [0.5, 0.9, 2])
  refuses(
    () => loadsOf(given({ load: "0.5, 90" }), { above: 0, to: 2 }),
    '--load: expected shares of θ* above 0, up to 2, like 0.5,0.9; found "90"',
  )
  refuses(
    () => loadsOf(given({ load: "0.5," }), { from: 0.01, to: 2 }),
    '--load: expected shares of θ* from 0.01 to 2, like 0.5,0.9; found ""',
  )
})
