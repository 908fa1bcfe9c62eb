/** What draft ask of each other. Each check sees draft that are right by themselves. */

import { formatDuration } from "../core/duration.ts"
import { formatEndpoint, isIpv6, isLoopback, type Endpoint } from "../core/endpoint.ts"
import { vectorOf, type ResourceTable } from "../core/resources.ts"
import { didYouMean, suggest } from "../core/suggest.ts"
import { shown, valueAt, type ConfigIssue } from "../settings/issue.ts"
import type { ConfigDraft } from "./config-schema.ts"

/** A mistake, and which draft it is about: when one of them is wrong by itself, the mistake is moot. */
export interface CrossIssue extends ConfigIssue {
  readonly about: readonly string[]
}

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
    ...resourceIssues(draft),
    ...demandIssues(draft),
    ...leaseIssues(draft, written),
    ...tokenIssues(draft),
    ...clientCertificateIssues(draft),
    ...listenerIssues(draft, written),
  ]
}

function policyIssues(draft: ConfigDraft, written: unknown, policies: PolicyTable): CrossIssue[] {
  const { policy, resources } = draft
  const names = Object.keys(policies)
  const base = { path: ["policy"], at: "value" } as const
  if (!names.includes(policy)) {
    const nearest = suggest(policy, names)
    const hint = nearest === undefined ? "expected" : `did you mean "${nearest}"? Expected`
    const message = `${hint} one of ${names.join(", ")}`
    return [{ ...base, message, found: shown(policy), about: ["policy"] }]
  }
  const reason = policies[policy]?.unsuitable?.(resources)
  if (reason === undefined) return []
  const path = valueAt(written, ["policy"]) === undefined ? ["resources"] : ["policy"]
  const message = `"${policy}" cannot work with these resources: ${reason}`
  return [{ ...base, path, message, found: undefined, about: ["policy", "resources"] }]
}

function resourceIssues({ resources }: ConfigDraft): CrossIssue[] {
  const names = resources.map((resource) => resource.name)
  return names.flatMap((name, index) => {
    if (names.indexOf(name) === index) return []
    const message = `the resource "${name}" is there twice`
    return [
      { path: ["resources", index, "name"], at: "value", message, found: undefined, about: ["resources"] },
    ]
  })
}

function demandIssues({ resources, demand }: ConfigDraft): CrossIssue[] {
  const names = resources.map((resource) => resource.name)
  return Object.entries(demand.default).flatMap(([name, amount]): CrossIssue[] => {
    const vector = vectorOf(resources, { [name]: amount }, 1)
    if (vector.ok) return []
    const known = names.includes(name)
    const message = `${vector.error.message}${known ? "" : didYouMean(name, names)}`
    const path = ["demand", "default", name]
    const about = ["resources", `demand.default.${name}`]
    return [{ path, at: known ? "value" : "key", message, found: undefined, about }]
  })
}

function leaseIssues({ registration }: ConfigDraft, written: unknown): CrossIssue[] {
  const isWritten = (key: string) => valueAt(written, ["registration", key]) !== undefined
  return (["renew", "suspect"] as const).flatMap((shorter): CrossIssue[] => {
    const longer = shorter === "renew" ? "suspect" : "ttl"
    if (registration[`${shorter}Ms`] < registration[`${longer}Ms`]) return []
    // The one that was written is the one to point at; of two, the shorter.
    const [wrong, other, relation] =
      isWritten(shorter) || !isWritten(longer)
        ? ([shorter, longer, "shorter"] as const)
        : ([longer, shorter, "longer"] as const)
    const origin = isWritten(other) ? "" : " by default"
    const message = `must be ${relation} than registration.${other}, which is ${formatDuration(registration[`${other}Ms`])}${origin}`
    const found = formatDuration(registration[`${wrong}Ms`])
    const about = [`registration.${shorter}`, `registration.${longer}`]
    return [{ path: ["registration", wrong], at: "value", message, found, about }]
  })
}

function tokenIssues(draft: ConfigDraft): CrossIssue[] {
  const issues: CrossIssue[] = []
  for (const name of ["registration", "admin"] as const) {
    const { token, tokenFile } = draft[name]
    if (token === undefined || tokenFile === undefined) continue
    const message = `${name}.token is there too; keep one of them`
    const about = [`${name}.token`, `${name}.tokenFile`]
    issues.push({ path: [name, "tokenFile"], at: "key", message, found: undefined, about })
  }
  const { listen, token, tokenFile, allow } = draft.registration
  if (!isLoopback(listen.host) && token === undefined && tokenFile === undefined && allow === undefined) {
    const message =
      "others than this machine could announce backends there: set registration.token, " +
      "registration.tokenFile or registration.allow, or listen on 127.0.0.1"
    const about = ["listen", "token", "tokenFile", "allow"].map((key) => `registration.${key}`)
    const found = shown(formatEndpoint(listen))
    issues.push({ path: ["registration", "listen"], at: "value", message, found, about })
  }
  return issues
}

/** A certificate is worth nothing without its key, and a key nothing without its certificate. */
function clientCertificateIssues({ backends }: ConfigDraft): CrossIssue[] {
  const { cert, key } = backends.tls
  if ((cert === undefined) === (key === undefined)) return []
  const isKey = cert === undefined
  const message = `backends.tls.${isKey ? "cert" : "key"} must be there too`
  const about = ["backends.tls"]
  return [
    {
      path: ["backends", "tls", isKey ? "key" : "cert"],
      at: "key",
      message,
      found: undefined,
      about,
    },
  ]
}

/** The system would let two listeners share a port, since workers do: it has to be caught here. */
function listenerIssues(draft: ConfigDraft, written: unknown): CrossIssue[] {
  const listeners = [
    { path: ["listen"], endpoint: draft.listen },
    ...(draft.tls === undefined ? [] : [{ path: ["tls", "listen"], endpoint: draft.tls.listen }]),
    { path: ["registration", "listen"], endpoint: draft.registration.listen },
    { path: ["admin", "listen"], endpoint: draft.admin.listen },
  ]
  return listeners.flatMap(({ path, endpoint }, index) =>
    listeners.slice(0, index).flatMap((other): CrossIssue[] => {
      if (!overlap(endpoint, other.endpoint)) return []
      const isWritten = valueAt(written, path) !== undefined
      const [wrong, taker] = isWritten ? [{ path, endpoint }, other] : [other, { path, endpoint }]
      const message = `the same port as ${taker.path.join(".")}, which is "${formatEndpoint(taker.endpoint)}"`
      const found = shown(formatEndpoint(wrong.endpoint))
      const about = [path.join("."), other.path.join(".")]
      return [{ path: wrong.path, at: "value", message, found, about }]
    }),
  )
}

function overlap(a: Endpoint, b: Endpoint): boolean {
  if (a.port !== b.port || a.port === 0) return false
  return a.host === b.host || covers(a.host, b.host) || covers(b.host, a.host)
}

function covers(wide: string, host: string): boolean {
  if (wide === "" || wide === "::") return true
  if (wide === "0.0.0.0") return !isIpv6(host)
  return wide === "localhost" && isLoopback(host)
}
