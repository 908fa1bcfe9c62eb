/**
 * The words that schemas of settings are written in. The `error` of each is what is allowed, as the end of the
 * sentence "expected …"; `schema-issues.ts` makes sentences of them.
 */

import * as z from "zod"
import { isMapping } from "./issue.ts"
import { durationExpected, durationPattern, formatDuration, parseDuration } from "./duration.ts"

const hour = 3_600_000

export function integer(min: number, max: number, fallback: number) {
  const error = `an integer from ${min} to ${max}`
  return z.int({ error }).min(min, { error }).max(max, { error }).default(fallback)
}

export function duration(fallback: string, minMs = 1, maxMs = 24 * hour) {
  const range = `${durationExpected}, from ${formatDuration(minMs)} to ${formatDuration(maxMs)}`
  const text = z.string().meta({ pattern: durationPattern })
  return z
    .union([text, z.literal(0)], { error: durationExpected })
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

/** A number within bounds, of which the error says the sentence itself: "a number above 0". */
export function number(error: string, isAllowed: (value: number) => boolean) {
  return z.number({ error }).refine(isAllowed, { error })
}

/** By names that the file chooses itself; `error` says what. An empty mapping is refused where `min` is 1. */
export function named<T extends z.ZodType>(
  name: RegExp,
  nameError: string,
  item: T,
  what: string,
  min: 0 | 1,
) {
  const error = min === 0 ? what : `${what}, at least one`
  return z
    .record(z.string().regex(name, { error: nameError }), item, {
      error: (issue) => keyError(issue) ?? error,
    })
    .refine((value) => Object.keys(value).length >= min, { error })
}

function keyError(issue: z.core.$ZodRawIssue): string | undefined {
  return issue.code === "invalid_key" ? issue.issues[0]?.message : undefined
}

/**
 * One of several forms, told apart by the one key of a mapping (`{exponential: 1}`), so that a mistake inside is
 * reported where it stands. Exactly one of the keys must be there.
 */
export function tagged<T extends z.ZodRawShape>(shape: T, expected: string) {
  const optional = Object.fromEntries(
    Object.entries(shape).map(([key, part]) => [key, (part as z.ZodType).optional()]),
  )
  return mapping(optional)
    .check(({ value, issues }) => {
      // A key that is not known says all there is to say.
      if (issues.length > 0 || Object.keys(value).length === 1) return
      issues.push({ code: "custom", message: expected, input: value })
    })
    .meta({ minProperties: 1, maxProperties: 1 }) as unknown as z.ZodType<Tagged<T>>
}

/** What `tagged` reads: one of the keys with its value. */
export type Tagged<T extends z.ZodRawShape> = {
  [K in keyof T]: { readonly [key in K]: z.output<T[K]> } & {
    readonly [key in Exclude<keyof T, K>]?: undefined
  }
}[keyof T]

/** A plain value or a mapping. Unlike `z.union` it reports what is wrong inside the mapping, and where. */
export function either<S extends z.ZodType, M extends z.ZodType>(
  scalar: S,
  mapped: M,
): z.ZodType<z.output<S> | z.output<M>> {
  const schema = z.unknown().transform((value, check): z.output<S> | z.output<M> => {
    const result = (isMapping(value) ? mapped : scalar).safeParse(value)
    if (result.success) return result.data
    for (const issue of result.error.issues) check.issues.push({ ...issue, input: value } as never)
    return z.NEVER
  })
  // Nothing can be read off a function, so editors are told here.
  return schema.meta({ anyOf: [jsonForm(scalar), jsonForm(mapped)] })
}

function jsonForm(schema: z.ZodType): object {
  const { $schema: _, ...form } = z.toJSONSchema(schema, { io: "input" })
  return form
}
