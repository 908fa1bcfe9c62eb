import { packageVersion } from "../version.ts"
import { aligned } from "../text/aligned.ts"
import { didYouMean } from "../text/suggest.ts"
import { builtInNames, isBuiltInName } from "../sim/scenario/built-in.ts"
import { fluidBounds } from "../sim/fluid.ts"
import { type Progress, rehearse } from "../sim/rehearse.ts"
import type { Rehearsal } from "../sim/report/rehearsal.ts"
import { reportFiles } from "../sim/report/report.ts"
import type { FleetCapacity, PolicyCapacity } from "../sim/report/results.ts"
import { readScenario } from "../sim/scenario/scenario-file.ts"
import { balancersMax, requestsMax, scenarioJsonSchema } from "../sim/scenario/scenario-schema.ts"
import type { Scenario } from "../sim/scenario/scenario.ts"
import { type Command, commandLine, type ExitCode, type Given, text, UsageError } from "./command.ts"
import type { Io } from "../text/io.ts"
import { integerOf, loadMax, loadsOf } from "./numbers.ts"
import { PolicyFault } from "../policies/own-policy.ts"
import { canWriteReport, writeReport } from "./report-folder.ts"
import { type Lineup, lineupOf } from "./sim-policies.ts"
import { scenarioOf, scenarioText } from "./sim-source.ts"
import { capacityText, headText, runsText } from "./sim-table.ts"

const seedDefault = 1
const seedsDefault = 5
const seedsMax = 1_000
const actions = ["capacity", "list", "show"] as const

export const sim: Command = {
  name: "sim",
  usage: "[capacity|list|show] [SCENARIO|FILE] [--policy a,b] [--load 0.5,0.9] [--json | --report DIR]",
  positionalsMax: 2,
  options: {
    policy: {
      type: "string",
      value: "a,b",
      about: "The policies: names, with parameters mix(samples=3), files ./mine.ts, or all.",
    },
    load: {
      type: "string",
      value: "0.5,0.9",
      about: "Loads, as shares of θ*, the most that any policy can carry. Default: the scenario's.",
    },
    balancers: {
      type: "string",
      value: "N",
      about: "How many balancers, which exchange nothing. Default: the scenario's.",
    },
    seed: {
      type: "string",
      value: "N",
      about: `The seed of the run, or the first of several. Default ${seedDefault}.`,
    },
    seeds: { type: "string", value: "K", about: `capacity: how many seeds. Default ${seedsDefault}.` },
    requests: {
      type: "string",
      value: "N",
      about: "Requests per run, the warm-up included. Default: the scenario's.",
    },
    trace: {
      type: "string",
      value: "FILE,…",
      about: "Recorded requests or machines in the place of the scenario's (docs/simulator.md).",
    },
    json: { type: "boolean", about: "Print the numbers as JSON." },
    report: { type: "string", value: "DIR", about: "Write report.html, results.json and the figures there." },
    schema: { type: "boolean", about: "Print the JSON Schema of a scenario file, for editors." },
  },
  async run(given, io) {
    if (given.values["schema"] === true) {
      io.out(`${JSON.stringify(scenarioJsonSchema(), undefined, 2)}\n`)
      return 0
    }
    const [first, second] = given.positionals
    const action = actions.find((name) => name === first)
    if (action === undefined && second !== undefined) {
      throw new UsageError(
        `unexpected "${second}" behind the scenario "${first}"${didYouMean(first!, actions)}`,
      )
    }
    switch (action) {
      case "list":
        if (second !== undefined) throw new UsageError(`unexpected "${second}" behind list`)
        return list(given, io)
      case "show":
        return show(second, io)
      case "capacity":
        return play(second, true, given, io)
      case undefined:
        return play(first, false, given, io)
    }
  },
}

function list(given: Given, io: Io): ExitCode {
  const scenarios: { name: string; summary: string }[] = []
  for (const name of builtInNames) {
    const source = scenarioText(name, io)
    if (typeof source === "number") return source
    const scenario = readScenario(source)
    if (!scenario.ok) throw new Error(`the built-in scenario ${name} is wrong`)
    scenarios.push({ name, summary: scenario.value.summary })
  }
  if (given.values["json"] === true) {
    io.out(`${JSON.stringify(scenarios)}\n`)
    return 0
  }
  io.out(
    aligned(
      scenarios.map(({ name, summary }) => [name, summary]),
      "sentences",
    ),
  )
  return 0
}

function show(name: string | undefined, io: Io): ExitCode {
  if (name === undefined) throw new UsageError(`which scenario? There are ${builtInNames.join(", ")}`)
  const source = scenarioText(name, io)
  if (typeof source === "number") return source
  if (isBuiltInName(name)) io.out(`# linebacker sim show ${name} > mine.yaml; linebacker sim mine.yaml\n`)
  io.out(source.text)
  return 0
}

/** What was asked for, complete. */
interface SimulationPlan {
  readonly scenario: Scenario
  readonly lineup: Lineup
  readonly loads: readonly number[]
  readonly balancers: number
  readonly seed: number
  readonly seeds: number
  readonly requests: number
}

