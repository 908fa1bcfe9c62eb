/** The bodies of the control plane's calls: JSON, small, whole and in time. */
import type { IncomingMessage } from "node:http"
import { ok, type Result } from "../../core/result.ts"
import { KeptBytes } from "../../core/kept-bytes.ts"
import { type ApiError, type bodyErrors, refuse } from "./api-errors.ts"
import { parseJson, shapeFault } from "./json.ts"

type BodyError = ApiError<(typeof bodyErrors)[number]>

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
  budget: BodyBudget,
): Promise<Result<unknown, BodyError>> {
  const kept = new KeptBytes()
  const arrived = await read(request, bytesMax, (chunk) => {
    budget.take(request, chunk.length)
    kept.add(chunk)
  })
  budget.release(request)
  if (arrived === "too large") return refuse("body_too_large", `a body has at most ${bytesMax} bytes`)
  if (arrived === "cut") return refuse("request_timeout")
  const whole = Buffer.concat(kept.pieces)
  if (whole.length === 0) return ok(undefined)
  const { headers } = request
  const type = headers["content-type"]
  if (!/^application\/json\s*(;|$)/i.test(type ?? "") || headers["content-encoding"] !== undefined) {
    const found = type ?? "no Content-Type"
    return refuse(
      "unsupported_media_type",
      `a body must be application/json without a content coding; found ${found}`,
    )
  }
  const json = parseJson(whole)
  if (!json.ok) return refuse("invalid_json", `the body is not JSON: ${json.error}`)
  const fault = shapeFault(whole.toString())
  return fault === undefined ? json : refuse("invalid_body", `the body ${fault}`)
}

/**
 * Passes over the body of a request that is not for it: behind it comes the next request. One of more bytes than these
 * is left where it is. Never rejects.
 */
export async function skipBody(request: IncomingMessage, bytesMax: number): Promise<void> {
  await read(request, bytesMax, () => {})
}

/** Reads a body whole, unless it has more bytes than these or ends before it is whole. Never rejects. */
async function read(
  request: IncomingMessage,
  bytesMax: number,
  take: (chunk: Buffer) => void,
): Promise<"whole" | "too large" | "cut"> {
  if (Number(request.headers["content-length"] ?? 0) > bytesMax) return "too large"
  let bytes = 0
  try {
    // A request that is destroyed no longer shows that the rest of it is still to come.
    const pieces = request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>
    for await (const chunk of pieces) {
      bytes += chunk.length
      if (bytes > bytesMax) return "too large"
      take(chunk)
    }
    return "whole"
  } catch {
    return "cut"
  }
}
