import assert from "node:assert/strict"
import { test } from "node:test"
import * as fc from "fast-check"
import { parseJson, shapeFault } from "./json.ts"

const jsonDepthMax = 32

test("JSON is parsed", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const text = JSON.stringify(value)
      assert.deepEqual(parseJson(Buffer.from(text)), { ok: true, value: JSON.parse(text) as unknown })
    }),
  )
})

test("a mistake is reported with its position", () => {
  const cases: [string, number][] = [
    ['{"compute": NaN}', 12],
    ['{"compute": Infinity}', 12],
    ['{"compute": -Infinity}', 12],
    ['{"compute": 01}', 12],
    ['{"compute": 1,}', 14],
    ["{compute: 1}", 1],
    ["{'compute': 1}", 1],
    ["[1 2]", 3],
    ["[1]]", 3],
    ["[1}", 2],
    ["{]", 1],
    ['{"a" 1}', 5],
    ['{"a":: 1}', 5],
    ["[,]", 1],
    ["tru", 0],
    ["1 2", 2],
    ["1,", 1],
    ['["\u0000"]', 1],
    ['["\\x"]', 1],
  ]
  for (const [text, position] of cases) {
    assert.match(errorOf(text), new RegExp(`at position ${position} `), text)
  }
  assert.match(errorOf('{\n  "a": 1,\n  b: 2}'), /position 14 \(line 3, column 3\): "b: 2}"/)
})

test("what ends too early says so", () => {
  for (const text of ["", " ", "{", "[", "[1", '{"a"', '{"a":', '{"a":1', '{"a":1,']) {
    assert.equal(errorOf(text), "it ends too early", JSON.stringify(text))
  }
})

test("bytes that are not UTF-8 are refused", () => {
  assert.deepEqual(parseJson(Uint8Array.of(0x22, 0xff, 0x22)), { ok: false, error: "it is not UTF-8" })
})

test("deep nesting ends in a value or in an error, never in a full stack", () => {
  assert.equal(parseJson(Buffer.from("[".repeat(1_000_000) + "]".repeat(1_000_000))).ok, true)
  assert.equal(errorOf("[".repeat(1_000_000)), "it ends too early")
})

test("every text that the engine refuses gets a place, and a cut one is refused where it was cut or before", () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.nat(), fc.string({ maxLength: 1 }), (value, at, extra) => {
      const whole = JSON.stringify(value)
      const cut = at % (whole.length + 1)
      const parsed = parseJson(Buffer.from(whole.slice(0, cut) + extra + whole.slice(cut + 1)))
      if (!parsed.ok) assert.match(parsed.error, /^it (ends too early|stops being JSON at position \d+ )/)
    }),
  )
})

function errorOf(text: string): string {
  const parsed = parseJson(Buffer.from(text))
  assert.ok(!parsed.ok, text)
  return parsed.error
}

test("JSON is taken with any names but those that readers understand differently, and as deep as the limit", () => {
  const deepest = "[".repeat(jsonDepthMax) + "]".repeat(jsonDepthMax)
  for (const text of [
    deepest,
    `{"a":${deepest.slice(1, -1)}}`,
    '{"a":1,"b":{"a":1},"c":[{"a":1},{"a":1}]}',
    '["a","a"]',
    '{"a":"a","b":"__proto__"}',
    '{"a":"{\\"a\\":[","b":"\\\\"}',
    "1",
    '"__proto__"',
    "{}",
  ]) {
    assert.ok(parseJson(Buffer.from(text)).ok, text)
    assert.equal(shapeFault(text), undefined, text)
  }
  for (const [text, fault] of [
    [`[${deepest}]`, /^is nested more than 32 deep at position 32$/],
    ["[".repeat(100_000) + "]".repeat(100_000), /nested more than 32 deep/],
    [`${'{"a":'.repeat(100_000)}1${"}".repeat(100_000)}`, /nested more than 32 deep/],
    ['{"a":1,"a":2}', /^has a name twice, again at position 7$/],
    ['{"a":{"b":1,"c":[],"b":2}}', /has a name twice/],
    ['{"a":1,"\\u0061":2}', /has a name twice/],
    ['{"":1,"":2}', /has a name twice/],
    ['{"__proto__":1}', /"__proto__" at position 1/],
    ['[{"a":{"\\u005f_proto__":{}}}]', /"__proto__"/],
  ] as const) {
    assert.match(shapeFault(text) ?? "", fault, text.slice(0, 40))
  }
})
