/**
 * Where backends announce themselves: the listener on :9797. Whoever can register here receives traffic, so it is
 * strict about who may: the token, the peer's address, and never a web page. Bodies are read from the raw
 * message, since the seed's backends announce with a GET that has one.
 */
import type { IncomingMessage, Server, ServerResponse } from "node:http"
import type { BlockList, Socket } from "node:net"
import type { Lease, Registry } from "../../membership/registry.ts"
import { registrationErrors, type RegistryError } from "../../membership/registry-errors.ts"
import { formatAddress } from "../../membership/address.ts"
import type { BackendId } from "../../core/backend.ts"
import type { Clock } from "../../core/clock.ts"
import { type Endpoint, plainIp } from "../../core/endpoint.ts"
import type { NamedAmounts } from "../../core/resources.ts"
import { fail, ok, type Result } from "../../core/result.ts"
import { contains, rangesOf } from "../../net/ip-ranges.ts"
import { presents } from "../api/bearer.ts"
import { BodyBudget, readJsonBody } from "../api/json-body.ts"
import { listening, type ListenerLimits, serverOf } from "../api/node-listener.ts"
import { announcedAddress, type AddressRules, elsewhere } from "./registration-address.ts"
import { hostsOf, namesHost, namesNeighbour } from "../api/web-pages.ts"
import { generationBody, readBody, registrationBody, renewalBody, seedBody } from "./registration-schema.ts"

export interface RegistrationLimits extends ListenerLimits {
  readonly bodyBytesMax: number
  /** Of all bodies that are under way together. */
  readonly bodiesBytesMax: number
}

export const registrationLimitsDefault: RegistrationLimits = {
  bodyBytesMax: 64 * 1024,
  bodiesBytesMax: 4 * 1024 * 1024,
  headBytesMax: 16 * 1024,
  requestMs: 5_000,
  connectionsMax: 4_096,
}

export interface RegistrationOptions extends AddressRules {
  readonly host: string
  /** 0 takes a free one. */
  readonly port: number
  readonly registry: Registry
  readonly clock: Clock
  /** What a peer must present as a Bearer token. */
  readonly token?: string
  /** CIDR ranges of the peers that may call; anybody who can connect without it. */
  readonly allow?: readonly string[]
  /** Names of this balancer in `Host`, besides addresses and names without a dot; they matter only without a token. */
  readonly hosts?: readonly string[]
  readonly limits?: Partial<RegistrationLimits>
  /** The registry may have a new snapshot. */
  onChange(): void
  /** A backend has said with a renewal how much of its resources is in use. */
  onUtilization?(id: BackendId, utilization: NamedAmounts): void
  /** Told of failures that are bugs, which the peer sees as `internal_error`. */
  readonly onBug?: (error: unknown) => void
}

export interface RegistrationListener {
  readonly address: Endpoint
  /** Refuses new connections and resolves when the last one is gone. */
  close(): Promise<void>
}

/** Opens the listener. Rejects when the address is taken. */
export async function startRegistration(options: RegistrationOptions): Promise<RegistrationListener> {
  const limits = { ...registrationLimitsDefault, ...options.limits }
  const api = new RegistrationApi(options, limits)
  const server = serverOf(limits, registrationErrors, (request, response) => api.answer(request, response))
  const address = await listening(server, options)
  let closing: Promise<void> | undefined
  return { address, close: () => (closing ??= closedAtOnce(server)) }
}

interface Answer {
  readonly status: number
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

const backendPath = /^\/v1\/backends\/([^/]+)(?:\/(renew|drain))?$/

class RegistrationApi {
  readonly #options: RegistrationOptions
  readonly #limits: RegistrationLimits
  readonly #allowed: BlockList | undefined
  readonly #hosts: ReadonlySet<string>
  readonly #bodies: BodyBudget
  /** Resolves with the last answer on a connection. */
  readonly #answered = new WeakMap<Socket, Promise<void>>()

  constructor(options: RegistrationOptions, limits: RegistrationLimits) {
    this.#options = options
    this.#limits = limits
    this.#hosts = hostsOf(options.hosts)
    this.#bodies = new BodyBudget(limits.bodiesBytesMax)
    this.#allowed = options.allow === undefined ? undefined : rangesOf(options.allow, "registration.allow")
  }

