/**
 * The library's door: a balancer within your own program. It logs nowhere unless it is told where, handles no signals
 * and never ends the process.
 *
 * ```ts
 * await using balancer = await createBalancer({ listen: ":0", backends: ["127.0.0.1:3000"] })
 * console.log(balancer.listeners.traffic.port)
 * ```
 */
import { resolve } from "node:path"
import { type Balancer, type Log, startBalancer } from "./balancer.ts"
import { readTextFile } from "./config/config-file.ts"
import { parseConfig } from "./config/config-parse.ts"
import type { Settings } from "./config/config-schema.ts"
import { policies } from "./policies/index.ts"
import { addOwnPolicies, type OwnPolicies } from "./proxy/own-policies.ts"
import { type ConfigIssue, isMapping, shown } from "./text/issue.ts"
import { formatIssue } from "./text/problem.ts"
import { pathText } from "./text/yaml.ts"

export { type Balancer, type BalancerListeners, type Log, StartError } from "./balancer.ts"
export type {
  BalancerEvent,
  BalancerEventName,
  BalancerEventOf,
  FailureEvent,
  MembershipEvent,
  StoppedEvent,
  StoppingEvent,
} from "./control/events.ts"

/**
 * The settings of a balancer: those of the configuration file, as YAML gives them, and what only a program can give.
 * Every setting may be absent. Registration and admin listen on 127.0.0.1 at ports of the system's choice unless they
 * say otherwise, so that several balancers live in one process.
 */
export interface BalancerSettings extends Settings {
  /** Told what happens, one line at a time; without it nothing is logged. Must not wait. */
  readonly log?: Log | undefined
  /**
   * Policies of your own by name, to be used as any other: `policy: "mine"`. Each is the URL of a module whose default
   * export, or the one named `policy`, is a `PolicyEntry` of `linebacker/policies`:
   * `{ mine: new URL("./mine.js", import.meta.url) }`. A policy runs in the data-plane threads, to which functions cannot
   * be sent; each thread loads the module.
   */
  readonly policies?: Readonly<Record<string, URL | string>> | undefined
}

const namePattern = /^[a-z][a-z0-9-]{0,63}$/
const nameExpected = "expected a name of up to 64 of a-z, 0-9 and -, a letter first"

/** One mistake in the settings. */
export interface SettingsIssue {
  /** Which setting: `checks.interval`, `resources[1].name`. */
  readonly path: string
  /** What is wrong, what is allowed and what was found, in one line, as `linebacker validate` says it. */
  readonly message: string
}

/** The settings are wrong. Nothing was started. */
export class SettingsError extends Error {
  /** Every mistake. */
  readonly issues: readonly SettingsIssue[]

  /** @param issues at least one */
  constructor(issues: readonly SettingsIssue[]) {
    super(issues.map(({ path, message }) => (path === "" ? message : `${path}: ${message}`)).join("\n"))
    this.name = "SettingsError"
    this.issues = issues
  }
}

/**
 * Starts a balancer in this process; resolves when all its listeners take connections. Files that the settings name
 * are relative to the working folder.
 *
 * Rejects with `SettingsError` when the settings are wrong, and with `StartError` when a listener cannot be opened.
 * Nothing is left open then.
 */
export async function createBalancer(settings: BalancerSettings = {}): Promise<Balancer> {
  const { log } = checkedCode(settings)
  const ownPolicies = await ownPoliciesOf(settings)
  const context = { policies, readFile: readTextFile, resolvePath: resolve }
  const config = parseConfig(asInFile(settings), context)
  if (!config.ok) throw new SettingsError(config.error.map(issueOf))
  return startBalancer(config.value, { log, ownPolicies })
}

/** What no file can say, and so no schema checks. */
function checkedCode(settings: BalancerSettings | null): Pick<BalancerSettings, "log"> {
  if (settings === null) throw mistake("", "a mapping", settings)
  const { log } = settings
  if (log !== undefined && typeof log !== "function") throw mistake("log", "a function", log)
  return { log }
}

function mistake(path: string, expected: string, found: unknown): SettingsError {
  return new SettingsError([{ path, message: `expected ${expected}, found ${shown(found)}` }])
}

/**
 * The settings as they would stand in a file, with the library's own defaults: listeners that a program has not asked
 * for must not collide with others. What is no mapping stays as it is: that mistake is told as it was written.
 */
function asInFile(settings: BalancerSettings): unknown {
  if (!isMapping(settings)) return settings
  const { log: _log, policies: _policies, registration = {}, admin = {}, ...rest } = settings
  const listen = "127.0.0.1:0"
  return {
    ...rest,
    registration: isMapping(registration) ? { listen, ...registration } : registration,
    admin: isMapping(admin) ? { listen, ...admin } : admin,
  }
}

/** The URLs of the modules, whose policies are in the table of this thread then. */
async function ownPoliciesOf(settings: BalancerSettings): Promise<OwnPolicies> {
  if (!isMapping(settings) || settings["policies"] === undefined) return {}
  const { policies: given } = settings as { readonly policies: unknown }
  if (!isMapping(given)) throw mistake("policies", "the URLs of modules by name", given)
  const issues: SettingsIssue[] = []
  const modules: Record<string, string> = {}
  for (const [name, value] of Object.entries(given)) {
    const url = String(value)
    const isModule = (value instanceof URL || typeof value === "string") && URL.canParse(url)
    if (!namePattern.test(name)) issues.push({ path: `policies.${name}`, message: nameExpected })
    else if (isModule) modules[name] = url
    else issues.push({ path: `policies.${name}`, message: ownExpected(value) })
  }
  // This thread places nothing: no policy fails here.
  for (const [name, message] of await addOwnPolicies(modules, () => {})) {
    issues.push({ path: `policies.${name}`, message })
  }
  if (issues.length > 0) throw new SettingsError(issues)
  return modules
}

function ownExpected(found: unknown): string {
  const isCode = typeof found === "object" || typeof found === "function"
  const reason = isCode ? ": a policy runs in the data-plane threads, to which no function can be sent" : ""
  return `expected the URL of a module, like new URL("./mine.js", import.meta.url)${reason}, found ${shown(found)}`
}

function issueOf(issue: ConfigIssue): SettingsIssue {
  return { path: pathText(issue.path), message: formatIssue({ ...issue, path: [] }) }
}
