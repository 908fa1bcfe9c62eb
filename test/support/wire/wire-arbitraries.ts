/**
 * Bytes for the fuzzers: messages by the grammar, spoilt in the ways in which parsers part, after the mutators of the
 * HTTP Garden and T-Reqs.
 */
import fc from "fast-check"
import type { Side } from "./wire-reader.ts"

type Text = fc.Arbitrary<string>

const blank = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
const specials: readonly string[] = [
  ...Array.from('\r\n \t\0:;,=+-_"\\#*/\x0b\x0c\x7f\x80\xa0\xff'),
  "\r\n",
  "\n\n",
  "\r\n\r\n",
  "\n\r",
  "\r\r\n",
  "\r\n ",
  "0x",
  " HTTP/1.1",
  "0\r\n\r\n",
  blank,
]

const word: Text = fc.string({
  unit: fc.constantFrom(...Array.from("abcXYZ019-._~")),
  minLength: 1,
  maxLength: 8,
})
const anyBytes: Text = fc
  .array(fc.integer({ min: 0, max: 255 }), { maxLength: 12 })
  .map((bytes) => String.fromCharCode(...bytes))
const space: Text = fc.constantFrom("", " ", " ", " ", " ", " ", " ", "  ", "\t")

const target: Text = fc.oneof(
  { arbitrary: fc.constantFrom("/", "/a", "/a?b=c", "//a//b", "/%2e%2e/x", "/a;b=c", "/~a|b"), weight: 24 },
  {
    arbitrary: fc.constantFrom("http://a", "http://a/", "HTTP://a/b?c", "http://a?b", "https://a:80/"),
    weight: 2,
  },
  fc.constantFrom("*", "a", "/a#b", "/a\\b", "/\xe9", "http://u@a/", "http:///", "?", "a:80"),
)
const method: Text = fc.oneof(
  { arbitrary: fc.constantFrom("GET", "POST", "PUT", "HEAD", "DELETE", "OPTIONS", "PATCH"), weight: 60 },
  fc.constantFrom(
    "PROPFIND",
    "M-SEARCH",
    "QUERY",
    "SOURCE",
    "PRI",
    "CONNECT",
    "TRACE",
    "BREW",
    "get",
    "GETT",
    "G",
  ),
)
const version: Text = fc.oneof(
  { arbitrary: fc.constant("HTTP/1.1"), weight: 60 },
  { arbitrary: fc.constant("HTTP/1.0"), weight: 4 },
  fc.constantFrom(
    "HTTP/1.2",
    "HTTP/0.9",
    "HTTP/2.0",
    "http/1.1",
    "HTTP/1.10",
    "HTTP/1",
    "HTTP/11",
    "ICE/1.0",
  ),
)

const length: Text = fc.oneof(
  { arbitrary: fc.nat(12).map(String), weight: 6 },
  fc.constantFrom(
    "",
    "+1",
    "-1",
    "01",
    "00",
    "0x1",
    "1 1",
    "1,1",
    "1, 1",
    "1e1",
    "9007199254740992",
    "18446744073709551616",
  ),
)
const coding: Text = fc.oneof(
  { arbitrary: fc.constantFrom("chunked", "chunked", "Chunked"), weight: 6 },
  fc.constantFrom(
    "gzip, chunked",
    "chunked, gzip",
    "gzip",
    "identity",
    "chunked, chunked",
    "chunked;a=b",
    "xchunked",
  ),
  fc.constantFrom(
    "",
    ",",
    "chunked,",
    ",chunked",
    '"chunked"',
    "chun ked",
    "chunked ",
    "\tchunked",
    "identity, chunked",
  ),
)
const option: Text = fc.oneof(
  fc.constantFrom("close", "keep-alive", "Close", "upgrade", "keep-alive, close", "close, upgrade"),
  fc.constantFrom("x", "te", "a b", ",", ""),
)
function mayBeInValue(char: string): boolean {
  return char === "\t" || (char >= " " && char !== "\x7f")
}

const fieldValue: Text = fc.oneof(
  word,
  anyBytes.map((text) => Array.from(text).filter(mayBeInValue).join("")),
  fc.constant(""),
)

