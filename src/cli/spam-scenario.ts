/** `linebacker spam --scenario` and `--compare`: a scenario with real processes, beside the simulator. */
import { availableParallelism } from "node:os"
import { StartError } from "../balancer.ts"
import type { Millis } from "../core/clock.ts"
import {
  makePolicy,
  plainPolicy,
  policies,
  policyDefault,
  policySpec,
  type PolicySpec,
} from "../policies/index.ts"
import { streamOf } from "../sim/engine/arrivals.ts"
import type { BuiltInName } from "../sim/scenario/built-in.ts"
import { backendsOf } from "../sim/engine/fleet.ts"
import { engineDefaults } from "../sim/engine/engine.ts"
import { fluidBounds } from "../sim/fluid.ts"
import type { FluidBounds } from "../sim/report/results.ts"
import { runScenario } from "../sim/run.ts"
import type { Scenario } from "../sim/scenario/scenario.ts"
import { unloadedP99 } from "../sim/unloaded.ts"
import {
  carriedOf,
  type ComparedRun,
  type Comparison,
  liveSide,
  meanSide,
  objective,
  type Side,
  simulatedSide,
  toleranceOf,
  twins,
} from "../live/comparison.ts"
import { type SpamError, spamErrors } from "../load/channel.ts"
import type { SpamResult } from "../load/result.ts"
import { comparisonFiles } from "../live/comparison-page.ts"
import { comparisonText } from "../live/comparison-text.ts"
import { commandLine, type ExitCode, type Given, text, UsageError } from "./command.ts"
import type { Io } from "../text/io.ts"
import { canWriteReport, writeReport } from "./report-folder.ts"
import { scenarioOf } from "./sim-source.ts"
import { durationOf, integerOf, loadMax, loadsOf, numberOf } from "./numbers.ts"
import { explainStartError } from "./start-error.ts"
import { onStop } from "./signals.ts"
import { speedFor } from "../live/pace.ts"
import { liveBackendsMax, LiveStage, StageError, stagePlan } from "../live/live-run.ts"

const scenarioDefault: BuiltInName = "dozen"
export const loadDefault = 0.7
export const loadsDefault = [0.3, 0.5, 0.7, 0.8, 0.9, 1] as const
const durationDefaultMs = 15_000
const requestsMax = 1_000_000
/** Before the first load that counts: how much, and how long. */
const practiceLoad = 0.4
const practiceMs = 6_000
/** Of the run, what is left behind the last thing that happens to the fleet. */
const afterPart = 0.2

interface LivePlan {
  readonly scenario: Scenario
  readonly bounds: FluidBounds
  readonly policies: readonly PolicySpec[]
  readonly loads: readonly number[]
  readonly seed: number
  readonly speed: number
  readonly remarks: readonly string[]
  readonly requestsAt: (load: number) => number
}

/** Plays it and prints both sides. Options that make no sense with a scenario have been refused by the caller. */
export async function runScenarioLive(given: Given, io: Io): Promise<ExitCode> {
  const seed = integerOf(given, "seed", 0, Number.MAX_SAFE_INTEGER) ?? 1
  const scenario = await scenarioOf(
    text(given, "scenario") ?? scenarioDefault,
    text(given, "trace"),
    seed,
    io,
  )
  if (typeof scenario === "number") return scenario
  const asked = await askedOf(given, scenario, seed)
  const folder = text(given, "report")
  if (folder !== undefined && !canWriteReport("spam", folder, io)) return 1
  let stopped = false
  let stage: LiveStage | undefined
  const isOver = onStop(
    io,
    () => {
      stopped = true
      void stage?.stop()
    },
    { stopping: "stopping: there will be no result; once more to end at once" },
  )
  const tell = (line: string): void => {
    if (given.values["json"] !== true) io.err(`${line}\n`)
  }
  try {
    const runs: ComparedRun[] = []
    const relayMs: Record<string, Millis> = {}
    for (const policy of asked.policies) {
      for (const load of asked.loads) {
        const plan = stageFor(asked, load)
        if (stage === undefined) {
          tell(`${policy.name}: starting ${plan.present.length} backends`)
          stage = new LiveStage({ ...asked, policy, io })
          if (!stopped) await stage.start(plan.present)
          if (!stopped) await stage.practise(practiceLoad * asked.bounds.thetaStar, practiceMs)
          if (!stopped) relayMs[policy.name] ??= await stage.relayMs()
        }
        if (stopped) break
        runs.push(await comparedRun(asked, policy, load, stage, relayMs[policy.name]!))
        if (stopped) break
        tell(`${policy.name} at ${load}: played ${runs.at(-1)!.live.requests} requests`)
        // What has happened to a fleet stays with it: the next load finds a new one.
        if (plan.cues.length > 0) {
          await stage.stop()
          stage = undefined
        }
      }
      await stage?.stop()
      stage = undefined
      if (stopped) break
    }
    if (stopped) {
      io.err("linebacker spam: stopped, nothing is complete\n")
      return 1
    }
    const command = commandLine(["spam"], given, ["report", "json"])
    return present(comparisonOf(asked, runs, relayMs, command), given, io) ? 0 : 1
  } catch (error) {
    if (error instanceof StartError) io.err(`linebacker spam: ${explainStartError(error)}\n`)
    else if (error instanceof StageError) io.err(`linebacker spam: ${error.message}\n`)
    else throw error
    return 1
  } finally {
    await stage?.stop()
    isOver()
  }
}

