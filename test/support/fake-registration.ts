/**
 * What a backend's tests stand on: a registration server that speaks the contract and remembers every call, and
 * time that passes when told.
 */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import type { AddressInfo, Socket } from "node:net"
import type { Clock, Millis } from "../../src/core/clock.ts"
import type { Timers } from "../../src/system.ts"

export interface RegistrationCall {
  readonly kind: "announce" | "renew" | "drain" | "leave" | "other"
  readonly method: string
  readonly path: string
  readonly id: string
  readonly authorization: string | undefined
  readonly contentType: string | undefined
  readonly body: Readonly<Record<string, unknown>>
}

export interface FakeAnswer {
  readonly status: number
  readonly body?: unknown
  readonly location?: string
}

export interface FakeRegistrationOptions {
  readonly port?: number
  readonly renewMs?: Millis
  readonly token?: string
}

/** Starts the fake on a free loopback port, or on the one given: a balancer that comes back. */
export async function startFakeRegistration(
  options: FakeRegistrationOptions = {},
): Promise<FakeRegistration> {
  const fake = new FakeRegistration(options)
  await fake.listen(options.port ?? 0)
  return fake
}

export class FakeRegistration {
  readonly calls: RegistrationCall[] = []
  /** Generations of the members by id. */
  readonly members: Map<string, number> = new Map()
  /** Responds before the contract does: `undefined` lets it respond, "silence" never does. */
  intercept: (call: RegistrationCall) => FakeAnswer | "silence" | undefined = () => undefined
  readonly #options: FakeRegistrationOptions
  readonly #server: Server = createServer((request, response) => void this.#answer(request, response))
  readonly #sockets = new Set<Socket>()
  #waiting: { readonly kind: string; resolve(call: RegistrationCall): void }[] = []
  #generation = 0

  constructor(options: FakeRegistrationOptions) {
    this.#options = options
    this.#server.on("connection", (socket) => {
      this.#sockets.add(socket)
      socket.on("close", () => this.#sockets.delete(socket))
    })
  }

  listen(port: number): Promise<void> {
    return new Promise((resolve) => this.#server.listen(port, "127.0.0.1", resolve))
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`
  }

  /** The next call of a kind from now on; calls already made do not count. */
  next(kind: RegistrationCall["kind"]): Promise<RegistrationCall> {
    const { promise, resolve } = Promise.withResolvers<RegistrationCall>()
    this.#waiting.push({ kind, resolve })
    return promise
  }

  /** Loses all members, as a restart does. */
  forget(): void {
    this.members.clear()
  }

  /** A newer instance takes the id. */
  supersede(id: string): void {
    this.members.set(id, ++this.#generation)
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve))
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const call = await callOf(request)
    const answer = this.intercept(call) ?? this.#contract(call)
    this.calls.push(call)
    if (answer !== "silence") {
      response.statusCode = answer.status
      response.setHeader("content-type", "application/json")
      if (answer.location !== undefined) response.setHeader("location", answer.location)
      response.end(typeof answer.body === "string" ? answer.body : JSON.stringify(answer.body))
    }
    const heard = this.#waiting.filter((waiter) => waiter.kind === call.kind)
    this.#waiting = this.#waiting.filter((waiter) => waiter.kind !== call.kind)
    for (const waiter of heard) waiter.resolve(call)
  }

  #contract(call: RegistrationCall): FakeAnswer {
    const { token, renewMs = 2_000 } = this.#options
    if (token !== undefined && call.authorization !== `Bearer ${token}`) {
      return refusal(401, "unauthorized", "a token is needed")
    }
    const bare = Object.keys(call.body).length === 0
    if (!bare && call.contentType !== "application/json")
      return refusal(415, "not_json", "send application/json")
    const generation = this.members.get(call.id)
    switch (call.kind) {
      case "announce":
        this.members.set(call.id, generation ?? ++this.#generation)
        return {
          status: generation === undefined ? 201 : 200,
          body: {
            id: call.id,
            generation: this.members.get(call.id),
            ttlMs: 10_000,
            renewMs,
            state: "probing",
          },
        }
      case "renew":
      case "drain":
      case "leave":
        if (generation === undefined) return refusal(404, "unknown_backend", `"${call.id}" is not a member`)
        if ((call.body["generation"] ?? generation) !== generation)
          return refusal(409, "stale_generation", "a newer one holds it")
        if (call.kind !== "leave") return { status: 200, body: { id: call.id, generation } }
        this.members.delete(call.id)
        return { status: 204 }
      case "other":
        return refusal(404, "not_found", call.path)
    }
  }
}

function refusal(status: number, code: string, message: string): FakeAnswer {
  return { status, body: { error: { code, message } } }
}

async function callOf(request: IncomingMessage): Promise<RegistrationCall> {
  let text = ""
  for await (const chunk of request) text += String(chunk)
  const { method = "", url: path = "" } = request
  const [, id = "", action = ""] = /^\/v1\/backends\/([^/]+)(?:\/([a-z]+))?$/.exec(path) ?? []
  return {
    kind: kinds[`${method} ${action}`.trim()] ?? "other",
    method,
    path,
    id: decodeURIComponent(id),
    authorization: request.headers.authorization,
    contentType: request.headers["content-type"],
    body: text === "" ? {} : (JSON.parse(text) as Record<string, unknown>),
  }
}

const kinds: Readonly<Record<string, RegistrationCall["kind"]>> = {
  PUT: "announce",
  "POST renew": "renew",
  "POST drain": "drain",
  DELETE: "leave",
}

/** Time that passes when told: a clock with its timers. */
export class VirtualTime implements Clock, Timers {
  #now: Millis
  #timers: { readonly at: Millis; readonly fn: () => void }[] = []

  constructor(now: Millis = 0) {
    this.#now = now
  }

  now(): Millis {
    return this.#now
  }

  set(ms: Millis, fn: () => void): () => void {
    const timer = { at: this.#now + ms, fn }
    this.#timers.push(timer)
    this.#timers.sort((a, b) => a.at - b.at)
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer)
    }
  }

  /** How long each timer has still to wait, soonest first. */
  get waits(): readonly Millis[] {
    return this.#timers.map((timer) => timer.at - this.#now)
  }

  /** Lets time pass, and the timers that come due in it run at their own times. */
  pass(ms: Millis): void {
    const until = this.#now + ms
    for (let next = this.#timers[0]; next !== undefined && next.at <= until; next = this.#timers[0]) {
      this.#timers.shift()
      this.#now = next.at
      next.fn()
    }
    this.#now = until
  }
}

/** Gives the event loop turns, without waiting, until the claim holds. Fails after about two seconds. */
export async function eventually(claim: () => boolean): Promise<void> {
  const until = performance.now() + 2_000
  while (!claim()) {
    if (performance.now() > until) throw new Error(`never happened: ${String(claim)}`)
    await new Promise((resolve) => setImmediate(resolve))
  }
}
