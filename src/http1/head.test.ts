import assert from "node:assert/strict"
import { test } from "node:test"
import { array, assert as check, constantFrom, property, uint8Array } from "fast-check"
import type { ErrorCode } from "../core/errors.ts"
import { FieldNames, firstExtraField } from "./field-names.ts"
import { Head, incomplete, invalid } from "./head.ts"
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

/** Each with the rule that it breaks. */
const refused: readonly (readonly [why: string, text: string, code: ErrorCode])[] = [
  ["bare LF after the request line, RFC 9112 2.2", `GET / HTTP/1.1\n${host}\r\n`, "bare_line_ending"],
  ["bare LF after a field, RFC 9112 2.2", `${line}Host: a\n\r\n`, "bare_line_ending"],
  ["bare LF for the empty line, RFC 9112 2.2", `${line}${host}\n`, "bare_line_ending"],
  ["bare CR in a value, RFC 9112 2.2", `${line}${host}X: a\rb\r\n\r\n`, "bare_line_ending"],
  ["NUL in a value, RFC 9110 5.5", `${line}${host}X: a\0b\r\n\r\n`, "malformed_field"],
  ["folding, RFC 9112 5.2", `${line}${host}X: a\r\n b\r\n\r\n`, "folded_field"],
  ["white space before the first field, RFC 9112 2.2", `${line} ${host}\r\n`, "folded_field"],
  ["white space before the colon, RFC 9112 5.1", `${line}Host : a\r\n\r\n`, "malformed_field"],
  ["no name, RFC 9112 5", `${line}${host}: a\r\n\r\n`, "malformed_field"],
  ["no colon, RFC 9112 5", `${line}${host}abc\r\n\r\n`, "malformed_field"],
  ["a name that is no token, RFC 9110 5.1", `${line}${host}a@b: c\r\n\r\n`, "malformed_field"],
  ["no Host, RFC 9112 3.2", `${line}\r\n`, "invalid_host"],
  ["two Hosts, RFC 9112 3.2", `${line}${host}${host}\r\n`, "invalid_host"],
  ["an empty Host, RFC 9110 7.2", `${line}Host:\r\n\r\n`, "invalid_host"],
  ["user info in Host, RFC 9110 7.2", `${line}Host: u@a\r\n\r\n`, "invalid_host"],
  ["a port that is none, RFC 9110 7.2", `${line}Host: a:8x\r\n\r\n`, "invalid_host"],
  ["a target that contradicts Host, RFC 9112 3.2.2", `GET http://b/ HTTP/1.1\r\n${host}\r\n`, "invalid_host"],
  ["user info in the target, RFC 9110 4.2.4", `GET http://u@a/ HTTP/1.1\r\n${host}\r\n`, "invalid_target"],
  ["* with GET, RFC 9112 3.2.4", `GET * HTTP/1.1\r\n${host}\r\n`, "invalid_target"],
  ["a relative target, RFC 9112 3.2", `GET a HTTP/1.1\r\n${host}\r\n`, "invalid_target"],
  ["a fragment, RFC 9112 3.2", `GET /#a HTTP/1.1\r\n${host}\r\n`, "malformed_start_line"],
  ["two spaces, RFC 9112 3", `GET  / HTTP/1.1\r\n${host}\r\n`, "malformed_start_line"],
  ["non-ASCII in the target, RFC 9112 3.2", `GET /\xe9 HTTP/1.1\r\n${host}\r\n`, "malformed_start_line"],
  ["bare CR after the version, RFC 9112 2.2", `GET / HTTP/1.1\r${host}\r\n`, "bare_line_ending"],
  ["bare CR after a name, RFC 9112 2.2", `${line}${host}abc\rd: e\r\n\r\n`, "bare_line_ending"],
  ["bare CR for the empty line, RFC 9112 2.2", `${line}${host}\rGET`, "bare_line_ending"],
  ["folding with a tab, RFC 9112 5.2", `${line}${host}X: a\r\n\tb\r\n\r\n`, "folded_field"],
  ["a tab before the colon, RFC 9112 5.1", `${line}Host\t: a\r\n\r\n`, "malformed_field"],
  ["DEL in a value, RFC 9110 5.5", `${line}${host}X: \x7f\r\n\r\n`, "malformed_field"],
  ["a vertical tab in a value, RFC 9110 5.5", `${line}${host}X: \x0b\r\n\r\n`, "malformed_field"],
  ["non-ASCII in a name, RFC 9110 5.1", `${line}${host}\xe9: b\r\n\r\n`, "malformed_field"],
  ["no Host with an absolute form, RFC 9112 3.2", `GET http://a/ HTTP/1.1\r\n\r\n`, "invalid_host"],
  ["a path in Host, RFC 9110 7.2", `${line}Host: a/b\r\n\r\n`, "invalid_host"],
  ["two Hosts in one, RFC 9110 7.2", `${line}Host: a b\r\n\r\n`, "invalid_host"],
  ["only a port in Host, RFC 9110 7.2", `${line}Host: :80\r\n\r\n`, "invalid_host"],
  ["an IP literal without end, RFC 9110 7.2", `${line}Host: [::1\r\n\r\n`, "invalid_host"],
  ["another port than Host's, RFC 9112 3.2.2", `GET http://a:1/ HTTP/1.1\r\n${host}\r\n`, "invalid_host"],
  ["no authority, RFC 9110 4.2.1", `GET http:///a HTTP/1.1\r\n${host}\r\n`, "invalid_target"],
  ["another scheme, RFC 9112 3.2.2", `GET ftp://a/ HTTP/1.1\r\n${host}\r\n`, "invalid_target"],
  ["HTTP/0.9 by name, RFC 9110 15.6.6", `GET / HTTP/0.9\r\n${host}\r\n`, "unsupported_version"],
  ["lower case http, RFC 9112 2.3", `GET / http/1.1\r\n${host}\r\n`, "malformed_start_line"],
  ["two digits of version, RFC 9112 2.3", `GET / HTTP/1.10\r\n${host}\r\n`, "malformed_start_line"],
  ["space behind the version, RFC 9112 3", `GET / HTTP/1.1 \r\n${host}\r\n`, "malformed_start_line"],
  ["HTTP/0.9, RFC 9112 2.3", "GET /\r\n", "malformed_start_line"],
  ["HTTP/2.0, RFC 9110 15.6.6", `GET / HTTP/2.0\r\n${host}\r\n`, "unsupported_version"],
  ["CONNECT", `CONNECT a:1 HTTP/1.1\r\n${host}\r\n`, "method_refused"],
  [
    "Content-Length and Transfer-Encoding, RFC 9112 6.1",
    `${line}${host}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n`,
    "conflicting_framing",
  ],
  [
    "Content-Length twice, RFC 9112 6.3",
    `${line}${host}Content-Length: 1\r\nContent-Length: 1\r\n\r\n`,
    "invalid_content_length",
  ],
  ...[
    "1, 1",
    "+1",
    "-1",
    "0x1",
    "1 1",
    "01",
    "",
    "9007199254740993",
    "99999999999999999999",
    "1e3",
    "5,",
  ].map(
    (value) =>
      [
        `Content-Length: ${value}, RFC 9110 8.6`,
        `${line}${host}Content-Length: ${value}\r\n\r\n`,
        "invalid_content_length",
      ] as const,
  ),
  [
    "chunked twice, RFC 9112 6.1",
    `${line}${host}Transfer-Encoding: chunked, chunked\r\n\r\n`,
    "invalid_transfer_encoding",
  ],
  [
    "chunked not last, RFC 9112 6.3",
    `${line}${host}Transfer-Encoding: chunked, gzip\r\n\r\n`,
    "invalid_transfer_encoding",
  ],
  [
    "Transfer-Encoding in two lines, RFC 9112 6.1",
    `${line}${host}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n`,
    "invalid_transfer_encoding",
  ],
  ...["", "chunked,", ",chunked", "\x0bchunked", "chun ked"].map(
    (value) =>
      [
        `Transfer-Encoding: ${JSON.stringify(value)}, RFC 9112 6.1`,
        `${line}${host}Transfer-Encoding: ${value}\r\n\r\n`,
        value.includes("\x0b") ? "malformed_field" : "invalid_transfer_encoding",
      ] as const,
  ),
  ["gzip, RFC 9112 6.1", `${line}${host}Transfer-Encoding: gzip\r\n\r\n`, "unknown_transfer_coding"],
  [
    "gzip before chunked, RFC 9112 6.1",
    `${line}${host}Transfer-Encoding: gzip, chunked\r\n\r\n`,
    "unknown_transfer_coding",
  ],
  ...["Content-Length", "transfer-encoding", "x-forwarded-for", "authorization", "cookie"].map(
    (name) =>
      [
        `Connection that nominates ${name}, RFC 9110 7.6.1`,
        `${line}${host}Connection: close, ${name}\r\n${name}: ${name === "transfer-encoding" ? "chunked" : "1"}\r\n\r\n`,
        "invalid_connection_option",
      ] as const,
  ),
  [
    "an option that is no token, RFC 9110 7.6.1",
    `${line}${host}Connection: a b\r\n\r\n`,
    "invalid_connection_option",
  ],
  [
    "a quoted coding, RFC 9112 6.1",
    `${line}${host}Transfer-Encoding: "chunked"\r\n\r\n`,
    "invalid_transfer_encoding",
  ],
  [
    "a parameter on chunked, RFC 9112 7.1",
    `${line}${host}Transfer-Encoding: chunked;a=b\r\n\r\n`,
    "invalid_transfer_encoding",
  ],
  [
    "an unknown coding, RFC 9112 6.1",
    `${line}${host}Transfer-Encoding: xchunked\r\n\r\n`,
    "unknown_transfer_coding",
  ],
  [
    "Transfer-Encoding with HTTP/1.0, RFC 9112 6.1",
    `GET / HTTP/1.0\r\n${host}Transfer-Encoding: chunked\r\n\r\n`,
    "invalid_transfer_encoding",
  ],
  [
    "Connection that nominates Host, RFC 9110 7.6.1",
    `${line}${host}Connection: host\r\n\r\n`,
    "invalid_connection_option",
  ],
  ["another expectation, RFC 9110 10.1.1", `${line}${host}Expect: 200-ok\r\n\r\n`, "expectation_failed"],
  ["a long target, RFC 9110 15.5.15", `GET /${"a".repeat(8_192)} HTTP/1.1\r\n${host}\r\n`, "target_too_long"],
  ["a long line, RFC 6585 5", `${line}${host}X: ${"a".repeat(8_192)}\r\n\r\n`, "field_line_too_long"],
  ["many fields, RFC 6585 5", `${line}${host}${"X: 1\r\n".repeat(100)}\r\n`, "too_many_fields"],
  [
    "a large head, RFC 6585 5",
    `${line}${host}${`X: ${"a".repeat(1_000)}\r\n`.repeat(40)}\r\n`,
    "head_too_large",
  ],
]

