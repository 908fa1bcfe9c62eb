import assert from "node:assert/strict"
import { test } from "node:test"
import * as z from "zod"
import { duration, flag, integer, mapping, section, sectionsOf, span, strict } from "./schema-words.ts"

const schema = mapping({
  on: flag(true),
  wait: duration("1.5s").describe("A default and a description."),
  step: span(10, 1_000),
  end: span().optional(),
  below: section("Of durations too.", { wait: duration("0s", 0) }),
  rest: mapping({ size: integer(0, 9, 3) }).optional(),
})

type Expected = {
  readonly on: boolean
  readonly waitMs: number
  readonly stepMs: number
  readonly endMs: number | undefined
  readonly below: { readonly waitMs: number }
  readonly rest: { readonly size: number } | undefined
}

test("a mapping reads every key of its shape, and durations in ms under a name that says so", () => {
  // Both ways: the compiler refuses this line where the type that is read is another one.
  const read: Expected = schema.parse({ step: "1s" }) satisfies Expected
  const back: z.output<typeof schema> = read
  assert.deepEqual(back, {
    on: true,
    waitMs: 1_500,
    stepMs: 1_000,
    endMs: undefined,
    below: { waitMs: 0 },
    rest: undefined,
  })
  assert.deepEqual(schema.parse({ step: "10ms", end: "1h", rest: {} }), {
    ...read,
    stepMs: 10,
    endMs: 3_600_000,
    rest: { size: 3 },
  })
})

test("a mapping is written with the names of its shape alone, and says where it is wrong", () => {
  const input: z.input<typeof schema> = { step: "1s", wait: "5s", below: {} }
  const wrong = (value: object) =>
    schema.safeParse({ ...input, ...value }).error?.issues.map(({ path }) => path)
  assert.deepEqual(wrong({ stepMs: 5 }), [[]])
  assert.deepEqual(wrong({ step: "2s", below: { wait: 5 } }), [["step"], ["below", "wait"]])
})

test("for editors a mapping is what is written", () => {
  const json = z.toJSONSchema(schema, { io: "input" })
  assert.deepEqual(Object.keys(json.properties!), ["on", "wait", "step", "end", "below", "rest"])
  assert.deepEqual(json.required, ["step"])
  assert.equal(json.additionalProperties, false)
})

test("sections are the mappings that may be absent", () => {
  const shape = {
    a: flag(true),
    b: section("B.", {}),
    c: mapping({}).optional(),
    d: mapping({}),
    e: strict({}),
  }
  assert.deepEqual(sectionsOf(mapping(shape)), ["b", "c"])
})
