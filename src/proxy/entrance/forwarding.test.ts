import assert from "node:assert/strict"
import { test } from "node:test"
import * as fc from "fast-check"
import { FieldNames } from "../../http1/field-names.ts"
import { Head } from "../../http1/head.ts"
import { headLimitsDefault } from "../../http1/limits.ts"
import { parseRequestHead } from "../../http1/request-head.ts"
import { requestHeadBytes } from "../../http1/serialize.ts"
import { type ForwardingOptions, ForwardingRules } from "./forwarding.ts"

const names = new FieldNames()
const proxy = "10.0.0.1"
const noLine = { bytesMax: 0, write: (_: Buffer, at: number) => at }

function rules(change: Partial<ForwardingOptions> = {}): ForwardingRules {
  return new ForwardingRules({
    name: "linebacker",
    trustedProxies: ["10.0.0.0/8", "fd00::/8"],
    via: { toBackends: true },
    forwarded: false,
    ...change,
  })
}

function headOf(lines: readonly string[]): Head {
  const head = new Head(headLimitsDefault)
  const bytes = Buffer.from(["GET / HTTP/1.1", "Host: a.example", ...lines, "", ""].join("\r\n"), "latin1")
  assert.equal(
    parseRequestHead(head, bytes, 0, bytes.length, headLimitsDefault, names),
    bytes.length,
    lines.join(),
  )
  return head
}

interface Case {
  readonly peer?: string
  readonly isTls?: boolean
  readonly rules?: Partial<ForwardingOptions>
}

/** The lines that reach the backend behind its Host, when the client sends these. */
function forwarded(
  lines: readonly string[],
  { peer = proxy, isTls = false, rules: change = {} }: Case = {},
): string[] {
  const head = headOf(lines)
  const forwarding = rules(change).of(peer, isTls)
  const fields = forwarding.fieldsFor(head)
  const bytes = requestHeadBytes(head, forwarding.drops, fields, "", noLine, Buffer.from("linebacker"))
  const [start, host, ...rest] = bytes.toString("latin1").trimEnd().split("\r\n")
  assert.deepEqual([start, host], ["GET / HTTP/1.1", "Host: a.example"])
  return rest
}

const spoofed = [
  "X-Forwarded-For: 6.6.6.6",
  "X-Forwarded-Proto: https",
  "X-Forwarded-Host: evil.example",
  "X-Forwarded-Port: 666",
  "Forwarded: for=6.6.6.6",
  "X-Request-Id: 6",
]

test("what a stranger says of itself is replaced", () => {
  for (const peer of ["203.0.113.5", "::ffff:203.0.113.5"]) {
    assert.deepEqual(forwarded(spoofed, { peer }), [
      "X-Forwarded-Host: a.example",
      "X-Forwarded-For: 203.0.113.5",
      "X-Forwarded-Proto: http",
      "Via: 1.1 linebacker",
    ])
  }
})

test("a stranger's requests cost nothing: their fields are the same whatever they are", () => {
  const forwarding = rules().of("203.0.113.5", true)
  assert.equal(forwarding.fieldsFor(headOf([])), forwarding.fieldsFor(headOf(spoofed)))
})

test("no peer is trusted by default, and an empty list trusts no address", () => {
  assert.ok(forwarded(spoofed, { rules: { trustedProxies: [] } }).includes(`X-Forwarded-For: ${proxy}`))
  const all = rules({ trustedProxies: ["0.0.0.0/0", "::/0"] }).of(undefined, false)
  assert.match(all.fieldsFor(headOf(spoofed)), /^X-Forwarded-For: unknown\r\n/)
})

test("over TLS the protocol is https", () => {
  const lines = forwarded([], { peer: "2001:db8::1", isTls: true, rules: { forwarded: true } })
  assert.deepEqual(lines.slice(1), [
    "X-Forwarded-For: 2001:db8::1",
    "X-Forwarded-Proto: https",
    'Forwarded: for="[2001:db8::1]";proto=https',
    "Via: 1.1 linebacker",
  ])
})

