import { fail, ok, type Result } from "../core/result.ts"
import { didYouMean } from "../text/suggest.ts"
import { counts } from "./counts/table.ts"
import { hashes } from "./hashes/table.ts"
import { prices } from "./prices/table.ts"
import { replicas } from "./replicas/table.ts"
import { reports } from "./reports/table.ts"
import { shapes } from "./shapes/table.ts"
import { times } from "./times/table.ts"
import { turns } from "./turns/table.ts"
import type { Parameter, Policy, PolicyContext, PolicyEntry } from "./policy.ts"

export type {
  AttemptResult,
  LoadMetric,
  Outcome,
  Parameter,
  PickRequest,
  Policy,
  PolicyContext,
  PolicyEntry,
  Prober,
} from "./policy.ts"

const builtIn = { ...prices, ...counts, ...times, ...reports, ...turns, ...hashes, ...shapes, ...replicas }

/** The names operators write. A new policy adds a line to its family's table; the exam finds it there. */
export type PolicyName = keyof typeof builtIn

const table: Record<PolicyName, PolicyEntry> = { ...builtIn }

/** All policies by name, in the order in which they are shown; the program's own come last. */
export const policies: Readonly<Record<PolicyName, PolicyEntry>> = table

/** Without the program's own. */
export const policyNames: readonly PolicyName[] = Object.keys(builtIn) as PolicyName[]

/** Adds a policy of the program's own to the table of this thread, under a name that no other has. */
export function addPolicy(name: string, entry: PolicyEntry): void {
  if (isPolicyName(name)) throw new Error(`there is a policy "${name}" already`)
  table[name as PolicyName] = entry
}

/** The policy that is used where none is named. */
export const policyDefault: PolicyName = "auto"

/** Whether this policy copies another program or paper, and is there to compare with. */
export function isReplica(name: PolicyName): boolean {
  return Object.hasOwn(replicas, name)
}

/** Whether there is a policy of this name, the program's own included. */
export function isPolicyName(text: string): text is PolicyName {
  return Object.hasOwn(policies, text)
}

/** A policy by name with its parameters, complete and checked. Plain data: it travels between threads as it is. */
export interface PolicySpec {
  /** As operators write it. */
  readonly name: PolicyName
  /** By name, complete and within their bounds. */
  readonly parameters: Readonly<Record<string, number>>
}

/** What is wrong with a parameter; `name` is "" when the policy's name itself is. */
export interface ParameterError {
  /** The parameter, or "". */
  readonly name: string
  /** What is allowed and what was found, as a sentence for the operator. */
  readonly message: string
}

/** Checks a policy's name and parameters as an operator wrote them, and fills in what was not given. */
export function policySpec(
  name: string,
  given: Readonly<Record<string, unknown>> = {},
): Result<PolicySpec, ParameterError> {
  if (!isPolicyName(name)) {
    const message = `there is no policy "${name}"${didYouMean(name, policyNames)}`
    return fail({ name: "", message })
  }
  const parameters = parametersOf(name, policies[name].parameters ?? {}, given)
  return parameters.ok ? ok({ name, parameters: parameters.value }) : parameters
}

/** Checks parameters as an operator wrote them against those that a policy has, and fills in what was not given. */
export function parametersOf(
  name: string,
  known: Readonly<Record<string, Parameter>>,
  given: Readonly<Record<string, unknown>>,
): Result<Readonly<Record<string, number>>, ParameterError> {
  for (const key of Object.keys(given)) {
    if (Object.hasOwn(known, key)) continue
    const all = Object.keys(known).join(", ")
    const message = `${name} has no parameter "${key}"${all === "" ? "; it has none" : `; it has ${all}`}`
    return fail({ name: key, message })
  }
  const parameters: Record<string, number> = {}
  for (const [key, parameter] of Object.entries(known)) {
    const value = Object.hasOwn(given, key) ? given[key] : parameter.default
    const { min, max, isInteger = false } = parameter
    if (
      typeof value !== "number" ||
      !(value >= min && value <= max) ||
      (isInteger && !Number.isInteger(value))
    ) {
      const kind = isInteger ? "an integer" : "a number"
      const message = `${key} must be ${kind} from ${min} to ${max}; found ${JSON.stringify(value)}`
      return fail({ name: key, message })
    }
    parameters[key] = value
  }
  return ok(parameters)
}

/** @throws Error when the policy is unsuitable for the resources: ask `policies[name].unsuitable` first. */
export function makePolicy(spec: PolicySpec, context: Omit<PolicyContext, "parameters">): Policy {
  return policies[spec.name].make({ ...context, parameters: spec.parameters })
}

/** The policy of this name as it is without any parameter given. */
export function plainPolicy(name: PolicyName): PolicySpec {
  const spec = policySpec(name)
  if (!spec.ok) throw new Error(spec.error.message)
  return spec.value
}
