/**
 * The admin listener: the page, the state behind it, the stream that keeps it live, and what can be changed.
 *
 * Changing anything needs the token, from a page or from curl.
 * Reading is open to whom `allow` names, by default this machine. A page of another origin gets nothing: neither by
 * asking directly (`Origin`, `Sec-Fetch-Site`) nor under a name that it made point here (`Host`).
 */

import type { IncomingMessage, Server, ServerResponse } from "node:http"
import type { BlockList } from "node:net"
import { getRequestListener, type HttpBindings } from "@hono/node-server"
import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response"
import { Hono, type Context } from "hono"
import { isSameHost, isSamePort } from "../../core/host.ts"
import type { Result } from "../../core/result.ts"
import type { Timers } from "../../system.ts"
import { readJsonBody } from "../api/json-body.ts"
import { listening, type ListenerLimits, serverOf } from "../api/node-listener.ts"
import { contains, rangesOf } from "../../net/ip-ranges.ts"
import { hostsOf, namesHost } from "../api/web-pages.ts"
import { authorize, policyChangeOf } from "./admin-calls.ts"
import { loadPageAssets, matchesTag, type PageAssets } from "./page-assets.ts"
import type { CurrentPolicy, PolicyChange, PolicyChangeError, PolicyView } from "../policy-desk.ts"
import type { StateView } from "../state-view.ts"

/** Everything that the admin listener can refuse with, and the status of the answer. */
export const adminErrors = {
  malformed_request: row(400, "The bytes on the connection are not an HTTP request."),
  invalid_json: row(400, "The body is not JSON; the message says where it stops being so."),
  invalid_body: row(400, "The body is JSON and not what was expected; path says where."),
  peer_not_allowed: row(403, "The peer's IP address is in none of the allowed ranges."),
  foreign_host: row(403, "Host is neither an IP address nor localhost nor a configured name."),
  foreign_origin: row(403, "The call comes from a web page of another origin."),
  unauthorized: row(401, "Changing anything needs the token of admin.token as a Bearer."),
  no_token: row(403, "Nothing can be changed here until admin.token or admin.tokenFile is set."),
  not_found: row(404, "There is no such path."),
  unknown_backend: row(404, "No member has this id."),
  method_not_allowed: row(405, "The path is known, the method is not; Allow lists those that are."),
  request_timeout: row(408, "The request did not arrive whole in time."),
  body_too_large: row(413, "The body is larger than limits.bodyBytesMax."),
  unsupported_media_type: row(415, "A body must be application/json, without a content coding."),
  head_too_large: row(431, "The head is larger than limits.headBytesMax."),
  internal_error: row(500, "The balancer failed; this is a bug."),
  not_ready: row(503, "No traffic can be taken; the message says why."),
  too_many_streams: row(503, "limits.streamsMax event streams are open."),
} as const satisfies Record<string, { readonly status: number; readonly meaning: string }>

export type AdminErrorCode = keyof typeof adminErrors

export interface AdminLimits extends ListenerLimits {
  /** Event streams at the same time; each is one of the connections. */
  readonly streamsMax: number
  readonly bodyBytesMax: number
  /** Time between two states on a stream. */
  readonly stateEveryMs: number
  /** How many states in a row a reader may be too slow to take before its stream is ended. */
  readonly statesMissedMax: number
}

export const adminLimitsDefault: AdminLimits = {
  streamsMax: 64,
  connectionsMax: 256,
  headBytesMax: 16 * 1024,
  bodyBytesMax: 64 * 1024,
  requestMs: 10_000,
  stateEveryMs: 500,
  statesMissedMax: 20,
}