test("a trusted proxy is appended to what it says, and its word is kept", () => {
  assert.deepEqual(
    forwarded(
      [
        "X-Forwarded-For: 203.0.113.5, 2001:db8::1",
        "X-Forwarded-For: 198.51.100.7:8080",
        "X-Forwarded-Proto: HTTPS",
        "X-Forwarded-Host: public.example:8443",
        "X-Forwarded-Port: 8443",
        'Forwarded: for=203.0.113.5;proto=https, For="[2001:db8::1]:80";by=_hidden',
      ],
      { peer: `::ffff:${proxy}` },
    ),
    [
      "X-Forwarded-Host: public.example:8443",
      "X-Forwarded-For: 203.0.113.5, 2001:db8::1, 198.51.100.7:8080, 10.0.0.1",
      "X-Forwarded-Proto: https",
      "X-Forwarded-Port: 8443",
      'Forwarded: for=203.0.113.5;proto=https, For="[2001:db8::1]:80";by=_hidden, for=10.0.0.1;proto=http',
      "Via: 1.1 linebacker",
    ],
  )
})

test("of a trusted proxy that says nothing is said what is said of every client", () => {
  for (const [option, more] of [
    [false, []],
    [true, ["Forwarded: for=10.0.0.1;proto=http"]],
  ] as const) {
    assert.deepEqual(forwarded([], { rules: { forwarded: option } }), [
      "X-Forwarded-Host: a.example",
      "X-Forwarded-For: 10.0.0.1",
      "X-Forwarded-Proto: http",
      ...more,
      "Via: 1.1 linebacker",
    ])
  }
})

test("what is left of nonsense in a list does not count", () => {
  for (const [list, kept] of [
    ["<script>, 203.0.113.5", "203.0.113.5, "],
    ["1.1.1.1, x y, 203.0.113.5, unknown", "203.0.113.5, unknown, "],
    ["1.1.1.1, nonsense", ""],
    ["1.1.1.1,, ,203.0.113.5,", "1.1.1.1, 203.0.113.5, "],
    ["_hidden, [2001:db8::1], [2001:db8::2]:1", "_hidden, [2001:db8::1], [2001:db8::2]:1, "],
    ["1.1.1.1, 1.2.3.4:0", ""],
    ["1.1.1.1, 1.2.3.4:65536", ""],
    ["1.1.1.1, 01.2.3.4, 2.2.2.2", "2.2.2.2, "],
    ["[1.2.3.4]", ""],
    ["fe80::1%lo", ""],
    ['"1.1.1.1"', ""],
    ["", ""],
  ] as const) {
    assert.ok(forwarded([`X-Forwarded-For: ${list}`]).includes(`X-Forwarded-For: ${kept}10.0.0.1`), list)
  }
})

test("Forwarded is held to its grammar", () => {
  const own = "for=10.0.0.1;proto=http"
  for (const [list, kept] of [
    ["for=1.1.1.1", "for=1.1.1.1, "],
    ['for="a, b";x="\\"", for=c', 'for="a, b";x="\\"", for=c, '],
    ["for=1.1.1.1;;by=x;", "for=1.1.1.1;;by=x;, "],
    ["for = 1.1.1.1", ""],
    ["for=1.1.1.1, nonsense, for=2.2.2.2", "for=2.2.2.2, "],
    ['for="1.1.1.1, for=2.2.2.2', ""],
    ['for=1.1.1.1, for="[::1]"x', ""],
    ["for=[::1]", ""],
    ["for=", ""],
    ["=x", ""],
    ["", ""],
  ] as const) {
    assert.ok(forwarded([`Forwarded: ${list}`]).includes(`Forwarded: ${kept}${own}`), list)
  }
})

test("a value that is malformed is replaced by our own", () => {
  for (const lines of [
    ["X-Forwarded-Proto: ftp"],
    ["X-Forwarded-Proto: ,"],
    ["X-Forwarded-Host: a b"],
    ["X-Forwarded-Host: ,"],
    ["X-Forwarded-Host: <x>"],
    ["X-Forwarded-Host:"],
    [`X-Forwarded-Host: ${"a.".repeat(127)}example`],
    ["X-Forwarded-Port: 0"],
    ["X-Forwarded-Port: 65536"],
    ["X-Forwarded-Port: 80x"],
  ]) {
    assert.deepEqual(
      forwarded(lines),
      [
        "X-Forwarded-Host: a.example",
        "X-Forwarded-For: 10.0.0.1",
        "X-Forwarded-Proto: http",
        "Via: 1.1 linebacker",
      ],
      lines.join(),
    )
  }
})

