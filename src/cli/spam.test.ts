import assert from "node:assert/strict"
import { mkdirSync, readFileSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import { test, type TestContext } from "node:test"
import { run, type Said, scratch } from "../../test/support/command-line.ts"

const { folder, file } = scratch()
const spam = (...words: readonly string[]): Promise<Said> => run("spam", ...words)

/** A server that responds at once, and the fields that it was sent. */
async function target(t: TestContext): Promise<{ readonly url: string; readonly seen: string[][] }> {
  const seen: string[][] = []
  const server = createServer((request, response) => {
    seen.push(request.rawHeaders)
    response.setHeader("x-linebacker-backend", "b-1")
    response.end("hello")
  })
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, seen }
}

const wrong: readonly (readonly [name: string, words: readonly string[], said: RegExp])[] = [
  ["no URL", [], /which URL\?/],
  ["a URL of another kind", ["ftp://a/"], /starts with http:\/\/ or https:\/\//],
  [
    "a rate that is none",
    ["http://127.0.0.1:1/", "--rate", "fast"],
    /--rate: expected a rate from 0 to 1000000/,
  ],
  [
    "an impossible rate",
    ["http://127.0.0.1:1/", "--rate", "2000000"],
    /--rate: expected a rate from 0 to 1000000/,
  ],
  [
    "a field without a colon",
    ["http://127.0.0.1:1/", "-H", "a: b", "-H", "wrong"],
    /--header: expected 'NAME: VALUE', found "wrong"/,
  ],
  [
    "a field that frames",
    ["http://127.0.0.1:1/", "-H", "Content-Length: 3"],
    /--header: Content-Length is the generator's own/,
  ],
  ["a URL beside a scenario", ["http://127.0.0.1:1/", "--scenario", "dozen"], /brings its own target/],
  [
    "a rate beside a scenario",
    ["--scenario", "dozen", "--rate", "5"],
    /--rate: means nothing beside --scenario/,
  ],
  ["a load without a scenario", ["http://127.0.0.1:1/", "--load", "0.5"], /--load: only with --scenario/],
  ["an unknown scenario", ["--scenario", "dozens"], /there is no scenario "dozens".*dozen/],
  [
    "an unknown policy",
    ["--compare", "price,leest-connections"],
    /--compare: there is no policy "leest-connections".*least-connections/,
  ],
  ["a policy twice", ["--compare", "price,price"], /--compare: a policy is there twice/],
  [
    "policies said twice",
    ["--compare", "price", "--policy", "price"],
    /--policy: --compare names the policies/,
  ],
  [
    "a load beyond reason",
    ["--scenario", "dozen", "--load", "0.5,9"],
    /--load: expected shares of θ\* from 0\.01 to 2.*found "9"/,
  ],
  [
    "a speed that stands still",
    ["--scenario", "dozen", "--speed", "0"],
    /--speed: expected a number from 0\.01 to 1000/,
  ],
  [
    "a duration that is none",
    ["--scenario", "dozen", "--duration", "long"],
    /--duration: expected a duration/,
  ],
]

for (const [name, words, said] of wrong) {
  test(`wrong use is told precisely and is exit code 2: ${name}`, async () => {
    const { code, out, err } = await spam(...words)
    assert.equal(code, 2, err)
    assert.equal(out, "")
    assert.match(err, said)
  })
}

test("--schema prints the JSON Schema of a mix file", async () => {
  const { code, out } = await spam("--schema")
  assert.equal(code, 0)
  const schema = JSON.parse(out) as {
    readonly properties: {
      readonly requests: { readonly additionalProperties: { readonly properties: object } }
    }
  }
  assert.deepEqual(Object.keys(schema.properties.requests.additionalProperties.properties), [
    "method",
    "path",
    "weight",
    "headers",
    "body",
    "bodyBytes",
    "demand",
  ])
})

test("a target where no program listens, and files that are not there, are exit code 1", async () => {
  for (const [words, said] of [
    [["http://127.0.0.1:1/"], /cannot connect to 127\.0\.0\.1:1: no program listens there/],
    [["http://127.0.0.1:1/", "--mix", join(folder, "none.yaml")], /cannot be read: there is no such file/],
    [
      ["http://127.0.0.1:1/", "--mix", file("mix.yaml", "requests:\n  a: {weigth: 2}\n")],
      /mix\.yaml:2.*weigth.*weight/,
    ],
    [
      ["http://127.0.0.1:1/", "--trace", join(folder, "none.csv")],
      /none\.csv: cannot be read: there is no such file/,
    ],
    [
      ["http://127.0.0.1:1/", "--trace", file("bad.csv", "a,b\n1,2\n")],
      /bad\.csv:1:1.*expected the first line/,
    ],
    [["--scenario", file("wrong.yaml", "backends: 3\n")], /wrong\.yaml:1/],
    [["--scenario", "./none.yaml"], /none\.yaml: cannot be read/],
  ] as const) {
    const { code, err } = await spam(...words)
    assert.equal(code, 1, err)
    assert.match(err, said)
  }
})

test("a fleet with more backends than can be played is refused before anything is started", async () => {
  const path = file(
    "many.yaml",
    "backends:\n  a: {count: 65, capacity: {compute: 1, storage: 1}}\nclasses:\n  p: {share: 1, demand: {compute: 1, storage: 1}}\n",
  )
  const { code, err } = await spam("--scenario", path)
  assert.equal(code, 2)
  assert.match(err, /"many" has 65 backends; at most 64 can be played/)
})

test("several fields are sent, in their order", async (t) => {
  const { url, seen } = await target(t)
  const { code, err } = await spam(url, "-n", "1", "-c", "1", "-H", "A: 1", "--header", "B: 2", "--json")
  assert.equal(code, 0, err)
  const names = seen[0]!.filter((_, index) => index % 2 === 0)
  assert.deepEqual(names.slice(-2), ["A", "B"])
})

test("recorded requests are sent at the mean rate that was asked for", async (t) => {
  const { url, seen } = await target(t)
  const rows = Array.from({ length: 41 }, (_, i) => `2023-11-16 18:17:${String(i).padStart(2, "0")},1,1`)
  const path = file("trace.csv", `TIMESTAMP,ContextTokens,GeneratedTokens\n${rows.join("\n")}\n`)
  const { code, out, err } = await spam(url, "--trace", path, "--rate", "200", "--json", "--no-spin")
  assert.equal(code, 0, err)
  const result = JSON.parse(out) as {
    readonly countedMs: number
    readonly requests: { readonly answered: number }
  }
  assert.equal(result.requests.answered, 41)
  // Forty gaps of 5 ms, and one more millisecond.
  assert.ok(Math.abs(result.countedMs - 201) < 1e-6, String(result.countedMs))
  assert.equal(seen.length, 41)
})

test("a report is a page that needs nothing from elsewhere, beside its numbers", async (t) => {
  const { url } = await target(t)
  const report = join(folder, "report")
  const { code, err } = await spam(url, "-n", "50", "-c", "2", "--report", report, "--expect", "errors<1%")
  assert.equal(code, 0, err)
  const page = readFileSync(join(report, "report.html"), "utf8")
  assert.match(page, /holds {2}errors&lt;1%/)
  assert.match(page, /default-src 'none'/)
  assert.doesNotMatch(page, /<script|src=|href=/)
  const numbers = JSON.parse(readFileSync(join(report, "results.json"), "utf8")) as {
    requests: { answered: number }
  }
  assert.equal(numbers.requests.answered, 50)
  assert.match(readFileSync(join(report, "percentiles.svg"), "utf8"), /^<svg/)
})

test("a folder that cannot be written to is found out before the load", async (t) => {
  const { url, seen } = await target(t)
  const { code, err } = await spam(url, "-n", "1", "-c", "1", "--report", join(file("plain", ""), "below"))
  assert.equal(code, 1)
  assert.match(err, /--report: cannot write to .*below: the system says ENOTDIR/)
  assert.deepEqual(seen, [])
})

test("a report stays what it was when the load that should have replaced it does not come about", async () => {
  const results = file("results.json", "{}")
  const { code } = await spam("http://127.0.0.1:1/", "-n", "1", "--report", folder)
  assert.equal(code, 1)
  assert.equal(readFileSync(results, "utf8"), "{}")
})

test("a report that can no longer be written is exit code 1, behind the result", async (t) => {
  const { url } = await target(t)
  const broken = join(folder, "broken")
  mkdirSync(join(broken, "report.html"), { recursive: true })
  const { code, err, out } = await spam(url, "-n", "1", "-c", "1", "--report", broken)
  assert.equal(code, 1)
  assert.match(err, /cannot write to .*broken: the system says EISDIR/)
  assert.match(out, /1 with a response/)
})