export interface AdminOptions {
  readonly host: string
  /** 0 takes a free one. */
  readonly port: number
  /** The state now. Asked once a tick for all streams, and only while there are any. */
  readonly state: () => StateView
  readonly policies: readonly PolicyView[]
  /** Another policy from now on. */
  readonly changePolicy: (change: PolicyChange) => Result<CurrentPolicy, PolicyChangeError>
  /** Why no traffic can be taken, as a sentence; undefined when it can. */
  readonly unready: () => string | undefined
  readonly timers: Timers
  /** Addresses and CIDR ranges of those who may read; loopback without it. */
  readonly allow?: readonly string[]
  /** Names under which the page may be asked for, besides IP addresses and localhost. */
  readonly hosts?: readonly string[]
  /** What a call that changes something must present as a Bearer token; without it nothing can be changed. */
  readonly token?: string
  readonly limits?: Partial<AdminLimits>
  /** Told of failures that are bugs, which the peer sees as `internal_error`. */
  readonly onBug?: (error: unknown) => void
}

export interface Admin {
  readonly address: { readonly host: string; readonly port: number }
  /** Ends the streams, refuses new connections, and resolves when the last one is gone. */
  close(): Promise<void>
}

type Env = { Bindings: HttpBindings }

const allowDefault: readonly string[] = ["127.0.0.0/8", "::1/128"]

/** How long after `close` a request that is still being answered is cut off. */
const closeMsMax = 500

/** Every so many states a comment goes with the state, for what sits between and counts only those. */
const heartbeatEvery = 30

