/** A scenario as a file: from YAML to `Scenario`, or to all that is wrong with it and where; and back to YAML. */

import { stringify } from "yaml"
import { formatDuration } from "../../text/duration.ts"
import type { NamedAmounts, ResourceTable } from "../../core/resources.ts"
import { fail, ok, type Result } from "../../core/result.ts"
import { isMapping } from "../../text/issue.ts"
import { readClosedFile } from "../../text/closed-file.ts"
import type { ConfigProblem } from "../../text/problem.ts"
import { scenarioIssues } from "./scenario-checks.ts"
import { draftScenario, type ScenarioDraft } from "./scenario-schema.ts"
import type { Arrivals, BackendGroup, Distribution, Fault, RequestClass, Scenario } from "./scenario.ts"

/** What a scenario is read from. */
export interface ScenarioSource {
  /** What problems call the file; its name is the scenario's where the text gives none. */
  readonly file: string
  readonly text: string
}

/**
 * Reads a scenario. Everything but `backends` and `classes` has a default; `scenarioJsonSchema` says which.
 *
 * Nothing of the environment is put into it: `${…}` is refused, so that a scenario says the same everywhere.
 *
 * @returns all problems, in the order of the file. Those between settings are looked for once each of them is right.
 */
export function readScenario({ file, text }: ScenarioSource): Result<Scenario, readonly ConfigProblem[]> {
  return readClosedFile(file, text, "a scenario", (input) => {
    const draft = draftScenario(isMapping(input) ? withoutNothing(input) : input)
    if (!draft.ok) return draft
    const issues = scenarioIssues(draft.value)
    return issues.length > 0 ? fail(issues) : ok(scenarioOf(draft.value, nameOf(file)))
  })
}

/** A setting whose every line is commented out reads as null, and means its default. */
function withoutNothing(input: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(input).filter(([, value]) => value !== null))
}

/** `scenarios/night-shift.yaml` is `night-shift`. */
function nameOf(file: string): string {
  const base = file.slice(Math.max(file.lastIndexOf("/"), file.lastIndexOf("\\")) + 1)
  return base.replace(/\.ya?ml$/i, "") || "scenario"
}

function scenarioOf(draft: ScenarioDraft, fallbackName: string): Scenario {
  const { name, summary, resources, balancers, knowledge, requests, warmUp, loads } = draft
  return {
    name: name ?? fallbackName,
    summary,
    resources,
    backends: Object.entries(draft.backends).map(([name, group]) => groupOf(name, group, draft)),
    classes: Object.entries(draft.classes).map(([name, each]) => classOf(name, each)),
    arrivals: arrivalsOf(draft.arrivals),
    faults: draft.faults.flatMap(faultsOf),
    balancers,
    knowledge,
    requests,
    warmUp,
    loads: [...new Set(loads)].sort((a, b) => a - b),
  }
}

function groupOf(name: string, group: ScenarioDraft["backends"][string], draft: ScenarioDraft): BackendGroup {
  const { joinsMs, leavesMs, ...rest } = group
  const lane: Record<string, number> = {}
  for (const resource of draft.resources) {
    if (resource.kind !== "rate") continue
    const whole = (group.actual ?? group.capacity)[resource.name]!
    // A lane of a rate that the backend has nothing of serves no request, but must be a number above 0.
    lane[resource.name] = group.lane?.[resource.name] ?? draft.lane[resource.name] ?? (whole || 1)
  }
  return { name, ...rest, lane, joinsAtMs: joinsMs, leavesAtMs: leavesMs }
}

function classOf(name: string, { hold, ...rest }: ScenarioDraft["classes"][string]): RequestClass {
  return { name, ...rest, holdMs: hold }
}

function arrivalsOf(arrivals: ScenarioDraft["arrivals"]): Arrivals {
  if (arrivals === "poisson") return { kind: "poisson" }
  if (arrivals.bursty !== undefined) return { kind: "bursty", ...arrivals.bursty }
  return { kind: "diurnal", ...arrivals.diurnal }
}

function faultsOf(written: ScenarioDraft["faults"][number]): Fault[] {
  const faultOf = (backend: string): Fault => ({ ...written, backend })
  return [written.backend].flat().map(faultOf)
}

/**
 * A scenario as YAML that reads back as the same scenario, defaults written out. Recorded arrivals are no part of a
 * scenario file: they are left out and a comment says so, and such a file plays Poisson arrivals.
 */
