/**
 * The library's door: a balancer within a program of yours. It logs nowhere unless it is told where, hears no signals
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
import { type ConfigIssue, isMapping } from "./text/issue.ts"
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
}

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
  const context = { policies, readFile: readTextFile, resolvePath: resolve }
  const config = parseConfig(asInFile(settings), context)
  if (!config.ok) throw new SettingsError(config.error.map(issueOf))
  return startBalancer(config.value, { log: settings.log })
}

/**
 * The settings as they would stand in a file, with the library's own defaults: listeners that a program has not asked
 * for must not collide with others. What is no mapping stays as it is: that mistake is told as it was written.
 */
function asInFile(settings: BalancerSettings): unknown {
  if (!isMapping(settings)) return settings
  const { log: _log, registration = {}, admin = {}, ...rest } = settings
  const listen = "127.0.0.1:0"
  return {
    ...rest,
    registration: isMapping(registration) ? { listen, ...registration } : registration,
    admin: isMapping(admin) ? { listen, ...admin } : admin,
  }
}

function issueOf(issue: ConfigIssue): SettingsIssue {
  return { path: pathText(issue.path), message: formatIssue({ ...issue, path: [] }) }
}