async function comparedRun(
  asked: LivePlan,
  policy: PolicySpec,
  load: number,
  stage: LiveStage,
  relayMs: Millis,
): Promise<ComparedRun> {
  const { bounds, scenario, speed } = asked
  const requests = asked.requestsAt(load)
  const { records, result } = await stage.play(load * bounds.thetaStar, requests)
  const groups = new Map(backendsOf(scenario).map(({ group, name }) => [name, group.name]))
  const live = liveSide(
    records,
    scenario.classes.map(({ name }) => name),
    (backend) => groups.get(backend),
    scenario.backends.map(({ name }) => name),
    speed,
  )
  const sides = simulatedSides(asked, policy, load, requests)
  const stages = scenario.resources.filter(({ kind }) => kind === "rate").length
  return {
    policy: policy.name,
    load,
    live,
    simulated: meanSide(sides),
    tolerance: toleranceOf(sides, relayMs, stages, speed),
    warnings: [...result.generator.warnings, ...failuresOf(result)],
  }
}

/** What failed live, by kind. */
function failuresOf({ errors }: SpamResult): string[] {
  return Object.entries(errors).map(([kind, { count, detail }]) => {
    return `${count} requests failed: ${spamErrors[kind as SpamError]}${detail === "" ? "" : ` (${detail})`}`
  })
}

/** The simulator with the same arrivals and sizes, several times: see `toleranceOf`. The first is the very same run. */
function simulatedSides(asked: LivePlan, policy: PolicySpec, load: number, requests: number): Side[] {
  const { bounds, scenario, seed, speed } = asked
  return Array.from({ length: twins }, (_, twin) =>
    simulatedSide(
      runScenario({
        scenario,
        policy:
          twin === 0
            ? policy
            : {
                name: policy.name,
                make: (context) => makePolicy(policy, { ...context, rng: streamOf(seed, "policies", twin) }),
              },
        load: load * (1 + stretch(twin)),
        thetaStar: bounds.thetaStar,
        seed,
        balancers: 1,
        requests,
        // The balancer's own times are real ones, which pass faster in the scenario.
        limits: {
          queueMs: engineDefaults.queueMs * speed,
          tickMs: engineDefaults.tickMs * speed,
          learnMs: engineDefaults.learnMs * speed,
          probeMs: engineDefaults.probeMs * speed,
        },
      }),
    ),
  )
}

/** 0, then alternately more and less, up to a thousandth. */
function stretch(twin: number): number {
  return (Math.ceil(twin / 2) / Math.ceil((twins - 1) / 2)) * (twin % 2 === 0 ? -0.001 : 0.001)
}

function comparisonOf(
  { bounds, loads, policies: asked, remarks, scenario, seed, speed }: LivePlan,
  runs: readonly ComparedRun[],
  relayMs: Comparison["relayMs"],
  command: string,
): Comparison {
  const p99Max = objective * unloadedP99(scenario, bounds.shares)
  const carried = (policy: string, side: "live" | "simulated") =>
    carriedOf(
      runs
        .filter((run) => run.policy === policy)
        .map((run) => ({ load: run.load, p99: run[side].p99Served })),
      p99Max,
    )
  return {
    scenario: scenario.name,
    summary: scenario.summary,
    bounds: {
      thetaStar: bounds.thetaStar,
      classBlindCeiling: bounds.classBlindCeiling,
      roundRobinCeiling: bounds.roundRobinCeiling,
    },
    speed,
    seed,
    loads,
    policies: asked.map(({ name }) => name),
    p99Max,
    relayMs,
    runs,
    carried: Object.fromEntries(
      asked.map(({ name }) => [name, { live: carried(name, "live"), simulated: carried(name, "simulated") }]),
    ),
    remarks,
    command,
  }
}

