import assert from "node:assert/strict"
import { test } from "node:test"
import { backendView } from "../../test/support/state-views.ts"
import type { BackendView } from "./state-view.ts"
import { judge, type Judged } from "./verdict.ts"

const resources = [
  { name: "compute", kind: "rate" },
  { name: "storage", kind: "rate" },
] as const
const calm = { bug: false, threadDied: false, threadStill: false }
const quiet: Judged["traffic"] = { requests: 0, errors: {}, backends: {} }

function backend(id: string, state: BackendView["state"] = "serving", reason = ""): BackendView {
  return backendView(id, { state, reason })
}
const unchecked = { lastPassed: undefined, lastAgoMs: undefined, lastError: undefined }

/** A fleet in which all is well, but for what is given. */
function judged(backends: readonly BackendView[], change: Partial<Judged> = {}): Judged {
  const serving = backends.filter(({ state }) => state === "serving").length
  const suspects = backends.filter(({ state }) => state === "suspect").length
  return {
    backends,
    resources,
    eligible: serving === 0 ? suspects : serving,
    workers: 2,
    workersWanted: 2,
    isStopping: false,
    recentFaults: calm,
    traffic: quiet,
    lost: [],
    sources: [],
    ...change,
  }
}

/** Traffic of late in which these backends fail so many of so many. */
function traffic(
  backends: Readonly<Record<string, readonly [failures: number, requests: number]>>,
  errors: Readonly<Record<string, number>> = {},
): Judged["traffic"] {
  const entries = Object.entries(backends)
  return {
    requests: entries.reduce((sum, [, [, requests]]) => sum + requests, 0),
    errors,
    backends: Object.fromEntries(entries.map(([id, [failures, requests]]) => [id, { failures, requests }])),
  }
}

const two = [backend("a"), backend("b")]
const four = [...two, backend("c"), backend("d")]
const out = "3 checks in a row failed: connection refused"

