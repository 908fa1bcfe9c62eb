/**
 * The words that schemas of settings are written in. The `error` of each is what is allowed, as the end of the
 * sentence "expected …"; `schema-issues.ts` makes sentences of them.
 */

import * as z from "zod"
import type { Millis } from "../core/clock.ts"
import { isMapping } from "./issue.ts"
import { durationExpected, durationPattern, formatDuration, parseDuration } from "./duration.ts"

const hour = 3_600_000

export function integer(min: number, max: number, fallback: number) {
  const error = `an integer from ${min} to ${max}`
  return z.int({ error }).min(min, { error }).max(max, { error }).default(fallback)
}

/**
 * A duration that must be there, written `5s` or 0 and read as whole milliseconds. In what a `mapping` reads, a
 * duration has `Ms` at the end of its name: `connect: 5s` is read as `connectMs: 5000`.
 */
export function span(minMs: Millis = 1, maxMs: Millis = 24 * hour): Span {
  const range = `${durationExpected}, from ${formatDuration(minMs)} to ${formatDuration(maxMs)}`
  const text = z.string().meta({ pattern: durationPattern })
  const schema = z
    .union([text, z.literal(0)], { error: durationExpected })
    .transform((value, check): Millis => {
      const ms = parseDuration(value)
      if (ms !== undefined && ms >= minMs && ms <= maxMs) return ms
      const message = ms === undefined ? durationExpected : range
      check.issues.push({ code: "custom", message, input: value })
      return z.NEVER
    })
  return schema.register(units, { unit: "ms" }) as unknown as Span
}

/** The same with a default. */
export function duration(fallback: string, minMs?: Millis, maxMs?: Millis): z.ZodPrefault<Span> {
  return span(minMs, maxMs).prefault(fallback)
}

declare const isSpan: unique symbol
/** The schema of a duration, which the type tells from that of any other number. */
export interface Span extends z.ZodType<Millis, string | 0> {
  readonly [isSpan]: true
}

const units = z.registry<{ readonly unit: "ms" }>()

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

/** A mapping in which unknown keys are errors; the error then lists the known ones, one per line. */
export function strict<T extends z.ZodRawShape>(shape: T): Strict<T> {
  const known = Object.keys(shape).join("\n")
  return z.strictObject(shape, {
    error: (issue) => (issue.code === "unrecognized_keys" ? known : "a mapping"),
  })
}

export type Strict<T extends z.ZodRawShape> = z.ZodObject<T, z.core.$strict>

/**
 * The same, read as the program has it: with every key of the shape, undefined where it is absent and has no default,
 * and with durations as `…Ms`.
 *
 * @param about what it is, for editors, where nothing else says so.
 */
export function mapping<T extends z.ZodRawShape>(shape: T, about?: string): Mapping<T> {
  const names = Object.entries(shape).map(([key, part]) => [key, nameOf(key, part)] as const)
  const schema = about === undefined ? strict(shape) : strict(shape).describe(about)
  return schema.transform((written) => {
    const values = written as Readonly<Record<string, unknown>>
    return Object.fromEntries(names.map(([key, name]) => [name, values[key]])) as Read<T>
  })
}

export type Mapping<T extends z.ZodRawShape> = z.ZodPipe<
  Strict<T>,
  z.ZodTransform<Read<T>, z.output<Strict<T>>>
>

/** What a mapping of this shape reads. */
export type Read<T extends z.ZodRawShape> = {
  readonly [K in keyof T & string as NameOf<K, T[K]>]: Frozen<z.output<T[K]>>
} & {}

/** Mappings are frozen as they are read. */
type Frozen<T> = T extends readonly unknown[] ? Readonly<T> : T

type NameOf<K extends string, T> = Bare<T> extends Span ? `${K}Ms` : K

/** Without what says that it may be absent. */
type Bare<T> =
  T extends z.ZodOptional<infer Inner> ? Bare<Inner> : T extends z.ZodPrefault<infer Inner> ? Bare<Inner> : T

function nameOf(key: string, part: z.core.$ZodType): string {
  return units.get(bare(part))?.unit === "ms" ? `${key}Ms` : key
}

function bare(part: z.core.$ZodType): z.core.$ZodType {
  return part instanceof z.ZodOptional || part instanceof z.ZodPrefault ? bare(part.unwrap()) : part
}

export function section<T extends z.ZodRawShape>(about: string, shape: T): z.ZodPrefault<Mapping<T>> {
  // Every key has a default, so the empty mapping is a value; TypeScript cannot know.
  return mapping(shape)
    .prefault({} as never)
    .describe(about)
}

/** Of the settings of a mapping, those that are mappings themselves and may be absent. */
export function sectionsOf<T extends z.ZodRawShape>({ in: { shape } }: Mapping<T>): string[] {
  return Object.keys(shape).filter((key) => {
    const part = shape[key]!
    return part !== bare(part) && readsMapping(bare(part))
  })
}

function readsMapping(part: z.core.$ZodType): boolean {
  return part instanceof z.ZodPipe ? readsMapping(part.in) : part instanceof z.ZodObject
}

/** A number within bounds, of which the error says the sentence itself: "a number above 0". */
export function number(error: string, isAllowed: (value: number) => boolean) {
  return z.number({ error }).refine(isAllowed, { error })
}

/** Values by names that the file chooses itself; `what` says of what. An empty mapping is refused where `min` is 1. */
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
  return strict(optional)
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
