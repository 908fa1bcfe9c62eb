/** The tables of docs/choosing*.md, from the table of policies and from what the simulator measured. Pure. */

import { isPolicyName, isReplica, type PolicyEntry } from "../src/policies/index.ts"
import type { PolicyCapacity } from "../src/sim/report/results.ts"

/** What `npm run figures` keeps of one scenario, in docs/choosing/SCENARIO.json. */
export interface ChoosingResult {
  readonly summary: string
  readonly thetaStar: number
  readonly classBlindCeiling: number
  readonly roundRobinCeiling: number
  /** Whether arrivals come in bursts, backends come and go, or something fails. */
  readonly isDisturbed: boolean
  readonly oneMachine: PolicyCapacity
  readonly seeds: number
  readonly requests: number
  readonly version: string
  /** By number of balancers, then by policy. */
  readonly capacities: Readonly<Record<string, Readonly<Record<string, PolicyCapacity>>>>
}

export type ChoosingResults = Readonly<Record<string, ChoosingResult>>

type Policies = Readonly<Record<string, PolicyEntry>>

/** When to take a policy, for those with more to say than their kind. */
const advice: Readonly<Record<string, string>> = {
  auto: "The default: nothing to decide.",
  price: "Up to some dozens of backends, one or few balancers.",
  mix: "Many backends, or several balancers that do not know of each other.",
  "exponential-price": "Where limits hurt: memory, KV-cache, small queues. It takes no account of penalties.",
  "shadow-price": "To compare with: it carried no more than price in the measurements.",
  "least-connections": "Equal requests on equal backends.",
  "power-of-two": "As least-connections, with very many backends or balancers.",
  "peak-ewma": "Backends whose speed changes without notice, and equal requests.",
  "least-time": "Backends of different speed, and equal requests.",
  c3: "Reads that any backend can serve, where the slowest responses matter most.",
  prequal: "Backends that share machines with other programs, each with twenty requests at a time or more.",
  "join-idle-queue": "Short requests, and backends that are often idle.",
  "orca-weighted-round-robin": "Backends that report their utilization, and one kind of request.",
  "round-robin": "To compare with.",
  "weighted-round-robin": "Weights that were set with care.",
  random: "To compare with.",
  first: "Few backends should be in use, so that you can switch the others off.",
  "ip-hash": "Only if each client has its own address and there is no better key.",
  "ring-hash": "Caches: a key stays with its backend as the fleet changes.",
  maglev: "Caches, with an even split and a table that is fast to read.",
  rendezvous: "Caches on few backends, with exact weights.",
  "seed-ratio": "A replica: the rule that this project began with.",
}

/** All policies with what they look at and when to take them. */
export function policyTable(policies: Policies): string {
  const rows = Object.entries(policies).map(([name, { summary, seesDemand, sticks, parameters = {} }]) => {
    const kind = sticks === true ? "the key" : seesDemand ? "demand" : "nothing"
    const tuned = Object.entries(parameters).map(
      ([parameter, { default: value, min, max }]) => `\`${parameter}\` ${value} (${min} to ${max})`,
    )
    const when =
      advice[name] ??
      (isPolicyName(name) && isReplica(name) ? "A replica, to compare with." : "To compare with.")
    return [`\`${name}\``, kind, summary, when, tuned.join(", ")]
  })
  return markdownTable(["policy", "looks at", "picks", "when", "parameters"], rows, 0)
}

/** Bounds of every scenario: what can be gained by looking, before any run. */
export function boundsTable(results: ChoosingResults): string {
  const rows = Object.entries(results).map(
    ([name, { summary, thetaStar, classBlindCeiling, roundRobinCeiling }]) => [
      `\`${name}\``,
      String(Number(thetaStar.toPrecision(3))),
      classBlindCeiling.toFixed(2),
      roundRobinCeiling.toFixed(2),
      summary,
    ],
  )
  return markdownTable(
    ["scenario", "θ*, requests/s", "class-blind ceiling", "equal turns", "what it is"],
    rows,
    3,
  )
}

