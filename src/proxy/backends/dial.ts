/**
 * How a connection to a backend is made: by address, name or Unix socket, in the clear or within TLS. The exchanges
 * and the checks dial alike, so that a check that passes means that requests get through.
 */
import { dialError, type Dialling, leadsHere } from "../../net/dialling.ts"
import { connect, isIP, type NetConnectOpts, type OnReadOpts, type Socket } from "node:net"
import {
  checkServerIdentity,
  type ConnectionOptions,
  connect as connectTls,
  createSecureContext,
  type SecureContext,
  type TLSSocket,
} from "node:tls"
import { isSameAddress } from "../../membership/address.ts"
import { serverNameLabel } from "../../membership/registration.ts"
import type { Address, Member } from "../../membership/snapshot.ts"
import type { Clock, Millis } from "../../core/clock.ts"
import { normalHost } from "../../core/host.ts"
import type { Timers } from "../../system.ts"
import { keepAliveMs } from "../../net/keep-alive.ts"
import { NameCache, type Resolve } from "../../net/name-cache.ts"
import { askSystem, NameResolver, nameSystem } from "../../net/name-resolver.ts"
import type { BackendOptions } from "../../config/config.ts"
import type { OwnListeners } from "./own-listeners.ts"
import { openingOf } from "./origin.ts"
import { race } from "../../net/race.ts"

/** How long a TLS session may stand for the certificate that was shown when it began. */
const sessionMs = 600_000

/** Where the connections to one backend lead, and what one of them leaves for the next. */
export interface Destination {
  readonly address: Address
  /** The host when it is a name, whose addresses may change; undefined when it is an address itself. */
  readonly name: string | undefined
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
  const name = "path" in address || isIP(address.host) !== 0 ? undefined : address.host
  return { address, name, secure: scheme === "https", serverName, session: undefined, checkedAt: 0 }
}

/** Whether connections made for one will do for the other. */
export function isSameDestination(a: Destination, b: Destination): boolean {
  return isSameAddress(a.address, b.address) && a.secure === b.secure && a.serverName === b.serverName
}

/** `net.connect` takes it, and `tls.connect` passes it on, but its types do not know. */
type TlsDialOptions = ConnectionOptions & { readonly allowHalfOpen: true }

/** What a dialer has of its surroundings. */
export interface DialerParts {
  readonly timers: Timers
  /** Instead of /etc/hosts and the name servers. */
  readonly resolve?: Resolve | undefined
  /** One line for a person, about names. */
  readonly log?: (line: string) => void
  /** Where nothing is dialled. */
  readonly ownListeners?: OwnListeners
}

export class Dialer {
  readonly #clock: Clock
  readonly #timers: Timers
  readonly #ownListeners: OwnListeners | undefined
  readonly #names: NameCache
  readonly #closeNames: () => void
  readonly #ownHeader: Buffer | undefined
  #tls: BackendOptions["tls"]
  #context: SecureContext | undefined
  /** Sessions that are older show what was checked by other authorities. */
  #renewedAt: Millis = -Infinity