test("of a list the first member that is known counts: the proxy nearest to the client has written it", () => {
  for (const lines of [
    [
      "X-Forwarded-Proto: https, http",
      "X-Forwarded-Host: b.example, c d, e.example",
      "X-Forwarded-Port: 8443,80",
    ],
    ["X-Forwarded-Proto: , WSS,http", "X-Forwarded-Host: <x>, b.example", "X-Forwarded-Port: x, 8443"],
    [
      "X-Forwarded-Proto: https",
      "X-Forwarded-Proto: http",
      "X-Forwarded-Host: b.example",
      "X-Forwarded-Host: c.example",
      "X-Forwarded-Port: 8443",
      "X-Forwarded-Port: 80",
    ],
  ]) {
    assert.deepEqual(
      forwarded(lines),
      [
        "X-Forwarded-Host: b.example",
        "X-Forwarded-For: 10.0.0.1",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Port: 8443",
        "Via: 1.1 linebacker",
      ],
      lines.join(),
    )
  }
})

test("a chain longer than any real one keeps its nearest hops", () => {
  const hops = Array.from({ length: 500 }, (_, i) => `192.0.2.${i % 256}`)
  const line = forwarded([`X-Forwarded-For: ${hops.join(",")}`])[1]
  assert.equal(line, `X-Forwarded-For: ${[...hops.slice(-32), proxy].join(", ")}`)
})

test("which client is secure: by its own TLS, or by the word of a trusted proxy", () => {
  const said = (proto: string) => headOf([`X-Forwarded-Proto: ${proto}`])
  const stranger = rules().of("203.0.113.5", false)
  const trusted = rules().of(proxy, false)
  const trustedTls = rules().of(proxy, true)
  assert.deepEqual(
    [stranger.isSecure(said("https")), trusted.isSecure(said("https")), trusted.isSecure(headOf([]))],
    [false, true, false],
  )
  assert.deepEqual([trustedTls.isSecure(headOf([])), trustedTls.isSecure(said("http"))], [true, false])
  assert.equal(rules().of("203.0.113.5", true).isSecure(said("http")), true)
})

test("trusted proxies say in several ways that the client came over TLS", () => {
  const trusted = rules().of(proxy, false)
  const trustedTls = rules().of(proxy, true)
  for (const line of [
    "X-Forwarded-Proto: wss",
    "X-Forwarded-Proto: HTTPS , http",
    "X-Forwarded-Proto: foo, https",
    "Forwarded: for=1.2.3.4;proto=https",
    'Forwarded: for=1.2.3.4;Proto="https", for=10.0.0.2;proto=http',
    "Forwarded: for=1.2.3.4, for=10.0.0.2;proto=wss",
    "X-Forwarded-Scheme: https",
    "X-Forwarded-Ssl: on",
    "Front-End-Https: On",
  ])
    assert.equal(trusted.isSecure(headOf([line])), true, line)
  for (const line of [
    "X-Forwarded-Proto: ws",
    "X-Forwarded-Proto: http, https",
    "Forwarded: for=1.2.3.4;proto=http, for=10.0.0.2;proto=https",
    "X-Forwarded-Ssl: off",
  ])
    assert.equal(trustedTls.isSecure(headOf([line])), false, line)
  for (const line of [
    "X-Forwarded-Proto: ftp",
    "X-Forwarded-Proto:",
    'Forwarded: for=1.2.3.4;x=";proto=https"',
    "Forwarded: proto=https for=nonsense",
  ])
    assert.deepEqual(
      [trusted.isSecure(headOf([line])), trustedTls.isSecure(headOf([line]))],
      [false, true],
      line,
    )
  // X-Forwarded-Proto is what most proxies set, and others may have been passed through.
  assert.equal(trusted.isSecure(headOf(["X-Forwarded-Ssl: on", "X-Forwarded-Proto: http"])), false)
})