function line(name: string | Text, value: Text): Text {
  const named = typeof name === "string" ? fc.constant(name) : name
  return fc.tuple(named, space, value, space).map((parts) => `${parts[0]}:${parts.slice(1).join("")}\r\n`)
}

const oddLine: Text = fc.oneof(
  line(
    fc.constantFrom("X", "x-y", "X_Y", "Content-Lengt", "Content-Length2", "Transfer-Encoding2", "!#$%"),
    fieldValue,
  ),
  line("Connection", option),
  line(fc.constantFrom("Keep-Alive", "Proxy-Connection", "TE", "Trailer", "Date", "Via"), fieldValue),
  line("Upgrade", fc.constantFrom("websocket", "h2c")),
  line("Expect", fc.constantFrom("100-continue", "100-Continue", "x", "")),
  line(fc.constantFrom("Content-Length", "content-length", "CONTENT-LENGTH"), length),
  line(fc.constantFrom("Transfer-Encoding", "transfer-encoding"), coding),
  line("Host", fc.constantFrom("a", "b", "", "a:80", "[::1]", "a b")),
  fc.constantFrom(
    " folded\r\n",
    "\tfolded\r\n",
    "no colon\r\n",
    ": no name\r\n",
    "X : y\r\n",
    "X\t: y\r\n",
    "X: y\n",
  ),
)
const plainLine: Text = line(fc.constantFrom("Accept", "X", "User-Agent", "x-many"), word)
const lines: Text = fc
  .array(fc.oneof({ arbitrary: plainLine, weight: 8 }, { arbitrary: oddLine, weight: 1 }), { maxLength: 3 })
  .map((parts) => parts.join(""))

const chunk: Text = fc
  .record({
    data: fc.oneof(word, anyBytes, fc.constant(blank)).filter((data) => data !== ""),
    zeros: fc.constantFrom("", "", "", "0", "000"),
    upper: fc.boolean(),
    end: fc.oneof(
      { arbitrary: fc.constant("\r\n"), weight: 30 },
      fc.constantFrom("\n", "\r", "\n\n", "\r\r", "X\n", "\rX", "XX", "", " \r\n"),
    ),
    extension: fc.oneof(
      { arbitrary: fc.constant(""), weight: 24 },
      fc.constantFrom(
        ";a",
        ";a=b",
        ';a="b;c"',
        ';a="\\""',
        ";",
        " ",
        ";a;b=c",
        "; a",
        ";a =b",
        ";=",
        ';a="b"c',
        ";a\n",
      ),
    ),
  })
  .map(({ data, zeros, upper, extension, end }) => {
    const hex = data.length.toString(16)
    return `${zeros}${upper ? hex.toUpperCase() : hex}${extension}\r\n${data}${end}`
  })
const chunkedBody: Text = fc
  .record({
    chunks: fc.array(chunk, { maxLength: 4 }).map((parts) => parts.join("")),
    last: fc.oneof(
      { arbitrary: fc.constant("0\r\n\r\n"), weight: 18 },
      fc.constantFrom("00\r\n\r\n", "0;a\r\n\r\n", "0\r\nA: b\r\n\r\n", "0\r\nA: b\r\nC:\r\n\r\n", "0\r\n"),
      fc.constantFrom(
        "0\r\nA : b\r\n\r\n",
        "0\r\n A: b\r\n\r\n",
        "0\n\n",
        "0\r\nContent-Length: 5\r\n\r\n",
        "-0\r\n\r\n",
      ),
    ),
  })
  .map(({ chunks, last }) => chunks + last)

/** Framing fields with the body that they announce. */
const framed: fc.Arbitrary<readonly [lines: string, body: string]> = fc.oneof(
  { arbitrary: fc.constant(["", ""] as const), weight: 6 },
  {
    arbitrary: fc
      .oneof(word, anyBytes, fc.constant(blank), fc.constant("0\r\n\r\n"))
      .map((body) => [`Content-Length: ${body.length}\r\n`, body] as const),
    weight: 6,
  },
  { arbitrary: chunkedBody.map((body) => ["Transfer-Encoding: chunked\r\n", body] as const), weight: 8 },
  fc.tuple(line("Transfer-Encoding", coding), chunkedBody),
  fc.tuple(line("Content-Length", length), fc.oneof(word, chunkedBody)),
)