/**
 * One row per policy, one column per scenario: the share of θ* that it carries within the objective. Above them what all
 * backends would carry as one machine.
 */
export function capacityTable(results: ChoosingResults, policies: Policies, balancers: number): string {
  const measured = Object.entries(results).flatMap(([name, { capacities, oneMachine }]) => {
    const shares = capacities[String(balancers)]
    return shares === undefined ? [] : [{ name, shares, oneMachine }]
  })
  if (measured.length === 0) return "Nothing has been measured."
  const best = measured.map(({ shares }) => Math.max(...Object.values(shares).map(({ share }) => share)))
  const rows = Object.keys(policies).flatMap((policy) => {
    const cells = measured.map(({ shares }) => shares[policy])
    if (cells.every((cell) => cell === undefined)) return []
    return [
      [
        `\`${policy}\``,
        ...cells.map((cell, index) => {
          if (cell === undefined) return "–"
          return cell.share >= best[index]! - 0.005 ? `**${shareText(cell)}**` : shareText(cell)
        }),
      ],
    ]
  })
  const machine = ["(one machine)", ...measured.map(({ oneMachine }) => shareText(oneMachine))]
  return markdownTable(
    ["policy", ...measured.map(({ name }) => `\`${name}\``)],
    [machine, ...rows],
    measured.length,
  )
}

/** A share of θ* with half of its interval. */
export function shareText({ high, low, share }: Pick<PolicyCapacity, "high" | "low" | "share">): string {
  return `${share.toFixed(2)} ± ${((high - low) / 2).toFixed(2)}`
}

/** With what the numbers were made. */
export function provenance(results: ChoosingResults): string {
  const groups = new Map<string, string[]>()
  for (const [name, { version, seeds, requests }] of Object.entries(results)) {
    const how = `version ${version}, ${seeds} seeds, ${requests.toLocaleString("en-US").replaceAll(",", " ")} requests per run`
    groups.set(how, [...(groups.get(how) ?? []), `\`${name}\``])
  }
  const lines = [...groups].map(([how, names]) => `${names.join(", ")}: ${how}.`)
  return lines.length === 0 ? "Nothing has been measured." : lines.join("\n")
}

/** Puts generated text between `<!-- NAME -->` and `<!-- /NAME -->`. @throws Error when a pair of marks is missing. */
export function between(document: string, parts: Readonly<Record<string, string>>): string {
  let text = document
  for (const [name, part] of Object.entries(parts)) {
    const open = `<!-- ${name} -->`
    const close = `<!-- /${name} -->`
    const from = text.indexOf(open)
    const to = text.indexOf(close)
    if (from === -1 || to < from) throw new Error(`the document has no ${open} … ${close}`)
    text = `${text.slice(0, from + open.length)}\n${part}\n${text.slice(to)}`
  }
  return text
}

/** What is generated of docs/choosing.md. */
export function policyParts(policies: Policies): Readonly<Record<string, string>> {
  return { policies: policyTable(policies) }
}

/** What `npm run figures` measures for docs/choosing-measurements.md. */
export function measuredParts(
  policies: Policies,
  results: ChoosingResults,
): Readonly<Record<string, string>> {
  return {
    bounds: boundsTable(results),
    "capacity-1": capacityTable(only(results, false), policies, 1),
    "capacity-1-disturbed": capacityTable(only(results, true), policies, 1),
    "capacity-8": capacityTable(only(results, false), policies, 8),
    "capacity-8-disturbed": capacityTable(only(results, true), policies, 8),
    provenance: provenance(results),
  }
}

function only(results: ChoosingResults, isDisturbed: boolean): ChoosingResults {
  return Object.fromEntries(Object.entries(results).filter(([, one]) => one.isDisturbed === isDisturbed))
}

/** @param numeric how many columns from the second on hold numbers, which stand to the right. */
export function markdownTable(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  numeric: number,
): string {
  const rule = head.map((_, column) => (column > 0 && column <= numeric ? "---:" : "---"))
  return [head, rule, ...rows]
    .map((cells) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`)
    .join("\n")
}
