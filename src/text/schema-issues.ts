import type * as z from "zod"
import { fail, ok, type Result } from "../core/result.ts"
import { didYouMean } from "./suggest.ts"
import { shown, valueAt, type ConfigIssue } from "./issue.ts"

/** Keys of other products for which there is no key of ours, and what there is instead. */
const insteadOf: Readonly<Record<string, string>> = Object.fromEntries(
  ["servers", "server", "members", "targets", "endpoints", "nodes", "origins", "instances"].map((key) => [
    key,
    "backends are listed in backends or announce themselves (docs/backends.md), and pools are parts of them",
  ]),
)

/** What a schema of `schema-words.ts` reads, or all that is wrong with the input. */
export function readBy<T extends z.ZodType>(
  schema: T,
  input: unknown,
): Result<z.output<T>, readonly ConfigIssue[]> {
  // Settings are read once: to make code for that takes longer than to do without.
  const result = schema.safeParse(input, { jitless: true })
  if (result.success) return ok(result.data)
  return fail(result.error.issues.flatMap((issue) => issuesOf(issue, input)))
}

/** What is allowed and what is there, or for a key that does not exist the one that may have been meant. */
function issuesOf(issue: z.core.$ZodIssue, input: unknown): ConfigIssue[] {
  const path = issue.path.filter((key) => typeof key !== "symbol")
  if (issue.code === "unrecognized_keys") {
    const known = issue.message.split("\n")
    return issue.keys.map((key) => {
      const instead = Object.hasOwn(insteadOf, key) ? `; ${insteadOf[key]}` : ""
      const hint = didYouMean(key, known) || instead || `; allowed here: ${known.join(", ")}`
      return { path: [...path, key], at: "key", message: `unknown key "${key}"${hint}`, found: undefined }
    })
  }
  if (issue.code === "invalid_union") {
    const inside = issue.errors.map((branch) => branch.map((one) => within(issue, one)))
    const meant = inside.find((branch) => branch.some((one) => isDeeper(one, issue)))
    if (meant !== undefined) return meant.flatMap((one) => issuesOf(one, input))
  }
  const key = path.at(-1)
  if (issue.code === "invalid_key") {
    return [{ path, at: "key", message: `expected ${issue.message}`, found: shown(key) }]
  }
  const value = valueAt(input, path)
  if (value === undefined && typeof key === "string") {
    const message = `"${key}" is missing: expected ${issue.message}`
    return [{ path, at: "value", message, found: undefined }]
  }
  const found = key === "token" || key === "cookieKey" ? undefined : shown(value ?? null)
  return [{ path, at: "value", message: `expected ${issue.message}`, found }]
}

/** An issue of one of the ways in which something may be written, with its whole path. */
function within(union: z.core.$ZodIssue, issue: z.core.$ZodIssue): z.core.$ZodIssue {
  return { ...issue, path: [...union.path, ...issue.path] }
}

/** Whether it is about something further within: this way of writing was meant. */
function isDeeper(issue: z.core.$ZodIssue, union: z.core.$ZodIssue): boolean {
  return issue.code === "unrecognized_keys" || issue.path.length > union.path.length
}
