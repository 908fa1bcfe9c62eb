/** What the settings of a scenario ask of each other. Sees only drafts whose settings are right by themselves. */

import { amountMax, type NamedAmounts, type Resource } from "../../core/resources.ts"
import { didYouMean } from "../../text/suggest.ts"
import { shown, type ConfigIssue, type ConfigPath } from "../../text/issue.ts"
import { repeatedResources } from "../../text/resources-schema.ts"
import { meanOf } from "./mean-of.ts"
import { backendsMax, type ScenarioDraft } from "./scenario-schema.ts"

/** How far a sum of shares may be from 1: what a person writes with four digits. */
const shareTolerance = 1e-4

export function scenarioIssues(draft: ScenarioDraft): ConfigIssue[] {
  return [
    ...repeatedResources(draft.resources),
    ...groupIssues(draft),
    ...classIssues(draft),
    ...arrivalIssues(draft),
    ...faultIssues(draft),
  ]
}

function value(path: ConfigPath, message: string, found?: string): ConfigIssue {
  return { path, at: "value", message, found }
}

function key(path: ConfigPath, message: string): ConfigIssue {
  return { path, at: "key", message, found: undefined }
}

/** Names of amounts must be resources, and where `isComplete` all of them must be there. */
function amountIssues(
  { resources }: ScenarioDraft,
  path: ConfigPath,
  amounts: NamedAmounts,
  of: { readonly complete: boolean; readonly ratesOnly: boolean },
): ConfigIssue[] {
  const issues: ConfigIssue[] = []
  for (const [name, amount] of Object.entries(amounts)) {
    const resource = resources.find((candidate) => candidate.name === name)
    if (resource === undefined) issues.push(key([...path, name], unknownResource(name, resources)))
    else if (of.ratesOnly && resource.kind !== "rate") {
      issues.push(key([...path, name], `"${name}" is a space, and only rates have lanes`))
    } else if (amount > amountMax(resource)) {
      const message = `expected at most ${amountMax(resource)}, which is what the resolution of "${name}" allows`
      issues.push(value([...path, name], message, shown(amount)))
    }
  }
  const missing = resources.filter(({ name }) => !Object.hasOwn(amounts, name))
  if (of.complete && missing.length > 0) {
    const names = missing.map(({ name }) => `"${name}"`).join(" and ")
    issues.push(value(path, `the amount of ${names} is missing; 0 is allowed`))
  }
  return issues
}

function unknownResource(name: string, resources: readonly Resource[]): string {
  const names = resources.map((resource) => resource.name)
  const hint = didYouMean(name, names) || `; the resources here are ${names.join(", ")}`
  return `there is no resource "${name}"${hint}`
}

function groupIssues(draft: ScenarioDraft): ConfigIssue[] {
  const groups = Object.entries(draft.backends)
  const issues = amountIssues(draft, ["lane"], draft.lane, { complete: false, ratesOnly: true })
  for (const [name, { capacity, actual, lane, joinsMs, leavesMs }] of groups) {
    const path = ["backends", name]
    const all = { complete: true, ratesOnly: false }
    issues.push(...amountIssues(draft, [...path, "capacity"], capacity, all))
    if (actual !== undefined) issues.push(...amountIssues(draft, [...path, "actual"], actual, all))
    if (lane !== undefined) {
      issues.push(...amountIssues(draft, [...path, "lane"], lane, { complete: false, ratesOnly: true }))
    }
    if (Object.values(capacity).every((amount) => amount === 0)) {
      issues.push(value([...path, "capacity"], "a backend must have something of at least one resource"))
    }
    if (leavesMs !== undefined && leavesMs <= joinsMs) {
      issues.push(
        value([...path, "leaves"], `must be later than joins, which is ${joinsMs}ms`, `${leavesMs}ms`),
      )
    }
  }
  const count = groups.reduce((sum, [, group]) => sum + group.count, 0)
  if (count > backendsMax) {
    issues.push(value(["backends"], `expected at most ${backendsMax} backends together`, String(count)))
  }
  return issues
}

