/**
 * What `npm run figures` does: runs the simulator for scenarios × policies, and writes the figures and tables of
 * docs/choosing.md and docs/choosing-measurements.md. None of them is typed by hand. Results are kept in
 * docs/choosing/SCENARIO.json, so that one scenario can be measured again (`npm run figures -- --only skewed`), or only
 * the tables written (`npm run figures -- --tables`). Scenarios are measured in processes of their own, `--jobs` at a
 * time. `npm run figures -- --knowledge` measures how much depends on the source of what is known of demand, `-- --traces FILE,FILE` plays recordings. `npm
 * run figures -- --live` instead plays a scenario with real processes (some six minutes of a machine that does nothing
 * else) for docs/spam.md; `--live-tables` only writes its table again.
 */
import { spawn } from "node:child_process"
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { availableParallelism } from "node:os"
import { basename, join } from "node:path"
import { parseArgs } from "node:util"
import { packageVersion } from "../src/version.ts"
import { policies, policyNames } from "../src/policies/index.ts"
import { type BuiltInName, builtInNames, builtInUrl, isBuiltInName } from "../src/sim/scenario/built-in.ts"
import { capacityFigure, latencyFigure, reportFigures } from "../src/sim/report/figures.ts"
import { type PolicyCapacity, rehearse } from "../src/sim/rehearse.ts"
import type { Scenario } from "../src/sim/scenario/scenario.ts"
import { readScenario } from "../src/sim/scenario/scenario-file.ts"
import { standalone } from "../src/sim/report/svg.ts"
import { comparisonFigure } from "../src/live/comparison-page.ts"
import {
  compared,
  knowledgeParts,
  measureKnowledge,
  type TraceResult,
  usualContestant,
} from "./choosing-knowledge.ts"
import { readKnowledge, readResults, readTraces } from "./choosing-results.ts"
import { between, type ChoosingResult, measuredParts, policyParts } from "./choosing-tables.ts"
import { carriedTable, liveTable, readComparison } from "./live-table.ts"

const root = join(import.meta.dirname, "..")
const folder = join(root, "docs", "choosing")
/** One balancer that sees everything, and several that exchange nothing. */
const balancersDefault = "1,8"
/** At least so many: the fleet has to have been full, and the share of each backend must not be chance. */
const requestsPerBackend = 200
/** Of one scenario, to show where classes go. */
const routingScenario = "three-types"
const routed = ["routing-bound", "routing-price", "routing-least-connections"]
/** In the plots; the tables have all. */
const plotted = [
  "auto",
  "price",
  "mix",
  "least-connections",
  "power-of-two",
  "peak-ewma",
  "round-robin",
  "tetris",
  "seed-ratio",
]

/** Of these it is shown what depends on the source of the knowledge: one with rates alone, one with a space. */
const knowledgeScenarios = ["three-types", "llm"] as const satisfies readonly BuiltInName[]
const livePolicies = ["price", "least-connections", "power-of-two"]

const { values } = parseArgs({
  options: {
    only: { type: "string" },
    policies: { type: "string" },
    seeds: { type: "string", default: "5" },
    requests: { type: "string", default: "30000" },
    balancers: { type: "string", default: balancersDefault },
    jobs: { type: "string", default: String(Math.max(1, availableParallelism() - 1)) },
    tables: { type: "boolean", default: false },
    live: { type: "boolean", default: false },
    "live-tables": { type: "boolean", default: false },
    knowledge: { type: "boolean", default: false },
    traces: { type: "string" },
    // For the processes that this one starts.
    "measure-only": { type: "boolean", default: false },
  },
})
const seeds = wholeNumber("seeds", values.seeds)
const requestsAtLeast = wholeNumber("requests", values.requests)
const balancerCounts = values.balancers.split(",").map((each) => wholeNumber("balancers", each))
const scenarios = values.only === undefined ? [...builtInNames] : values.only.split(",").filter(isBuiltInName)
const names = policyNames.filter(
  (name) => values.policies === undefined || values.policies.split(",").includes(name),
)
if (scenarios.length === 0 || names.length === 0) throw new Error("there is no such scenario or policy")

