/**
 * What `npm run figures -- --knowledge` and `--traces` measure for docs/choosing-measurements.md: how much depends on
 * where the knowledge of demand comes from, and how near to θ* one can come where requests that are slow hold their
 * space for longer.
 */
import { type Contestant, contestant, rehearse } from "../src/sim/rehearse.ts"
import { policies, type PolicyName } from "../src/policies/index.ts"
import { fluidBounds } from "../src/sim/fluid.ts"
import type { PolicyCapacity } from "../src/sim/report/results.ts"
import type { BackendGroup, Scenario } from "../src/sim/scenario/scenario.ts"
import { markdownTable, shareText } from "./choosing-tables.ts"

export interface KnowledgeResult {
  readonly seeds: number
  readonly requests: number
  readonly version: string
  readonly rows: readonly KnowledgeRow[]
  /** Of the first scenario with spaces: what is carried at most when this part of each space stays empty. */
  readonly sharing: readonly { readonly scenario: string; readonly lost: number; readonly share: number }[]
}

export interface KnowledgeRow {
  readonly scenario: string
  readonly knowledge: string
  readonly balancers: number
  readonly policies: Readonly<Record<string, PolicyCapacity>>
}

export const compared = ["price", "mix", "least-connections"] as const

/** What a recording was found to allow, by the name of its file. */
export interface TraceResult {
  readonly recording: string
  readonly classBlindCeiling: number
  readonly oneMachine: Pick<PolicyCapacity, "share" | "low" | "high">
  readonly policies: Readonly<Record<string, Pick<PolicyCapacity, "share" | "low" | "high">>>
}

interface Source extends Pick<Scenario["knowledge"], "demand" | "reports"> {
  /** How many times as long as the others a run is. */
  readonly times?: number
}

/** In words for the table. */
export const sources = {
  "known by route": { demand: "known", reports: "none" },
  "declared by each request": { demand: "declared", reports: "none" },
  "learned from reported costs": { demand: "learned", reports: "costs" },
  "learned from utilization": { demand: "learned", reports: "utilization" },
  "the same, runs five times as long": { demand: "learned", reports: "utilization", times: 5 },
} as const satisfies Record<string, Source>

/** Parts of each space that stay empty, since no waiting request fits. */
const lostParts = [0, 0.05, 0.1]

export async function measureKnowledge(
  scenarios: readonly Scenario[],
  numbers: { readonly seeds: number; readonly requests: number; readonly version: string },
): Promise<KnowledgeResult> {
  const rows: KnowledgeRow[] = []
  for (const scenario of scenarios) {
    for (const [knowledge, source] of Object.entries<Source>(sources)) {
      for (const balancers of [1, 8]) {
        const policies = await measureSource(scenario, source, balancers, numbers)
        rows.push({ scenario: scenario.name, knowledge, balancers, policies })
      }
    }
  }
  const sharing: KnowledgeResult["sharing"][number][] = []
  for (const scenario of scenarios) {
    if (!scenario.resources.some(({ kind }) => kind === "space")) continue
    for (const lost of lostParts) {
      sharing.push({ scenario: scenario.name, lost, share: await sharingBound(scenario, lost) })
    }
  }
  return { ...numbers, rows, sharing }
}

/** A policy of the table with its defaults. */
export function usualContestant(name: PolicyName): Contestant {
  const made = contestant(name, policies[name])
  if (!made.ok) throw new Error(made.error)
  return made.value
}

/** What each of the compared carries of a scenario with this source of knowledge. */
export async function measureSource(
  scenario: Scenario,
  { demand, reports, times = 1 }: Source,
  balancers: number,
  { requests, seeds }: { readonly seeds: number; readonly requests: number },
): Promise<KnowledgeRow["policies"]> {
  const { capacity } = await rehearse({
    scenario: { ...scenario, knowledge: { ...scenario.knowledge, demand, reports } },
    policies: compared.map(usualContestant),
    loads: [],
    capacitySeeds: seeds,
    requests: requests * times,
    balancers,
  })
  return capacity!.policies
}

/**
 * The most that can be carried when a rate that is used to the part ρ makes all work on it 1 / (1 − ρ) times as long,
 * as sharing among many does, and the part `lost` of each space is never used; as a share of θ*. The ρ of each group
 * is sought from coarse to fine, one after the other, which may stop short of the best.
 */
export async function sharingBound(scenario: Scenario, lost: number): Promise<number> {
  const { thetaStar } = await fluidBounds(scenario)
  const used = scenario.backends.map(() => 0.7)
  let best = await carriedWith(scenario, used, lost)
  for (let step = 0.1; step > 0.01; step /= 2) {
    for (let hasMoved = true; hasMoved;) {
      hasMoved = false
      for (const [g, rho] of used.entries()) {
        for (const other of [rho - step, rho + step]) {
          if (other < 0.05 || other > 0.98) continue
          const carried = await carriedWith(scenario, used.with(g, other), lost)
          if (carried <= best) continue
          best = carried
          used[g] = other
          hasMoved = true
        }
      }
    }
  }
  return best / thetaStar
}

/** θ* of a fleet whose rates may be used to these parts, at the speed that leaves. */
async function carriedWith(scenario: Scenario, used: readonly number[], lost: number): Promise<number> {
  const backends = scenario.backends.map((group, g): BackendGroup => {
    const actual = { ...(group.actual ?? group.capacity) }
    const lane = { ...group.lane }
    for (const { kind, name } of scenario.resources) {
      const amount = actual[name] ?? 0
      if (kind === "rate") lane[name] = (lane[name] ?? amount) * (1 - used[g]!)
      actual[name] = amount * (kind === "rate" ? used[g]! : 1 - lost)
    }
    return { ...group, actual, lane }
  })
  return (await fluidBounds({ ...scenario, backends })).thetaStar
}

export function knowledgeParts(
  { rows, sharing }: KnowledgeResult,
  traces: readonly TraceResult[],
): Readonly<Record<string, string>> {
  const known = rows.map((row) => [
    `\`${row.scenario}\`, ${row.knowledge}`,
    String(row.balancers),
    ...compared.map((name) => shareText(row.policies[name]!)),
  ])
  const bounds = sharing.map(({ lost, scenario, share }) => [
    `\`${scenario}\``,
    `${lost * 100} %`,
    share.toFixed(2),
  ])
  return {
    knowledge: markdownTable(
      ["scenario, and how demand is known", "balancers", ...compared.map((name) => `\`${name}\``)],
      known,
      compared.length + 1,
    ),
    traces: markdownTable(
      ["recording", "class-blind ceiling", "one machine", ...compared.map((name) => `\`${name}\``)],
      traces.map(({ classBlindCeiling, oneMachine, policies: found, recording }) => [
        recording,
        classBlindCeiling.toFixed(2),
        shareText(oneMachine),
        ...compared.map((name) => shareText(found[name]!)),
      ]),
      compared.length + 2,
    ),
    sharing: markdownTable(["scenario", "of each space empty", "carried at most"], bounds, 2),
  }
}
