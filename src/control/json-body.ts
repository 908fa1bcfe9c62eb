/** The bodies of the control plane's calls: JSON, small, whole and in time. */
import type { IncomingMessage } from "node:http"
import { fail, ok, type Result } from "../core/result.ts"
import { KeptBytes } from "../http1/kept-bytes.ts"
import { parseJson, shapeFault } from "./json.ts"

export interface BodyError {
  readonly code:
    | "body_too_large"
    | "request_timeout"
    | "unsupported_media_type"
    | "invalid_json"
    | "invalid_body"
    | "busy"
  /** For a person: what was found and what is allowed. */
  readonly message: string
}

/** The bytes of all bodies that are under way on one listener, bounded together. */
export class BodyBudget {
  #left: number

  constructor(bytesMax: number) {
    this.#left = bytesMax
  }

  /** Whether there was room for so many more. */
  take(bytes: number): boolean {
    if (bytes > this.#left) return false
    this.#left -= bytes
    return true
  }

  giveBack(bytes: number): void {
    this.#left += bytes
  }
}

/**
 * The JSON of a body of at most so many bytes; undefined when there is none. Never rejects.
 *
 * @param budget of this body and of those that come at the same time
 */
export async function readJsonBody(
  request: IncomingMessage,
  bytesMax: number,
  budget: BodyBudget = new BodyBudget(bytesMax),
): Promise<Result<unknown, BodyError>> {
  const { headers } = request
  const tooLarge = refused("body_too_large", `a body has at most ${bytesMax} bytes`)
  if (Number(headers["content-length"] ?? 0) > bytesMax) return tooLarge
  const kept = new KeptBytes()
  let bytes = 0
  let taken = 0
  try {
    // Of a request that is destroyed nobody sees any more that the rest of it is still to come.
    const pieces = request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>
    for await (const chunk of pieces) {
      bytes += chunk.length
      if (bytes > bytesMax) return tooLarge
      if (!budget.take(chunk.length)) return refused("busy", "too many bodies are under way; try again")
      taken += chunk.length
      kept.add(chunk)
    }
  } catch {
    return refused("request_timeout", "The request did not arrive whole in time.")
  } finally {
    budget.giveBack(taken)
  }
  if (bytes === 0) return ok(undefined)
  const type = headers["content-type"]
  if (!/^application\/json\s*(;|$)/i.test(type ?? "") || headers["content-encoding"] !== undefined) {
    const found = type ?? "no Content-Type"
    return refused(
      "unsupported_media_type",
      `a body must be application/json without a content coding; found ${found}`,
    )
  }
  const whole = Buffer.concat(kept.pieces)
  const json = parseJson(whole)
  if (!json.ok) return refused("invalid_json", `the body is not JSON: ${json.error}`)
  const fault = shapeFault(whole.toString())
  return fault === undefined ? json : refused("invalid_body", `the body ${fault}`)
}

function refused(code: BodyError["code"], message: string): Result<never, BodyError> {
  return fail({ code, message })
}