mkdirSync(folder, { recursive: true })
if (values["measure-only"]) await measure(scenarios[0]!)
else if (values.live || values["live-tables"]) {
  if (values.live) await playLive()
  const comparison = readComparison(readFileSync(join(folder, "dozen-live.json"), "utf8"))
  write("dozen-live", comparisonFigure(comparison))
  writeParts("spam.md", { live: liveTable(comparison) })
  writeParts("choosing-measurements.md", { "carried-live": carriedTable(comparison) })
} else {
  if (values.knowledge) await playKnowledge()
  else if (values.traces !== undefined) await playTraces(values.traces.split(","))
  else if (!values.tables) await measureAll()
  writeParts("choosing.md", policyParts(policies))
  writeParts("choosing-measurements.md", {
    ...measuredParts(policies, readResults(folder)),
    ...knowledgeParts(readKnowledge(folder), readTraces(folder)),
  })
}

async function measureAll(): Promise<void> {
  const pending = [...scenarios]
  const jobs = Array.from({ length: wholeNumber("jobs", values.jobs) }, async () => {
    for (let name = pending.shift(); name !== undefined; name = pending.shift()) await inProcess(name)
  })
  await Promise.all(jobs)
}

async function playLive(): Promise<void> {
  const json = await linebacker("spam", "--scenario=dozen", `--compare=${livePolicies.join(",")}`, "--json")
  writeFileSync(join(folder, "dozen-live.json"), json)
}

/** Recordings on the fleet of llm. Classes, gaps and sizes are those of the file, whatever the seed. */
async function playTraces(files: readonly string[]): Promise<void> {
  const results: TraceResult[] = []
  for (const file of files) {
    const options = [`--trace=${file}`, `--policy=${compared.join(",")}`, `--seeds=${seeds}`, "--json"]
    const json = await linebacker("sim", "capacity", "llm", ...options)
    const {
      classBlindCeiling,
      oneMachine,
      policies: found,
    } = JSON.parse(json) as Omit<TraceResult, "recording">
    results.push({ recording: basename(file, ".csv"), classBlindCeiling, oneMachine, policies: found })
  }
  writeFileSync(join(folder, "traces.json"), `${JSON.stringify(results, undefined, 1)}\n`)
}

/** What the program says to these words. */
async function linebacker(...words: readonly string[]): Promise<string> {
  const child = spawn(process.execPath, [join(root, "bin", "linebacker"), ...words], {
    stdio: ["ignore", "pipe", "inherit"],
  })
  let out = ""
  child.stdout.on("data", (data: Buffer) => (out += data.toString()))
  const code = await new Promise<number | null>((resolve) => void child.once("close", resolve))
  if (code !== 0) throw new Error(`linebacker ${words.join(" ")} ended with exit code ${code}`)
  return out
}

async function playKnowledge(): Promise<void> {
  const measured = await measureKnowledge(knowledgeScenarios.map(scenarioOf), {
    seeds,
    requests: requestsAtLeast,
    version: packageVersion(),
  })
  writeFileSync(join(folder, "knowledge.json"), `${JSON.stringify(measured, undefined, 1)}\n`)
}

async function inProcess(name: string): Promise<void> {
  const args = [
    ...process.execArgv,
    import.meta.filename,
    "--measure-only",
    `--only=${name}`,
    `--seeds=${seeds}`,
    `--requests=${requestsAtLeast}`,
    `--balancers=${values.balancers}`,
    ...(values.policies === undefined ? [] : [`--policies=${values.policies}`]),
  ]
  const child = spawn(process.execPath, args, { stdio: "inherit" })
  const code = await new Promise<number | null>((resolve) => void child.once("exit", resolve))
  if (code !== 0) throw new Error(`${name} ended with exit code ${code}`)
}

