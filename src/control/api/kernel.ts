/**
 * Serves an API of the control plane by the table of its calls. All that calls have in common is here and in what is
 * imported here: which requests are served, bodies within their limits, errors, methods, responses. Cold.
 *
 * It stands on `node:http` directly, since the seed's backends announce themselves with a GET that has a body.
 */
import type { IncomingMessage, ServerResponse } from "node:http"
import type { Socket } from "node:net"
import type * as z from "zod"
import type { Millis } from "../../core/clock.ts"
import { type Endpoint, plainIp } from "../../core/endpoint.ts"
import { ok, type Result } from "../../core/result.ts"
import type { Timers } from "../../system.ts"
import { type ApiError, apiErrors, refuse } from "./api-errors.ts"
import { readBody } from "./body-shape.ts"
import {
  type Api,
  type Call,
  type CallInput,
  eventStreamType,
  type Promised,
  type Reply,
  type Stream,
} from "./call.ts"
import { CallTable } from "./call-table.ts"
import { Door, type DoorSettings } from "./door.ts"
import { BodyBudget, readJsonBody, skipBody } from "./json-body.ts"
import { closed, listening, type ListenerLimits, serverOf } from "./node-listener.ts"

export interface ApiLimits extends ListenerLimits {
  readonly bodyBytesMax: number
  /** Of all bodies that are under way together. */
  readonly bodiesBytesMax: number
}

export interface ApiOptions extends Endpoint, DoorSettings {
  readonly limits: ApiLimits
  /** How long after `close` a request that is still being served is cut off; at once without it. */
  readonly closing?: { readonly timers: Timers; readonly ms: Millis }
  /** A call that may have changed something has been made. What it throws is a bug of the call. */
  readonly onWritten?: () => void
  /** Told of failures that are bugs, which the caller sees as `internal_error`. */
  readonly onBug?: ((error: unknown) => void) | undefined
}

export interface ApiListener {
  /** Where it really listens. */
  readonly address: Endpoint
  /** Refuses new connections, and resolves when the last one is gone. Again is the same as once. */
  close(): Promise<void>
}

/**
 * Opens a listener for the API. Rejects with the system's error when the address is taken, and when `allow` holds
 * something that is no range.
 */
export async function serveApi<Services>(
  api: Api<Services>,
  services: Services,
  options: ApiOptions,
): Promise<ApiListener> {
  const kernel = new Kernel(api, services, options)
  const server = serverOf(options.limits, (request, response) => kernel.serve(request, response))
  const address = await listening(server, options)
  let closing: Promise<void> | undefined
  return { address, close: () => (closing ??= closed(server, options.closing)) }
}

/** A response, ready to be written. */
interface Sent {
  readonly status: number
  readonly body: string | Uint8Array | Stream | undefined
  readonly headers: Readonly<Record<string, string>>
}

class Kernel<Services> {
  readonly #api: Api<Services>
  readonly #services: Services
  readonly #options: ApiOptions
  readonly #table: CallTable<Services>
  readonly #door: Door
  readonly #bodies: BodyBudget
  /** Resolves with the last response on a connection. */
  readonly #served = new WeakMap<Socket, Promise<void>>()

  constructor(api: Api<Services>, services: Services, options: ApiOptions) {
    this.#api = api
    this.#services = services
    this.#options = options
    this.#table = new CallTable(api.calls)
    this.#door = new Door(api.access, options)
    this.#bodies = new BodyBudget(options.limits.bodiesBytesMax)
  }

  /**
   * Requests that come on one connection without waiting take effect in the order in which they were sent, as
   * RFC 9112 9.3.2 asks of those that change something.
   */
  serve(request: IncomingMessage, response: ServerResponse): void {
    const before = this.#served.get(request.socket) ?? Promise.resolve()
    this.#served.set(
      request.socket,
      before
        .then(() => this.#serve(request, response))
        .catch((error: unknown) => {
          this.#options.onBug?.(error)
          response.destroy()
        }),
    )
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let sent: Sent
    try {
      const replied = await this.#reply(request)
      sent = replied.ok ? replied.value : this.#refusal(replied.error)
    } catch (error) {
      this.#options.onBug?.(error)
      sent = this.#refusal({ code: "internal_error", message: apiErrors.internal_error.meaning })
    }
    if (!response.destroyed) this.#send(sent, request, response)
  }