  constructor(options: BackendOptions, clock: Clock, { log, ownListeners, resolve, timers }: DialerParts) {
    this.#tls = options.tls
    this.#clock = clock
    this.#timers = timers
    this.#ownListeners = ownListeners
    const system = nameSystem(timers)
    const own = options.resolver === "system" ? askSystem : new NameResolver(system).resolve
    this.#closeNames = system.close
    this.#names = new NameCache({
      ttlMs: options.nameTtlMs,
      keepMs: options.nameKeepMs,
      clock,
      resolve: resolve ?? own,
      log,
    })
    const { proxyProtocol } = options
    this.#ownHeader = proxyProtocol === "none" ? undefined : openingOf(proxyProtocol, undefined)
  }

  /**
   * Cold. Gets what dialling there will need, so that no request waits for it: trusted roots, which take some 20 ms,
   * and the addresses of the name.
   */
  prepare(to: Destination): void {
    if (to.secure) this.#secureContext()
    this.follow(to)
  }

  /** Other authorities, or another certificate of our own: for connections that are made from now on. */
  renew(tls: BackendOptions["tls"]): void {
    this.#tls = tls
    this.#renewedAt = this.#clock.now()
    if (this.#context === undefined) return
    this.#context = undefined
    this.#secureContext()
  }

  /** Cold: connections there are open, or will be. Asks for the addresses of its name again when their time is over. */
  follow({ name }: Destination): void {
    if (name !== undefined) this.#names.follow(name)
  }

  /** Whether the destination's name no longer leads to the address of one of its connections. */
  hasLeft({ name }: Destination, address: string): boolean {
    return name !== undefined && this.#names.hasLeft(name, address)
  }

  /** Gives up what is being asked of name servers, which would keep the thread alive for as long as it takes. */
  close(): void {
    this.#closeNames()
  }

  /**
   * Connects. Several addresses of a name are tried beside each other, each a little later than the one before
   * (RFC 8305). How long all of it may take is for the caller to say. Addresses at which this balancer itself listens
   * are left out, so that a name which comes to lead there is not followed. Throws nothing that a peer or the network
   * could bring about.
   *
   * @param reading takes the bytes that come; without it they come as `data`
   * @param header what the PROXY protocol says of the client; without it, that there is none
   * @returns what calls it off
   */
  dial(
    to: Destination,
    dialling: Dialling,
    reading?: OnReadOpts,
    header: Buffer | undefined = this.#ownHeader,
  ): () => void {
    let isOff = false
    let callOff: (() => void) | undefined
    const failLater = (error: NodeJS.ErrnoException, during: "resolving" | "connecting"): void => {
      // It may have been known all along, and the caller is told of nothing before it has called.
      process.nextTick(() => isOff || dialling.onFailed(dialError(error, during), error))
    }
    const connectTo = (found: readonly string[]): void => {
      const addresses = this.#withoutOwn(to.address, found)
      if (addresses.length === 0) return failLater(leadsHere(found), "connecting")
      callOff = race({
        addresses,
        attempt: (address) => this.#attempt(to, address, reading, header),
        timers: this.#timers,
        onWon: (socket, address) => {
          callOff = undefined
          if (to.secure) callOff = securing(socket as TLSSocket, address, dialling)
          else dialling.onOpen(socket, address)
        },
        onLost: (error) => dialling.onFailed(dialError(error, "connecting"), error),
      })
    }
    if (to.name === undefined) connectTo(["path" in to.address ? to.address.path : to.address.host])
    else {
      this.#names.find(to.name, (error, addresses) => {
        if (isOff) return
        if (error === undefined) connectTo(addresses)
        else failLater(error, "resolving")
      })
    }
    return () => {
      isOff = true
      callOff?.()
    }
  }

  #withoutOwn(to: Address, addresses: readonly string[]): readonly string[] {
    const own = this.#ownListeners
    if (own === undefined || "path" in to) return addresses
    return addresses.filter((address) => !own.has(address, to.port))
  }

  #attempt(
    to: Destination,
    address: string,
    reading: OnReadOpts | undefined,
    header: Buffer | undefined,
  ): Socket {
    if (to.secure) return this.#dialTls(to, address, reading, header)
    const socket = dialPlain(to.address, address, reading)
    if (header !== undefined) socket.write(header)
    return socket
  }

  #dialTls(
    to: Destination,
    address: string,
    reading: OnReadOpts | undefined,
    header: Buffer | undefined,
  ): TLSSocket {
    const socket = connectTls(this.#tlsOptions(to, address, reading, header))
    socket.on("connect", () => {
      socket.setNoDelay(true)
      socket.setKeepAlive(true, keepAliveMs)
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

  #tlsOptions(
    to: Destination,
    address: string,
    reading: OnReadOpts | undefined,
    header: Buffer | undefined,
  ): TlsDialOptions {
    const name = this.#nameOf(to)
    return {
      ...(header === undefined
        ? { ...placeOf(to.address, address), ...onread(reading) }
        : { socket: dialWith(header, to.address, address) }),
      allowHalfOpen: true,
      secureContext: this.#secureContext(),
      // An IP address is no server name (RFC 6066 3).
      ...(isIP(name) === 0 ? { servername: name } : {}),
      ALPNProtocols: ["http/1.1"],
      rejectUnauthorized: this.#tls.verify,
      checkServerIdentity: (_host, certificate) => checkServerIdentity(name, certificate),
      ...this.#sessionOf(to),
    }
  }

  /** A resumed session shows no certificate: one that has run out since, or was replaced, has to come up again. */
  #sessionOf({ session, checkedAt }: Destination): Pick<ConnectionOptions, "session"> {
    const isGood = checkedAt > this.#renewedAt && this.#clock.now() - checkedAt < sessionMs
    return session !== undefined && isGood ? { session } : {}
  }

  /**
   * Whose certificate it has to be: the operator's word, the backend's, else the address itself. In its normal form: a
   * server name has no dot at its end (RFC 6066 3), and neither has a certificate's.
   */
  #nameOf({ address, serverName }: Destination): string {
    const name = this.#tls.serverName ?? serverName
    return normalHost(name ?? ("path" in address ? "localhost" : address.host))
  }

  #secureContext(): SecureContext {
    const { ca, cert, key } = this.#tls
    this.#context ??= createSecureContext({
      minVersion: "TLSv1.2",
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined ? {} : { cert }),
      ...(key === undefined ? {} : { key }),
    })
    return this.#context
  }
}

function dialPlain(to: Address, address: string, reading: OnReadOpts | undefined): Socket {
  return connect({
    ...placeOf(to, address),
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: keepAliveMs,
    allowHalfOpen: true,
    ...onread(reading),
  })
}

/** The header is in the clear: only what comes behind it is TLS. */
function dialWith(header: Buffer, to: Address, address: string): Socket {
  const socket = dialPlain(to, address, undefined)
  socket.write(header)
  return socket
}

/** One address of those that the name has. Node.js is not to try others. */
function placeOf(to: Address, address: string): NetConnectOpts {
  return "path" in to ? { path: address } : { host: address, port: to.port, autoSelectFamily: false }
}

/** The handshake on a connection that has been accepted. Returns what calls it off. */
function securing(socket: TLSSocket, address: string, dialling: Dialling): () => void {
  const onEnd = (error?: NodeJS.ErrnoException): void => {
    stop()
    socket.on("error", () => {}).destroy()
    const reason = error ?? Object.assign(new Error("closed"), { code: "closed" })
    dialling.onFailed(dialError(reason, "securing"), reason)
  }
  const onClose = (): void => onEnd()
  const stop = (): void => {
    socket.off("error", onEnd).off("end", onClose).off("close", onClose).off("secureConnect", onSecure)
  }
  const onSecure = (): void => {
    stop()
    dialling.onOpen(socket, address)
  }
  socket.on("error", onEnd).on("end", onClose).on("close", onClose).on("secureConnect", onSecure)
  dialling.onAccepted?.()
  return () => {
    stop()
    socket.destroy()
  }
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