async function play(name: string | undefined, isCapacity: boolean, given: Given, io: Io): Promise<ExitCode> {
  const asked = await askedOf(name, isCapacity, given, io)
  if (typeof asked === "number") return asked
  const isJson = given.values["json"] === true
  const folder = text(given, "report")
  if (folder !== undefined && !canWriteReport("sim", folder, io)) return 1
  const progress = progressOn(io, isJson)
  const { scenario, lineup, loads, balancers, seed, seeds, requests } = asked
  let rehearsal: Rehearsal
  try {
    rehearsal = await rehearse({
      scenario,
      policies: lineup.contestants,
      // Of a capacity the latencies are part of a report, and of nothing else.
      loads: isCapacity && folder === undefined ? [] : loads,
      capacitySeeds: isCapacity ? seeds : undefined,
      balancers,
      seed,
      requests,
      watch: progress.tell,
    })
  } catch (error) {
    if (!(error instanceof PolicyFault)) throw error
    progress.end()
    io.err(`linebacker sim: ${error.message}\n`)
    return 1
  }
  progress.end()
  let code: ExitCode = 0
  if (folder !== undefined) {
    const provenance = {
      versions: { linebacker: packageVersion(), node: process.versions.node },
      command: commandLine(["sim", ...given.positionals], given),
      excluded: lineup.excluded,
    }
    if (!writeReport("sim", folder, reportFiles(rehearsal, provenance), io)) code = 1
  }
  const { capacity } = rehearsal
  if (isJson) {
    io.out(`${JSON.stringify(capacity === undefined ? jsonOfRuns(rehearsal) : jsonOf(capacity))}\n`)
    return 0
  }
  io.out(headText(rehearsal))
  io.out(capacity === undefined ? runsText(rehearsal) : capacityText(capacity))
  for (const { policy, reason } of lineup.excluded) io.out(`\n${policy} cannot take part: ${reason}\n`)
  return code
}

async function askedOf(
  name: string | undefined,
  isCapacity: boolean,
  given: Given,
  io: Io,
): Promise<SimulationPlan | ExitCode> {
  if (given.values["json"] === true && text(given, "report") !== undefined) {
    throw new UsageError("--json and --report: one of them; the report has the numbers in results.json")
  }
  if (!isCapacity && given.values["seeds"] !== undefined)
    throw new UsageError("--seeds belongs to sim capacity")
  const seed = integerOf(given, "seed", 0, Number.MAX_SAFE_INTEGER) ?? seedDefault
  const seeds = integerOf(given, "seeds", 1, seedsMax) ?? seedsDefault
  const balancers = integerOf(given, "balancers", 1, balancersMax)
  const requests = integerOf(given, "requests", 100, requestsMax)
  const loads = loadsOf(given, { above: 0, to: loadMax })
  const scenario = await scenarioOf(name, text(given, "trace"), seed, io)
  if (typeof scenario === "number") return scenario
  const lineup = await lineupOf(text(given, "policy"), scenario.resources)
  if (lineup.contestants.length === 0)
    throw new UsageError("--policy: no policy is left that could take part")
  const unbounded = await unboundedReason(scenario)
  if (unbounded !== undefined) {
    io.err(`linebacker sim: ${scenario.name} has no bound: ${unbounded}\n`)
    return 1
  }
  return {
    scenario,
    lineup,
    seed,
    seeds,
    loads: loads ?? scenario.loads,
    balancers: balancers ?? scenario.balancers,
    requests: requests ?? scenario.requests,
  }
}

/** Why there is no θ* that loads could be a share of, or undefined when there is one. */
async function unboundedReason(scenario: Scenario): Promise<string | undefined> {
  try {
    await fluidBounds(scenario)
    return undefined
  } catch (error) {
    return (error as Error).message.split("\n", 1)[0]
  }
}

/** A progress bar on a terminal; nothing for files and programs. */
function progressOn(
  io: Io,
  isJson: boolean,
): { readonly tell: (progress: Progress) => void; readonly end: () => void } {
  if (!process.stderr.isTTY || isJson) return { tell: () => {}, end: () => {} }
  const width = 24
  return {
    tell({ done, total, policy, load }) {
      const full = Math.min(width, Math.floor((done / total) * width))
      const bar = `${"█".repeat(full)}${"░".repeat(width - full)}`
      io.err(`\r${bar} ${done}/${total} ${policy} at ${load.toFixed(3)}`.slice(0, 78).padEnd(78))
    },
    end: () => io.err(`\r${" ".repeat(78)}\r`),
  }
}

/** Per policy and load. */
function jsonOfRuns({ scenario, bounds, balancers, seed, runs }: Rehearsal): object {
  const policies: Record<string, Record<string, object>> = {}
  for (const { policy, load, balancers: _balancers, seed: _seed, ...numbers } of runs) {
    const { mean, p50, p99, p999, slowdown, utilization, ...more } = numbers
    policies[policy] ??= {}
    policies[policy][String(load)] = { mean, p50, p99, p999, slowdown, utilization, ...more }
  }
  return {
    scenario: scenario.name,
    thetaStar: bounds.thetaStar,
    classBlindCeiling: bounds.classBlindCeiling,
    balancers,
    seed,
    policies,
  }
}

function jsonOf({ oneMachine, policies, ...bounds }: FleetCapacity): object {
  const shares = Object.entries(policies).map(([name, capacity]) => [name, intervalOf(capacity)])
  return {
    ...bounds,
    oneMachine: intervalOf(oneMachine),
    policies: Object.fromEntries(shares) as object,
  }
}

function intervalOf({ share, low, high }: PolicyCapacity): object {
  return { share, low, high }
}
