import type * as z from "zod"
import { didYouMean } from "./suggest.ts"
import { shown, valueAt, type ConfigIssue } from "./issue.ts"

/** Keys of other products for which there is no key of ours, and what there is instead. */
const insteadOf: Readonly<Record<string, string>> = Object.fromEntries(
  ["servers", "server", "members", "targets", "endpoints", "nodes", "origins", "instances"].map((key) => [
    key,
    "backends announce themselves (docs/backends.md), and pools are parts of them",
  ]),
)

export type SchemaIssue = z.core.$ZodIssue

/**
 * What a person can mend, from what a schema of `schema-words.ts` found wrong with this input: what is allowed and
 * what is there, or for a key that does not exist the one that may have been meant.
 */
export function issuesOf(issue: SchemaIssue, input: unknown): ConfigIssue[] {
  const path = issue.path.filter((key) => typeof key !== "symbol")
  if (issue.code === "unrecognized_keys") {
    const known = issue.message.split("\n")
    return issue.keys.map((key) => {
      const instead = Object.hasOwn(insteadOf, key) ? `; ${insteadOf[key]}` : ""
      const hint = didYouMean(key, known) || instead || `; allowed here: ${known.join(", ")}`
      return { path: [...path, key], at: "key", message: `unknown key "${key}"${hint}`, found: undefined }
    })
  }
  const key = path.at(-1)
  if (issue.code === "invalid_key") {
    return [{ path, at: "key", message: `expected ${issue.message}`, found: shown(key) }]
  }
  const value = valueAt(input, path)
  if (value === undefined) {
    const message = `"${key}" is missing: expected ${issue.message}`
    return [{ path, at: "value", message, found: undefined }]
  }
  const found = key === "token" || key === "cookieKey" ? undefined : shown(value)
  return [{ path, at: "value", message: `expected ${issue.message}`, found }]
}