const head = (start: Text, host: Text): Text =>
  fc
    .tuple(start, host, lines, framed, lines)
    .map(
      ([start, host, before, [framing, body], after]) =>
        `${start}${host}${before}${framing}${after}\r\n${body}`,
    )

const requestLine: Text = fc.tuple(method, target, version).map((parts) => `${parts.join(" ")}\r\n`)
const request: Text = head(
  requestLine,
  fc.oneof(
    { arbitrary: fc.constant("Host: a\r\n"), weight: 40 },
    fc.constantFrom("", "Host: a:80\r\n", "host:a\r\n"),
  ),
)

const status: Text = fc.oneof(
  { arbitrary: fc.constantFrom("200", "200", "404", "500", "204", "304", "206", "205", "301"), weight: 40 },
  { arbitrary: fc.constantFrom("100", "101", "102", "103", "199"), weight: 2 },
  fc.constantFrom("99", "000", "600", "999", "2000", "20", "2x0", "-20", ""),
)
const reason: Text = fc.oneof(
  { arbitrary: fc.constantFrom(" OK", " Not Found", " ", ""), weight: 8 },
  fieldValue.map((text) => ` ${text}`),
)
const statusLine: Text = fc
  .tuple(version, status, reason)
  .map(([version, status, reason]) => `${version} ${status}${reason}\r\n`)
const response: Text = head(statusLine, fc.constant(""))

type Change = (text: string) => string

/** One change somewhere in the text; `at` is scaled to its length, so that shrinking moves it to the front. */
const change: fc.Arbitrary<Change> = fc
  .record({
    kind: fc.constantFrom(
      "flip",
      "insert",
      "insert",
      "delete",
      "copyLine",
      "moveLine",
      "cut",
      "case",
      "replace",
    ),
    at: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
    to: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
    byte: fc.integer({ min: 0, max: 255 }),
    special: fc.constantFrom(...specials),
  })
  .map(({ kind, at, to, byte, special }) => (text: string) => {
    const place = Math.floor(at * text.length)
    const before = text.slice(0, place)
    const behind = text.slice(place)
    switch (kind) {
      case "flip":
        return behind === ""
          ? text
          : before + String.fromCharCode(behind.charCodeAt(0) ^ (1 << (byte & 7))) + behind.slice(1)
      case "insert":
        return before + special + behind
      case "replace":
        return before + String.fromCharCode(byte) + behind.slice(1)
      case "delete":
        return before + behind.slice(1 + (byte & 3))
      case "case":
        return before + behind.slice(0, 8).toUpperCase() + behind.slice(8)
      case "cut":
        return before
      case "copyLine":
      case "moveLine": {
        const rows = text.split("\r\n")
        const from = Math.floor(at * rows.length)
        const [row = ""] = kind === "moveLine" ? rows.splice(from, 1) : [rows[from]!]
        rows.splice(Math.floor(to * rows.length), 0, row)
        return rows.join("\r\n")
      }
      default:
        return text
    }
  })

/** Messages of this side on one connection, most of them spoilt somewhere. `seeds` are spoilt as they are. */
export function wireBytes(side: Side, seeds: readonly string[]): fc.Arbitrary<Buffer> {
  const message = side === "request" ? request : response
  const built = fc
    .array(message, { minLength: 1, maxLength: side === "request" ? 3 : 2 })
    .map((parts) => parts.join(""))
  const text =
    seeds.length === 0 ? built : fc.oneof({ arbitrary: built, weight: 5 }, fc.constantFrom(...seeds))
  return fc.tuple(text, fc.array(change, { maxLength: 3 })).map(([text, changes]) =>
    Buffer.from(
      changes.reduce((spoilt, spoil) => spoil(spoilt), text),
      "latin1",
    ),
  )
}
