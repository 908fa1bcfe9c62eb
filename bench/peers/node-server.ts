/** What both proxies on node:http share: listeners, backends with the fewest requests, and the fields that are added. */
import { readFileSync } from "node:fs"
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from "node:http"
import { createServer as createTlsServer } from "node:https"
import { createRequire } from "node:module"
import { join } from "node:path"
import { type Certificate, clientIdleSeconds } from "./peer.ts"

interface Settings {
  readonly port: number
  readonly tlsPort: number
  readonly backends: readonly number[]
  readonly certificate: Certificate
  readonly modules: string
}

export interface Choice {
  readonly origin: string
  inFlight: number
}

export const settings = JSON.parse(process.argv[2]!) as Settings

/** A package from the folder in which the peers are installed. */
export function peerPackage(name: string): unknown {
  return createRequire(join(settings.modules, "here.js"))(name)
}

export const choices: readonly Choice[] = settings.backends.map((port) => ({
  origin: `http://127.0.0.1:${port}`,
  inFlight: 0,
}))

let turn = 0

/** The backend with the fewest requests in flight, ties in turn. Counts the request until its response has closed. */
export function leastConnections(response: ServerResponse): number {
  turn++
  let best = turn % choices.length
  for (let i = 0; i < choices.length; i++) if (choices[i]!.inFlight < choices[best]!.inFlight) best = i
  const choice = choices[best]!
  choice.inFlight++
  response.once("close", () => choice.inFlight--)
  return best
}

/** The request's fields as they go on: without those of this hop, with what a proxy adds. */
export function forwardedFields(request: IncomingMessage, isTls: boolean): IncomingHttpHeaders {
  const { connection: _connection, "keep-alive": _keepAlive, ...fields } = request.headers
  const client = request.socket.remoteAddress ?? ""
  const before = fields["x-forwarded-for"]
  fields["x-forwarded-for"] = before === undefined ? client : `${String(before)}, ${client}`
  fields["x-forwarded-proto"] = isTls ? "https" : "http"
  fields["x-forwarded-host"] = request.headers.host ?? ""
  fields.via = "1.1 node"
  return fields
}

export type Handler = (request: IncomingMessage, response: ServerResponse, isTls: boolean) => void

export function serve(handler: Handler): void {
  const idleMs = clientIdleSeconds * 1_000
  const options = { keepAliveTimeout: idleMs, noDelay: true }
  const key = readFileSync(settings.certificate.key)
  const cert = readFileSync(settings.certificate.certificate)
  createServer(options, (request, response) => handler(request, response, false)).listen({
    port: settings.port,
    host: "127.0.0.1",
    backlog: 4_096,
  })
  createTlsServer({ ...options, key, cert }, (request, response) => handler(request, response, true)).listen({
    port: settings.tlsPort,
    host: "127.0.0.1",
    backlog: 4_096,
  })
}
