/** What settings ask of each other. Each check sees settings that are right by themselves. */

import { coversRule } from "../routing/routes.ts"
import { vectorOf, type NamedAmounts, type ResourceTable } from "../core/resources.ts"
import { didYouMean, suggest } from "../text/suggest.ts"
import { repeatedResources } from "../text/resources-schema.ts"
import { fields } from "../core/http/fields.ts"
import { policySpec, type PolicySpec } from "../policies/index.ts"
import { shown, valueAt, type ConfigIssue, type ConfigPath } from "../text/issue.ts"
import { backendLists, exampleOf, listIssues, refusal } from "./backend-lists.ts"
import type { ConfigDraft } from "./config-schema.ts"
import type { CrossIssue } from "./cross-issue.ts"
import { listenerChecks } from "./listener-checks.ts"
import { poolLabel, type WrittenPolicy } from "./schema/routing.ts"

/** The policies that a configuration may name. */
export type PolicyTable = Readonly<Record<string, ConfigurablePolicy>>

export interface ConfigurablePolicy {
  /** Why the policy cannot work with these resources, as a sentence, or undefined when it can. */
  readonly unsuitable?: (this: void, resources: ResourceTable) => string | undefined
}

/** @param written the configuration as written, to tell a setting from its default. */
export function crossChecks(draft: ConfigDraft, written: unknown, policies: PolicyTable): CrossIssue[] {
  return [
    ...policyIssues(draft, written, policies),
    ...choosingIssues(draft),
    ...poolIssues(draft),
    ...backendIssues(draft),
    ...dnsIssues(draft, written),
    ...routeIssues(draft),
    ...affinityIssues(draft),
    ...resourceIssues(draft),
    ...demandIssues(draft),
    ...listenerChecks(draft, written),
  ]
}

function policyIssues(draft: ConfigDraft, written: unknown, policies: PolicyTable): CrossIssue[] {
  const places: readonly (readonly [path: ConfigPath, policy: WrittenPolicy | undefined])[] = [
    [["policy"], draft.policy],
    ...draft.pools.map(({ policy }, index) => [["pools", index, "policy"], policy] as const),
    ...draft.routes.map(({ policy }, index) => [["routes", index, "policy"], policy] as const),
  ]
  return places.flatMap(([path, policy]) =>
    policy === undefined ? [] : issuesOfPolicy(policy, path, draft, written, policies),
  )
}

function issuesOfPolicy(
  { name, parameters }: WrittenPolicy,
  path: ConfigPath,
  { resources }: ConfigDraft,
  written: unknown,
  policies: PolicyTable,
): CrossIssue[] {
  const about = [String(path[0])]
  const value = valueAt(written, path)
  const isMapping = typeof value === "object" && value !== null
  const base = { path: isMapping ? [...path, "name"] : path, at: "value", about } as const
  const names = Object.keys(policies)
  if (!names.includes(name)) {
    const nearest = suggest(name, names)
    const hint = nearest === undefined ? "expected" : `did you mean "${nearest}"? Expected`
    return [{ ...base, message: `${hint} one of ${names.join(", ")}`, found: shown(name) }]
  }
  const reason = policies[name]?.unsuitable?.(resources)
  if (reason !== undefined) {
    const message = `"${name}" cannot work with these resources: ${reason}`
    const blamed = value === undefined ? ["resources"] : base.path
    return [{ ...base, path: blamed, message, found: undefined, about: [...about, "resources"] }]
  }
  const spec = policySpec(name, parameters)
  if (spec.ok) return []
  // What was found may be a secret: the message must not have it.
  const { name: parameter } = spec.error
  const message = spec.error.message.replace(/; found [^]*$/, "")
  const known = Object.hasOwn(policySpecOf(name)?.parameters ?? {}, parameter)
  const found = known ? shown(parameters[parameter]) : undefined
  return [{ path: [...path, parameter], at: known ? "value" : "key", message, found, about }]
}

/** The policy without any parameter given; undefined where there is none of this name. */
function policySpecOf(name: string): PolicySpec | undefined {
  const spec = policySpec(name)
  return spec.ok ? spec.value : undefined
}

