/** What comes of dialling, and what it means that a connection was not made, or was refused. */
import type { Socket } from "node:net"
import type { ErrorCode } from "../core/errors.ts"

/** Told what comes of dialling: never before `dial` has returned, and nothing once it was called off. */
export interface Dialling {
  /** The other side has accepted, and the TLS handshake follows. */
  onAccepted?(): void
  /**
   * It is open: the other side has also shown the certificate that it should, when the destination is secure. From now
   * on the socket's events are the caller's. `address` is where it leads, of those that the name has.
   */
  onOpen(socket: Socket, address: string): void
  /** There is none. Nothing else follows. */
  onFailed(code: ErrorCode, error: NodeJS.ErrnoException): void
}

/** The code of the error when all addresses of a destination are listeners of this balancer. */
export const ownListenerCode = "OWN_LISTENER"

export function leadsHere(addresses: readonly string[]): NodeJS.ErrnoException {
  const message = `the balancer itself listens at ${addresses.join(", ")}`
  return Object.assign(new Error(message), { code: ownListenerCode, syscall: "connect" })
}

const shortages: ReadonlySet<string> = new Set([
  "EMFILE",
  "ENFILE",
  "ENOBUFS",
  "ENOMEM",
  "EADDRNOTAVAIL",
  "EAGAIN",
])

/** Whether it is this machine that lacked something, so that the error says nothing of the backend. */
export function isLocalShortage({ code = "" }: NodeJS.ErrnoException): boolean {
  return shortages.has(code)
}

/** What it is called that a connection was not made, by how far it had come. */
export function dialError(
  error: NodeJS.ErrnoException,
  during: "resolving" | "connecting" | "securing",
): ErrorCode {
  if (isLocalShortage(error)) return "local_shortage"
  const codes = {
    resolving: "resolve_failed",
    connecting: "connect_failed",
    securing: "backend_tls_failed",
  } as const
  return codes[during]
}

/**
 * Whether an error on an open connection is the other side's refusal of our certificate or of its absence. In TLS
 * 1.3 it comes when we have long sent the request (RFC 8446 4.4.2.4): nothing of that was read.
 */
export function isCertificateRefusal({ code = "" }: NodeJS.ErrnoException): boolean {
  return /^ERR_SSL_.*ALERT_.*(CERTIFICATE|UNKNOWN_CA)/.test(code)
}
