import assert from "node:assert/strict"
import { readFileSync } from "node:fs"
import { test } from "node:test"
import { policies, type PolicyName } from "../../policies/index.ts"
import { builtInUrl } from "../scenario/built-in.ts"
import { type Contestant, contestant, rehearse } from "../rehearse.ts"
import type { Provenance, Rehearsal } from "./rehearsal.ts"
import { reportFiles } from "./report.ts"
import { readScenario } from "../scenario/scenario-file.ts"
import type { Scenario } from "../scenario/scenario.ts"

const provenance: Provenance = {
  versions: { linebacker: "0.0.0", node: "0.0.0" },
  command: "linebacker sim three-types",
  excluded: [{ policy: "left-out", reason: "it has <no> place" }],
}

function scenario(): Scenario {
  const text = readFileSync(builtInUrl("three-types"), "utf8")
  const read = readScenario({ file: "three-types.yaml", text: `${text}\nknowledge: {demand: known}\n` })
  assert.ok(read.ok)
  return read.value
}

function named(name: PolicyName): Contestant {
  const made = contestant(name, policies[name])
  assert.ok(made.ok)
  return made.value
}

async function rehearsal(more: Partial<Scenario> = {}): Promise<Rehearsal> {
  return rehearse({
    scenario: { ...scenario(), ...more },
    policies: [named("price"), named("round-robin")],
    loads: [0.3, 0.6],
    requests: 4_000,
  })
}

test("a report is a page, the numbers, and each figure of the page as a file", async () => {
  const files = reportFiles(await rehearsal(), provenance)
  assert.deepEqual([...files.keys()].sort(), [
    "latency.svg",
    "report.html",
    "results.json",
    "routing-bound.svg",
    "routing-price.svg",
    "routing-round-robin.svg",
    "utilization.svg",
  ])
  const figures = [...files.keys()].filter((name) => name.endsWith(".svg"))
  assert.equal(files.get("report.html")!.match(/<svg /g)?.length, figures.length)
  for (const name of figures) assert.ok(files.get(name)!.startsWith("<svg "), name)
})

test("the numbers are the rehearsal, whole", async () => {
  const done = await rehearsal()
  const results = JSON.parse(reportFiles(done, provenance).get("results.json")!) as Rehearsal & Provenance
  assert.deepEqual(results.runs, JSON.parse(JSON.stringify(done.runs)))
  assert.equal(results.bounds.thetaStar, done.bounds.thetaStar)
  assert.equal(results.command, provenance.command)
  assert.equal(results.scenario.requests, 4_000)
})

test("the page loads nothing, allows nothing to be loaded, and has no script", async () => {
  const page = reportFiles(await rehearsal(), provenance).get("report.html")!
  assert.match(page, /http-equiv="Content-Security-Policy" content="default-src 'none';/)
  assert.doesNotMatch(page, /<script|<link|<img|<iframe|@import|url\(|\son[a-z]+=/i)
  const addresses = [...page.matchAll(/(?:href|src|xlink:href)="|https?:\/\/(?!www\.w3\.org\/2000\/svg)/g)]
  assert.deepEqual(addresses, [])
  assert.doesNotMatch(page, /undefined|NaN|\[object/)
})

test("text from a scenario cannot become markup", async () => {
  const done = await rehearsal({ name: "x", summary: `</p><script>alert("1")</script>` })
  for (const [name, text] of reportFiles(done, provenance)) {
    if (name !== "results.json") assert.ok(!/<script|<no>/i.test(text), name)
  }
})

test("the same plan gives the same files, to the byte", async () => {
  assert.deepEqual(reportFiles(await rehearsal(), provenance), reportFiles(await rehearsal(), provenance))
})

test("above its ceiling a policy that does not look is worse than one that does, and the page says by how much", async () => {
  const done = await rehearsal()
  const p99 = (policy: string) => done.runs.find((run) => run.policy === policy && run.load === 0.6)!.p99
  // At 0.6 equal turns send the small backends half as much again as they can take: 40 % above 0.43 of θ*.
  assert.ok(p99("round-robin") > 2 * p99("price"), `${p99("round-robin")} and ${p99("price")}`)
  assert.match(reportFiles(done, provenance).get("report.html")!, /overloaded from 0\.57 of θ\* on/)
})

test("many groups are shown by their families", async () => {
  const base = scenario()
  const backends = base.backends.flatMap((group) =>
    Array.from({ length: group.count }, (_, i) => ({ ...group, name: `${group.name}-${i}`, count: 1 })),
  )
  const page = reportFiles(await rehearsal({ backends }), provenance).get("routing-price.svg")!
  for (const { name } of base.backends) assert.ok(page.includes(`>${name}<`), name)
  assert.ok(!page.includes("compute-1"))
})