/** False when a report was wanted that could not be written. */
function present(comparison: Comparison, given: Given, io: Io): boolean {
  if (given.values["json"] === true) io.out(`${JSON.stringify(comparison, undefined, 2)}\n`)
  else io.out(comparisonText(comparison))
  const folder = text(given, "report")
  return folder === undefined || writeReport("spam", folder, comparisonFiles(comparison), io)
}

// ── what was asked for ────────────────────────────────────────────────────────────────────────────────────────────

async function askedOf(given: Given, written: Scenario, seed: number): Promise<LivePlan> {
  const remarks: string[] = []
  if (written.balancers > 1) {
    remarks.push(`the scenario has ${written.balancers} balancers; it was played, and simulated, with one`)
  }
  const scenario = { ...written, balancers: 1 }
  const count = scenario.backends.reduce((sum, group) => sum + group.count, 0)
  if (count > liveBackendsMax) {
    throw new UsageError(
      `--scenario: "${scenario.name}" has ${count} backends; at most ${liveBackendsMax} can be played`,
    )
  }
  const bounds = await fluidBounds(scenario)
  const isComparing = text(given, "compare") !== undefined
  const speed =
    numberOf(given, "speed", { from: 0.01, to: 1_000 }) ?? speedFor(bounds.thetaStar, availableParallelism())
  const loads = loadsOf(given, { from: 0.01, to: loadMax }) ?? (isComparing ? loadsDefault : [loadDefault])
  const rateAt = (load: number): number => load * bounds.thetaStar * speed
  const fixed = integerOf(given, "requests", 1, requestsMax)
  const durationMs = lengthOf(given, scenario, speed, remarks)
  return {
    scenario,
    bounds,
    policies: policiesOf(given, scenario),
    loads,
    seed,
    speed,
    remarks,
    requestsAt: (load) =>
      Math.min(requestsMax, Math.max(1, Math.round(fixed ?? (rateAt(load) * durationMs) / 1_000))),
  }
}

/** How long one load is played, real ms: long enough for all that happens to the fleet. */
function lengthOf(given: Given, scenario: Scenario, speed: number, remarks: string[]): Millis {
  const lastMs = Math.max(
    0,
    ...scenario.backends.flatMap(({ joinsAtMs, leavesAtMs = 0 }) => [joinsAtMs, leavesAtMs]),
    ...scenario.faults.map(({ atMs, forMs = 0 }) => atMs + forMs),
  )
  const neededMs = (lastMs * (1 + afterPart)) / speed
  const ms = durationOf(given, "duration", 1)
  if (ms === undefined) return Math.max(durationDefaultMs, neededMs)
  if (ms < neededMs) {
    remarks.push(`not all events of the scenario happened: they take ${(neededMs / 1_000).toFixed(0)}s`)
  }
  return ms
}

function stageFor(
  { bounds, requestsAt, scenario, speed }: LivePlan,
  load: number,
): ReturnType<typeof stagePlan> {
  return stagePlan(scenario, (requestsAt(load) / (load * bounds.thetaStar)) * 1_000, speed)
}

function policiesOf(given: Given, { name, resources }: Scenario): PolicySpec[] {
  const list = text(given, "compare")
  const single = text(given, "policy")
  if (list !== undefined && single !== undefined)
    throw new UsageError("--policy: --compare names the policies")
  const flag = list === undefined ? "--policy" : "--compare"
  const names = (list ?? single ?? policyDefault).split(",").map((word) => word.trim())
  if (new Set(names).size < names.length) throw new UsageError(`${flag}: a policy is there twice`)
  return names.map((word) => {
    const spec = policySpec(word)
    if (!spec.ok) throw new UsageError(`${flag}: ${spec.error.message}`)
    const reason = policies[spec.value.name].unsuitable?.(resources)
    if (reason !== undefined) throw new UsageError(`${flag}: ${word} cannot play "${name}": ${reason}`)
    return plainPolicy(spec.value.name)
  })
}
