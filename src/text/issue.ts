/** The words for what is wrong in a configuration, wherever it came from. */

/** Keys and indexes that lead to a setting: `["resources", 0, "name"]`. */
export type ConfigPath = readonly (string | number)[]

/** One mistake in a configuration. */
export interface ConfigIssue {
  readonly path: ConfigPath
  /** Whether the key itself is wrong, or what stands there. */
  readonly at: "key" | "value"
  /** What is wrong or allowed: `expected a duration with its unit, like 5s or 250ms`. */
  readonly message: string
  /** What stands there, as a message shows it; undefined where that says nothing or must stay secret. */
  readonly found: string | undefined
}

/**
 * Stands for a value that could not be made out and was reported where that happened. It is never reported
 * again, nor is anything that follows from it.
 */
export const unresolved: unique symbol = Symbol("unresolved")

/** A value as messages show it: short, and never across lines. */
export function shown(value: unknown): string {
  if (value === null) return "nothing"
  if (Array.isArray(value)) return value.length === 0 ? "an empty list" : "a list"
  if (typeof value === "object") return "a mapping"
  if (typeof value === "number" || typeof value === "boolean") return String(value)
  if (typeof value !== "string") return `a ${typeof value}`
  return JSON.stringify(value.length > 60 ? `${value.slice(0, 59)}…` : value)
}

export function valueAt(input: unknown, path: ConfigPath): unknown {
  let value = input
  for (const key of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return undefined
    value = (value as Record<string | number, unknown>)[key]
  }
  return value
}

export function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value)
}
