import assert from "node:assert/strict"
import { test } from "node:test"
import { parseExpectations, shownVerdict, verdictsOf } from "./expect.ts"
import type { SpamResult } from "./result.ts"

/** Of 1, 2, 3 and so on to 100 ms. */
const latency: SpamResult["latency"]["fromSent"] = {
  count: 100,
  min: 1,
  mean: 50.5,
  deviation: 28.9,
  p50: 50,
  p75: 75,
  p90: 90,
  p95: 95,
  p99: 99,
  p999: 100,
  p9999: 100,
  max: 100,
}

function result(more: Partial<SpamResult> = {}): SpamResult {
  return {
    target: "x",
    mode: "open",
    seed: 1,
    threads: 1,
    connections: 1,
    connectionsOpened: 1,
    countedMs: 1_000,
    requests: { sent: 105, warmUp: 0, answered: 100, failed: 5, resent: 0 },
    rate: { asked: 105, sent: 105, answered: 100 },
    bytes: { sent: 0, received: 0 },
    statuses: { 200: 80, 404: 15, 503: 5 },
    errors: { reset: { count: 5, detail: "ECONNRESET" } },
    latency: { fromIntended: latency, fromSent: latency },
    classes: [],
    backends: [],
    fairness: undefined,
    series: [],
    generator: { lateness: latency, busy: undefined, cpuMsPerRequest: 0, warnings: [] },
    ...more,
  }
}

function holds(text: string, of = result()): boolean {
  const expectations = parseExpectations(text)
  assert.ok(expectations.ok, text)
  return verdictsOf(expectations.value, of).every((verdict) => verdict.holds)
}

test("latencies are compared in their units", () => {
  assert.ok(holds("p50<51ms"))
  assert.ok(!holds("p50<49ms"))
  assert.ok(holds("p99<=0.1s"))
  assert.ok(holds("max>=99999us"))
  assert.ok(!holds("mean>0.9m"))
})

test("errors are failed requests and 5xx over all that were counted, refusals 4xx and 5xx over all responses", () => {
  // 5 failed and 5 with 503 of 105; 20 of 100.
  assert.ok(holds("errors<9.6%,errors>9.5%"))
  assert.ok(holds("refusals<=20%,refusals>=0.2"))
})

test("rates and counts are plain numbers", () => {
  assert.ok(holds("rate>=100,answers<101"))
})

test("what was not measured does not hold", () => {
  assert.ok(!holds("fairness>0"))
  const unknown = Object.fromEntries(Object.keys(latency).map((name) => [name, undefined]))
  const nothing = { ...latency, ...unknown, count: 0 }
  const silent = result({
    requests: { sent: 0, warmUp: 0, answered: 0, failed: 0, resent: 0 },
    latency: { fromIntended: nothing, fromSent: nothing },
  })
  assert.ok(!holds("p99<50ms", silent))
  assert.ok(!holds("errors<1%", silent))
})

test("a verdict says what was expected and what is", () => {
  const expectations = parseExpectations("p99<50ms,errors<0.1%")
  assert.ok(expectations.ok)
  const [p99, errors] = verdictsOf(expectations.value, result())
  assert.match(shownVerdict(p99!), /^FAILS {2}p99<50ms {3}p99 is 99\.\d+ ms$/)
  assert.match(shownVerdict(errors!), /errors is 9\.52 %$/)
})

for (const [text, wrong] of [
  ["", /found ""/],
  ["p99", /found "p99"/],
  ["p99=5ms", /found "p99=5ms"/],
  ["p98<5ms", /"p98" is nothing that is measured.*did you mean "p9/],
  ["p99<5", /p99: expected a duration like 50ms or 1.5s, found "5"/],
  ["p99<5%", /expected a duration/],
  ["errors<5ms", /expected a part like 0.1%/],
  ["rate>5%", /expected a number/],
  ["p99<5ms,,", /found ""/],
] as const) {
  test(`"${text}" is no expectation, and the message says why`, () => {
    const parsed = parseExpectations(text)
    assert.match(parsed.ok ? "" : parsed.error, wrong)
  })
}

test("everything that is measured can be expected", () => {
  const units = ["<1h", "<1%", "<1", "<1s"]
  const unknown = parseExpectations("nothing<1")
  const names = /known are ([^?;]*?)(?:;|$)/.exec(unknown.ok ? "" : unknown.error)![1]!.split(", ")
  assert.ok(names.includes("p99") && names.includes("fairness"), names.join(" "))
  for (const name of names)
    assert.ok(
      units.some((unit) => parseExpectations(name + unit).ok),
      name,
    )
})
