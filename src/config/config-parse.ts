/** From a configuration as written, a tree of plain values, to `Config` or all that is wrong with it. */

import { namedOf, vectorOf } from "../core/resources.ts"
import { fail, ok, type Result } from "../core/result.ts"
import { crossChecks, type PolicyTable } from "./config-checks.ts"
import { isMapping, unresolved, valueAt, type ConfigIssue, type ConfigPath } from "../text/issue.ts"
import { issuesOf } from "../text/schema-issues.ts"
import { draftConfig, sectionNames, tokenExpected, tokenPattern } from "./config-schema.ts"
import type { ConfigDraft, WrittenPolicy } from "./config-schema.ts"
import type { Config, TlsConfig } from "./config.ts"
import { policySpec, type PolicySpec } from "../policies/index.ts"
import { type BackendTlsFiles, readBackendTls, readCertificate } from "./certificates.ts"

/** What a configuration is checked against, and how the files it names are read. */
export interface ConfigContext {
  /** All policies by name; `src/policies/index.ts` has the table. */
  readonly policies: PolicyTable
  /** The whole text of a file, or why it cannot be read. */
  readonly readFile: (path: string) => Result<string, string>
  /** The absolute path of a file that is named relative to the configuration; the path itself when absent. */
  readonly resolvePath?: (path: string) => string
}

/**
 * Checks a configuration as written (see `configJsonSchema`) and resolves it.
 *
 * @returns all mistakes, in no special order. The list is empty when only `unresolved` values stood in the way.
 */
export function parseConfig(input: unknown, context: ConfigContext): Result<Config, readonly ConfigIssue[]> {
  const written = withoutEmptySections(input ?? {})
  const first = draftConfig(written)
  const issues = first.ok ? [] : first.error.flatMap((issue) => issuesOf(issue, written))

  // Mistakes must not hide each other: what is wrong by itself is set aside, and the rest still has to agree.
  const aside = issues.map((issue) => settingOf(issue.path))
  const second = first.ok ? first : draftConfig(without(written, aside))
  if (!second.ok) throw new Error("a setting is wrong in another place than the one reported")
  const draft = second.value
  const moot = new Set(aside.map((path) => path.join(".")))
  for (const { about, ...issue } of crossChecks(draft, written, context.policies)) {
    if (!about.some((setting) => moot.has(setting))) issues.push(issue)
  }
  const registrationToken = tokenOf("registration", draft, context, issues)
  const adminToken = tokenOf("admin", draft, context, issues)
  const backendTls = backendTlsOf(draft, context, issues)
  issues.push(...certificateIssues(draft, context))
  if (!first.ok || issues.length > 0) {
    return fail(issues.filter((issue) => valueAt(written, issue.path) !== unresolved))
  }

  const demandDefault = vectorOf(draft.resources, draft.demand.default, 1)
  if (!demandDefault.ok) throw new Error(`demand.default was not checked: ${demandDefault.error.message}`)
  const { tokenFile: _registrationFile, ...registration } = draft.registration
  const { tokenFile: _adminFile, ...admin } = draft.admin
  return ok({
    ...draft,
    policy: specOf(draft.policy),
    pools: draft.pools.map((pool) => ({ ...pool, policy: pool.policy && specOf(pool.policy) })),
    routes: draft.routes.map((route) => ({ ...route, policy: route.policy && specOf(route.policy) })),
    tls: draft.tls === undefined ? undefined : withPaths(draft.tls, context),
    demand: { ...draft.demand, default: namedOf(draft.resources, demandDefault.value) },
    registration: { ...registration, token: registrationToken },
    admin: { ...admin, token: adminToken },
    backends: { ...draft.backends, tls: backendTls, tlsFiles: filesOf(draft, context) },
  })
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

/** The token of a section, from where it stands. */
function tokenOf(
  section: "registration" | "admin",
  draft: ConfigDraft,
  context: ConfigContext,
  issues: ConfigIssue[],
): string | undefined {
  const { token, tokenFile } = draft[section]
  if (tokenFile === undefined) return token
  const text = context.readFile(tokenFile)
  const value = text.ok ? text.value.trimEnd() : undefined
  if (value !== undefined && tokenPattern.test(value)) return value
  const message = text.ok
    ? `expected ${tokenExpected} in the file "${tokenFile}"`
    : `the file "${tokenFile}" cannot be read: ${text.error}`
  issues.push({ path: [section, "tokenFile"], at: "value", message, found: undefined })
  return undefined
}

/** `backends.tls` with what its files hold in the place of their paths. */
function backendTlsOf(
  { backends: { tls } }: ConfigDraft,
  { readFile }: ConfigContext,
  issues: ConfigIssue[],
): Config["backends"]["tls"] {
  const read = readBackendTls(tls, readFile)
  if (read.ok) return { ...tls, ...read.value }
  for (const { setting, message } of read.error) {
    issues.push({ path: ["backends", "tls", setting], at: "value", message, found: undefined })
  }
  return tls
}

/** What is wrong with the files of certificates, each where its path stands. */
function certificateIssues({ tls }: ConfigDraft, context: ConfigContext): ConfigIssue[] {
  return (tls?.certificates ?? []).flatMap((files, index) => {
    const certificate = readCertificate(files, context.readFile)
    const path = ["tls", "certificates", index]
    if (!certificate.ok) {
      return certificate.error.map(({ setting, message }): ConfigIssue => {
        return { path: [...path, setting], at: "value", message, found: undefined }
      })
    }
    // Only the first is served to those who ask for no name, or for one that nobody has.
    if (index === 0 || certificate.value.names.length > 0) return []
    const message = `the certificate in "${files.cert}" names no host, so nobody would get it: give it names`
    return [{ path: [...path, "cert"], at: "value", message, found: undefined }]
  })
}

/** The files are read again whenever they change, wherever the process stands then. */
function withPaths(tls: TlsConfig, { resolvePath = (path) => path }: ConfigContext): TlsConfig {
  const certificates = tls.certificates.map((files) => {
    return { ...files, cert: resolvePath(files.cert), key: resolvePath(files.key) }
  })
  return { ...tls, certificates }
}

/** Those of `backends.tls`, which are followed too. */
function filesOf(
  { backends }: ConfigDraft,
  { resolvePath = (path) => path }: ConfigContext,
): BackendTlsFiles {
  const { ca, cert, key } = backends.tls
  const whole = (path: string | undefined): string | undefined => path && resolvePath(path)
  return { ca: whole(ca), cert: whole(cert), key: whole(key) }
}