for (const [why, text, code] of refused) {
  test(`refuses ${why}`, () => {
    const { head, end } = parse(text)
    assert.deepEqual([end, end === invalid ? head.error : undefined], [invalid, code])
    assert.deepEqual(verdictsOfBeginnings(text, parseRequestHead), [code])
  })
}

/** What is said of the beginnings of a head, apart from `incomplete`: it may come early, and never change. */
function verdictsOfBeginnings(text: string, parser: typeof parseRequestHead): string[] {
  const bytes = Buffer.from(text, "latin1")
  const head = new Head(limits)
  const verdicts = new Set<string>()
  // Every byte of a head of common size; of the large ones, which would take quadratic time, some.
  const step = bytes.length > 2_000 ? 61 : 1
  for (let length = bytes.length; length >= 0; length -= step) {
    const end = parser(head, bytes, 0, length, limits, names)
    if (end === invalid) verdicts.add(head.error)
    else if (end !== incomplete) verdicts.add(`ends at ${end}`)
  }
  return [...verdicts]
}

interface Reading {
  readonly contentLength?: number
  readonly chunked?: boolean
  readonly closes?: boolean
  readonly keepsAlive?: boolean
  readonly minor?: number
  readonly path?: string
}

/** Heads that are unusual and right, and what is read of them. */
const accepted: readonly (readonly [why: string, text: string, reading: Reading])[] = [
  ["optional white space around a value", `${line}Host:\t a \t\r\n\r\n`, { path: "/" }],
  ["an empty value", `${line}${host}X:\r\n\r\n`, {}],
  ["latin1 in a value", `${line}${host}X: \xe9\xff\r\n\r\n`, {}],
  ["every mark of a token in a name", `${line}${host}!#$%&'*+-.^_\`|~09aZ: b\r\n\r\n`, {}],
  ["empty lines before the request line", `\r\n\r\n${line}${host}\r\n`, {}],
  ["a method that nobody knows", `BREW / HTTP/1.1\r\n${host}\r\n`, {}],
  ["HTTP/1.0 without Host", "GET /x HTTP/1.0\r\n\r\n", { minor: 0, path: "/x" }],
  ["a higher minor version", `GET / HTTP/1.9\r\n${host}\r\n`, { minor: 1 }],
  ["a length of 0", `${line}${host}content-LENGTH: 0\r\n\r\n`, { contentLength: 0 }],
  [
    "the largest length",
    `${line}${host}Content-Length:9007199254740991\r\n\r\n`,
    { contentLength: 2 ** 53 - 1 },
  ],
  ["chunked in another case", `${line}${host}tRANSFER-eNCODING: \tChunKed \r\n\r\n`, { chunked: true }],
  ["options in two fields", `${line}${host}Connection: ,close,\r\nConnection: x\r\n\r\n`, { closes: true }],
  [
    "keep-alive in HTTP/1.0",
    "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n",
    { keepsAlive: true, minor: 0 },
  ],
  ["OPTIONS *", `OPTIONS * HTTP/1.1\r\n${host}\r\n`, { path: "*" }],
  ["an absolute form with a query only", `GET http://a?q HTTP/1.1\r\n${host}\r\n`, { path: "?q" }],
  ["an absolute form of a bare authority", `GET HTTP://A HTTP/1.1\r\n${host}\r\n`, { path: "" }],
  ["an expectation in HTTP/1.0, which has none", `GET / HTTP/1.0\r\nExpect: x\r\n\r\n`, { minor: 0 }],
]

