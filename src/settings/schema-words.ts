/**
 * The words that schemas of settings are written in. The `error` of each is what is allowed, as the end of the
 * sentence "expected …"; `schema-issues.ts` makes sentences of them.
 */

import * as z from "zod"
import { durationExpected, durationPattern, formatDuration, parseDuration } from "../core/duration.ts"

const hour = 3_600_000

export function integer(min: number, max: number, fallback: number) {
  const error = `an integer from ${min} to ${max}`
  return z.int({ error }).min(min, { error }).max(max, { error }).default(fallback)
}

export function duration(fallback: string, minMs = 1, maxMs = 24 * hour) {
  const range = `${durationExpected}, from ${formatDuration(minMs)} to ${formatDuration(maxMs)}`
  const text = z.string().meta({ pattern: durationPattern })
  return z
    .union([text, z.number().min(0, { error: durationExpected })], { error: durationExpected })
    .transform((value, check) => {
      const ms = parseDuration(value)
      if (ms !== undefined && ms >= minMs && ms <= maxMs) return ms
      const message = ms === undefined ? durationExpected : range
      check.issues.push({ code: "custom", message, input: value })
      return z.NEVER
    })
    .prefault(fallback)
}

export function oneOf<const T extends readonly [string, ...string[]]>(names: T, fallback: T[number]) {
  return z.enum(names, { error: `one of ${names.join(", ")}` }).default(fallback)
}

export function flag(fallback: boolean) {
  return z.boolean({ error: "true or false" }).default(fallback)
}

export function matching(pattern: RegExp, error: string) {
  return z.string({ error }).regex(pattern, { error })
}

export function listOf<T extends z.ZodType>(item: T, what: string, max: number) {
  const error = `a list of 1 to ${max} ${what}`
  return z.array(item, { error }).min(1, { error }).max(max, { error })
}

/** A mapping in which unknown keys are errors; the error then lists the known ones, one a line. */
export function mapping<T extends z.ZodRawShape>(shape: T) {
  const known = Object.keys(shape).join("\n")
  return z.strictObject(shape, {
    error: (issue) => (issue.code === "unrecognized_keys" ? known : "a mapping"),
  })
}

export function section<T extends z.ZodRawShape>(about: string, shape: T) {
  // Every key has a default, so the empty mapping is a value; TypeScript cannot know.
  return mapping(shape)
    .prefault({} as never)
    .describe(about)
}
