/** What the calls of the admin API that change something have in common: who may, and what they say. */
import type { Context } from "hono"
import * as z from "zod"
import { fail, ok, type Result } from "../../core/result.ts"
import { presents } from "../api/bearer.ts"
import type { PolicyChange, PolicyChangeError } from "../policy-desk.ts"
import { readBody } from "../registration/registration-schema.ts"

/** Why a call may not change anything; undefined when it may. */
export function authorize(c: Context, token: string | undefined): "unauthorized" | "no_token" | undefined {
  if (token === undefined) return "no_token"
  return presents(c.req.header("Authorization"), token) ? undefined : "unauthorized"
}

const policyChange = z.strictObject({
  name: z.string({ error: "the name of a policy" }),
  parameters: z.record(z.string(), z.unknown(), { error: "a JSON object with parameters" }).optional(),
  pool: z.string({ error: "the name of a pool" }).optional(),
})

/** What a body says of a change of policy, or its first mistake. */
export function policyChangeOf(body: unknown): Result<PolicyChange, PolicyChangeError> {
  const read = readBody(policyChange, body)
  return read.ok ? ok(read.value) : fail({ path: read.error.path ?? "", message: read.error.message })
}
