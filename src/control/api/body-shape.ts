/** What is said of JSON that has not the shape of its schema. */
import * as z from "zod"
import { ok, type Result } from "../../core/result.ts"
import { shown } from "../../text/issue.ts"
import { didYouMean } from "../../text/suggest.ts"
import { type ApiError, refuse } from "./api-errors.ts"

const keyCharsMax = 60

/** An object with these keys and no others; `expected` ends the sentence "expected …". */
export function jsonObject<Shape extends z.ZodRawShape>(
  shape: Shape,
  expected = "a JSON object",
): z.ZodObject<Shape, z.core.$strict> {
  return z.strictObject(shape, { error: expected })
}

/**
 * The body, or its first mistake with the dotted path to it, what is allowed and what was found.
 *
 * @param wholePath the path when the whole body is meant
 */
export function readBody<T extends z.ZodType>(
  schema: T,
  body: unknown,
  wholePath?: string,
): Result<z.output<T>, ApiError<"invalid_body">> {
  const result = schema.safeParse(body)
  if (result.success) return ok(result.data)
  const { issues } = result.error
  // A mistyped key is usually also a missing one, and says more.
  const issue = issues.find(({ code }) => code === "unrecognized_keys") ?? issues[0]!
  if (issue.code === "unrecognized_keys") {
    // As much of it as a message can show.
    const key = issue.keys[0]!.slice(0, keyCharsMax)
    const known = schema instanceof z.ZodObject ? Object.keys(schema.shape) : []
    const path = [...issue.path, key].join(".")
    const message = `${path}: unknown key; allowed are ${known.join(", ")}${didYouMean(key, known)}`
    return refuse("invalid_body", message, path)
  }
  const path = issue.path.join(".")
  const found = issue.path.reduce<unknown>(
    (value, key) =>
      typeof value === "object" && value !== null ? (value as Record<PropertyKey, unknown>)[key] : undefined,
    body,
  )
  const what = found === undefined ? "it is missing" : `found ${shown(found)}`
  const message = `${path === "" ? "the body" : path}: expected ${issue.message}, ${what}`
  return refuse("invalid_body", message, path === "" ? wholePath : path)
}