function choosingIssues({ choosing: { aperture, subset } }: ConfigDraft): CrossIssue[] {
  if (aperture === undefined) return []
  const path = ["choosing", "aperture"]
  const about = ["choosing"]
  if (subset !== undefined) {
    const message = "choosing.subset is there too; keep one of them"
    return [{ path, at: "key", message, found: undefined, about }]
  }
  const { balancer, balancers } = aperture
  if (balancer < balancers) return []
  const message = `expected an integer from 0 to ${balancers - 1}, as there are ${balancers} balancers`
  return [{ path: [...path, "balancer"], at: "value", message, found: String(balancer), about }]
}

function poolIssues({ pools }: ConfigDraft): CrossIssue[] {
  const base = { at: "value", found: undefined, about: ["pools"] } as const
  return pools.flatMap(({ name, match, backends }, index): CrossIssue[] => {
    const path = ["pools", index]
    const issues: CrossIssue[] = []
    if (pools.findIndex((pool) => pool.name === name) !== index) {
      issues.push({ ...base, path: [...path, "name"], message: "another pool has this name" })
    }
    if (match === undefined && backends === undefined) {
      issues.push({ ...base, path, message: "a pool needs match, or a list of backends" })
    } else if (match !== undefined && backends !== undefined) {
      const message = `match is there too: keep one of them (those listed here get the label ${poolLabel}: ${name})`
      issues.push({ ...base, path: [...path, "backends"], at: "key", message })
    } else if (match !== undefined && isAny(match)) {
      const message = "expected at least one of labels, zone, ids"
      issues.push({ ...base, path: [...path, "match"], message, found: "none" })
    }
    for (const [at, { labels }] of (backends ?? []).entries()) {
      if ((labels[poolLabel] ?? name) === name) continue
      const message = `expected ${JSON.stringify(name)}, which it gets by itself`
      const found = shown(labels[poolLabel])
      issues.push({ ...base, path: [...path, "backends", at, "labels", poolLabel], message, found })
    }
    return issues
  })
}

function isAny({ labels, zone, ids }: NonNullable<ConfigDraft["pools"][number]["match"]>): boolean {
  return Object.keys(labels).length === 0 && zone === undefined && ids === undefined
}

function backendIssues(draft: ConfigDraft): CrossIssue[] {
  const { registration, resources } = draft
  const lists = backendLists(draft)
  const wrong = listIssues(lists, resources).map((issue) =>
    withAbout(issue, ["backends", "pools", "resources"]),
  )
  const count = lists.reduce((sum, { backends }) => sum + backends.length, 0)
  if (count <= registration.backendsMax) return wrong
  const message = `with those of pools these are ${count}, more than registration.backendsMax, ${registration.backendsMax}`
  const about = ["backends", "pools", "registration.backendsMax"]
  return [...wrong, { path: ["backends"], at: "value", found: undefined, message, about }]
}

function dnsIssues(draft: ConfigDraft, written: unknown): CrossIssue[] {
  const base = { found: undefined, about: ["discovery", "resources", "checks"] } as const
  return draft.discovery.dns.flatMap((entry, index): CrossIssue[] => {
    const path = ["discovery", "dns", index]
    const { port, type } = entry
    const issue = refusal(exampleOf(entry, draft), draft.resources)
    const issues = issue === undefined ? [] : [{ ...base, ...issue, path: [...path, ...issue.path] }]
    if (type !== "SRV") {
      if (port !== undefined) return issues
      const message = `"port" is missing: expected where the addresses take requests, which records of type ${type} do not say`
      return [...issues, { ...base, path, at: "value", message }]
    }
    const own = ["port", "weight"].filter((key) => valueAt(written, [...path, key]) !== undefined)
    const message = "has no place here: each SRV record says it itself"
    return [
      ...issues,
      ...own.map((key) =>
        withAbout({ path: [...path, key], at: "key", message, found: undefined }, base.about),
      ),
    ]
  })
}

