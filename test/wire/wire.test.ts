/**
 * Runs the documents of test/wire/: every case whole, byte by byte, and cut in two at every point. A case means the
 * same however its bytes arrive.
 */
import assert from "node:assert/strict"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { test } from "node:test"
import { errorCodes } from "../../src/core/errors.ts"
import { casesOf, eventsOf, type WireCase, wireCases } from "../support/wire/wire-document.ts"

/** Of heads larger than this not every point is tried, which would take quadratic time. */
const cutEverywhereMax = 4_096

const cases = wireCases()

for (const wire of cases) {
  test(wire.name, () => {
    assert.deepEqual(eventsOf(wire, [wire.bytes]), wire.events)
    const bytewise = Array.from(wire.bytes, (_, at) => wire.bytes.subarray(at, at + 1))
    assert.deepEqual(eventsOf(wire, bytewise), wire.events, "byte by byte")
    const step = wire.bytes.length > cutEverywhereMax ? 211 : 1
    for (let at = Math.max(1, wire.hiddenBytes); at < wire.bytes.length; at += step) {
      const pieces = [wire.bytes.subarray(0, at), wire.bytes.subarray(at)]
      assert.deepEqual(eventsOf(wire, pieces), wire.events, `cut at ${at}`)
    }
  })
}

test("no case is there twice", () => {
  const seen = new Map<string, string>()
  for (const wire of cases) {
    const key = JSON.stringify([wire.side, wire.options, wire.ends, wire.bytes.toString("latin1")])
    assert.equal(seen.get(key), undefined, wire.name)
    seen.set(key, wire.name)
  }
})

test("every refusal names the rule it keeps: an RFC's section, or a limit", () => {
  const silent = cases.filter(
    ({ events, prose }) => isRefusal(events) && !/RFC \d+ \d|limits\.|requests\./.test(prose),
  )
  assert.deepEqual(
    silent.map(({ name }) => name),
    [],
  )
})

test("every code that a parser can give is provoked by a case", () => {
  const given = new Set(cases.flatMap(({ events }) => events.filter((event) => event.startsWith("refused "))))
  const room = join(import.meta.dirname, "..", "..", "src", "http1")
  const parsers = ["body.ts", "head.ts", "request-head.ts", "response-head.ts"]
  const source = parsers.map((file) => readFileSync(join(room, file), "utf8")).join("")
  const codes = errorCodes.filter((code) => source.includes(`"${code}"`))
  assert.ok(codes.length > 15)
  assert.deepEqual(
    codes.filter((code) => !given.has(`refused ${code}`)),
    [],
  )
})

test("a case that is written wrong fails instead of being passed over", () => {
  const bytes = block("request", "GET")
  const events = block("events", "waits for the head")
  assert.equal(casesOf("a.md", `# A\n\n${bytes}\n${events}`).length, 1)
  for (const text of [
    bytes,
    events,
    `${bytes}# B\n${events}`,
    block("requst", "") + events,
    bytes + bytes + events,
  ])
    assert.throws(() => casesOf("a.md", text), assert.AssertionError, text)
})

function block(info: string, text: string): string {
  return `\`\`\`${info}\n${text}\n\`\`\`\n`
}

function isRefusal(events: WireCase["events"]): boolean {
  return events.some((event) => event.startsWith("refused "))
}
