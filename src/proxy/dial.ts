/**
 * How a connection to a backend is made: by address, name or Unix socket, in the clear or within TLS. The exchanges
 * and the checks dial alike, so that a check that passes means that requests get through.
 */
import { lookup } from "node:dns"
import { connect, isIP, type NetConnectOpts, type OnReadOpts, type Socket } from "node:net"
import {
  checkServerIdentity,
  type ConnectionOptions,
  connect as connectTls,
  createSecureContext,
  type SecureContext,
  type TLSSocket,
} from "node:tls"
import { isSameAddress } from "../cluster/address.ts"
import { serverNameLabel } from "../cluster/registration.ts"
import type { Address, Member } from "../cluster/snapshot.ts"
import type { Clock, Millis } from "../core/clock.ts"
import type { ErrorCode } from "../core/errors.ts"
import { normalHost } from "../core/host.ts"
import { NameCache, type Resolve } from "./name-cache.ts"
import type { BackendOptions } from "./options.ts"
import { openingOf } from "./origin.ts"

/** How long a TLS session may stand for the certificate that was shown when it began. */
export const sessionMs = 600_000

/** Where the connections to one backend lead, and what one of them leaves for the next. */
export interface Destination {
  readonly address: Address
  /** TLS comes first. */
  readonly secure: boolean
  /** The announced name of the certificate. */
  readonly serverName: string | undefined
  /** The last TLS session, to be resumed (RFC 8446 2.2), and when the certificate behind it was checked. */
  session: Buffer | undefined
  checkedAt: Millis
}

export function destinationOf({
  address,
  scheme,
  labels,
}: Pick<Member, "address" | "scheme" | "labels">): Destination {
  const serverName = labels[serverNameLabel]
  return { address, secure: scheme === "https", serverName, session: undefined, checkedAt: 0 }
}

/** Whether connections made for one will do for the other. */
export function isSameDestination(a: Destination, b: Destination): boolean {
  return isSameAddress(a.address, b.address) && a.secure === b.secure && a.serverName === b.serverName
}

export class Dialer {
  readonly #options: BackendOptions
  readonly #clock: Clock
  readonly #names: NameCache
  readonly #ownHeader: Buffer | undefined
  #context: SecureContext | undefined

  constructor(options: BackendOptions, clock: Clock, resolve: Resolve = askSystem) {
    this.#options = options
    this.#clock = clock
    this.#names = new NameCache(options.nameTtlMs, clock, resolve)
    const { proxyProtocol } = options
    this.#ownHeader = proxyProtocol === "none" ? undefined : openingOf(proxyProtocol, undefined)
  }

  /** Cold. Makes what dialling there will need, so that no request waits for it: trusted roots take some 20 ms. */
  prepare({ secure }: Destination): void {
    if (secure) this.#secureContext()
  }

  /**
   * A socket that is connecting: `connect` comes when the other side has accepted, and, when the destination is
   * secure, `secureConnect` once it has also shown that it is who it should be. Several addresses of a name are tried
   * one after the other (RFC 8305). Throws nothing that a peer or the network could bring about.
   *
   * @param reading takes the bytes that come; without it they come as `data`
   * @param header what the PROXY protocol says of the client; without it, that there is none
   */
  dial(to: Destination, reading?: OnReadOpts, header: Buffer | undefined = this.#ownHeader): Socket {
    if (to.secure) return this.#dialTls(to, reading, header)
    const socket = this.#dialPlain(to.address, reading)
    if (header !== undefined) socket.write(header)
    return socket
  }

