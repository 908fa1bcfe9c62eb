import assert from "node:assert/strict"
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { test } from "node:test"
import { run, type Said, scratch } from "../../test/support/command-line.ts"
import { policyNames } from "../policies/index.ts"
import { builtInNames } from "../sim/scenario/built-in.ts"
import type { FleetCapacity, RunResult } from "../sim/report/results.ts"

const { folder, file } = scratch()
const sim = (...words: readonly string[]): Promise<Said> => run("sim", ...words)

const small = ["--requests", "2000"] as const

interface RunsOut {
  readonly scenario: string
  readonly thetaStar: number
  readonly classBlindCeiling: number
  readonly balancers: number
  readonly seed: number
  readonly policies: Readonly<Record<string, Readonly<Record<string, RunResult>>>>
}

test("--json prints the numbers per policy and load", async () => {
  const { code, out } = await sim(
    "mild",
    "--policy",
    "price,round-robin",
    "--load",
    "0.9,0.5",
    "--json",
    ...small,
  )
  assert.equal(code, 0)
  const { policies, ...rest } = JSON.parse(out) as RunsOut
  assert.equal(rest.scenario, "mild")
  // 540 of each resource over a mean demand of 0.5.
  assert.ok(Math.abs(rest.thetaStar - 360) < 1e-6)
  assert.equal(rest.balancers, 1)
  assert.deepEqual(Object.keys(policies), ["price", "round-robin"])
  for (const loads of Object.values(policies)) {
    assert.deepEqual(Object.keys(loads).sort(), ["0.5", "0.9"])
    for (const { mean, p50, p99, p999, slowdown, utilization } of Object.values(loads)) {
      assert.ok(p50 > 0 && p50 <= p99 && p99 <= p999 && mean > 0 && slowdown >= 1)
      assert.deepEqual(Object.keys(utilization), ["compute", "storage"])
    }
  }
})

test("the same command prints the same, to the last digit, and another seed prints something else", async () => {
  const words = ["mild", "--policy", "price", "--load", "0.7", "--json", ...small]
  const [first, again, other] = [await sim(...words), await sim(...words), await sim(...words, "--seed", "2")]
  assert.deepEqual(again, first)
  assert.notEqual(other.out, first.out)
})

test("capacity prints shares of θ* with an interval", async () => {
  const words = [
    "capacity",
    "mild",
    "--policy",
    "round-robin",
    "--seeds",
    "2",
    "--balancers",
    "2",
    "--json",
    ...small,
  ]
  const { code, out } = await sim(...words)
  assert.equal(code, 0)
  const { policies, ...rest } = JSON.parse(out) as FleetCapacity
  assert.deepEqual(Object.keys(rest), [
    "scenario",
    "thetaStar",
    "classBlindCeiling",
    "balancers",
    "oneMachine",
  ])
  assert.ok(rest.oneMachine.low <= rest.oneMachine.share && rest.oneMachine.share <= 1)
  assert.equal(rest.balancers, 2)
  assert.ok(Math.abs(rest.classBlindCeiling - 7 / 9) < 1e-6)
  const { share, low, high, ...more } = policies["round-robin"]!
  assert.ok(0 <= low && low <= share && share <= high && high <= 1)
  assert.deepEqual(more, {})
})

test("people get one table per load, with what was compared above it", async () => {
  const { code, out, err } = await sim(
    "equal",
    "--policy",
    "price,round-robin",
    "--load",
    "0.5,0.8",
    ...small,
  )
  assert.equal(code, 0)
  assert.equal(err, "", "no progress without a terminal")
  assert.match(out, /^equal: .*\nθ\* is .* requests per second, the class-blind ceiling 1\.00 of it\n/)
  assert.equal(out.match(/^load 0\.[58] of θ\* .*p99/gm)?.length, 2)
  assert.equal(out.match(/^(price|round-robin) .* (ms|s) /gm)?.length, 4)
})

test("--report writes the page, the numbers and the figures", async () => {
  const to = join(folder, "deep", "report")
  const { code, err } = await sim("mild", "--policy", "price", "--load", "0.5", "--report", to, ...small)
  assert.equal(code, 0)
  assert.equal(err, `wrote ${join(to, "report.html")}\n`)
  assert.ok(["latency.svg", "report.html", "results.json"].every((name) => readdirSync(to).includes(name)))
  const { command } = JSON.parse(readFileSync(join(to, "results.json"), "utf8")) as { command: string }
  assert.equal(command, `linebacker sim mild --policy price --load 0.5 --report ${to} --requests 2000`)
})

test("list names every built-in scenario, and show prints one to start from that reads back", async () => {
  const listed = await sim("list")
  assert.deepEqual(
    listed.out
      .trimEnd()
      .split("\n")
      .map((line) => line.split(" ", 1)[0]),
    [...builtInNames],
  )
  const shown = await sim("show", "mild")
  assert.equal(shown.code, 0)
  const mine = file("mine.yaml", `${shown.out}\nloads: [0.4]\n`)
  const { code, out } = await sim(mine, "--policy", "price", "--json", ...small)
  assert.equal(code, 0)
  const { scenario, policies } = JSON.parse(out) as RunsOut
  assert.equal(scenario, "mine")
  assert.deepEqual(Object.keys(policies["price"]!), ["0.4"])
})

