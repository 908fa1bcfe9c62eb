/** The shapes of what backends send. Bounds and names of resources are the registry's matter. */
import * as z from "zod"
import { addressExpected } from "../../membership/address.ts"
import { fail, ok, type Result } from "../../core/result.ts"
import { didYouMean } from "../../text/suggest.ts"
import type { RegistryError } from "../../membership/registry-errors.ts"
import { shown } from "../../text/issue.ts"

const amount = z.number({ error: "a finite number" })
const amounts = z.record(z.string(), amount, { error: 'amounts by resource, like {"compute": 20}' })
const whole = z.int({ error: "a whole number" })
const generation = whole.optional()

export const registrationBody = z.strictObject({
  address: z.string({ error: addressExpected }),
  capacity: amounts,
  scheme: z.enum(["http", "https"], { error: '"http" or "https"' }).optional(),
  zone: z.string({ error: "text" }).optional(),
  version: z.string({ error: "text" }).optional(),
  labels: z.record(z.string(), z.string({ error: "text" }), { error: "texts by name" }).optional(),
  weight: amount.optional(),
  incarnation: whole.optional(),
  ttlMs: whole.optional(),
})

export const renewalBody = z.strictObject({
  generation,
  utilization: amounts.optional(),
  capacity: amounts.optional(),
  inFlight: whole.optional(),
})

export const generationBody = z.strictObject({ generation })

/** What the seed's backends announce; they know no other keys. */
export const seedBody = z.strictObject({ "Compute-Vector": amount, "Storage-Vector": amount })

const keyCharsMax = 60

/** The body, or its first mistake with the dotted path to it, what is allowed and what was found. */
export function readBody<T extends z.ZodType>(schema: T, body: unknown): Result<z.output<T>, RegistryError> {
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
    return fail({
      code: "invalid_body",
      message: `${path}: unknown key; allowed are ${known.join(", ")}${didYouMean(key, known)}`,
      path,
    })
  }
  const path = issue.path.join(".")
  const found = issue.path.reduce<unknown>(
    (value, key) =>
      typeof value === "object" && value !== null ? (value as Record<PropertyKey, unknown>)[key] : undefined,
    body,
  )
  const expected = issue.path.length === 0 ? "a JSON object" : issue.message
  const what = found === undefined ? "it is missing" : `found ${shown(found)}`
  return fail({
    code: "invalid_body",
    message: `${path === "" ? "the body" : path}: expected ${expected}, ${what}`,
    ...(path === "" ? {} : { path }),
  })
}
