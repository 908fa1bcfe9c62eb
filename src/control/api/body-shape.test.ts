import assert from "node:assert/strict"
import { test } from "node:test"
import * as z from "zod"
import { ok } from "../../core/result.ts"
import { jsonObject, readBody } from "./body-shape.ts"

const shape = jsonObject({
  word: z.string({ error: "a word" }),
  amounts: z.record(z.string(), z.number({ error: "a number" }), { error: "amounts" }).optional(),
})

function refusal(body: unknown, wholePath?: string): { readonly message: string; readonly path?: string } {
  const read = readBody(shape, body, wholePath)
  assert.ok(!read.ok)
  assert.equal(read.error.code, "invalid_body")
  return read.error
}

test("a body of its shape is that body", () => {
  assert.deepEqual(readBody(shape, { word: "a", amounts: { b: 1 } }), ok({ word: "a", amounts: { b: 1 } }))
})

test("a mistake is said with its path, what is allowed and what was found", () => {
  for (const [body, path, message] of [
    [{ word: 5 }, "word", "word: expected a word, found 5"],
    [{ amounts: {} }, "word", "word: expected a word, it is missing"],
    [{ word: "a", amounts: { b: "c" } }, "amounts.b", 'amounts.b: expected a number, found "c"'],
    [{ word: "a", amounts: [] }, "amounts", "amounts: expected amounts, found an empty list"],
  ] as const) {
    assert.deepEqual(refusal(body), { code: "invalid_body", message, path })
  }
})

test("a mistyped key is said before the one that is missing for it, at most as long as a message can show", () => {
  assert.match(
    refusal({ wrod: "a" }).message,
    /^wrod: unknown key; allowed are word, amounts; did you mean "word"\?$/,
  )
  assert.equal(refusal({ ["k".repeat(1_000)]: 1 }).path, "k".repeat(60))
})

test("where the whole body is meant it says what is expected, and the path is what the API says for that", () => {
  assert.deepEqual(refusal([]), {
    code: "invalid_body",
    message: "the body: expected a JSON object, found an empty list",
  })
  assert.equal(refusal(undefined).message, "the body: expected a JSON object, it is missing")
  assert.equal(refusal(null, "").path, "")
  const read = readBody(jsonObject({}, "{}, or nothing"), 5)
  assert.match(read.ok ? "" : read.error.message, /expected \{\}, or nothing, found 5/)
})