for (const [why, text, reading] of accepted) {
  test(`accepts ${why}, however it is cut`, () => {
    const { head, end } = parse(`${text}GET`)
    assert.equal(end, text.length, head.error)
    const { contentLength, chunked, closes, keepsAlive, minor } = head
    const path = head.bytes.toString("latin1", head.pathStart, head.pathEnd)
    const found = { contentLength, chunked, closes, keepsAlive, minor, path }
    const usual = { contentLength: -1, chunked: false, closes: false, keepsAlive: false, minor: 1, path: "/" }
    assert.deepEqual(found, { ...usual, ...reading })
    assert.deepEqual(verdictsOfBeginnings(text, parseRequestHead), [`ends at ${text.length}`])
  })
}

test("fields that end at this hop are marked, by name and by nomination, and no others", () => {
  const hop = ["Connection", "Keep-Alive", "TE", "Trailer", "Upgrade", "Proxy-Connection", "X-Mine"]
  const through = ["Host", "Via", "Accept", "X-Minecraft", "X-Min"]
  const lines = [...hop, ...through].map((name) => `${name}: ${name === "Connection" ? "x-MINE" : "a"}\r\n`)
  const { head, end } = parse(`${line}${lines.join("")}\r\n`)
  assert.ok(end > 0)
  assert.deepEqual([...head.hopByHop.subarray(0, head.count)], [...hop.map(() => 1), ...through.map(() => 0)])
})

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