function classIssues(draft: ScenarioDraft): ConfigIssue[] {
  const { resources, backends, classes } = draft
  const issues: ConfigIssue[] = []
  for (const [name, { demand }] of Object.entries(classes)) {
    const path = ["classes", name, "demand"]
    const unknown = Object.keys(demand).filter((named) => !resources.some((one) => one.name === named))
    for (const named of unknown) issues.push(key([...path, named], unknownResource(named, resources)))
    const needs = resources.filter((one) => meanOf(demand[one.name]) > 0)
    if (unknown.length > 0 || needs.length === 0) continue
    const hasPlace = Object.values(backends).some(({ capacity }) =>
      needs.every((one) => {
        const has = capacity[one.name] ?? 0
        return one.kind === "rate" ? has > 0 : has >= meanOf(demand[one.name])
      }),
    )
    if (hasPlace) continue
    const names = needs.map((one) => one.name).join(" and ")
    issues.push(value(path, `no backend has the ${names} that such a request needs`))
  }
  const sum = Object.values(classes).reduce((total, { share }) => total + share, 0)
  if (Math.abs(sum - 1) > shareTolerance) {
    issues.push(value(["classes"], "the shares of all classes must sum to 1", String(Number(sum.toFixed(6)))))
  }
  return issues
}

function arrivalIssues({ arrivals, classes }: ScenarioDraft): ConfigIssue[] {
  if (arrivals === "poisson") return []
  if (arrivals.bursty !== undefined) {
    const { onMs, offMs, factor } = arrivals.bursty
    const most = (onMs + offMs) / onMs
    if (factor <= most) return []
    const message = `must be at most (on + off) / on, which is ${Number(most.toFixed(4))}: nothing would be left between bursts`
    return [value(["arrivals", "bursty", "factor"], message, String(factor))]
  }
  if (arrivals.diurnal.mixFlip && Object.keys(classes).length < 2) {
    return [value(["arrivals", "diurnal", "mixFlip"], "needs two classes to swap")]
  }
  return []
}

function faultIssues({ faults, backends, resources }: ScenarioDraft): ConfigIssue[] {
  return faults.flatMap((fault, index) => {
    const issues: ConfigIssue[] = []
    for (const [place, name] of [fault.backend].flat().entries()) {
      if (isBackend(name, backends)) continue
      const path = ["faults", index, "backend", ...(typeof fault.backend === "string" ? [] : [place])]
      issues.push(value(path, unknownBackend(name, backends)))
    }
    if (fault.kind === "slow" && fault.factor === 0 && fault.forMs === undefined) {
      issues.push(
        value(
          ["faults", index, "factor"],
          "expected a number above 0, or for: how long it stands still",
          "0",
        ),
      )
    }
    if (fault.kind === "noisy-neighbour") {
      const resource = resources.find(({ name }) => name === fault.resource)
      const path = ["faults", index, "resource"]
      if (resource === undefined) issues.push(value(path, unknownResource(fault.resource, resources)))
      else if (resource.kind !== "rate") {
        issues.push(value(path, `expected a resource of kind rate`, `"${fault.resource}"`))
      }
    }
    return issues
  })
}

function isBackend(name: string, groups: ScenarioDraft["backends"]): boolean {
  return Object.entries(groups).some(([group, { count }]) => {
    if (!name.startsWith(`${group}-`)) return false
    const number = name.slice(group.length + 1)
    return /^[1-9][0-9]{0,5}$/.test(number) && Number(number) <= count
  })
}

function unknownBackend(name: string, groups: ScenarioDraft["backends"]): string {
  const ranges = Object.entries(groups).map(([group, { count }]) =>
    count === 1 ? `${group}-1` : `${group}-1 to ${group}-${count}`,
  )
  const near = didYouMean(
    name,
    Object.keys(groups).map((group) => `${group}-1`),
  )
  return `there is no backend "${name}"${near}${near === "" ? "; there are" : " There are"} ${ranges.join(", ")}`
}