function routeIssues({ routes, pools, resources }: ConfigDraft): CrossIssue[] {
  const names = pools.map(({ name }) => name)
  return routes.flatMap((route, index): CrossIssue[] => {
    const { name, pool, demand = {} } = route
    const issues: CrossIssue[] = []
    const path = ["routes", index]
    const covering = routes.slice(0, index).findIndex((before) => coversRule(before, route))
    if (routes.findIndex((other) => other.name === name) !== index) {
      const message = "another route has this name, or matches the same"
      issues.push({ path: [...path, "name"], at: "value", message, found: undefined, about: ["routes"] })
    } else if (covering !== -1) {
      const message = `no request comes this far: routes[${covering}] matches all of them, and the first that fits counts`
      const found = shown(route.path)
      issues.push({ path: [...path, "path"], at: "value", message, found, about: ["routes"] })
    }
    if (pool !== undefined && !names.includes(pool)) {
      const known = names.length === 0 ? "; there are none" : `; there are ${names.join(", ")}`
      const message = `there is no such pool${didYouMean(pool, names) || known}`
      const about = ["routes", "pools"]
      issues.push({ path: [...path, "pool"], at: "value", message, found: shown(pool), about })
    }
    return [...issues, ...amountIssues(resources, demand, [...path, "demand"], ["routes", "resources"])]
  })
}

/** A header or a parameter has a name; a field of the client's own has none that could be missing. */
function affinityIssues({ affinity, routes }: ConfigDraft): CrossIssue[] {
  const places = [
    { path: ["affinity"] as ConfigPath, affinity },
    ...routes.map((route, index) => ({ path: ["routes", index, "affinity"], affinity: route.affinity })),
  ]
  return places.flatMap(({ path, affinity }): CrossIssue[] => {
    if (affinity === undefined) return []
    const { kind, name, cookie } = affinity
    const about = [String(path[0])]
    if ((kind === "header" || kind === "query") && name === "") {
      const message = `"name" is missing: expected the name of the ${kind === "header" ? "field" : "parameter"}`
      return [{ path: [...path, "kind"], at: "value", message, found: undefined, about }]
    }
    if (kind !== "cookie" || !/^__host-/i.test(name)) return []
    // RFC 6265bis 4.1.3.2.
    const wrong = cookie.domain !== "" ? "domain" : cookie.path !== "/" ? "path" : undefined
    if (wrong === undefined) return []
    const message = `browsers take no cookie of the name "${name}" with another ${wrong} than the host's own`
    return [{ path: [...path, wrong], at: "value", message, found: undefined, about }]
  })
}

function resourceIssues({ resources, demand }: ConfigDraft): CrossIssue[] {
  const repeated = repeatedResources(resources).map((issue) => withAbout(issue, ["resources"]))
  if (demand.mode !== "simulation") return repeated
  // The backend would be told of it in a field that means something else, the length of the body perhaps.
  const misleading = resources.flatMap(({ name }, index): CrossIssue[] => {
    if (!Object.hasOwn(fields, name)) return []
    const message = `"${name}" is a field of HTTP, and in demand.mode simulation backends are told of it in a field of this name`
    const path = ["resources", index, "name"]
    return [{ path, at: "value", message, found: undefined, about: ["resources", "demand.mode"] }]
  })
  return [...repeated, ...misleading]
}

function withAbout(issue: ConfigIssue, about: readonly string[]): CrossIssue {
  return { ...issue, about }
}

function demandIssues({ resources, demand }: ConfigDraft): CrossIssue[] {
  return Object.entries(demand.default).flatMap(([name, amount]) =>
    amountIssues(
      resources,
      { [name]: amount },
      ["demand", "default"],
      ["resources", `demand.default.${name}`],
    ),
  )
}

/** What is wrong with amounts by resource. */
function amountIssues(
  resources: ResourceTable,
  amounts: NamedAmounts,
  path: ConfigPath,
  about: readonly string[],
): CrossIssue[] {
  const names = resources.map((resource) => resource.name)
  return Object.entries(amounts).flatMap(([name, amount]): CrossIssue[] => {
    const vector = vectorOf(resources, { [name]: amount }, 1)
    if (vector.ok) return []
    const known = names.includes(name)
    const message = `${vector.error.message}${known ? "" : didYouMean(name, names)}`
    return [{ path: [...path, name], at: known ? "value" : "key", message, found: undefined, about }]
  })
}