test("--schema prints the JSON Schema of a scenario file", async () => {
  const { code, out } = await sim("--schema")
  assert.equal(code, 0)
  assert.equal((JSON.parse(out) as { title: string }).title, "Linebacker scenario")
})

test("a wrong scenario file is exit code 1 with every mistake in its place", async () => {
  const wrong = file("wrong.yaml", "backends: {a: {capacity: {compute: 1, storage: 1}}}\nclases: {}\n")
  const { code, out, err } = await sim(wrong)
  assert.equal(code, 1)
  assert.equal(out, "")
  assert.match(err, /wrong\.yaml:2:1: clases: unknown key "clases"; did you mean "classes"\?\n/)
  const missing = await sim(join(folder, "no.yaml"))
  assert.deepEqual(
    [missing.code, missing.err],
    [1, `${join(folder, "no.yaml")}: cannot be read: there is no such file\n`],
  )
})

test("wrong use is exit code 2 and says what is allowed", async () => {
  const cases: readonly (readonly [words: readonly string[], message: RegExp])[] = [
    [["three-type"], /no scenario "three-type"; did you mean "three-types"\?/],
    [["capasity", "mild"], /unexpected "mild" behind the scenario "capasity"; did you mean "capacity"\?/],
    [["list", "mild"], /unexpected "mild" behind list/],
    [["show"], /which scenario\? There are three-types, /],
    [["mild", "--policy", "prise"], /--policy: there is no policy "prise"; did you mean "price"\?/],
    [["mild", "--policy", "price,price"], /--policy: price is there twice/],
    [["mild", "--policy", "price(x=1)"], /--policy: price has no parameter "x"/],
    [["mild", "--policy", "price(1)"], /--policy: expected parameter=number, found "1"/],
    [["mild", "--policy", "price(((("], /--policy: expected NAME, NAME\(parameter=number, …\) or a file/],
    [["mild", "--policy", "./nowhere.ts"], /--policy: there is no file "\.\/nowhere\.ts"/],
    [
      ["mild", "--load", "0.5,90"],
      /--load: expected shares of θ\* above 0, up to 2, like 0\.5,0\.9; found "90"/,
    ],
    [["mild", "--balancers", "17"], /--balancers: expected an integer from 1 to 16, found "17"/],
    [["mild", "--requests", "1e3"], /--requests: expected an integer/],
    [["mild", "--seed", "-1"], /--seed/],
    [["mild", "--seeds", "3"], /--seeds belongs to sim capacity/],
    [["capacity", "mild", "--seeds", "0"], /--seeds: expected an integer from 1 to 1000, found "0"/],
    [["mild", "--json", "--report", "x"], /--json and --report: one of them/],
  ]
  for (const [words, message] of cases) {
    const { code, out, err } = await sim(...words)
    assert.equal(code, 2, `${words.join(" ")}: ${err}`)
    assert.equal(out, "")
    assert.match(err, message)
  }
  assert.equal(existsSync("x"), false)
})

test("a folder that cannot be written to is found out before the work", async () => {
  const taken = file("taken", "")
  const { code, err } = await sim("mild", "--report", taken, "--requests", "100000000")
  assert.equal(code, 1)
  assert.match(err, /--report: cannot write to .*taken: the system says EEXIST/)
})

test("a report that can no longer be written does not hide the results", async () => {
  const broken = join(folder, "broken")
  mkdirSync(join(broken, "report.html"), { recursive: true })
  const { code, err, out } = await sim("mild", "--policy", "price", ...small, "--report", broken)
  assert.equal(code, 1)
  assert.match(err, /linebacker sim: --report: cannot write to .*broken: the system says EISDIR/)
  assert.match(out, /^price /m)
})

const ownPolicy = `
import type { PolicyEntry } from "linebacker/policies"
export const policy = {
  summary: "Always the same.",
  parameters: { which: { summary: "Which one.", default: 0, min: 0, max: 100, isInteger: true } },
  make({ parameters }) {
    let members = []
    return {
      name: "own",
      rebuild(all) { members = all },
      pick: (request) => members.slice(parameters.which).find((member) => request.admits(member)),
    }
  },
  seesDemand: false,
} satisfies PolicyEntry
`

test("a policy from a file takes part under the file's name, with its parameters", async () => {
  const own = file("always-first.ts", ownPolicy)
  const { code, out, err } = await sim(
    "mild",
    "--policy",
    `price,${own},${own}(which=3)`,
    "--load",
    "0.01",
    "--json",
    ...small,
  )
  assert.equal(err, "")
  assert.equal(code, 0)
  const { policies } = JSON.parse(out) as RunsOut
  assert.deepEqual(Object.keys(policies), ["price", "always-first", "always-first(which=3)"])
  const busy = (name: string) =>
    policies[name]!["0.01"]!.backends.filter(({ requests }) => requests > 0).map(({ id }) => id)
  assert.deepEqual(busy("always-first"), ["compute-1"])
  assert.deepEqual(busy("always-first(which=3)"), ["compute-4"])
})

