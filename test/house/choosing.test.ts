import assert from "node:assert/strict"
import { spawnSync } from "node:child_process"
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { test } from "node:test"
import {
  between,
  capacityTable,
  type ChoosingResults,
  measuredParts,
  policyParts,
  policyTable,
} from "../../scripts/choosing-tables.ts"
import { knowledgeParts } from "../../scripts/choosing-knowledge.ts"
import { readKnowledge, readResults, readTraces } from "../../scripts/choosing-results.ts"
import { carriedTable, liveTable, readComparison } from "../../scripts/live-table.ts"
import { policies, policyNames } from "../../src/policies/index.ts"
import type { PolicyCapacity } from "../../src/sim/report/results.ts"
import { readScenario } from "../../src/sim/scenario/scenario-file.ts"
import { run } from "../support/command-line.ts"

const docs = join(import.meta.dirname, "..", "..", "docs")
const measured = join(docs, "choosing")
const choosing = readFileSync(join(docs, "choosing.md"), "utf8")
const measurements = readFileSync(join(docs, "choosing-measurements.md"), "utf8")

test("the tables of docs/choosing*.md are current: npm run figures -- --tables writes them", () => {
  isCurrent(choosing, policyParts(policies))
  isCurrent(measurements, {
    ...measuredParts(policies, readResults(measured)),
    ...knowledgeParts(readKnowledge(measured), readTraces(measured)),
  })
})

/** Names the lines that are missing, where comparing the whole documents would print both. */
function isCurrent(document: string, parts: Readonly<Record<string, string>>): void {
  for (const [name, part] of Object.entries(parts)) {
    const current = part.split("\n")
    const written =
      document.split(`<!-- ${name} -->\n`)[1]?.split(`\n<!-- /${name} -->`)[0]?.split("\n") ?? []
    const missing = current.filter((line) => !written.includes(line))
    assert.deepEqual(missing, [], `missing in ${name}`)
    assert.equal(written.length, current.length, `${name} has lines that are no longer true`)
  }
}

test("every policy is in the table, with its parameters", () => {
  const table = policyTable(policies)
  for (const name of policyNames) {
    const row = table.split("\n").find((line) => line.startsWith(`| \`${name}\` |`))
    assert.ok(row !== undefined, name)
    for (const parameter of Object.keys(policies[name].parameters ?? {})) {
      assert.ok(row.includes(`\`${parameter}\``), `${name} ${parameter}`)
    }
  }
})

test("the figures that docs/choosing*.md show are there", () => {
  const shown = [...`${choosing}${measurements}`.matchAll(/\]\(choosing\/([a-z0-9-]+\.svg)\)/g)]
  const files = readdirSync(measured)
  assert.ok(shown.length > 0)
  for (const [, name] of shown) assert.ok(files.includes(name!), name)
})

test("the live tables of docs/spam.md and docs/choosing-measurements.md are current: npm run figures -- --live-tables writes them", () => {
  const comparison = readComparison(readFileSync(join(measured, "dozen-live.json"), "utf8"))
  const spam = readFileSync(join(docs, "spam.md"), "utf8")
  assert.equal(between(spam, { live: liveTable(comparison) }), spam)
  assert.equal(between(measurements, { "carried-live": carriedTable(comparison) }), measurements)
})

function capacity(share: number): PolicyCapacity {
  return { share, low: share - 0.01, high: share + 0.01, bySeed: [share] }
}

test("the capacity table marks the best of each scenario, and says when nothing was measured", () => {
  const results = {
    mild: {
      capacities: { 1: { price: capacity(0.97), "round-robin": capacity(0.6) } },
      oneMachine: capacity(0.98),
    },
  } as unknown as ChoosingResults
  const table = capacityTable(results, policies, 1)
  assert.match(table, /^\| \(one machine\) \| 0\.98 ± 0\.01 \|$/m)
  assert.match(table, /\| `price` \| \*\*0\.97 ± 0\.01\*\* \|/)
  assert.match(table, /\| `round-robin` \| 0\.60 ± 0\.01 \|/)
  assert.equal(capacityTable(results, policies, 8), "Nothing has been measured.")
})

test("generated text goes between its marks and nowhere else", () => {
  assert.equal(
    between("a\n<!-- x -->\nold\n<!-- /x -->\nb", { x: "new" }),
    "a\n<!-- x -->\nnew\n<!-- /x -->\nb",
  )
  assert.throws(() => between("a", { x: "new" }), /no <!-- x -->/)
})

test("the scenario of docs/simulator.md is valid", () => {
  const text = readFileSync(join(docs, "simulator.md"), "utf8")
  const [, yaml = ""] = /```yaml\n(.*?)```/s.exec(text) ?? []
  const read = readScenario({ file: "simulator.md", text: yaml })
  assert.ok(read.ok, JSON.stringify(read))
})

/** The first block of this language in docs/simulator.md that has these words. */
function block(language: string, words: string): string {
  const text = readFileSync(join(docs, "simulator.md"), "utf8")
  const blocks = [...text.matchAll(new RegExp(`\`\`\`${language}\\n(.*?)\`\`\``, "gs"))].map(
    ([, code]) => code!,
  )
  return blocks.find((code) => code.includes(words)) ?? ""
}

test("the policy of docs/simulator.md runs, and is one", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "linebacker-"))
  t.after(() => rmSync(folder, { recursive: true }))
  const file = join(folder, "roomiest.ts")
  writeFileSync(file, block("ts", "roomiest"))
  const words = ["sim", "mild", "--policy", `${file},price`, "--load", "0.5", "--requests", "1000"]
  const { code, out, err } = await run(...words)
  assert.deepEqual([code, err], [0, ""])
  assert.match(out, /^roomiest +\d/m)
})

test("the program of docs/simulator.md runs as it is written", () => {
  const code = block("ts", "linebacker/sim")
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ["--conditions=linebacker-source", "--input-type=module-typescript", "--eval", code],
    { cwd: join(docs, ".."), encoding: "utf8" },
  )
  assert.equal(status, 0, stderr)
  assert.match(stdout, /^\d+(\.\d+)? ms\n$/)
})

test("the commands of docs/simulator.md are read as they are written", async () => {
  const text = readFileSync(join(docs, "simulator.md"), "utf8")
  const commands = [...text.matchAll(/^\.\/bin\/linebacker (sim[^#>\n]*)/gm)].map(([, words]) =>
    words!.trim(),
  )
  assert.ok(commands.length > 5)
  for (const command of commands) {
    // A scenario that is not there is the last thing that is looked at, after every option.
    const words = command.replace("./roomiest.ts", "price").replace(",price", "").split(/\s+/)
    const { code, err } = await run(...words, "--help")
    assert.equal(code, 0, `${command}: ${err}`)
  }
})
