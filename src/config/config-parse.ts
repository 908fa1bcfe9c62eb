/** From a configuration as written, a tree of plain values, to `Config` or all that is wrong with it. */

import { xxhash32 } from "../core/hash.ts"
import { amountsOf, namedOf } from "../core/resources.ts"
import { fail, ok, type Result } from "../core/result.ts"
import { tierDefault } from "../policies/around/tiers.ts"
import { type PolicySpec, policySpec } from "../policies/index.ts"
import { type ConfigIssue, type ConfigPath, isMapping, unresolved, valueAt } from "../text/issue.ts"
import { backendLists, exampleOf } from "./backend-lists.ts"
import { crossChecks, type PolicyTable } from "./config-checks.ts"
import { type ConfigFiles, withFiles } from "./config-files.ts"
import { type ConfigDraft, draftConfig, sectionNames } from "./config-schema.ts"
import type { Config } from "./config.ts"
import { poolLabel, type WrittenPolicy } from "./schema/routing.ts"

/** What a configuration is checked against, and how the files that it names are read. */
export interface ConfigContext extends ConfigFiles {
  /** All policies by name; `src/policies/index.ts` has the table. */
  readonly policies: PolicyTable
}

/**
 * Checks a configuration as written (see `configJsonSchema`) and resolves it.
 *
 * @returns all mistakes, in no special order. The list is empty when only `unresolved` values stood in the way.
 */
export function parseConfig(input: unknown, context: ConfigContext): Result<Config, readonly ConfigIssue[]> {
  const written = withoutEmptySections(input ?? {})
  const first = draftConfig(written)
  const issues = first.ok ? [] : [...first.error]

  // Mistakes must not hide each other: what is wrong by itself is set aside, and the rest still has to agree.
  const aside = issues.map((issue) => settingOf(issue.path))
  const second = first.ok ? first : draftConfig(without(written, aside))
  if (!second.ok) throw new Error("a setting is wrong in another place than the one reported")
  const draft = second.value
  const moot = new Set(aside.map((path) => path.join(".")))
  for (const { about, ...issue } of crossChecks(draft, written, context.policies)) {
    if (!about.some((setting) => moot.has(setting))) issues.push(issue)
  }
  const read = withFiles(draft, context, issues)
  if (first.ok && issues.length === 0) return ok(settled(read))
  return fail(issues.filter((issue) => valueAt(written, issue.path) !== unresolved))
}

/** What settings take from each other and from the table of policies. Nothing is wrong with any of them. */
export function settled(read: ReturnType<typeof withFiles>) {
  const { choosing, demand, discovery, pools, resources } = read
  const { subset } = choosing
  return {
    ...read,
    policy: specOf(read.policy),
    pools: pools.map(({ name, match = matchOf(name), policy }) => {
      return { name, match, policy: policy && specOf(policy) }
    }),
    routes: read.routes.map((route) => ({ ...route, policy: route.policy && specOf(route.policy) })),
    discovery: {
      ...discovery,
      dns: discovery.dns.map((entry) => {
        const { intervalMs, name, server, type } = entry
        return { intervalMs, name, server, type, example: exampleOf(entry, read) }
      }),
    },
    choosing: {
      ...choosing,
      tiers: choosing.tiers ?? tiersFor(discovery.dns),
      subset: subset && { ...subset, seed: subset.seed ?? xxhash32(read.name) },
    },
    backends: backendLists(read).flatMap(({ backends }) => backends),
    demand: { ...demand, default: namedOf(resources, amountsOf(resources, demand.default, 1)) },
  }
}

/** The backends of a pool that says nothing else: those that its list names, and others with the same label. */
function matchOf(name: string): NonNullable<ConfigDraft["pools"][number]["match"]> {
  return { labels: { [poolLabel]: name }, zone: undefined, ids: undefined }
}

/** The priorities of SRV records are tiers, so with such there are tiers. */
function tiersFor(names: ConfigDraft["discovery"]["dns"]): ConfigDraft["choosing"]["tiers"] {
  const hasPriorities = names.some(({ type }) => type === "SRV")
  return hasPriorities ? { ...tierDefault, membersPerTier: undefined } : undefined
}

/** A policy that has been checked. */
function specOf({ name, parameters }: WrittenPolicy): PolicySpec {
  const spec = policySpec(name, parameters)
  if (!spec.ok) throw new Error(`the policy "${name}" was not checked: ${spec.error.message}`)
  return spec.value
}

/** A section whose every line is commented out reads as null, and means its defaults. */
function withoutEmptySections(input: unknown): unknown {
  if (!isMapping(input)) return input
  const entries = Object.entries(input).filter(
    ([key, value]) => value !== null || !sectionNames.includes(key),
  )
  return Object.fromEntries(entries)
}

/**
 * The whole setting in which something is wrong: a list counts as one, an amount by itself. So does `tls`, which
 * cannot be without its certificates, and `policy`, which cannot be without its name.
 */
function settingOf(path: ConfigPath): ConfigPath {
  if (path[0] === "tls" || path[0] === "policy" || typeof path[1] === "number") return path.slice(0, 1)
  return path.slice(0, path[0] === "demand" && path[1] === "default" ? 3 : 2)
}

function without(input: unknown, paths: readonly ConfigPath[]): unknown {
  if (!isMapping(input)) return {}
  const copy: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(input)) {
    const below = paths.filter((path) => path[0] === key)
    if (below.some((path) => path.length === 1)) continue
    copy[key] =
      below.length === 0
        ? value
        : without(
            value,
            below.map((path) => path.slice(1)),
          )
  }
  return copy
}