export function writeScenario(scenario: Scenario): string {
  const { arrivals, backends, classes, faults, knowledge, resources } = scenario
  const document = {
    name: scenario.name,
    summary: literal(scenario.summary),
    resources,
    backends: Object.fromEntries(backends.map((group) => [group.name, writtenGroup(group, resources)])),
    classes: Object.fromEntries(classes.map((each) => [each.name, writtenClass(each)])),
    ...writtenArrivals(arrivals),
    faults: faults.map(writtenFault),
    balancers: scenario.balancers,
    knowledge: {
      demand: knowledge.demand,
      reports: knowledge.reports,
      reportEvery: writtenTime(knowledge.reportEveryMs),
      reportDelay: writtenTime(knowledge.reportDelayMs),
    },
    requests: scenario.requests,
    warmUp: scenario.warmUp,
    loads: scenario.loads,
  }
  const remark =
    arrivals.kind === "trace" ? `# Played ${arrivals.requests.length} recorded requests (--trace).\n` : ""
  return remark + stringify(document, { lineWidth: 110, flowCollectionPadding: false })
}

function writtenGroup(group: BackendGroup, resources: ResourceTable): Record<string, unknown> {
  const lane = Object.fromEntries(
    resources.filter(({ kind }) => kind === "rate").map(({ name }) => [name, group.lane[name]]),
  ) as NamedAmounts
  return {
    count: group.count,
    capacity: group.capacity,
    ...(group.actual === undefined ? {} : { actual: group.actual }),
    weight: group.weight,
    ...(group.zone === undefined ? {} : { zone: literal(group.zone) }),
    tier: group.tier,
    discipline: group.discipline,
    lane,
    joins: writtenTime(group.joinsAtMs),
    ...(group.leavesAtMs === undefined ? {} : { leaves: writtenTime(group.leavesAtMs) }),
  }
}

function writtenClass({ share, demand, holdMs, declaredError, declaredBias }: RequestClass) {
  const amounts = Object.entries(demand).map(([resource, amount]) => [
    resource,
    writtenDistribution(amount, Number),
  ])
  return {
    share,
    demand: Object.fromEntries(amounts) as Record<string, unknown>,
    ...(holdMs === undefined ? {} : { hold: writtenDistribution(holdMs, writtenTime) }),
    declaredError,
    declaredBias,
  }
}

function writtenFault({ atMs, forMs, ...fault }: Fault): Record<string, unknown> {
  const { backend, kind, ...more } = fault
  return {
    kind,
    backend,
    at: writtenTime(atMs),
    ...(forMs === undefined ? {} : { for: writtenTime(forMs) }),
    ...(fault.kind === "flapping" ? { every: writtenTime(fault.everyMs) } : more),
  }
}

function writtenDistribution(
  distribution: Distribution,
  amount: (value: number) => number | string,
): number | string | Record<string, unknown> {
  switch (distribution.kind) {
    case "constant":
      return amount(distribution.mean)
    case "exponential":
      return { exponential: amount(distribution.mean) }
    case "uniform":
      return { uniform: [amount(distribution.min), amount(distribution.max)] }
    case "integer":
      return { integer: [distribution.min, distribution.max] }
    case "lognormal":
      return { lognormal: { mean: amount(distribution.mean), cv: distribution.cv } }
    case "pareto":
      return { pareto: { mean: amount(distribution.mean), shape: distribution.shape } }
    case "bimodal": {
      const { small, large, often } = distribution
      return { bimodal: { small: amount(small), large: amount(large), often } }
    }
  }
}

function writtenArrivals(arrivals: Arrivals): Record<string, unknown> {
  switch (arrivals.kind) {
    case "poisson":
    case "trace":
      return { arrivals: "poisson" }
    case "bursty": {
      const { onMs, offMs, factor } = arrivals
      return { arrivals: { bursty: { on: writtenTime(onMs), off: writtenTime(offMs), factor } } }
    }
    case "diurnal": {
      const { periodMs, depth, mixFlip } = arrivals
      return { arrivals: { diurnal: { period: writtenTime(periodMs), depth, mixFlip } } }
    }
  }
}

/** A text in which nothing is to be put in. */
function literal(text: string): string {
  return text.replaceAll("${", () => "$${")
}

/** Whole milliseconds as a person writes them. */
function writtenTime(ms: number): string {
  return formatDuration(Math.max(0, Math.round(ms)))
}
