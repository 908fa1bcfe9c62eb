/** What the listeners of the control plane share: opening, closing, and responses to bytes that are no request. */
import type { IncomingMessage, Server, ServerResponse } from "node:http"
import { type AddressInfo, createServer as createNetServer, type Server as NetServer } from "node:net"
import type { Duplex } from "node:stream"
import { boundCrowd } from "./crowd.ts"
import type { Millis } from "../../core/clock.ts"
import type { Endpoint } from "../../core/endpoint.ts"
import { keepAliveMs } from "../../net/keep-alive.ts"
import { openAll, type Opened, type ListenAddress } from "../../net/listen-addresses.ts"
import type { Timers } from "../../system.ts"
import { apiErrors, type bytesErrors } from "./api-errors.ts"

// An import would read every name that the module has, and one of them loads the HTTP client behind `fetch`: 25 ms of
// CPU at each start, where this takes 3 ms.
const { createServer } = process.getBuiltinModule("node:http")

type BytesErrorCode = (typeof bytesErrors)[number]

/** How long a connection may be silent between two requests; a backend that renews each 2 s keeps one. */
const idleMs: Millis = 5_000

export interface ListenerLimits {
  readonly headBytesMax: number
  /** Time for a whole request to arrive, head and body. */
  readonly requestMs: Millis
  /** With so many, the one that has kept us waiting for longest is ended for one more. */
  readonly connectionsMax: number
}

/** A server that is not open yet. Bytes that are no request, or do not come in time, are refused. */
export function serverOf(
  limits: ListenerLimits,
  serve: (request: IncomingMessage, response: ServerResponse) => void,
): Server {
  const { headBytesMax, requestMs, connectionsMax } = limits
  const server = createServer(
    {
      maxHeaderSize: headBytesMax,
      headersTimeout: requestMs,
      requestTimeout: requestMs,
      connectionsCheckingInterval: Math.min(1_000, requestMs),
      keepAlive: true,
      keepAliveInitialDelay: keepAliveMs,
      keepAliveTimeout: idleMs,
      noDelay: true,
      // Whatever NODE_OPTIONS says: a head has one reading, and HTTP/1.1 has a Host (RFC 9112 3.2).
      insecureHTTPParser: false,
      requireHostHeader: true,
      // The first of several Authorization or Origin fields counts; of Host there may be one only (web-pages.ts).
      joinDuplicateHeaders: false,
    },
    serve,
  )
  // Node.js takes 2,000 fields and drops those beyond in silence, Origin among them; headBytesMax is bound enough.
  server.maxHeadersCount = 0
  // What takes no response is ended when its place is needed, and streams by their own limit.
  server.timeout = 0
  server.maxRequestsPerSocket = 0
  boundCrowd(server, connectionsMax)
  server.on("clientError", refuseBytes)
  return server
}

/**
 * Opens the listener, at all addresses of its host, and resolves with where it really is. Rejects with the system's
 * error.
 */
export async function listening(server: Server, endpoint: Endpoint): Promise<Endpoint> {
  let isOpen = false
  const [{ host, port }] = await openAll(endpoint, async (place) => {
    if (isOpen) return opened(feeding(server), place)
    const first = await opened(server, place)
    isOpen = true
    const close = (): void => {
      isOpen = false
      first.close()
    }
    return { ...first, close }
  })
  return { host, port }
}

/**
 * Closes the listener and resolves when the last connection is gone: those that are idle go at once, what is still
 * being served after `patience`, or without it at once too.
 */
export function closed(
  server: Server,
  patience?: { readonly timers: Timers; readonly ms: Millis },
): Promise<void> {
  return new Promise((resolve) => {
    const giveUp = patience?.timers.set(patience.ms, () => server.closeAllConnections(), { unref: true })
    server.close(() => {
      giveUp?.()
      resolve()
    })
    if (patience === undefined) server.closeAllConnections()
    else server.closeIdleConnections()
  })
}

interface Open extends Opened {
  readonly host: string
}

function opened(server: NetServer, { host, port }: ListenAddress): Promise<Open> {
  return new Promise((resolve, reject) => {
    server.once("error", reject)
    server.listen({ port, host, backlog: 511 }, () => {
      server.off("error", reject)
      // A connection that could not be accepted costs itself, not the process.
      server.on("error", () => {})
      const { address, port: taken } = server.address() as AddressInfo
      resolve({ host: address, port: taken, close: () => server.close() })
    })
  })
}

/** A listener at one more address, whose connections the server takes as its own for as long as it listens itself. */
function feeding(server: Server): NetServer {
  const more = createNetServer(
    { allowHalfOpen: true, noDelay: true, keepAlive: true, keepAliveInitialDelay: keepAliveMs },
    (socket) => {
      // To hand a connection to a server in this way is its documented use (http.Server, event `connection`).
      if (server.listening) server.emit("connection", socket)
      else socket.destroy()
    },
  )
  server.once("close", () => more.close())
  return more
}

/**
 * A handler of `clientError`: refuses what is not HTTP, or did not come in time, on what is left of the connection.
 *
 * Ending the response closes only our half of the connection, and no timer of the server watches it any more: without
 * `destroy` a peer that never closes its own half would keep it.
 */
function refuseBytes(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (!socket.writable || error.code === "ECONNRESET") {
    socket.destroy()
    return
  }
  const code = bytesErrorOf(error)
  const { status, meaning } = apiErrors[code]
  const body = JSON.stringify({ error: { code, message: meaning } })
  socket.end(
    `HTTP/1.1 ${status} Refused\r\nContent-Type: application/json\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
    () => socket.destroy(),
  )
}

function bytesErrorOf(error: NodeJS.ErrnoException): BytesErrorCode {
  switch (error.code ?? "") {
    case "HPE_HEADER_OVERFLOW":
      return "head_too_large"
    case "ERR_HTTP_REQUEST_TIMEOUT":
      return "request_timeout"
    default:
      return "malformed_request"
  }
}
