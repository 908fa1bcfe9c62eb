/**
 * Hot path: a keep-alive connection to the target on a raw socket. Reads go into one buffer again and again; a response
 * is read by the same parsers as the balancer's, so what they refuse counts as an error and never as a response.
 */
import { connect as connectTcp, isIP, type Socket } from "node:net"
import { connect as connectTls } from "node:tls"
import { BodyReader, bodyLimitsDefault } from "../http1/body.ts"
import { fields } from "../core/http/fields.ts"
import { FieldNames } from "../http1/field-names.ts"
import { Head, incomplete, invalid } from "../http1/head.ts"
import { headLimitsDefault } from "../http1/limits.ts"
import { parseResponseHead, responseFraming } from "../http1/response-head.ts"
import type { Channel, ChannelOwner, Dial, SpamError } from "./channel.ts"

export interface Target {
  /** Its name or IP address, which a certificate has to have. */
  readonly host: string
  /** Where to connect to: the name, or the address that it has been resolved to. */
  readonly address: string
  readonly port: number
  readonly secure: boolean
  /** Whether the certificate must be valid and have the right name. */
  readonly verify: boolean
}

const readBytes = 64 * 1_024
const names = new FieldNames()

/** Opens connections to the target. All of one thread share one head: it is read in the turn in which it is parsed. */
export function dialerOf(target: Target): Dial {
  const head = new Head(headLimitsDefault)
  return (owner) => new Connection(target, owner, head)
}

class Connection implements Channel {
  readonly #owner: ChannelOwner<Channel>
  readonly #head: Head
  readonly #socket: Socket
  readonly #reader = new BodyReader(bodyLimitsDefault)
  #state: "connecting" | "idle" | "waiting" | "reading" | "closed" = "connecting"
  #isHead = false
  #partial: Buffer | undefined
  /** Of the response being read. */
  #status = 0
  #bytes = 0
  #backend: string | undefined
  #keeps = false
  /** It has had a response before, so the peer may have closed it unnoticed. */
  #reused = false

  constructor(target: Target, owner: ChannelOwner<Channel>, head: Head) {
    this.#owner = owner
    this.#head = head
    const { host, address, port, secure, verify } = target
    if (secure) {
      // SNI has names only (RFC 6066 3).
      const servername = isIP(host) === 0 ? { servername: host } : {}
      this.#socket = connectTls({ host: address, port, rejectUnauthorized: verify, ...servername })
      this.#socket.on("data", (bytes: Buffer) => this.#onBytes(bytes, bytes.length))
    } else {
      const buffer = Buffer.allocUnsafeSlow(readBytes)
      const callback = (length: number, bytes: Uint8Array): boolean => {
        this.#onBytes(bytes as Buffer, length)
        return true
      }
      this.#socket = connectTcp({ host: address, port, onread: { buffer, callback } })
    }
    this.#socket.setNoDelay(true)
    this.#socket.on(secure ? "secureConnect" : "connect", () => {
      if (this.#state !== "connecting") return
      this.#state = "idle"
      this.#owner.onOpen(this)
    })
    this.#socket.on("end", () => this.#onEnd())
    this.#socket.on("error", (error: NodeJS.ErrnoException) => this.#onError(error))
    this.#socket.on("close", () => this.#fail("closed_early", ""))
  }

  send(bytes: Buffer, isHead: boolean): void {
    this.#state = "waiting"
    this.#isHead = isHead
    this.#bytes = 0
    this.#socket.write(bytes)
  }

  destroy(): void {
    this.#state = "closed"
    this.#socket.destroy()
  }

  #onBytes(bytes: Buffer, length: number): void {
    switch (this.#state) {
      case "waiting":
        this.#bytes += length
        if (this.#partial === undefined) this.#readHead(bytes, 0, length)
        else {
          const whole = Buffer.concat([this.#partial, bytes.subarray(0, length)])
          this.#partial = undefined
          this.#readHead(whole, 0, whole.length)
        }
        break
      case "reading":
        this.#bytes += length
        this.#readBody(bytes, 0, length)
        break
      case "connecting":
      case "idle":
        // Nothing was asked.
        this.#fail("malformed_response", "bytes came without a request")
        break
      case "closed":
        break
    }
  }

  #readHead(bytes: Buffer, from: number, to: number): void {
    const head = this.#head
    let at = from
    for (;;) {
      const end = parseResponseHead(head, bytes, at, to, headLimitsDefault, names)
      if (end === incomplete) {
        if (to - at > headLimitsDefault.headBytesMax)
          this.#fail("malformed_response", "the head is too large")
        else this.#partial = Buffer.from(bytes.subarray(at, to))
        return
      }
      if (end === invalid) {
        this.#fail("malformed_response", head.error)
        return
      }
      at = end
      if (head.status >= 200) break
      if (head.status === 101) {
        this.#fail("malformed_response", "101 was not asked for")
        return
      }
    }
    this.#status = head.status
    const field = head.find(fields["x-linebacker-backend"])
    this.#backend = field === -1 ? undefined : head.value(field)
    const framing = responseFraming(head, this.#isHead)
    this.#keeps = !head.closes && framing !== "close" && (head.minor === 1 || head.keepsAlive)
    this.#reader.begin(framing, head.contentLength, true)
    this.#state = "reading"
    this.#readBody(bytes, at, to)
  }

  #readBody(bytes: Buffer, from: number, to: number): void {
    const reader = this.#reader
    const end = reader.read(bytes, from, to)
    if (reader.state === "open") return
    if (reader.state !== "complete") this.#fail("malformed_response", reader.error)
    else if (end < to) this.#fail("malformed_response", "bytes follow the response's end")
    else this.#answered()
  }

  #answered(): void {
    const keeps = this.#keeps
    this.#reused = true
    if (keeps) this.#state = "idle"
    else this.destroy()
    this.#owner.onAnswer(this, this.#status, this.#bytes, this.#backend, keeps)
  }

  #onEnd(): void {
    if (this.#state === "reading") {
      this.#reader.end()
      if (this.#reader.state === "complete") {
        this.#answered()
        return
      }
    }
    this.#fail("closed_early", "")
  }

  #onError(error: NodeJS.ErrnoException): void {
    const detail = error.code ?? error.message
    if (this.#state === "connecting") {
      this.#fail(error.code === "ECONNREFUSED" ? "connect_refused" : "connect_failed", detail)
    } else this.#fail("reset", detail)
  }

  #fail(error: SpamError, detail: string): void {
    if (this.#state === "closed") return
    const stale =
      this.#reused && this.#state === "waiting" && this.#bytes === 0 && error !== "malformed_response"
    this.destroy()
    this.#owner.onFailed(this, error, detail, stale)
  }
}