async function measure(name: BuiltInName): Promise<void> {
  const startedAt = performance.now()
  const scenario = scenarioOf(name)
  const able = names.filter((policy) => policies[policy].unsuitable?.(scenario.resources) === undefined)
  const contestants = able.map(usualContestant)
  const backends = scenario.backends.reduce((sum, { count }) => sum + count, 0)
  const requests = Math.max(requestsAtLeast, requestsPerBackend * backends)
  const shared = { scenario, requests, seed: 1 }
  const known = readResults(folder)[name]
  const isAll = values.policies === undefined && values.balancers === balancersDefault
  // Figures with some policies only would be in the place of those with all.
  const isWhole = values.policies === undefined || known === undefined
  const one = await rehearse({
    ...shared,
    policies: contestants.filter((each) => plotted.includes(each.name)),
    loads: isWhole ? undefined : [],
    capacitySeeds: undefined,
  })
  const capacities: Record<string, ChoosingResult["capacities"][string]> = {}
  let oneMachine: PolicyCapacity | undefined
  for (const balancers of balancerCounts) {
    const many = await rehearse({
      ...shared,
      policies: contestants,
      loads: [],
      balancers,
      capacitySeeds: seeds,
    })
    capacities[balancers] = many.capacity!.policies
    oneMachine = many.capacity!.oneMachine
    if (balancers === 1 && isWhole) write(`${name}-capacity`, capacityFigure(many).svg)
  }
  if (isWhole) write(`${name}-latency`, latencyFigure(one).svg)
  if (isWhole && name === routingScenario) {
    for (const figure of reportFigures(one)) if (routed.includes(figure.name)) write(figure.name, figure.svg)
  }
  const { thetaStar, classBlindCeiling, roundRobinCeiling } = one.bounds
  const result: ChoosingResult = {
    summary: scenario.summary,
    thetaStar,
    classBlindCeiling,
    roundRobinCeiling,
    isDisturbed: isDisturbed(scenario),
    oneMachine: oneMachine!,
    seeds,
    requests,
    version: packageVersion(),
    capacities: isAll ? capacities : merged(known?.capacities ?? {}, capacities),
  }
  writeFileSync(join(folder, `${name}.json`), `${JSON.stringify(result, undefined, 1)}\n`)
  process.stdout.write(`${name}: ${Math.round((performance.now() - startedAt) / 1_000)} s\n`)
}

function scenarioOf(name: BuiltInName): Scenario {
  const read = readScenario({ file: `${name}.yaml`, text: readFileSync(builtInUrl(name), "utf8") })
  if (!read.ok) throw new Error(`the scenario ${name} is wrong`)
  return read.value
}

/** Whether the fleet is asked for other than a steady stream, or is not all there all the time. */
function isDisturbed({ arrivals, backends, faults }: Scenario): boolean {
  const comesAndGoes = backends.some(({ joinsAtMs, leavesAtMs }) => joinsAtMs > 0 || leavesAtMs !== undefined)
  return arrivals.kind !== "poisson" || faults.length > 0 || comesAndGoes
}

/** Where only some policies were measured again, the others stay as they were. */
function merged(
  before: ChoosingResult["capacities"],
  now: ChoosingResult["capacities"],
): ChoosingResult["capacities"] {
  const counts = new Set([...Object.keys(before), ...Object.keys(now)])
  return Object.fromEntries([...counts].map((count) => [count, { ...before[count], ...now[count] }]))
}

/** Puts these parts between their marks in a document. */
function writeParts(name: string, parts: Readonly<Record<string, string>>): void {
  const path = join(root, "docs", name)
  writeFileSync(path, between(readFileSync(path, "utf8"), parts))
}

function write(name: string, figure: string): void {
  writeFileSync(join(folder, `${name}.svg`), standalone(figure))
}

function wholeNumber(option: string, written: string): number {
  const value = Number(written)
  if (Number.isInteger(value) && value > 0) return value
  throw new Error(`--${option}: expected a whole number above 0, found "${written}"`)
}
