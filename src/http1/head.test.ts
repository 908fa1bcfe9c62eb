import assert from "node:assert/strict"
import { test } from "node:test"
import { array, assert as check, constantFrom, property, uint8Array } from "fast-check"
import { firstExtraField } from "../core/http/fields.ts"
import { FieldNames } from "./field-names.ts"
import { Head } from "./head.ts"
import { headLimitsDefault as limits } from "./limits.ts"
import { parseRequestHead } from "./request-head.ts"
import { parseResponseHead } from "./response-head.ts"

const names = new FieldNames(["Compute"])

function parse(
  text: string,
  parser: typeof parseRequestHead = parseRequestHead,
): { head: Head; end: number } {
  const bytes = Buffer.from(text, "latin1")
  const head = new Head(limits)
  return { head, end: parser(head, bytes, 0, bytes.length, limits, names) }
}

const line = "GET / HTTP/1.1\r\n"
const host = "Host: a\r\n"

test("a whole head is read in place, and its end is where the body begins", () => {
  const text =
    "\r\nPOST /a?b HTTP/1.1\r\nHost: [::1]:80\r\nX-Many:  a \t\r\ncontent-length: 5\r\nConnection: close, x-many\r\nCOMPUTE: 3\r\nExpect: 100-Continue\r\n\r\n"
  const { head, end } = parse(`${text}hello`)
  assert.equal(end, text.length)
  assert.deepEqual(
    [head.method, head.contentLength, head.chunked, head.closes, head.expectsContinue, head.count],
    ["POST", 5, false, true, true, 6],
  )
  assert.equal(head.value(1), "a")
  assert.deepEqual([...head.hopByHop.subarray(0, 6)], [0, 1, 0, 1, 0, 0])
  assert.equal(head.find(firstExtraField), 4)
})

/** What Connection, Upgrade, TE and Keep-Alive say, by their lines. */
const understood: readonly (readonly [lines: string, saying: Partial<Head>])[] = [
  ["Connection: upgrade\r\nUpgrade: websocket\r\n", { upgrade: true, upgradeField: 2 }],
  ["Upgrade: a\r\nUpgrade: b\r\nConnection: x, UPGRADE\r\n", { upgrade: true, upgradeField: 1 }],
  ["Connection: upgrade\r\n", { upgrade: false, upgradeField: -1 }],
  ["Upgrade: websocket\r\nConnection: upgrades\r\n", { upgrade: false, upgradeField: 1 }],
  ["TE: trailers\r\n", { teTrailers: true }],
  ["TE: gzip;q=0.5 ,\tTrailers \r\n", { teTrailers: true }],
  ["TE: trailersx, trailers;q=1, xtrailers\r\n", { teTrailers: false }],
  ["TE: gzip\r\nTE: ,trailers,\r\n", { teTrailers: true }],
  ["Max-Forwards: 3\r\n", { maxForwardsField: 1 }],
  ["X: 1\r\n", { upgrade: false, teTrailers: false, upgradeField: -1, maxForwardsField: -1 }],
]

for (const [lines, saying] of understood) {
  test(`${JSON.stringify(lines)} says ${JSON.stringify(saying)}`, () => {
    const { head, end } = parse(`${line}${host}${lines}\r\n`)
    assert.ok(end > 0)
    for (const [name, value] of Object.entries(saying)) assert.equal(head[name as keyof Head], value, name)
  })
}

test("an HTTP/1.0 client asks for no other protocol and no trailers", () => {
  const { head } = parse(`GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: a\r\nTE: trailers\r\n\r\n`)
  assert.deepEqual([head.upgrade, head.teTrailers], [false, false])
})

const keepAlives: readonly (readonly [value: string, seconds: number])[] = [
  ["timeout=5, max=100", 5],
  ["max=100 ,\tTimeout=65 ", 65],
  ["timeout=0", 0],
  ["timeout", -1],
  ["timeout=", -1],
  ["timeout=5s", -1],
  ["timeout=-1", -1],
  ["xtimeout=5", -1],
  ["300", -1],
  ["", -1],
]

for (const [value, seconds] of keepAlives) {
  test(`Keep-Alive: ${value} of a backend is read as ${seconds} s`, () => {
    const { head, end } = parse(`HTTP/1.1 200 OK\r\nKeep-Alive: ${value}\r\n\r\n`, parseResponseHead)
    assert.ok(end > 0)
    assert.equal(head.keepAliveSeconds, seconds)
  })
}

test("no bytes make a parser throw, and what is accepted ends with an empty line", () => {
  const pieces = array(
    constantFrom(
      "GET ",
      "HTTP/1.1",
      " ",
      "\r\n",
      "\n",
      "\r",
      ":",
      "Host: a",
      "/",
      "\0",
      "Transfer-Encoding: chunked",
      "Content-Length: 5",
      "\xff",
      ",",
    ),
    { maxLength: 30 },
  )
  check(
    property(pieces, (parts) => {
      const text = parts.join("")
      for (const parser of [parseRequestHead, parseResponseHead]) {
        const { end } = parse(text, parser)
        if (end > 0) assert.equal(text.slice(end - 4, end), "\r\n\r\n")
      }
    }),
    { numRuns: 3_000 },
  )
  check(
    property(uint8Array({ maxLength: 200 }), (bytes) => void parse(Buffer.from(bytes).toString("latin1"))),
  )
})

test("a host as long as the limits allow is parsed without an exception", () => {
  const wide = { ...limits, headBytesMax: 1_048_576, fieldLineBytesMax: 1_048_576, targetBytesMax: 1_048_576 }
  const long = "a".repeat(500_000)
  for (const [text, taken] of [
    [`${line}Host: [v1.${long}]\r\n\r\n`, true],
    [`${line}Host: [${long}]\r\n\r\n`, false],
    [`GET http://${long}./ HTTP/1.1\r\nHost: ${long}:80\r\n\r\n`, true],
  ] as const) {
    const bytes = Buffer.from(text, "latin1")
    assert.equal(parseRequestHead(new Head(wide), bytes, 0, bytes.length, wide, names) > 0, taken)
  }
})
