/** What the calls of the admin API that change something have in common: who may, and what they say. */
import { createHash, timingSafeEqual } from "node:crypto"
import type { Context } from "hono"
import * as z from "zod"
import { fail, ok, type Result } from "../core/result.ts"
import { parseJson } from "./json.ts"
import type { PolicyChange, PolicyChangeError } from "./policy-desk.ts"
import { readBody as readWith } from "./registration-schema.ts"

export interface BodyError {
  readonly code: "invalid_json" | "body_too_large" | "unsupported_media_type"
  readonly message: string
}

/** Why a call may not change anything; undefined when it may. */
export function authorize(c: Context, token: string | undefined): "unauthorized" | "no_token" | undefined {
  if (token === undefined) return "no_token"
  const [, given] = /^Bearer +(\S+)$/i.exec(c.req.header("Authorization") ?? "") ?? []
  // Hashes are of one length, so that the comparison tells nothing about the token.
  return given !== undefined && timingSafeEqual(hashOf(given), hashOf(token)) ? undefined : "unauthorized"
}

/** The JSON of a body; undefined for an empty one. */
export async function readBody(c: Context, bytesMax: number): Promise<Result<unknown, BodyError>> {
  const type = c.req.header("Content-Type")
  if (!/^application\/json\s*(;|$)/i.test(type ?? "")) {
    const message = `a body must be application/json; found ${type ?? "no Content-Type"}`
    return fail({ code: "unsupported_media_type", message })
  }
  const tooLarge = fail<BodyError>({
    code: "body_too_large",
    message: `a body has at most ${bytesMax} bytes`,
  })
  if (Number(c.req.header("Content-Length") ?? 0) > bytesMax) return tooLarge
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of c.req.raw.body ?? []) {
    bytes += chunk.length
    if (bytes > bytesMax) return tooLarge
    chunks.push(chunk)
  }
  const json = parseJson(Buffer.concat(chunks))
  return json.ok ? json : fail({ code: "invalid_json", message: `the body is not JSON: ${json.error}` })
}

const policyChange = z.strictObject({
  name: z.string({ error: "the name of a policy" }),
  parameters: z.record(z.string(), z.unknown(), { error: "a JSON object with parameters" }).optional(),
  pool: z.string({ error: "the name of a pool" }).optional(),
})

/** What a body says of a change of policy, or its first mistake. */
export function policyChangeOf(body: unknown): Result<PolicyChange, PolicyChangeError> {
  const read = readWith(policyChange, body)
  return read.ok ? ok(read.value) : fail({ path: read.error.path ?? "", message: read.error.message })
}

function hashOf(token: string): Buffer {
  return createHash("sha256").update(token).digest()
}