const headersAlways: readonly (readonly [name: string, value: string])[] = [
  [
    "Content-Security-Policy",
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
      "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  ],
  ["X-Content-Type-Options", "nosniff"],
  ["X-Frame-Options", "DENY"],
  ["Referrer-Policy", "no-referrer"],
  ["Cross-Origin-Resource-Policy", "same-origin"],
  ["Cross-Origin-Opener-Policy", "same-origin"],
  ["Cache-Control", "no-store"],
]

/** Opens the listener. Rejects when the address is taken or `allow` holds something that is no range. */
export async function startAdmin(options: AdminOptions): Promise<Admin> {
  const given = { ...adminLimitsDefault, ...options.limits }
  // Streams, which last, must leave room for the rest.
  const limits = { ...given, streamsMax: Math.min(given.streamsMax, Math.ceil(given.connectionsMax / 2)) }
  const allowed = rangesOf(options.allow ?? allowDefault, "admin.allow")
  const streams = new StateStreams(options, limits)
  const app = adminApp(options, limits, allowed, streams)
  const server = serverOf(limits, adminErrors, listenerOf(app, options))
  const address = await listening(server, options)
  let closing: Promise<void> | undefined
  return {
    address,
    close() {
      streams.end()
      return (closing ??= closed(server, options.timers))
    },
  }
}

function adminApp(
  options: AdminOptions,
  limits: AdminLimits,
  allowed: BlockList,
  streams: StateStreams,
): Hono<Env> {
  const app = new Hono<Env>()
  const hosts = hostsOf(options.hosts)
  let loading: Promise<PageAssets> | undefined

  app.use(async (c, next) => {
    for (const [name, value] of headersAlways) c.header(name, value)
    const refusal = refusalOf(c.env.incoming, allowed, hosts)
    return refusal === undefined ? next() : refuse(c, refusal)
  })

  app.get("/api/v1/state", (c) => c.json(options.state()))
  app.get("/api/v1/backends", (c) => c.json({ backends: options.state().backends }))
  app.get("/api/v1/backends/:id", (c) => {
    const id = c.req.param("id")
    const backend = options.state().backends.find((backend) => backend.id === id)
    return backend === undefined ? refuse(c, "unknown_backend") : c.json(backend)
  })
  app.get("/api/v1/policies", (c) => {
    const { policy, policies: current } = options.state()
    return c.json({ current: policy, inUse: current, policies: options.policies })
  })
  app.get("/api/v1/routes", (c) => c.json({ routes: options.state().routes }))
  app.post("/api/v1/policy", async (c) => {
    const refusal = authorize(c, options.token)
    if (refusal !== undefined) return refuse(c, refusal, undefined, bearer(refusal))
    const body = await readJsonBody(c.env.incoming, limits.bodyBytesMax)
    if (!body.ok) return refuse(c, body.error.code, body.error.message)
    const change = policyChangeOf(body.value)
    const changed = change.ok ? options.changePolicy(change.value) : change
    if (changed.ok) return c.json(changed.value)
    return refuseBody(c, changed.error)
  })
  app.get("/api/v1/events", (c) => {
    if (c.req.method === "HEAD") return c.body(null, 200, { "Content-Type": "text/event-stream" })
    return streams.open(c.env.outgoing) ? RESPONSE_ALREADY_SENT : refuse(c, "too_many_streams")
  })
  app.get("/healthz", (c) => c.text("ok\n"))
  app.get("/readyz", (c) => {
    const reason = options.unready()
    return reason === undefined ? c.text("ok\n") : refuse(c, "not_ready", reason)
  })
  for (const { path } of app.routes.slice()) {
    if (path === "/*") continue
    const Allow = path === "/api/v1/policy" ? "POST" : "GET, HEAD"
    app.all(path, (c) => refuse(c, "method_not_allowed", undefined, { Allow }))
  }

  app.all("*", async (c) => {
    loading ??= loadPageAssets()
    const assets = await loading.catch((error: unknown) => {
      loading = undefined
      throw error
    })
    const asset = assets.get(c.req.path)
    if (asset === undefined) return refuse(c, "not_found")
    if (c.req.method !== "GET" && c.req.method !== "HEAD") {
      return refuse(c, "method_not_allowed", undefined, { Allow: "GET, HEAD" })
    }
    c.header("Cache-Control", "no-cache")
    c.header("ETag", asset.etag)
    if (matchesTag(c.req.header("If-None-Match"), asset.etag)) return c.body(null, 304)
    return c.body(Buffer.from(asset.bytes), 200, { "Content-Type": asset.type })
  })

  app.onError((error, c) => {
    options.onBug?.(error)
    return refuse(c, "internal_error")
  })
  return app
}

/** Node's listener for the app. What the adapter itself cannot make a request of is answered like any other refusal. */
function listenerOf(
  app: Hono<Env>,
  options: AdminOptions,
): (incoming: IncomingMessage, outgoing: ServerResponse) => void {
  const listener = getRequestListener((request, env) => app.fetch(request, env), {
    overrideGlobalObjects: false,
    errorHandler: () =>
      Response.json(bodyOf("malformed_request"), { status: 400, headers: [...headersAlways].map(pair) }),
  })
  return (incoming, outgoing) => {
    listener(incoming, outgoing).catch((error: unknown) => options.onBug?.(error))
  }
}

/** The streams that are open. One state is computed a tick, made bytes once, and written to whoever can take it. */
class StateStreams {
  readonly #options: AdminOptions
  readonly #limits: AdminLimits
  readonly #readers = new Map<ServerResponse, { missed: number }>()
  #latest: Uint8Array | undefined
  #ticks = 0
  #stopTicking: (() => void) | undefined
  #ended = false

  constructor(options: AdminOptions, limits: AdminLimits) {
    this.#options = options
    this.#limits = limits
  }

  /** Starts a stream with the state now; false when there are enough. */
  open(outgoing: ServerResponse): boolean {
    if (this.#ended || this.#readers.size >= this.#limits.streamsMax) return false
    this.#latest ??= this.#message()
    outgoing.writeHead(200, [
      ...headersAlways.flat(),
      "Content-Type",
      "text/event-stream; charset=utf-8",
      "X-Accel-Buffering",
      "no",
      "Connection",
      "close",
    ])
    outgoing.write("retry: 1000\n\n")
    outgoing.write(this.#latest)
    this.#readers.set(outgoing, { missed: 0 })
    outgoing.once("close", () => this.#forget(outgoing))
    this.#stopTicking ??= this.#tickLater()
    return true
  }

  /** Ends them all; a reader that has not taken the last state yet is cut off. */
  end(): void {
    this.#ended = true
    // No tick may come between the end and the moment in which the connection is gone.
    this.#stopTicking?.()
    this.#stopTicking = undefined
    for (const outgoing of this.#readers.keys()) {
      if (outgoing.writableNeedDrain) outgoing.destroy()
      else outgoing.end()
    }
    this.#readers.clear()
  }

  #tickLater(): () => void {
    return this.#options.timers.set(this.#limits.stateEveryMs, () => this.#tick(), { unref: true })
  }

  #tick(): void {
    this.#stopTicking = this.#tickLater()
    const message = this.#message()
    this.#latest = message
    for (const [outgoing, reader] of this.#readers) {
      // A state supersedes the one before it, so a reader that is behind misses it rather than have it queued.
      if (!outgoing.writableNeedDrain) {
        reader.missed = 0
        outgoing.write(message)
      } else if (++reader.missed >= this.#limits.statesMissedMax) {
        outgoing.destroy()
      }
    }
  }

  #message(): Uint8Array {
    const beat = this.#ticks++ % heartbeatEvery === 0 ? ": linebacker\n\n" : ""
    return Buffer.from(`${beat}event: state\ndata: ${JSON.stringify(this.#options.state())}\n\n`)
  }

  #forget(outgoing: ServerResponse): void {
    this.#readers.delete(outgoing)
    if (this.#readers.size > 0) return
    this.#stopTicking?.()
    this.#stopTicking = undefined
    this.#latest = undefined
  }
}

/** Why a request may not be answered at all: undefined when it may. */
function refusalOf(
  incoming: IncomingMessage,
  allowed: BlockList,
  hosts: ReadonlySet<string>,
): AdminErrorCode | undefined {
  const peer = incoming.socket.remoteAddress ?? ""
  if (!contains(allowed, peer)) return "peer_not_allowed"

  if (!namesHost(incoming, hosts)) return "foreign_host"
  const { host = "", origin } = incoming.headers
  if (origin !== undefined && !isOriginOf(origin, host)) return "foreign_origin"
  // An image or a script of another page carries no Origin. Following a link to the page is welcome.
  const site = incoming.headers["sec-fetch-site"]
  const foreign = site === "cross-site" || site === "same-site"
  return foreign && incoming.headers["sec-fetch-mode"] !== "navigate" ? "foreign_origin" : undefined
}

/** Whether a page of this origin (RFC 6454 6.2) came from this very `Host`, over TLS or not. */
function isOriginOf(origin: string, host: string): boolean {
  const [, scheme, authority = ""] = /^(https?):\/\/([^/]+)$/i.exec(origin) ?? []
  if (scheme === undefined) return false
  const isTls = scheme.toLowerCase() === "https"
  return isSameHost(authority, host) && isSamePort(authority, host, isTls ? "https" : "http")
}

function refuse(
  c: Context<Env>,
  code: AdminErrorCode,
  message?: string,
  headers: Readonly<Record<string, string>> = {},
): Response {
  return c.json(bodyOf(code, message), adminErrors[code].status, headers)
}

/** A body that is JSON and says something that cannot be. */
function refuseBody(c: Context<Env>, { path, message }: PolicyChangeError): Response {
  return c.json({ error: { code: "invalid_body", message, path } }, adminErrors.invalid_body.status)
}

function bearer(refusal: AdminErrorCode): Readonly<Record<string, string>> {
  return refusal === "unauthorized" ? { "WWW-Authenticate": "Bearer" } : {}
}

function bodyOf(
  code: AdminErrorCode,
  message: string = adminErrors[code].meaning,
): { error: { code: AdminErrorCode; message: string } } {
  return { error: { code, message } }
}

function closed(server: Server, timers: Timers): Promise<void> {
  return new Promise((resolve, reject) => {
    const giveUp = timers.set(closeMsMax, () => server.closeAllConnections(), { unref: true })
    server.close((error) => {
      giveUp()
      if (error === undefined) resolve()
      else reject(error)
    })
    server.closeIdleConnections()
  })
}

function pair([name, value]: readonly [string, string]): [string, string] {
  return [name, value]
}

function row<const Status extends number>(
  status: Status,
  meaning: string,
): { readonly status: Status; readonly meaning: string } {
  return { status, meaning }
}
