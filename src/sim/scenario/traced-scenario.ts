/** A scenario with a part of it taken from recordings: its requests, or its machines. */

import type { NamedAmounts, ResourceTable } from "../../core/resources.ts"
import { fail, ok, type Result } from "../../core/result.ts"
import { seeded } from "../../core/rng.ts"
import { average } from "../sample.ts"
import type { BackendGroup, RequestClass, Scenario, TracedRequest } from "./scenario.ts"
import type { MachineTrace, RequestTrace, Trace } from "./trace.ts"

/** How long one token of the output takes, ms: what mixed accelerators do for a model of middle size. */
const tokenMsDefault = 25

/** What of a machine stands for which resource. */
const measureOf: Readonly<Record<string, string>> = {
  compute: "cpu_events_per_s",
  storage: "disk_rand_read_8k_iops",
  memory: "mem_read_mib_per_s",
  database: "pgbench_ro_tps",
  cache: "redis_get_rps",
}

/** @param seed draws the machines, where there are more than the scenario has backends. */
export function withTraces(
  scenario: Scenario,
  traces: readonly Trace[],
  seed: number,
): Result<Scenario, string> {
  const requests = traces.filter((trace) => trace.kind === "requests")
  const machines = traces.filter((trace) => trace.kind === "machines")
  if (machines.length > 1) return fail("only one recording of machines can be the fleet")
  const [fleet] = machines
  const equipped = fleet === undefined ? ok(scenario) : withMachines(scenario, fleet, seed)
  if (!equipped.ok || requests.length === 0) return equipped
  return withRequests(equipped.value, requests)
}

/**
 * Plays recorded requests to a language model on the scenario's fleet, one class per file. The prompt's tokens are work
 * of the first rate resource. Prompt and output are held of the first space resource until the last token is out, which
 * takes `tokenMsDefault` per token.
 */
function withRequests(scenario: Scenario, traces: readonly RequestTrace[]): Result<Scenario, string> {
  const { resources } = scenario
  const rate = resources.findIndex(({ kind }) => kind === "rate")
  const space = resources.findIndex(({ kind }) => kind === "space")
  if (rate === -1 || space === -1) {
    return fail(
      `requests to language models need a resource of kind rate and one of kind space; "${scenario.name}" has ` +
        `${resources.map(({ name, kind }) => `${name} (${kind})`).join(", ")}; the built-in scenario llm has both`,
    )
  }
  const start = traces.reduce((least, { at }) => at.reduce((a, b) => Math.min(a, b), least), Infinity)
  const requests: TracedRequest[] = []
  for (const [index, { at, context, generated }] of traces.entries()) {
    for (let i = 0; i < at.length; i++) {
      const demand = resources.map(() => 0)
      demand[rate] = context[i]!
      demand[space] = context[i]! + generated[i]!
      requests.push({ atMs: at[i]! - start, class: index, demand, holdMs: generated[i]! * tokenMsDefault })
    }
  }
  requests.sort((a, b) => a.atMs - b.atMs)
  const largest = requests.reduce((most, { demand }) => Math.max(most, demand[space]!), 0)
  const { name } = resources[space]!
  const room = Math.max(...scenario.backends.map(({ capacity }) => capacity[name] ?? 0))
  if (largest > room)
    return fail(`a recorded request needs ${largest} of ${name}, and no backend has more than ${room}`)
  const names = classNames(traces)
  const classes = traces.map((trace, index): RequestClass => {
    return tracedClass(names[index]!, trace, requests.length, resources, rate, space)
  })
  return ok({ ...scenario, classes, arrivals: { kind: "trace", requests } })
}

function tracedClass(
  name: string,
  { at, context, generated }: RequestTrace,
  total: number,
  resources: ResourceTable,
  rate: number,
  space: number,
): RequestClass {
  const prompt = average(context)
  const answer = average(generated)
  return {
    name,
    share: at.length / total,
    demand: {
      [resources[rate]!.name]: { kind: "constant", mean: prompt },
      [resources[space]!.name]: { kind: "constant", mean: prompt + answer },
    },
    holdMs: { kind: "constant", mean: answer * tokenMsDefault },
    declaredError: 0,
    declaredBias: 1,
  }
}