const cases: readonly (readonly [situation: string, judged: Judged, tone: string, words: string])[] = [
  ["nothing has come", judged([]), "empty", "No backend yet"],
  ["one serves", judged([backend("a")]), "good", "Healthy: 1 of 1 backend takes traffic"],
  [
    "a source fails",
    judged(two, {
      sources: [
        { kind: "settings", name: "backends", backends: 1, problems: [] },
        { kind: "file", name: "a.yaml", backends: 1, problems: ["a.yaml: it is gone", "b.yaml: it too"] },
      ],
    }),
    "warn",
    "A source of backends has a problem: a.yaml: it is gone, and 1 more",
  ],
  ["two serve", judged(two), "good", "Healthy: 2 of 2 backends take traffic"],
  [
    "one leaves in order",
    judged([backend("a"), backend("b", "draining", "asked to")]),
    "good",
    "Healthy: 1 of 2 backends takes traffic; b is draining: asked to",
  ],
  [
    "one is ejected",
    judged([...two, backend("c", "ejected", out)]),
    "warn",
    `2 of 3 backends take traffic: c is ejected: ${out}`,
  ],
  [
    "half is ejected",
    judged([backend("a"), backend("b", "ejected", out)]),
    "bad",
    `1 of 2 backends takes traffic: b is ejected: ${out}`,
  ],
  [
    "none serves",
    judged([backend("b", "ejected", out)]),
    "bad",
    `None of 1 backend takes traffic: b is ejected: ${out}`,
  ],
  [
    "one has just come",
    judged([...two, backendView("c", { state: "probing", reason: "No check yet.", check: unchecked })]),
    "good",
    "Healthy: 2 of 3 backends take traffic; c is probing: no check yet",
  ],
  [
    "one has come, and its first check failed",
    judged([
      ...two,
      backendView("c", {
        state: "probing",
        reason: "No check has passed.",
        check: { lastPassed: false, lastAgoMs: 100, lastError: "connection refused" },
      }),
    ]),
    "warn",
    "2 of 3 backends take traffic: c is probing: no check has passed",
  ],
  [
    "several are out, the gravest first",
    judged([
      ...four,
      backend("p", "probing", "no check yet"),
      backend("s", "suspect", "Late."),
      backend("x", "draining"),
    ]),
    "warn",
    "4 of 7 backends take traffic: s is suspect: late, and 2 more are out",
  ],
  [
    "one of four responds with 500 to everything and gets nearly all, as it has announced itself ten times as large",
    judged(four, { traffic: traffic({ a: [0, 1], b: [159, 159], c: [0, 0], d: [0, 0] }) }),
    "bad",
    "b fails every request: all traffic",
  ],
  [
    "one fails a third of a small part",
    judged(four, { traffic: traffic({ a: [0, 1_000], b: [10, 30] }) }),
    "warn",
    "b fails 30 % or more of its requests",
  ],
  [
    "two fail",
    judged(four, { traffic: traffic({ a: [0, 100], b: [50, 100], c: [99, 100] }) }),
    "bad",
    "c fails every request, and 1 more fails: 40 % or more of all traffic",
  ],
  ["a single failure among thousands", judged(two, { traffic: traffic({ a: [1, 5_000] }) }), "good", ""],
  ["one failure and hardly any traffic", judged(two, { traffic: traffic({ a: [1, 2] }) }), "good", ""],
  [
    "one gets next to no traffic for its failures",
    judged([...four.slice(1), backendView("a", { penalty: 500 })]),
    "warn",
    "a gets next to no traffic, because requests there fail",
  ],
  [
    "requests wait too long for room",
    judged(two, { traffic: traffic({ a: [0, 80] }, { queue_timeout: 20, connect_timeout: 1 }) }),
    "bad",
    "20 % or more of requests get no response from a backend, most for queue_timeout",
  ],
  [
    "a few connections are refused",
    judged(two, { traffic: traffic({ a: [0, 990] }, { connect_refused: 10 }) }),
    "warn",
    "1 % or more of requests get no response from a backend, most for connect_refused",
  ],
  [
    "a third of the fleet has gone",
    judged(two, { lost: ["c"] }),
    "bad",
    "1 of 3 backends has gone without leaving in order: c",
  ],
  [
    "a few of many have gone",
    judged(
      Array.from({ length: 20 }, (_, i) => backend(`b${i}`)),
      { lost: ["x", "y"] },
    ),
    "warn",
    "2 of 22 backends have gone without leaving in order: x and 1 more",
  ],
  ["the last has gone", judged([], { lost: ["a"] }), "bad", "No backend is left: a has gone"],
  [
    "the last of three have gone",
    judged([], { lost: ["c", "b", "a"] }),
    "bad",
    "No backend is left: c and 2 more have gone",
  ],
  [
    "twenty seconds of work wait",
    judged([
      backendView("a", { inFlight: 400, requestsPerSecond: 20, reserved: { compute: 420, storage: 10 } }),
      backend("b"),
    ]),
    "bad",
    "More than 20 s of work waits at a",
  ],
  [
    "streams stay long and are no work",
    judged([
      backendView("a", { inFlight: 400, requestsPerSecond: 0.1, reserved: { compute: 4, storage: 0 } }),
    ]),
    "good",
    "Healthy: 1 of 1 backend takes traffic",
  ],
  [
    "streams whose demand is not known are no work either",
    judged([
      backendView("a", { inFlight: 400, requestsPerSecond: 1, reserved: { compute: 400, storage: 400 } }),
    ]),
    "good",
    "Healthy: 1 of 1 backend takes traffic",
  ],
  [
    "capacities are in another unit, and work does not wait",
    judged([
      backendView("a", { inFlight: 10, requestsPerSecond: 100, reserved: { compute: 4_000, storage: 0 } }),
    ]),
    "good",
    "Healthy: 1 of 1 backend takes traffic",
  ],
  ["it stops", judged(two, { isStopping: true }), "bad", "The balancer is stopping: it finishes what runs"],
  [
    "no thread runs",
    judged(two, { workers: 0 }),
    "bad",
    "The balancer takes no traffic: no data-plane thread runs",
  ],
  ["one thread is missing", judged(two, { workers: 1 }), "bad", "Only 1 of 2 data-plane threads run"],
  [
    "a thread was replaced",
    judged(two, { recentFaults: { ...calm, threadStill: true } }),
    "warn",
    "A data-plane thread stood still and was replaced; see the log",
  ],
  [
    "it met a bug",
    judged(two, { recentFaults: { ...calm, bug: true } }),
    "warn",
    "The balancer had an internal error; see the log",
  ],
]

for (const [situation, given, tone, words] of cases) {
  test(`${situation}: ${words === "" ? tone : words}`, () => {
    const verdict = judge(given)
    assert.equal(verdict.tone, tone, verdict.words)
    if (words !== "") assert.equal(verdict.words, words)
  })
}

test("all that is wrong is told, what is bad before what is worth a warning", () => {
  const { tone, troubles } = judge(
    judged([...four, backend("e", "suspect", "Late.")], {
      recentFaults: { ...calm, bug: true },
      traffic: traffic({ a: [100, 100], b: [0, 100] }),
    }),
  )
  assert.equal(tone, "bad")
  assert.deepEqual(
    troubles.map((trouble) => trouble.tone),
    ["bad", "warn", "warn"],
  )
  assert.match(troubles[0]!.words, /^a fails every request/)
})

test("words stand still while a number moves a little", () => {
  assert.equal(wordsWhenFailing(42), wordsWhenFailing(48))
})

/** What is said when so many of 100 requests to one of two backends fail. */
function wordsWhenFailing(failures: number): string {
  return judge(judged(two, { traffic: traffic({ a: [failures, 100], b: [0, 100] }) })).words
}

test("a reason without an end is cut", () => {
  const { words } = judge(judged([backend("a", "ejected", "x".repeat(10_000))]))
  assert.ok(words.length < 250, `${words.length} characters`)
  assert.match(words, /…$/)
})