  async #reply(request: IncomingMessage): Promise<Result<Sent, ApiError>> {
    const method = request.method ?? ""
    const { path, query } = targetOf(request.url ?? "")
    const peer = plainIp(request.socket.remoteAddress ?? "")
    const found = this.#table.find(method, path)
    const { call } = found ?? {}
    const refused = this.#door.whyRefused(request, peer, call?.right ?? "read")
    if (refused !== undefined) return refused
    if (call?.body === undefined) await skipBody(request, this.#options.limits.bodyBytesMax)
    if (found === undefined) {
      return refuse("not_found", `there is no ${path.slice(0, 200)}; /openapi.json has all calls`)
    }
    if (call === undefined) {
      const message = `${method} is not allowed here, only: ${found.allowed}`
      return ok(this.#refusal({ code: "method_not_allowed", message }, { Allow: found.allowed }))
    }
    const queried = readQuery(found.query, query)
    if (!queried.ok) return queried
    const body = await this.#bodyOf(call, request)
    if (!body.ok) return body
    const fields = fieldsOf(call, request)
    const input = { path: found.path, query: queried.value, fields, body: body.value, peer }
    const reply = await call.handle(input, this.#services)
    if (call.right === "write") this.#options.onWritten?.()
    return reply.ok ? ok(sentOf(reply.value, call.responses[reply.value.status]!)) : reply
  }

  async #bodyOf({ body }: Call<Services>, request: IncomingMessage): Promise<Result<unknown, ApiError>> {
    if (body === undefined) return ok(undefined)
    const json = await readJsonBody(request, this.#options.limits.bodyBytesMax, this.#bodies)
    if (!json.ok) return json
    // null says no more than nothing.
    const isNothing = json.value === undefined || json.value === null
    if (isNothing && !body.required) return ok(undefined)
    return readBody(body.schema, json.value, this.#api.wholeBodyPath)
  }

  #refusal({ code, message, path }: ApiError, headers: Sent["headers"] = {}): Sent {
    const error = { code, message, ...(path === undefined ? {} : { path }) }
    const fields = code === "unauthorized" ? { ...headers, "WWW-Authenticate": "Bearer" } : headers
    return jsonSent(apiErrors[code].status, { error }, fields)
  }

  #send({ status, body, headers }: Sent, request: IncomingMessage, response: ServerResponse): void {
    const isStream = typeof body === "function"
    response.writeHead(status, {
      ...this.#api.headers,
      ...(body === undefined || isStream ? {} : { "Content-Length": Buffer.byteLength(body) }),
      // What was not read of a request must not be taken for the next one.
      ...(request.complete && !isStream ? {} : { Connection: "close" }),
      ...headers,
    })
    if (isStream && request.method !== "HEAD") body(response)
    else response.end(isStream ? undefined : body)
  }
}

/** The path of a target as it came, and its query. Any target has one (RFC 9112 3.2): what is no path is not found. */
function targetOf(target: string): { readonly path: string; readonly query: string } {
  // A server takes the absolute form too (RFC 9112 3.2.2).
  const local = target.replace(/^https?:\/\/[^/?]*/i, "")
  const at = local.indexOf("?")
  return at === -1 ? { path: local, query: "" } : { path: local.slice(0, at), query: local.slice(at + 1) }
}

/** The fields that a call reads, and no others. */
function fieldsOf({ parameters }: Call<never>, { headers }: IncomingMessage): CallInput["fields"] {
  return Object.fromEntries(Object.keys(parameters?.fields ?? {}).map((name) => [name, headers[name]]))
}

/** Of a parameter that is there several times the last counts; those that are not known are left alone. */
function readQuery(
  parameters: z.ZodObject | undefined,
  query: string,
): Result<CallInput["query"], ApiError<"invalid_parameter">> {
  if (parameters === undefined) return ok({})
  const read = parameters.safeParse(Object.fromEntries(new URLSearchParams(query)))
  if (read.success) return ok(read.data)
  const [{ path, message }] = read.error.issues as [z.core.$ZodIssue]
  return refuse("invalid_parameter", `${path.join(".")}: expected ${message}`, path.join("."))
}

/** A reply in the form in which it is promised. */
function sentOf({ status, body, headers = {} }: Reply, { json, events, media }: Promised): Sent {
  if (json !== undefined) return jsonSent(status, body, headers)
  if (events !== undefined) {
    const fields = { "Content-Type": eventStreamType, "X-Accel-Buffering": "no" }
    return { status, body: body as Stream, headers: { ...fields, ...headers } }
  }
  if (media === undefined) return { status, body: undefined, headers }
  return { status, body: body as string | Uint8Array, headers: { "Content-Type": media[0], ...headers } }
}

function jsonSent(status: number, value: unknown, headers: Sent["headers"]): Sent {
  return { status, body: JSON.stringify(value), headers: { "Content-Type": "application/json", ...headers } }
}