  /**
   * Requests that come on one connection without waiting take effect in the order in which they were sent, as
   * RFC 9112 9.3.2 asks of those that change something.
   */
  answer(request: IncomingMessage, response: ServerResponse): void {
    const before = this.#answered.get(request.socket) ?? Promise.resolve()
    this.#answered.set(
      request.socket,
      before
        .then(() => this.#answer(request, response))
        .catch((error: unknown) => this.#onBug(error, response)),
    )
  }

  #onBug(error: unknown, response: ServerResponse): void {
    this.#options.onBug?.(error)
    if (!response.writableEnded) response.destroy()
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let answer: Answer
    try {
      const result = await this.#route(request)
      answer = result.ok ? result.value : refusal(result.error)
      this.#options.onChange()
    } catch (error) {
      this.#options.onBug?.(error)
      answer = refusal({ code: "internal_error", message: registrationErrors.internal_error.meaning })
    }
    if (response.destroyed) return
    const text =
      answer.body === undefined || typeof answer.body === "string" ? answer.body : JSON.stringify(answer.body)
    response.writeHead(answer.status, {
      "Cache-Control": "no-store",
      ...(text === undefined
        ? {}
        : {
            "Content-Type":
              typeof answer.body === "string" ? "text/plain; charset=utf-8" : "application/json",
            "Content-Length": Buffer.byteLength(text),
          }),
      // What was not read of a request must not be taken for the next one.
      ...(request.complete ? {} : { Connection: "close" }),
      ...answer.headers,
    })
    response.end(text)
  }

  async #route(request: IncomingMessage): Promise<Result<Answer, RegistryError>> {
    const peer = peerOf(request.socket)
    const refused = this.#whyRefused(request, peer)
    if (refused !== undefined) return fail(refused)
    const read = await readJsonBody(request, this.#limits.bodyBytesMax, this.#bodies)
    if (!read.ok) return read
    const body = read.value
    const path = (request.url ?? "/").split("?", 1)[0]!

    if (path === "/") return this.#seedAnnouncement(body, peer)
    if (path === "/v1/backends") {
      return request.method === "GET" || request.method === "HEAD"
        ? ok(this.#list())
        : notAllowed(request, "GET, HEAD")
    }
    const match = backendPath.exec(path)
    if (match === null)
      return fail({ code: "not_found", message: `there is no ${path.slice(0, 200)}; see /v1/backends` })
    const id = decoded(match[1]!)
    const { method } = request
    const verb = match[2]
    if (verb !== undefined) {
      if (method !== "POST") return notAllowed(request, "POST")
      return verb === "renew" ? this.#renew(id, body) : this.#drain(id, body)
    }
    if (method === "PUT") return this.#register(id, body, peer)
    return method === "DELETE" ? this.#remove(id, body) : notAllowed(request, "PUT, DELETE")
  }

  #whyRefused(request: IncomingMessage, peer: string): RegistryError | undefined {
    const { headers } = request
    const site = headers["sec-fetch-site"]
    if (headers.origin !== undefined || (site !== undefined && site !== "none" && site !== "same-origin")) {
      return { code: "foreign_origin", message: registrationErrors.foreign_origin.meaning }
    }
    if (this.#allowed !== undefined && !contains(this.#allowed, peer)) {
      return { code: "peer_not_allowed", message: `${peer} is in none of the ranges of registration.allow` }
    }
    const { token } = this.#options
    if (token === undefined) return this.#whyForeign(request)
    if (presents(headers.authorization, token)) return undefined
    return { code: "unauthorized", message: registrationErrors.unauthorized.meaning }
  }

  /**
   * A page that made its own name lead here cannot know a token; without one, `Host` has to show that there is none.
   */
  #whyForeign(request: IncomingMessage): RegistryError | undefined {
    // Every browser sends one; some old clients of HTTP/1.0 do not.
    if (request.headers.host === undefined || namesNeighbour(request) || namesHost(request, this.#hosts)) {
      return undefined
    }
    const hosts = request.headersDistinct["host"]?.join(", ")
    const message = `Host "${hosts}" is not one address, one name without a dot, or one of registration.hosts`
    return { code: "foreign_host", message }
  }

  #register(id: string, body: unknown, peer: string): Result<Answer, RegistryError> {
    const read = readBody(registrationBody, body)
    if (!read.ok) return read
    const address = announcedAddress(read.value.address, peer, this.#options)
    if (!address.ok) return address
    const lease = this.#options.registry.register({ ...read.value, id, address: address.value }, this.#now())
    return lease.ok ? ok(leaseAnswer(lease.value, lease.value.created ? 201 : 200)) : lease
  }

