/**
 * The TLS side of one thread: which certificate a client gets, and sessions that every thread can resume. It never
 * listens; connections are handed to it when their TLS begins.
 */
import { constants } from "node:crypto"
import type { Socket } from "node:net"
import {
  createSecureContext,
  createServer,
  type SecureContext,
  type SecureContextOptions,
  type Server,
  type TLSSocket,
} from "node:tls"
import { normalHost } from "../../core/host.ts"
import type { TlsCertificate } from "../../config/certificates.ts"
import type { TlsMaterial, TlsOptions } from "../options.ts"
import { offersTicketOf } from "../../net/tls-hello.ts"

/**
 * What is spoken inside, in our order of preference. For HTTP/2, `h2` comes first here, and what takes an
 * `Arrival` looks at its `socket.alpnProtocol`.
 */
const protocols = ["http/1.1", "http/1.0"]

/** Of TLS 1.2 those with forward secrecy and authenticated encryption (RFC 9325 4.2); of 1.3 all. */
const ciphers = [
  "TLS_AES_128_GCM_SHA256",
  "TLS_AES_256_GCM_SHA384",
  "TLS_CHACHA20_POLY1305_SHA256",
  "ECDHE-ECDSA-AES128-GCM-SHA256",
  "ECDHE-RSA-AES128-GCM-SHA256",
  "ECDHE-ECDSA-AES256-GCM-SHA384",
  "ECDHE-RSA-AES256-GCM-SHA384",
  "ECDHE-ECDSA-CHACHA20-POLY1305",
  "ECDHE-RSA-CHACHA20-POLY1305",
].join(":")

/** What waits for a handshake. */
export interface Handshaking {
  onSecure(socket: TLSSocket): void
  /** The client spoke plain HTTP; its connection can still be written to, until this returns. */
  onPlainHttp(): void
}

export class TlsTermination {
  readonly #options: TlsOptions
  readonly #handshakeMs: number
  /**
   * Handshakes that run, by the client's address and port: node tells of an end by the `TLSSocket` alone, and the
   * connection below it has no public name there.
   */
  readonly #handshakes = new Map<string, Handshaking>()
  #current: Server
  /** Takes connections that come with a ticket of the key before: a server of Node.js has one key. */
  #previous: { readonly key: Uint8Array; readonly server: Server } | undefined

  constructor(options: TlsOptions, handshakeMs: number) {
    this.#options = options
    this.#handshakeMs = handshakeMs
    const { server, previous } = this.#serversOf(options.material)
    this.#current = server
    this.#previous = previous
  }

  /** From now on handshakes use these certificates and keys; those that run, and all connections, are let be. */
  renew(material: TlsMaterial): void {
    const { server, previous } = this.#serversOf(material)
    this.#current = server
    this.#previous = previous
  }

  /** Whether `begin` wants to see what the client says first. */
  get wantsHello(): boolean {
    return this.#previous !== undefined
  }

  /** Begins a handshake on a connection; what was read of it has been put back. Returns how to forget it. */
  begin(socket: Socket, hello: Buffer | undefined, handshaking: Handshaking): () => void {
    const key = keyOf(socket)
    this.#handshakes.set(key, handshaking)
    const previous = this.#previous
    const resumes = previous !== undefined && hello !== undefined && offersTicketOf(hello, previous.key)
    // To hand a connection to a server in this way is its documented use (tls.Server, event `connection`).
    ;(resumes ? previous.server : this.#current).emit("connection", socket)
    return () => {
      if (this.#handshakes.get(key) === handshaking) this.#handshakes.delete(key)
    }
  }

  #serversOf({ certificates, ticketKeys }: TlsMaterial): {
    readonly server: Server
    readonly previous: { readonly key: Uint8Array; readonly server: Server } | undefined
  } {
    const contexts = new CertificateChoice(certificates, this.#options)
    const [key, before] = ticketKeys
    if (key === undefined) throw new RangeError("a TLS listener needs a ticket key")
    return {
      server: this.#server(contexts, certificates[0]!, key),
      previous:
        before === undefined
          ? undefined
          : { key: before, server: this.#server(contexts, certificates[0]!, before) },
    }
  }

  #server(contexts: CertificateChoice, first: TlsCertificate, ticketKey: Uint8Array): Server {
    const server = createServer({
      ...contextOptions(first, this.#options),
      ticketKeys: Buffer.from(ticketKey),
      ALPNProtocols: protocols,
      SNICallback: (name, answer) => answer(null, contexts.find(name)),
      // The entrance counts from the connection's first moment and is the one that ends it; node cannot do without.
      handshakeTimeout: this.#handshakeMs * 2,
    })
    server.on("secureConnection", (socket) => {
      const handshaking = this.#handshakes.get(keyOf(socket))
      // Its client has gone in the meantime.
      if (handshaking === undefined) socket.destroy()
      else handshaking.onSecure(socket)
    })
    server.on("tlsClientError", (error: NodeJS.ErrnoException, socket) => {
      if (error.code === "ERR_SSL_HTTP_REQUEST") this.#handshakes.get(keyOf(socket))?.onPlainHttp()
    })
    return server
  }
}

/** Which certificate goes with a name (RFC 6066 3): the exact name, else the wildcard above it, else the first. */
class CertificateChoice {
  readonly #exact = new Map<string, SecureContext>()
  /** By the name without its first label. */
  readonly #wildcards = new Map<string, SecureContext>()

  constructor(certificates: readonly TlsCertificate[], options: TlsOptions) {
    for (const certificate of certificates) {
      const context = createSecureContext(contextOptions(certificate, options))
      for (const name of certificate.names) {
        const isWildcard = name.startsWith("*.")
        const names = isWildcard ? this.#wildcards : this.#exact
        const key = normalHost(isWildcard ? name.slice(2) : name)
        // Of two certificates for one name the first is meant.
        if (!names.has(key)) names.set(key, context)
      }
    }
  }

  find(name: string): SecureContext | undefined {
    const normal = normalHost(name)
    const exact = this.#exact.get(normal)
    const dot = normal.indexOf(".")
    // A wildcard stands for one whole label (RFC 9525 6.3).
    return exact === undefined && dot > 0 ? this.#wildcards.get(normal.slice(dot + 1)) : exact
  }
}

/** The same for all certificates, so that a session is resumed whatever name it was made for. */
function contextOptions({ cert, key }: TlsCertificate, options: TlsOptions): SecureContextOptions {
  return {
    cert,
    key,
    ciphers,
    minVersion: options.minVersion,
    // All ciphers are strong: a client without AES in hardware may prefer ChaCha.
    honorCipherOrder: false,
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
    sessionIdContext: "linebacker",
    sessionTimeout: options.sessionSeconds,
  }
}

function keyOf(socket: Socket): string {
  return `${socket.remoteAddress} ${socket.remotePort} ${socket.localPort}`
}
