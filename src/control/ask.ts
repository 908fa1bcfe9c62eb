/** A question to a backend, beside traffic: a GET, of whose response only the head is read. */
import type { IncomingHttpHeaders, IncomingMessage } from "node:http"
import type { Duplex } from "node:stream"
import { formatAddress } from "../membership/address.ts"
import type { Millis } from "../core/clock.ts"
import { defaultPorts, normalHost } from "../core/host.ts"
import { fail, ok, type Result } from "../core/result.ts"
import { type Destination, type Dialer } from "../proxy/backends/dial.ts"
import { isLocalShortage, ownListenerCode } from "../net/dialling.ts"

// No import, for the reason that api/node-listener.ts gives.
const { request } = process.getBuiltinModule("node:http")

export interface Question {
  readonly path: string
  /** What it calls itself. */
  readonly agent: string
  readonly timeoutMs: Millis
  /** Of the head of a response; a longer one counts as none. */
  readonly headBytesMax: number
}

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
}

/** Why there is no response. */
export interface Silence {
  /** For a person. */
  readonly reason: string
  /** This machine could not ask: it says nothing about the backend. */
  readonly isOurs: boolean
}

/** Asks once, on a connection of its own; never rejects. `signal` ends it early. */
export function ask(
  dialer: Dialer,
  destination: Destination,
  { path, agent, timeoutMs, headBytesMax }: Question,
  signal: AbortSignal,
): Promise<Result<Answer, Silence>> {
  return new Promise((resolve) => {
    const late = AbortSignal.timeout(timeoutMs)
    let callOff: (() => void) | undefined
    const call = request({
      createConnection: (_options, made) => {
        callOff = dialer.dial(destination, {
          onOpen: (socket) => made(null, socket),
          onFailed: (_code, error) => made(error, undefined as never),
        })
        return undefined
      },
      path,
      maxHeaderSize: headBytesMax,
      headers: { Host: hostOf(destination), "User-Agent": agent, Connection: "close" },
      signal: AbortSignal.any([signal, late]),
    })
    const answered = ({ statusCode = 0, headers }: IncomingMessage): void => {
      resolve(ok({ status: statusCode, headers }))
      call.destroy()
    }
    call.on("response", answered)
    // A 101 without a listener ends the connection in silence; with one, the connection is the listener's to close.
    call.on("upgrade", (response: IncomingMessage, socket: Duplex) => {
      answered(response)
      socket.destroy()
    })
    call.on("error", (error) => {
      const reason = late.aborted ? `no response within ${timeoutMs} ms` : reasonOf(error)
      resolve(fail({ reason, isOurs: isLocalShortage(error) }))
      call.destroy()
    })
    call.on("close", () => callOff?.())
    call.end()
  })
}

/** The Host of a question: the address, its port left out where it is the scheme's own (RFC 9110 7.2). */
function hostOf({ address, secure }: Destination): string {
  if ("path" in address) return "localhost"
  const text = formatAddress({ ...address, host: normalHost(address.host) })
  const port = defaultPorts[secure ? "https" : "http"]
  return address.port === port ? text.slice(0, text.lastIndexOf(":")) : text
}

const reasons: Readonly<Partial<Record<string, string>>> = {
  [ownListenerCode]: "the balancer itself listens there",
  EACCES: "permission denied",
  ECONNREFUSED: "connection refused",
  ECONNRESET: "connection reset",
  EHOSTUNREACH: "host unreachable",
  ENOENT: "no such socket",
  ENOTFOUND: "no such host",
  ENODATA: "the host has no address",
  ESERVFAIL: "the name server failed",
  ETIMEOUT: "the name server did not respond",
  CERT_HAS_EXPIRED: "its certificate has expired",
  ERR_TLS_CERT_ALTNAME_INVALID: "its certificate is for another name",
  DEPTH_ZERO_SELF_SIGNED_CERT: "its certificate is self-signed",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "its certificate is from an unknown authority",
  ERR_SSL_WRONG_VERSION_NUMBER: "it does not speak TLS",
}

/** Why a connection failed, for a person. */
export function reasonOf({ code, message }: NodeJS.ErrnoException): string {
  return reasons[code ?? ""] ?? code ?? message
}