test("an absolute form is sent on as its path", () => {
  const { head, end } = parse("GET http://A:80/x?y HTTP/1.1\r\nHost: a:80\r\n\r\n")
  assert.ok(end > 0)
  assert.equal(head.bytes.toString("latin1", head.pathStart, head.pathEnd), "/x?y")
})

test("every beginning of a good head is incomplete, whatever it is cut to", () => {
  const good = `PUT /a HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\nX-Y: z\r\n\r\n`
  for (let length = 0; length < good.length; length++)
    assert.equal(parse(good.slice(0, length)).end, incomplete, `${length} bytes`)
  assert.equal(parse(good).end, good.length)
  const answer = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
  for (let length = 0; length < answer.length; length++) {
    assert.equal(parse(answer.slice(0, length), parseResponseHead).end, incomplete, `${length} bytes`)
  }
  assert.equal(parse(answer, parseResponseHead).head.status, 404)
})

for (const text of [
  "HTTP/2 200 OK\r\n\r\n",
  "HTTP/1.1 99 X\r\n\r\n",
  "HTTP/1.1 600 X\r\n\r\n",
  "HTTP/1.1 2000 X\r\n\r\n",
  "HTTP/1.1  200 X\r\n\r\n",
  "HTTP/1.1 200 X\n\n",
  "HTTP/1.1 200 X\0Y\r\n\r\n",
  "HTTP/1.1 200 X\rY\r\n\r\n",
  "HTTP/1.1 200\n\n",
  "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
  "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
  "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
  "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
  "HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
  "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
]) {
  test(`refuses the response ${JSON.stringify(text)}`, () => {
    const { head, end } = parse(text, parseResponseHead)
    assert.equal(end, invalid)
    assert.deepEqual(verdictsOfBeginnings(text, parseResponseHead), [head.error])
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