  #dialPlain(address: Address, reading: OnReadOpts | undefined): Socket {
    return connect({
      ...this.#placeOf(address),
      noDelay: true,
      keepAlive: true,
      allowHalfOpen: true,
      ...onread(reading),
    })
  }

  #placeOf(address: Address): NetConnectOpts {
    if ("path" in address) return { path: address.path }
    return { host: address.host, port: address.port, lookup: this.#names.lookup }
  }

  #dialTls(to: Destination, reading: OnReadOpts | undefined, header: Buffer | undefined): TLSSocket {
    const name = this.#nameOf(to)
    const options: ConnectionOptions & { readonly allowHalfOpen: true } = {
      ...(header === undefined
        ? { ...this.#placeOf(to.address), ...onread(reading) }
        : { socket: this.#dialWith(header, to.address) }),
      allowHalfOpen: true,
      secureContext: this.#secureContext(),
      // An IP address is no server name (RFC 6066 3).
      ...(isIP(name) === 0 ? { servername: name } : {}),
      ALPNProtocols: ["http/1.1"],
      rejectUnauthorized: this.#options.tls.verify,
      checkServerIdentity: (_host, certificate) => checkServerIdentity(name, certificate),
      ...this.#sessionOf(to),
    }
    const socket = connectTls(options)
    socket.on("connect", () => {
      socket.setNoDelay(true)
      socket.setKeepAlive(true)
    })
    socket.on("secureConnect", () => {
      if (!socket.isSessionReused()) to.checkedAt = this.#clock.now()
    })
    if (header !== undefined && reading !== undefined) readData(socket, reading)
    // Comes only after the certificate has been checked.
    socket.on("session", (session: Buffer) => {
      to.session = session
    })
    socket.on("error", () => {
      to.session = undefined
    })
    return socket
  }

  /** The header is in the clear: only what comes behind it is TLS. */
  #dialWith(header: Buffer, address: Address): Socket {
    const socket = this.#dialPlain(address, undefined)
    socket.write(header)
    return socket
  }

  /** A resumed session shows no certificate: one that has run out since, or was replaced, has to come up again. */
  #sessionOf({ session, checkedAt }: Destination): { readonly session?: Buffer } {
    return session !== undefined && this.#clock.now() - checkedAt < sessionMs ? { session } : {}
  }

  /**
   * Whose certificate it has to be: the operator's word, the backend's, else the address itself. In its normal form: a
   * server name has no dot at its end (RFC 6066 3), and neither has a certificate's.
   */
  #nameOf({ address, serverName }: Destination): string {
    const name = this.#options.tls.serverName ?? serverName
    return normalHost(name ?? ("path" in address ? "localhost" : address.host))
  }

  #secureContext(): SecureContext {
    const { ca, cert, key } = this.#options.tls
    this.#context ??= createSecureContext({
      minVersion: "TLSv1.2",
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined ? {} : { cert }),
      ...(key === undefined ? {} : { key }),
    })
    return this.#context
  }
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

/** What it is called that a connection was not made. `accepted`: the other side had, so that TLS has failed. */
export function dialError(error: NodeJS.ErrnoException, accepted: boolean): ErrorCode {
  const { syscall } = error
  if (isLocalShortage(error)) return "local_shortage"
  if (accepted) return "backend_tls_failed"
  return syscall === "getaddrinfo" ? "resolve_failed" : "connect_failed"
}

/**
 * Whether an error on an open connection is the other side's refusal of our certificate or of its absence. In TLS
 * 1.3 it comes when we have long sent the request (RFC 8446 4.4.2.4): nothing of that was read.
 */
export function isCertificateRefusal({ code = "" }: NodeJS.ErrnoException): boolean {
  return /^ERR_SSL_.*ALERT_.*(CERTIFICATE|UNKNOWN_CA)/.test(code)
}

/** For a TLS socket over another socket, which knows no `onread`. */
function readData(socket: Socket, reading: OnReadOpts): void {
  socket.on("data", (bytes: Buffer) => {
    if (!reading.callback(bytes.length, bytes)) socket.pause()
  })
}

function onread(reading: OnReadOpts | undefined): { readonly onread?: OnReadOpts } {
  return reading === undefined ? {} : { onread: reading }
}

function askSystem(name: string, answer: Parameters<Resolve>[1]): void {
  lookup(name, { all: true }, (error, addresses) => answer(error, addresses ?? []))
}
