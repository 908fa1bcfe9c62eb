/** The bodies of the control plane's calls: JSON, small, whole and in time. */
import type { IncomingMessage } from "node:http"
import { fail, ok, type Result } from "../../core/result.ts"
import { KeptBytes } from "../../http1/kept-bytes.ts"
import { parseJson, shapeFault } from "./json.ts"

export interface BodyError {
  readonly code:
    | "body_too_large"
    | "request_timeout"
    | "unsupported_media_type"
    | "invalid_json"
    | "invalid_body"

  /** For a person: what was found and what is allowed. */
  readonly message: string
}

/**
 * The bytes of all bodies that are under way on one listener, bounded together. Where one more does not fit, the one
 * that began first is ended: whole bodies come in a moment, so that it is one that keeps us waiting.
 */
export class BodyBudget {
  #left: number
  /** Bytes that each holds, in the order in which they began. */
  readonly #held = new Map<IncomingMessage, number>()

  /** @param bytesMax at least the most of one body */
  constructor(bytesMax: number) {
    this.#left = bytesMax
  }

  take(request: IncomingMessage, bytes: number): void {
    for (const oldest of this.#held.keys()) {
      if (bytes <= this.#left) break
      if (oldest === request) continue
      this.release(oldest)
      oldest.destroy()
    }
    this.#left -= bytes
    this.#held.set(request, (this.#held.get(request) ?? 0) + bytes)
  }

  /** The request's body is read, or given up. */
  release(request: IncomingMessage): void {
    this.#left += this.#held.get(request) ?? 0
    this.#held.delete(request)
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
  try {
    // Of a request that is destroyed nobody sees any more that the rest of it is still to come.
    const pieces = request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>
    for await (const chunk of pieces) {
      bytes += chunk.length
      if (bytes > bytesMax) return tooLarge
      budget.take(request, chunk.length)
      kept.add(chunk)
    }
  } catch {
    return refused("request_timeout", "The request did not arrive whole in time.")
  } finally {
    budget.release(request)
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