/** What tells the files apart: of `…Trace_code.csv` and `…Trace_conv.csv`, `code` and `conv`. */
function classNames(traces: readonly RequestTrace[]): string[] {
  const bases = traces.map(({ file }) => file.replace(/^.*[/\\]/, "").replace(/\.[^.]*$/, ""))
  const short = bases.map((base) => base.slice(base.lastIndexOf("_") + 1))
  const distinct = new Set(short).size === short.length ? short : bases
  const words = distinct.map((name) => name.replaceAll(/[^A-Za-z0-9_-]/g, "-").slice(0, 64) || "requests")
  return words.map((word, index) => (words.indexOf(word) === index ? word : `${word}-${index + 1}`))
}

/**
 * The scenario's requests on measured machines, as many as it has backends. Each is a group of its own, since no two
 * are alike. Throughputs have other units than the scenario's demands, so each resource is scaled to what the
 * scenario's fleet has of it in sum.
 */
function withMachines(scenario: Scenario, trace: MachineTrace, seed: number): Result<Scenario, string> {
  const columns = scenario.resources.map(({ name }) => trace.measures.indexOf(measureOf[name] ?? ""))
  for (const [index, { name }] of scenario.resources.entries()) {
    if (columns[index] !== -1) continue
    const known = Object.entries(measureOf).filter(([, measure]) => trace.measures.includes(measure))
    const names = known.map(([resource]) => resource).join(", ")
    return fail(`"${trace.file}" says nothing of the resource "${name}", only of ${names || "others"}`)
  }
  const wanted = scenario.backends.reduce((sum, { count }) => sum + count, 0)
  if (trace.machines.length < wanted) {
    return fail(`"${trace.file}" has ${trace.machines.length} machines, and the scenario ${wanted} backends`)
  }
  // The head of a shuffle (Fisher and Yates): every set of machines is equally likely.
  const rng = seeded(seed)
  const pool = [...trace.machines]
  for (let i = 0; i < wanted; i++) {
    const other = i + rng.below(pool.length - i)
    const [a, b] = [pool[i]!, pool[other]!]
    pool[i] = b
    pool[other] = a
  }
  const drawn = pool.slice(0, wanted).sort((a, b) => (a.sku < b.sku ? -1 : a.sku > b.sku ? 1 : 0))
  const scales = scenario.resources.map(({ name }, index) => {
    const has = scenario.backends.reduce((sum, { count, capacity }) => sum + count * (capacity[name] ?? 0), 0)
    return has / drawn.reduce((sum, { amounts }) => sum + amounts[columns[index]!]!, 0)
  })
  const { faults } = scenario
  if (faults.length > 0)
    return fail(`the faults of "${scenario.name}" name backends that recorded machines replace`)
  const numbers = new Map<string, number>()
  const backends = drawn.map(({ sku, amounts }) => {
    const number = (numbers.get(sku) ?? 0) + 1
    numbers.set(sku, number)
    const capacity = Object.fromEntries(
      scenario.resources.map(({ name }, index) => [name, amounts[columns[index]!]! * scales[index]!]),
    )
    return machineGroup(
      `${sku.replaceAll(/[^A-Za-z0-9_-]/g, "-")}-${number}`,
      capacity,
      scenario.backends[0]!,
    )
  })
  return ok({ ...scenario, backends })
}

function machineGroup(
  name: string,
  capacity: NamedAmounts,
  { discipline, lane }: BackendGroup,
): BackendGroup {
  const lanes = Object.entries(lane).map(([resource, most]) => [
    resource,
    Math.min(most, capacity[resource]!),
  ])
  return {
    name,
    count: 1,
    capacity,
    actual: undefined,
    weight: 1,
    zone: undefined,
    tier: 0,
    discipline,
    lane: Object.fromEntries(lanes) as NamedAmounts,
    joinsAtMs: 0,
    leavesAtMs: undefined,
  }
}
