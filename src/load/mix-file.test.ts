import assert from "node:assert/strict"
import { test } from "node:test"
import { seeded } from "../core/rng.ts"
import { formatProblem } from "../text/problem.ts"
import { readMix } from "./mix-file.ts"
import { PreparedRequests, type RequestTemplate } from "./requests.ts"

function problems(text: string): string[] {
  const read = readMix("mix.yaml", text)
  return read.ok ? [] : read.error.map(formatProblem)
}

/** A request as it goes over the wire. */
function sent(request: RequestTemplate, host: string): string {
  const requests = new PreparedRequests([request], host, seeded(1))
  requests.draw()
  return requests.bytes().toString()
}

test("requests are written as they are sent", () => {
  const read = readMix(
    "mix.yaml",
    `requests:
  browse: {path: "/a?b=1", weight: 8, headers: {X-One: "1"}}
  buy: {method: POST, path: /b, body: "grüße", demand: {compute: 3.5, storage: 0.0004}}
  fill: {method: PUT, bodyBytes: 4}
`,
  )
  assert.ok(read.ok)
  const texts = read.value.map((one) => sent(one, "h:1"))
  const common = "Host: h:1\r\nUser-Agent: linebacker-spam\r\nAccept: */*\r\n"
  assert.deepEqual(texts, [
    `GET /a?b=1 HTTP/1.1\r\n${common}X-One: 1\r\n\r\n`,
    `POST /b HTTP/1.1\r\n${common}Linebacker-Demand: compute=3.5, storage=0\r\nContent-Length: 7\r\n\r\ngrüße`,
    `PUT / HTTP/1.1\r\n${common}Content-Length: 4\r\n\r\nxxxx`,
  ])
  assert.deepEqual(
    read.value.map(({ name, weight }) => [name, weight]),
    [
      ["browse", 8],
      ["buy", 1],
      ["fill", 1],
    ],
  )
})

test("a field of one's own stands in for the generator's", () => {
  const read = readMix(
    "mix.yaml",
    "requests: {a: {headers: {host: other, User-Agent: me, accept: text/html}}}",
  )
  assert.ok(read.ok)
  assert.equal(
    sent(read.value[0]!, "h"),
    "GET / HTTP/1.1\r\nhost: other\r\nUser-Agent: me\r\naccept: text/html\r\n\r\n",
  )
})

for (const [text, wrong] of [
  ["", 'mix.yaml:1:1: requests: "requests" is missing'],
  ["requests: {}", "mix.yaml:1:11: requests: expected 1 to 256 requests, found 0"],
  ["requests: [a]", "mix.yaml:1:11: requests: expected a mapping of requests by name"],
  ["request: {a: {}}", 'unknown key "request"; did you mean "requests"?'],
  ["requests:\n  a: {weight: 0}", "mix.yaml:2:15: requests.a.weight: expected a number above 0, found 0"],
  [
    "requests:\n  a: {path: b}",
    'mix.yaml:2:13: requests.a.path: expected a path that starts with "/", found "b"',
  ],
  ["requests:\n  a: {path: /a b}", 'expected a path that starts with "/"'],
  [
    "requests:\n  a: {method: CONNECT}",
    'expected a method that can be repeated on a connection, found "CONNECT"',
  ],
  ["requests:\n  a: {headers: {Content-Length: '3'}}", "Content-Length is the generator's own to write"],
  ['requests:\n  a: {headers: {A: "x\\r\\nB: y"}}', "expected a value in one line"],
  ["requests:\n  a: {headers: {'A:': x}}", "expected the name of a field"],
  ["requests:\n  a: {body: x, bodyBytes: 3}", "body says what is sent: give one of the two"],
  ["requests:\n  a: {bodyBytes: 1048577}", "expected an integer from 0 to 1048576"],
  ["requests:\n  a: {demand: {Compute: 1}}", "expected the name of a resource in lower case"],
  ["requests:\n  a: {demand: {compute: -1}}", "expected a number of at least 0"],
  ["requests:\n  a: {demand: {compute: 1}, headers: {Linebacker-Demand: compute=2}}", "demand says the same"],
  ["requests:\n  a:\n    path: ${file:x}", "a mix of requests takes nothing from elsewhere"],
  ["a: [", "mix.yaml:1:"],
] as const) {
  test(`a mix with a mistake names it: ${JSON.stringify(text).slice(0, 60)}`, () => {
    const found = problems(text)
    assert.ok(
      found.some((problem) => problem.includes(wrong)),
      found.join("\n") || "it was taken",
    )
  })
}

test("classes are drawn by weight", () => {
  // 4σ of a binomial with n = 10,000 and p = 0.8 is 160.
  const plain = { method: "GET", path: "/", fields: [], body: undefined }
  const requests = new PreparedRequests(
    [
      { name: "a", weight: 8, ...plain },
      { name: "b", weight: 2, ...plain },
    ],
    "x",
    seeded(1),
  )
  let first = 0
  for (let i = 0; i < 10_000; i++) if (requests.draw() === 0) first++
  assert.ok(Math.abs(first - 8_000) <= 160, `${first}`)
})
