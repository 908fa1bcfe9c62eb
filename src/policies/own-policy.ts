/** A policy of the user's own: what a module exports becomes a row like those of the table of policies. */
import { resourcesDefault } from "../core/resources.ts"
import { fail, ok, type Result } from "../core/result.ts"
import { seeded } from "../core/rng.ts"
import { isMapping } from "../text/issue.ts"
import { type Parameter, type PolicyEntry, parametersOf } from "./index.ts"
import type { Policy } from "./policy.ts"
import { firstAdmitted } from "./tools/first-admitted.ts"

/** What the user's own policy did in the middle of a run: which file, where in it, and what. */
export class PolicyFault extends Error {}

/** What a module exports, by name. */
export type Exports = Readonly<Record<string, unknown>>

/**
 * The row of a policy, as the table of policies has them: the default export, or the one named `policy`.
 *
 * It is made once with the default resources, or those that it says it needs no reason to refuse, to find out here and
 * not in the middle of a run whether it is a policy. An error names the file and what is missing.
 *
 * @param file how messages call the module: its path.
 * @param onFault told of what the policy does wrong later. Where it returns, the first backend that the request admits
 * is picked instead.
 */
export function ownPolicy(
  loaded: Exports,
  file: string,
  onFault: (fault: PolicyFault) => void,
): Result<PolicyEntry, string> {
  const exported = loaded["default"] ?? loaded["policy"]
  if (exported === undefined) {
    const names = Object.keys(loaded).join(", ") || "nothing"
    return fail(`"${file}" exports no policy: expected a default export, or one named policy; found ${names}`)
  }
  const wrong = wrongEntry(exported)
  if (wrong !== undefined) return fail(`the policy in "${file}" ${wrong}`)
  const own = exported as Partial<PolicyEntry> & Pick<PolicyEntry, "make">
  const entry: PolicyEntry = {
    ...own,
    make: (context) => guarded(own.make(context), file, onFault),
    summary: own.summary ?? `Loaded from ${baseOf(file)}.`,
    seesDemand: own.seesDemand ?? true,
  }
  const made = trial(baseOf(file), { ...entry, make: own.make })
  return made === undefined ? ok(entry) : fail(`the policy in "${file}" ${made}`)
}

/** Why a module of a policy could not be loaded. */
export function loadFailure(file: string, error: unknown): string {
  return `"${file}" cannot be loaded: ${placeOf(error, file)}${messageOf(error)}`
}

function baseOf(file: string): string {
  return file.slice(file.lastIndexOf("/") + 1)
}

/** What of a row is missing or of another kind, as the end of a sentence. */
function wrongEntry(entry: unknown): string | undefined {
  if (!isMapping(entry))
    return `is ${article(entry)}: expected an object with make, as in the table of policies`
  if (typeof entry["make"] !== "function") {
    return `has no function "make": expected make(context) to return a policy, an object with pick and rebuild`
  }
  const { summary, unsuitable, seesDemand, parameters } = entry
  if (summary !== undefined && typeof summary !== "string") return `has a "summary" that is no text`
  if (unsuitable !== undefined && typeof unsuitable !== "function")
    return `has an "unsuitable" that is no function`
  if (seesDemand !== undefined && typeof seesDemand !== "boolean")
    return `has a "seesDemand" that is not true or false`
  if (parameters === undefined) return undefined
  if (!isMapping(parameters)) return `has "parameters" that are no object`
  for (const [name, parameter] of Object.entries(parameters)) {
    const isWhole =
      isMapping(parameter) &&
      ["default", "min", "max"].every((key) => typeof parameter[key] === "number") &&
      typeof parameter["summary"] === "string"
    if (!isWhole) return `has a parameter "${name}" without one of summary, default, min and max`
  }
  return undefined
}

/** Makes one and looks at it. */
function trial(name: string, entry: PolicyEntry): string | undefined {
  try {
    if (entry.unsuitable?.(resourcesDefault) !== undefined) return undefined
    const known: Readonly<Record<string, Parameter>> = entry.parameters ?? {}
    const parameters = parametersOf(name, known, {})
    if (!parameters.ok) return `has a default outside its bounds: ${parameters.error.message}`
    const policy: unknown = entry.make({
      rng: seeded(1),
      resources: resourcesDefault,
      parameters: parameters.value,
      prober: undefined,
    })
    const has = (method: string): boolean =>
      typeof (policy as Readonly<Record<string, unknown>> | undefined)?.[method] === "function"
    const missing = ["rebuild", "pick"].filter((method) => !has(method))
    return missing.length === 0 ? undefined : `makes a policy without ${missing.join(" and ")}`
  } catch (error) {
    return `cannot be made: ${messageOf(error)}`
  }
}

/**
 * Hot, once per call of the policy: what it throws is told as a `PolicyFault`, and what it picks is one of its members.
 * It has those of the optional methods that the policy has.
 */
function guarded(policy: Policy, file: string, onFault: (fault: PolicyFault) => void): Policy {
  const within = <T>(name: string, call: () => T, instead: () => T): T => {
    try {
      return call()
    } catch (cause) {
      const where = `the policy in "${file}" failed in ${name}: ${placeOf(cause, file)}`
      onFault(new PolicyFault(`${where}${messageOf(cause)}`, { cause }))
      return instead()
    }
  }
  const guard = (name: string, call: () => void): void => within(name, call, () => {})
  let members: Parameters<Policy["rebuild"]>[0] = []
  let known: ReadonlySet<unknown> = new Set()
  const safe: Policy = {
    name: policy.name,
    rebuild: (given) => {
      members = given
      known = new Set(given)
      guard("rebuild", () => policy.rebuild(given))
    },
    pick: (request) => {
      const first = () => firstAdmitted(members, 0, request)
      const picked = within("pick", () => policy.pick(request), first)
      if (picked === undefined || known.has(picked)) return picked
      const what = "picked something that is none of the members that rebuild gave it"
      onFault(new PolicyFault(`the policy in "${file}" ${what}`))
      return first()
    },
  }
  if (policy.onBegun !== undefined) {
    safe.onBegun = (backend, request) => guard("onBegun", () => policy.onBegun!(backend, request))
  }
  if (policy.onSettled !== undefined) {
    safe.onSettled = (backend, outcome, now) =>
      guard("onSettled", () => policy.onSettled!(backend, outcome, now))
  }
  if (policy.onReport !== undefined) {
    safe.onReport = (backend, report, now) => guard("onReport", () => policy.onReport!(backend, report, now))
  }
  if (policy.learn !== undefined) safe.learn = (knowledge) => guard("learn", () => policy.learn!(knowledge))
  if (policy.tick !== undefined) safe.tick = (now) => guard("tick", () => policy.tick!(now))
  return safe
}

/** Line and column in the file that the stack of an error names first, or the line alone, before a message. */
function placeOf(error: unknown, file: string): string {
  const stack = error instanceof Error ? (error.stack ?? "") : ""
  const at = stack.indexOf(`${baseOf(file)}:`)
  const [, place] = /^[^:]*:(\d+(?::\d+)?)/.exec(at === -1 ? "" : stack.slice(at)) ?? []
  return place === undefined ? "" : `line ${place}: `
}

function article(value: unknown): string {
  if (value === null) return "null"
  if (Array.isArray(value)) return "a list"
  return typeof value === "function" ? "a function" : `a ${typeof value}`
}

function messageOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split("\n", 1)[0]!
}