test("the same claims of a stranger are dropped, and a trusted proxy's go on", () => {
  const claims = [
    "X-Real-IP: 6.6.6.6",
    "X-Forwarded-Ssl: on",
    "X-Forwarded-Scheme: https",
    "Front-End-Https: on",
  ]
  assert.deepEqual(forwarded(claims, { peer: "203.0.113.5" }), forwarded([], { peer: "203.0.113.5" }))
  assert.deepEqual(forwarded(claims).slice(0, 4), claims)
})

test("Via has the version that was received, and may be left to CDN-Loop", () => {
  const http10 = headOf([])
  http10.minor = 0
  const silent = { via: { toBackends: false } }
  for (const peer of [proxy, "203.0.113.5"]) {
    assert.match(rules().of(peer, false).fieldsFor(http10), /\r\nVia: 1\.0 linebacker\r\n$/)
    assert.deepEqual(forwarded([], { peer, rules: silent }).at(-1), "CDN-Loop: linebacker")
    assert.ok(!forwarded([], { peer, rules: silent }).join().includes("Via"))
  }
})

test("whatever a trusted proxy sends, the lines that go on are well-formed, and the last hop is true", () => {
  const text = fc.oneof(
    fc.string({
      unit: fc.constantFrom("1", ".", ":", ",", " ", '"', "\\", ";", "=", "[", "]", "a", "\t"),
      maxLength: 40,
    }),
    fc.string({
      unit: fc.integer({ min: 0x20, max: 0xff }).map((code) => String.fromCharCode(code)),
      maxLength: 30,
    }),
  )
  const name = fc.constantFrom(
    "X-Forwarded-For",
    "X-Forwarded-Proto",
    "X-Forwarded-Host",
    "X-Forwarded-Port",
    "Forwarded",
  )
  fc.assert(
    fc.property(fc.array(fc.tuple(name, text), { maxLength: 6 }), fc.boolean(), (said, option) => {
      const lines = said.map(([field, value]) => `${field}: ${value.replaceAll("\x7f", "")}`)
      const sent = forwarded(lines, { rules: { forwarded: option } })
      const values = (field: string) =>
        sent.flatMap((line) => (line.startsWith(`${field}: `) ? [line.slice(field.length + 2).trim()] : []))
      assert.match(values("X-Forwarded-For").join("|"), /^(?:[0-9A-Za-z._:[\]-]+, )*10\.0\.0\.1$/)
      assert.match(values("X-Forwarded-Proto").join("|"), /^https?$/)
      assert.match(values("X-Forwarded-Host").join("|"), /^[0-9A-Za-z.:[\]_-]+$/)
      assert.match(values("X-Forwarded-Port").join("|"), /^[0-9]{0,5}$/)
      for (const value of values("Forwarded")) assert.ok(value.endsWith("for=10.0.0.1;proto=http"), value)
      assert.ok(values("Forwarded").length <= 1)
    }),
    { numRuns: 3_000 },
  )
})

test("the client is the peer, or the one that the trusted proxy before us names last", () => {
  const from = (hops: string): Head => headOf([`X-Forwarded-For: ${hops}`])
  const stranger = rules().of("203.0.113.5", false)
  assert.equal(stranger.clientOf(from("198.51.100.7")), "203.0.113.5")
  assert.deepEqual([...stranger.clientBytesOf(headOf([]))!], [203, 0, 113, 5])
  const trusted = rules().of(proxy, false)
  assert.equal(trusted.clientOf(from("192.0.2.9, 198.51.100.7")), "198.51.100.7")
  assert.equal(trusted.clientOf(from("198.51.100.7:1234")), "198.51.100.7")
  assert.equal(trusted.clientOf(from("[2001:db8::7]:99")), "2001:db8::7")
  assert.equal(trusted.clientBytesOf(from("2001:db8::7"))!.length, 16)
  assert.equal(trusted.clientOf(headOf([])), proxy)
  assert.equal(trusted.clientOf(from("unknown")), undefined)
  assert.equal(rules().of(undefined, false).clientBytesOf(headOf([])), undefined)
})
