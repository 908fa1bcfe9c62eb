/** Which policies take part: `price,mix(samples=3),./mine.ts`. */

import type { ResourceTable } from "../core/resources.ts"
import { didYouMean } from "../text/suggest.ts"
import { isPolicyName, policies, type PolicyName, policyNames } from "../policies/index.ts"
import type { PolicyEntry } from "../policies/index.ts"
import { type Contestant, contestant } from "../sim/rehearse.ts"
import { UsageError } from "./command.ts"
import { isPolicyFile, loadPolicyFile } from "./policy-file.ts"

/** Those that are compared by default: ours, the usual ones, and the one with which the project began. */
const policiesDefault: readonly PolicyName[] = policyNames.filter((name) =>
  [
    "price",
    "mix",
    "least-connections",
    "power-of-two",
    "peak-ewma",
    "weighted-round-robin",
    "round-robin",
    "seed-ratio",
  ].includes(name),
)

export interface Lineup {
  readonly contestants: readonly Contestant[]
  /** Policies that were not named one by one and cannot work with these resources. */
  readonly excluded: readonly { readonly policy: string; readonly reason: string }[]
}

/**
 * Reads `--policy`; without it the usual ones, with `all` every one of the table.
 *
 * @throws UsageError when there is no such policy, file or parameter, or when one that was named cannot work here.
 */
export async function lineupOf(text: string | undefined, resources: ResourceTable): Promise<Lineup> {
  if (text === undefined || text === "all") {
    const names = text === undefined ? policiesDefault : policyNames
    const excluded = names.flatMap((policy) => {
      const reason = policies[policy].unsuitable?.(resources)
      return reason === undefined ? [] : [{ policy, reason }]
    })
    const rest = names.filter((name) => excluded.every(({ policy }) => policy !== name))
    return { contestants: rest.map((name) => made(name, policies[name], {})), excluded }
  }
  const contestants: Contestant[] = []
  for (const word of splitOutside(text)) {
    const found = await contestantOf(word)
    const reason = found.entry.unsuitable?.(resources)
    if (reason !== undefined) throw new UsageError(`--policy: ${found.name} cannot work here: ${reason}`)
    if (contestants.some(({ name }) => name === found.name)) {
      throw new UsageError(`--policy: ${found.name} is there twice`)
    }
    contestants.push(found)
  }
  return { contestants, excluded: [] }
}

async function contestantOf(word: string): Promise<Contestant> {
  const match = /^([^()]+?)\s*(?:\(([^()]*)\))?$/.exec(word.trim())
  if (match === null) {
    throw new UsageError(
      `--policy: expected NAME, NAME(parameter=number, …) or a file; found "${word.trim()}"`,
    )
  }
  const [, name = "", inner = ""] = match
  const parameters = parametersIn(inner)
  if (isPolicyFile(name)) {
    const own = await loadPolicyFile(name)
    if (!own.ok) throw new UsageError(`--policy: ${own.error}`)
    return made(own.value.name, own.value.entry, parameters)
  }
  if (!isPolicyName(name)) {
    const near =
      didYouMean(name, policyNames) || `; there are ${policyNames.join(", ")}, and files like ./mine.ts`
    throw new UsageError(`--policy: there is no policy "${name}"${near}`)
  }
  return made(name, policies[name], parameters)
}

function parametersIn(text: string): Readonly<Record<string, number>> {
  const parameters: Record<string, number> = {}
  for (const part of text.split(",")) {
    if (part.trim() === "") continue
    const match = /^\s*([A-Za-z][A-Za-z0-9]*)\s*=\s*(\S+)\s*$/.exec(part)
    const value = match === null ? Number.NaN : Number(match[2])
    if (Number.isNaN(value))
      throw new UsageError(`--policy: expected parameter=number, found "${part.trim()}"`)
    parameters[match![1]!] = value
  }
  return parameters
}

function made(name: string, entry: PolicyEntry, parameters: Readonly<Record<string, number>>): Contestant {
  const result = contestant(name, entry, parameters)
  if (result.ok) return result.value
  throw new UsageError(`--policy: ${result.error}`)
}

/** Splits at commas that stand outside of parentheses. */
function splitOutside(text: string): string[] {
  return text.split(/,(?![^(]*\))/)
}
