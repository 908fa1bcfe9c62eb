import assert from "node:assert/strict"
import { test } from "node:test"
import { parseRate } from "./rate.ts"

test("one number lasts for the whole duration", () => {
  assert.deepEqual(parseRate("500", 7_000), { ok: true, value: [{ from: 500, to: 500, ms: 7_000 }] })
})

test("steps and ramps say how long they take", () => {
  assert.deepEqual(parseRate("100/10s, 100-500.5/30s,0/1m", 7_000), {
    ok: true,
    value: [
      { from: 100, to: 100, ms: 10_000 },
      { from: 100, to: 500.5, ms: 30_000 },
      { from: 0, to: 0, ms: 60_000 },
    ],
  })
})

for (const [text, wrong] of [
  ["", /found ""/],
  ["fast", /found "fast"/],
  ["-5", /found "-5"/],
  ["1e9", /from 0 to 1000000 requests per second.* found "1e9"/],
  ["1000001", /found "1000001"/],
  ["5..6", /found "5\.\.6"/],
  ["0", /sends nothing/],
  ["0/5s,0-0/3s", /sends nothing/],
  ["100,200/5s", /"100" does not say how long it takes: 100\/30s/],
  ["100-200", /"100-200" does not say how long/],
  ["100/soon", /found "soon"/],
  ["100/0s", /found "0s"/],
  ["1/1s,".repeat(1_001), /at most 1000 steps/],
] as const) {
  test(`"${text.slice(0, 12)}" is no rate, and the message says why`, () => {
    const parsed = parseRate(text, 1_000)
    assert.match(parsed.ok ? "" : parsed.error, wrong)
  })
}