  #renew(id: string, body: unknown): Result<Answer, RegistryError> {
    const read = readBody(renewalBody, body ?? {})
    if (!read.ok) return read
    const lease = this.#options.registry.renew(id, read.value, this.#now())
    if (!lease.ok) return lease
    const { utilization } = read.value
    if (utilization !== undefined) this.#options.onUtilization?.(lease.value.id, utilization)
    return ok(leaseAnswer(lease.value, 200))
  }

  #drain(id: string, body: unknown): Result<Answer, RegistryError> {
    const read = readBody(generationBody, body ?? {})
    if (!read.ok) return read
    const lease = this.#options.registry.drain(id, read.value.generation, this.#now())
    return lease.ok ? ok(leaseAnswer(lease.value, 200)) : lease
  }

  #remove(id: string, body: unknown): Result<Answer, RegistryError> {
    const read = readBody(generationBody, body ?? {})
    if (!read.ok) return read
    const removed = this.#options.registry.remove(id, read.value.generation)
    return removed.ok ? ok({ status: 204 }) : removed
  }

  /** Any method on `/` with `{"Compute-Vector": 20, "Storage-Vector": 13}`; the address is the peer's. */
  #seedAnnouncement(body: unknown, peer: string): Result<Answer, RegistryError> {
    if (body === undefined) {
      return fail({
        code: "invalid_body",
        message: 'expected {"Compute-Vector": 20, "Storage-Vector": 13}, or PUT /v1/backends/{id}',
      })
    }
    const read = readBody(seedBody, body)
    if (!read.ok) return read
    const { registry } = this.#options
    const names = registry.resources.map(({ name }) => name)
    if (names.toSorted().join() !== "compute,storage") {
      const message = `this announcement knows only compute and storage, and the resources here are ${names.join(", ")}; use PUT /v1/backends/{id}`
      return fail({ code: "invalid_body", message })
    }
    const capacity = { compute: read.value["Compute-Vector"], storage: read.value["Storage-Vector"] }
    const address = elsewhere({ host: peer, port: registry.legacyPort }, this.#options)
    if (!address.ok) return address
    const lease = registry.announce(peer, capacity, this.#now())
    return lease.ok ? ok({ status: 200, body: "Server accepted\n" }) : fail(inSeedWords(lease.error))
  }

  #list(): Answer {
    const { registry } = this.#options
    const now = this.#now()
    const backends = registry.snapshot.members.map((member) => {
      const { id, generation, scheme, state, reason, capacity, weight, zone, version, labels } = member
      const address = formatAddress(member.address)
      const lease = { keptBy: member.keptBy, expiresInMs: registry.details(id, now)?.expiresInMs }
      const known = {
        id,
        generation,
        address,
        scheme,
        state,
        reason,
        capacity,
        weight,
        zone,
        version,
        labels,
      }
      return Object.assign(known, { incarnation: member.incarnation, lease })
    })
    return { status: 200, body: { backends } }
  }

  #now(): number {
    return this.#options.clock.now()
  }
}

function closedAtOnce(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}

function leaseAnswer({ id, generation, ttlMs, renewMs, state }: Lease, status: number): Answer {
  return { status, body: { id, generation, ttlMs, renewMs, state } }
}

function refusal(error: RegistryError): Answer {
  const { code, message, path } = error
  const headers: Record<string, string> = {}
  if (code === "unauthorized") headers["WWW-Authenticate"] = "Bearer"
  if (code === "method_not_allowed") headers["Allow"] = message.slice(message.lastIndexOf(":") + 2)
  return {
    status: registrationErrors[code].status,
    body: { error: { code, message, ...(path === undefined ? {} : { path }) } },
    headers,
  }
}

function notAllowed(request: IncomingMessage, allow: string): Result<never, RegistryError> {
  return fail({
    code: "method_not_allowed",
    message: `${request.method} is not allowed here, only: ${allow}`,
  })
}

/** An error about a capacity, by the name that the seed's backends have for it. */
function inSeedWords({ code, message, path }: RegistryError): RegistryError {
  return path === undefined ? { code, message } : { code, message: seedWords(message), path: seedWords(path) }
}

function seedWords(text: string): string {
  return text.replace("capacity.compute", "Compute-Vector").replace("capacity.storage", "Storage-Vector")
}

function peerOf(socket: Socket): string {
  return plainIp(socket.remoteAddress ?? "")
}

/** A path segment; one whose percent-encoding is broken stays as it is, and is no valid id. */
function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment)
  } catch {
    return segment
  }
}
