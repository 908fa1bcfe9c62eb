import assert from "node:assert/strict"
import { test } from "node:test"
import { aligned } from "./aligned.ts"

test("names stand to the left, numbers to the right, and no line ends in a space", () => {
  const rows = [
    ["policy", "mean", ""],
    ["price", "1", "*"],
    ["mix", "10,000", ""],
  ]
  assert.equal(
    aligned(rows),
    `
policy    mean
price        1  *
mix     10,000
`.slice(1),
  )
})

test("sentences in the last column begin below each other", () => {
  assert.equal(
    aligned(
      [
        ["a", "12", "One."],
        ["bc", "3", "And two."],
      ],
      "sentences",
    ),
    "a   12  One.\nbc   3  And two.\n",
  )
})