test("a file that holds no policy is named with what is missing", async () => {
  const cases: readonly (readonly [name: string, text: string, message: RegExp])[] = [
    [
      "none.ts",
      "export const other = 1",
      /none\.ts" exports no policy: expected a default export, or one named policy; found other/,
    ],
    ["empty.ts", "export {}", /empty\.ts" exports no policy: .*; found nothing/],
    [
      "text.ts",
      'export default "price"',
      /the policy in ".*text\.ts" is a string: expected an object with make/,
    ],
    ["makeless.ts", "export const policy = { pick() {} }", /makeless\.ts" has no function "make"/],
    [
      "pickless.ts",
      "export const policy = { make: () => ({ rebuild() {} }) }",
      /pickless\.ts" makes a policy without pick/,
    ],
    [
      "throwing.ts",
      'export const policy = { make() { throw new Error("not today") } }',
      /throwing\.ts" cannot be made: not today/,
    ],
    ["syntax.ts", "\nexport const policy = {", /syntax\.ts" cannot be loaded: line 2: /],
    [
      "enum.ts",
      "enum A { B }\nexport const policy = { make: () => A.B }",
      /enum\.ts" cannot be loaded: .*enum/i,
    ],
    [
      "odd.ts",
      "export const policy = { make: () => ({}), parameters: { a: 1 } }",
      /odd\.ts" has a parameter "a" without one of/,
    ],
  ]
  for (const [name, text, message] of cases) {
    const { code, err } = await sim("mild", "--policy", file(name, text))
    assert.equal(code, 2, name)
    assert.match(err, message)
  }
})

/** A file with a policy that picks with this body. */
function picking(name: string, body: string): string {
  const lines = ["export const policy = {", "  make: () => ({", "    rebuild() {},"]
  return file(name, [...lines, `    pick(request) { ${body} },`, "  }),", "}"].join("\n"))
}

test("a policy of one's own that fails in the middle of a run is named with the place, as exit code 1", async () => {
  const failing = await sim("mild", "--policy", picking("failing.ts", "return request.no.where"), ...small)
  assert.equal(failing.code, 1)
  assert.match(failing.err, /failing\.ts" failed in pick: line 4:\d+: Cannot read properties of undefined/)
  assert.equal(failing.out, "")

  const foreign = await sim("mild", "--policy", picking("foreign.ts", 'return { id: "me" }'), ...small)
  assert.equal(foreign.code, 1)
  assert.match(foreign.err, /foreign\.ts" picked something that is none of the members/)
})

test("recorded requests are played on the fleet for language models", async () => {
  const rows = Array.from(
    { length: 50 },
    (_, i) => `2023-11-16 18:17:${String(i).padStart(2, "0")},${100 + i},${i}`,
  )
  const trace = file("recorded_code.csv", `TIMESTAMP,ContextTokens,GeneratedTokens\n${rows.join("\n")}\n`)
  const { code, out, err } = await sim(
    "--trace",
    trace,
    "--policy",
    "price",
    "--load",
    "0.5",
    "--json",
    ...small,
  )
  assert.equal(err, "")
  assert.equal(code, 0)
  const { scenario, policies } = JSON.parse(out) as RunsOut
  assert.equal(scenario, "llm")
  assert.deepEqual(
    policies["price"]!["0.5"]!.classes.map(({ name }) => name),
    ["code"],
  )
})

test("a wrong recording is exit code 1 with its line", async () => {
  const trace = file("bad.csv", "TIMESTAMP,ContextTokens,GeneratedTokens\nyesterday,1,2\n")
  const { code, err } = await sim("--trace", trace)
  assert.equal(code, 1)
  assert.match(err, /bad\.csv:2:1: TIMESTAMP: expected a time like .*, found "yesterday"/)
  const missing = await sim("--trace", join(folder, "no.csv"))
  assert.deepEqual(
    [missing.code, missing.err],
    [1, `${join(folder, "no.csv")}: cannot be read: there is no such file\n`],
  )
  const misplaced = await sim(
    "mild",
    "--trace",
    file("ok.csv", "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:00,1,2\n"),
  )
  assert.equal(misplaced.code, 1)
  assert.match(
    misplaced.err,
    /--trace: requests to language models need .*; the built-in scenario llm has both/,
  )
})

test("all is every policy of the table that can work here, and one that cannot is named with the reason", async () => {
  const { code, out } = await sim("llm", "--policy", "all", "--load", "0.2", "--requests", "300")
  assert.equal(code, 0)
  for (const name of policyNames)
    assert.match(out, new RegExp(`^${name} +\\S|^${name} cannot take part: `, "m"), name)
  assert.match(out, /^seed-ratio cannot take part: /m)
})
