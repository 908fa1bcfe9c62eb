import assert from "node:assert/strict"
import { test } from "node:test"
import * as fc from "fast-check"
import { FieldNames } from "./field-names.ts"
import { Head } from "./head.ts"
import { headLimitsDefault, type HeadLimits } from "./limits.ts"
import { parseRequestHead } from "./request-head.ts"
import { parseResponseHead } from "./response-head.ts"

type Parser = typeof parseRequestHead
const names = new FieldNames()

/** All that parsing leaves in a head, with offsets as text. */
function reading(head: Head, parser: Parser, bytes: Buffer, limits: HeadLimits = headLimitsDefault): unknown {
  const end = parser(head, bytes, 0, bytes.length, limits, names)
  if (end < 0) return { end, error: end === -2 ? head.error : undefined }
  const {
    memo: _memo,
    isKnown: _isKnown,
    bytes: _bytes,
    offsets,
    ids,
    hopByHop,
    error: _error,
    ...rest
  } = head
  return {
    ...rest,
    offsets: offsets.slice(0, head.count * 4),
    ids: ids.slice(0, head.count),
    hopByHop: hopByHop.slice(0, head.count),
  }
}

const line = fc.constantFrom(
  "Host: a",
  "Host: b@c",
  "Accept: */*",
  "Content-Length: 5",
  "Content-Length: 50",
  "Transfer-Encoding: chunked",
  "Connection: close",
  "Connection: keep-alive",
  "Connection: upgrade, x-one",
  "Upgrade: websocket",
  "X-One: 1",
  "X-One: 2",
  "TE: trailers",
  "Expect: 100-continue",
  "Keep-Alive: timeout=5",
  "Via: 1.1 me",
  "Max-Forwards: 3",
  "Date: now",
  "Authorization: NTLM x",
  "WWW-Authenticate: Negotiate",
  "bad line",
)
const section = fc
  .array(line, { maxLength: 5 })
  .map((lines) => lines.map((text) => `${text}\r\n`).join("") + "\r\n")
const starts = {
  request: ["GET / HTTP/1.1", "POST /longer?x HTTP/1.0", "GET http://a/ HTTP/1.1", "OPTIONS * HTTP/1.1"],
  response: ["HTTP/1.1 200 OK", "HTTP/1.0 404 Not Found", "HTTP/1.1 204", "HTTP/1.1 100 Continue"],
}

for (const [kind, parser] of [
  ["request", parseRequestHead],
  ["response", parseResponseHead],
] as const) {
  test(`a ${kind} reads the same whatever was read before`, () => {
    // Few sections, so that most come again; what follows a head now and then is no part of it.
    const messages = fc.array(section, { minLength: 1, maxLength: 4 }).chain((sections) =>
      fc.array(
        fc.tuple(
          fc.constantFrom(...starts[kind]),
          fc.constantFrom(...sections),
          fc.constantFrom("", "", "more"),
        ),
        {
          minLength: 2,
          maxLength: 40,
        },
      ),
    )
    fc.assert(
      fc.property(messages, (sequence) => {
        const used = new Head(headLimitsDefault)
        for (const [start, fields, rest] of sequence) {
          const bytes = Buffer.from(`${start}\r\n${fields}${rest}`)
          assert.deepEqual(reading(used, parser, bytes), reading(new Head(headLimitsDefault), parser, bytes))
        }
      }),
      { numRuns: 300 },
    )
  })
}

function known(head: Head, text: string): boolean {
  const bytes = Buffer.from(text)
  parseRequestHead(head, bytes, 0, bytes.length, headLimitsDefault, names)
  return head.isKnown
}

test("a section is known from its third coming on, behind any start line of its version", () => {
  const head = new Head(headLimitsDefault)
  const fields = "Host: example.org\r\nAccept: */*\r\n\r\n"
  assert.deepEqual(
    ["GET / HTTP/1.1", "GET /a HTTP/1.1", "PUT /b HTTP/1.1", "GET / HTTP/1.0"].map((start) =>
      known(head, `${start}\r\n${fields}`),
    ),
    [false, false, true, false],
  )
})

test("one byte more, less or other is another section", () => {
  const head = new Head(headLimitsDefault)
  const fields = "Host: example.org\r\nAccept: */*\r\n\r\n"
  for (let i = 0; i < 3; i++) known(head, `GET / HTTP/1.1\r\n${fields}`)
  for (let at = 0; at < fields.length - 4; at++) {
    const other = `${fields.slice(0, at)}~${fields.slice(at + 1)}`
    assert.equal(known(head, `GET / HTTP/1.1\r\n${other}`), false, other)
  }
  assert.equal(known(head, `GET / HTTP/1.1\r\nA: 1\r\n${fields}`), false)
})

const fieldsWith = (token: number): string =>
  `Host: example.org\r\nToken: ${token}\r\nAccept: */*; and more of that\r\n\r\n`

test("sections that differ where no sample looks are soon not kept any more, and one that comes again still is", () => {
  const head = new Head(headLimitsDefault)
  for (let token = 1_000; token < 1_100; token++)
    assert.equal(known(head, `GET / HTTP/1.1\r\n${fieldsWith(token)}`), false)
  let tries = 0
  while (!known(head, `GET / HTTP/1.1\r\n${fieldsWith(2_000)}`)) assert.ok(++tries < 300)
})

test("a head that is too large is refused although its fields are known", () => {
  const limits = { ...headLimitsDefault, headBytesMax: 64 }
  const head = new Head(limits)
  const fields = "Host: example.org\r\nAccept: */*\r\n\r\n"
  const sizes = ["/", "/", "/", `/${"x".repeat(40)}`].map((target) => {
    const bytes = Buffer.from(`GET ${target} HTTP/1.1\r\n${fields}`)
    return parseRequestHead(head, bytes, 0, bytes.length, limits, names)
  })
  assert.ok(sizes[2]! > 0 && head.isKnown)
  assert.equal(sizes[3], -2)
  assert.equal(head.error, "head_too_large")
})
