/**
 * What a request tells the backend of where it came from: X-Forwarded-For, -Proto, -Host, -Port, Forwarded
 * (RFC 7239) and Via. Only the proxies in `trustedProxies` are believed: what others say there is replaced.
 *
 * Hot path for all but those: one constant text a connection, nothing per request.
 */
import type { BlockList } from "node:net"
import { isIpv4, isIpv6, plainIp } from "../../core/endpoint.ts"
import { ipBytes } from "../../core/ip-bytes.ts"
import { fields } from "../../core/http/fields.ts"
import type { MessageHead } from "../../core/http/message-head.ts"
import { type DropTable, dropTable, replaced } from "../../http1/serialize.ts"
import type { Forwarding } from "../../http1/streams/kept-head.ts"
import { hostOf } from "../../core/host.ts"
import { contains, rangesOf } from "../../net/ip-ranges.ts"

/** Proxies of one chain that are passed on, the nearest; a longer chain is an attack or a loop. */
const hopsMax = 32
const hostBytesMax = 256

export interface ForwardingOptions {
  /** The pseudonym in Via. */
  readonly name: string
  /** CIDRs of proxies whose word on the client is taken. */
  readonly trustedProxies: readonly string[]
  /** Whether backends get Via; without it CDN-Loop (RFC 8586) shows loops. */
  readonly via: { readonly toBackends: boolean }
  /** Send Forwarded always; else only where a trusted proxy has begun it. */
  readonly forwarded: boolean
  /** What a client asks of load reports is for the balancer, and not passed on. */
  readonly dropsReportFormat?: boolean
}

/** Field names that only the balancer may send, beside those below. */
const ownFields = ["x-request-id", "x-linebacker-backend"] as const
const originFields = [
  "x-forwarded-for",
  "x-forwarded-proto",
  "x-forwarded-host",
  "x-forwarded-port",
  "forwarded",
] as const
/** Other fields in which proxies say the same, and which backends believe: only those that are trusted may. */
const claimFields = ["x-real-ip", "x-forwarded-ssl", "x-forwarded-scheme", "front-end-https"] as const

/** Makes the `Forwarding` of each connection. */
export class ForwardingRules {
  readonly #options: ForwardingOptions
  readonly #trusted: BlockList
  readonly #dropsOfStrangers: DropTable
  readonly #drops: DropTable
  /** For a head whose X-Forwarded-Host is believed. */
  readonly #dropsNamedHost: DropTable

  constructor(options: ForwardingOptions) {
    this.#options = options
    this.#trusted = rangesOf(options.trustedProxies, "trustedProxies")
    const asked = options.dropsReportFormat === true ? (["endpoint-load-metrics-format"] as const) : []
    const drops = [...ownFields, ...originFields, ...asked] as const
    this.#dropsOfStrangers = dropTable([...drops, ...claimFields], true)
    this.#drops = dropTable(drops, true)
    this.#dropsNamedHost = this.#drops.slice()
    this.#dropsNamedHost[fields["x-forwarded-host"]] = replaced
  }

  /** @param peer the other side of the connection: its IP address, or undefined when it has none. */
  of(peer: string | undefined, isTls: boolean): Forwarding {
    const { name, forwarded, trustedProxies, via } = this.#options
    const address = peer === undefined ? "unknown" : plainIp(peer)
    const passed = via.toBackends ? `Via: 1.1 ${name}\r\n` : `CDN-Loop: ${name}\r\n`
    const origin: ForwardedOrigin = { address, isTls, passed }
    return trustedProxies.length > 0 && contains(this.#trusted, origin.address)
      ? new TrustedForwarding(origin, forwarded, this.#drops, this.#dropsNamedHost)
      : new PlainForwarding(origin, forwarded, this.#dropsOfStrangers)
  }
}

interface ForwardedOrigin {
  readonly address: string
  readonly isTls: boolean
  /** The field line that says that a request has come through here, of a client of HTTP/1.1. */
  readonly passed: string
}

class PlainForwarding implements Forwarding {
  readonly drops: DropTable
  readonly #fields: string
  readonly #isTls: boolean
  readonly #client: string
  /** null: not made yet. */
  #clientBytes: Uint8Array | undefined | null = null

  constructor(origin: ForwardedOrigin, forwarded: boolean, drops: DropTable) {
    const { address, isTls, passed } = origin
    this.drops = drops
    this.#isTls = isTls
    this.#client = address
    this.#fields =
      `X-Forwarded-For: ${address}\r\nX-Forwarded-Proto: ${protocol(isTls)}\r\n` +
      `${forwarded ? `Forwarded: ${element(origin)}\r\n` : ""}${passed}`
  }

  fieldsFor(head: MessageHead): string {
    return head.minor === 0 ? receivedAs10(this.#fields) : this.#fields
  }

  isSecure(): boolean {
    return this.#isTls
  }

  clientOf(): string | undefined {
    return this.clientBytesOf() === undefined ? undefined : this.#client
  }

  clientBytesOf(): Uint8Array | undefined {
    if (this.#clientBytes === null) this.#clientBytes = ipBytes(this.#client)
    return this.#clientBytes
  }
}

/** Not the hot path: a proxy before us says something else with each request. */
class TrustedForwarding implements Forwarding {
  drops: DropTable
  readonly #origin: ForwardedOrigin
  readonly #forwarded: boolean
  readonly #drops: DropTable
  readonly #dropsNamedHost: DropTable

  constructor(origin: ForwardedOrigin, forwarded: boolean, drops: DropTable, dropsNamedHost: DropTable) {
    this.#origin = origin
    this.#forwarded = forwarded
    this.drops = drops
    this.#drops = drops
    this.#dropsNamedHost = dropsNamedHost
  }

  fieldsFor(head: MessageHead): string {
    const { address, passed } = this.#origin
    const host = membersOf(valuesOf(head, fields["x-forwarded-host"])).find(isHost)
    this.drops = host === undefined ? this.#drops : this.#dropsNamedHost
    let lines = host === undefined ? "" : `X-Forwarded-Host: ${host}\r\n`
    const hops = addressesIn(valuesOf(head, fields["x-forwarded-for"]))
    lines += `X-Forwarded-For: ${[...hops, address].join(", ")}\r\n`
    lines += `X-Forwarded-Proto: ${protocol(this.isSecure(head))}\r\n`
    const port = membersOf(valuesOf(head, fields["x-forwarded-port"])).find(isPort)
    if (port !== undefined) lines += `X-Forwarded-Port: ${port}\r\n`
    if (this.#forwarded || head.find(fields.forwarded) !== -1) {
      const elements = elementsIn(valuesOf(head, fields.forwarded))
      lines += `Forwarded: ${[...elements, element(this.#origin)].join(", ")}\r\n`
    }
    lines += passed
    return head.minor === 0 ? receivedAs10(lines) : lines
  }

  isSecure(head: MessageHead): boolean {
    return saidSecure(head) ?? this.#origin.isTls
  }

  clientOf(head: MessageHead): string | undefined {
    // What the trusted proxy before us appended is the only hop that it vouches for.
    const named = addressesIn(valuesOf(head, fields["x-forwarded-for"])).at(-1)
    const address = named === undefined ? this.#origin.address : withoutPort(named)
    return isIpv4(address) || isIpv6(address) ? address : undefined
  }

  clientBytesOf(head: MessageHead): Uint8Array | undefined {
    const client = this.clientOf(head)
    return client === undefined ? undefined : ipBytes(client)
  }
}

/** Via with the version in which the message was received (RFC 9110 7.6.3). */
function receivedAs10(lines: string): string {
  return lines.replace("\r\nVia: 1.1 ", "\r\nVia: 1.0 ")
}

/** What is said of TLS in words other than yes and no: the schemes of HTTP, and of WebSocket (RFC 6455 3). */
const secureWords: ReadonlyMap<string, boolean> = new Map([
  ["https", true],
  ["wss", true],
  ["on", true],
  ["http", false],
  ["ws", false],
  ["off", false],
])

/**
 * Whether the client came over TLS, as trusted proxies say; undefined when they do not. The first field that says
 * something counts, and of a list the first member that is known: the proxy nearest to the client has written it, and
 * what those behind it say is how they spoke among themselves. So a proxy that is trusted must replace what clients
 * send.
 */
function saidSecure(head: MessageHead): boolean | undefined {
  return (
    firstKnown(membersOf(valuesOf(head, fields["x-forwarded-proto"]))) ??
    firstKnown(elementsIn(valuesOf(head, fields.forwarded)).map(protoOf)) ??
    firstKnown(membersOf(valuesOf(head, fields["x-forwarded-scheme"]))) ??
    firstKnown(membersOf(valuesOf(head, fields["x-forwarded-ssl"]))) ??
    firstKnown(membersOf(valuesOf(head, fields["front-end-https"])))
  )
}

function firstKnown(words: readonly string[]): boolean | undefined {
  for (const word of words) {
    const isSecure = secureWords.get(word.toLowerCase())
    if (isSecure !== undefined) return isSecure
  }
  return undefined
}

/** The value of `proto` in a well-formed element of Forwarded (RFC 7239 5.4), or "". */
function protoOf(text: string): string {
  for (const [, name = "", plain, quoted] of text.matchAll(pairForm))
    if (name.toLowerCase() === "proto") return plain ?? quoted ?? ""
  return ""
}

function protocol(isTls: boolean): string {
  return isTls ? "https" : "http"
}

/** This hop's element of Forwarded. Host is not in it: the backend gets the client's own Host. */
function element({ address, isTls }: ForwardedOrigin): string {
  return `for=${address.includes(":") ? `"[${address}]"` : address};proto=${protocol(isTls)}`
}

/** `192.0.2.1:80` and `[2001:db8::1]:80` without port and brackets. */
function withoutPort(node: string): string {
  if (node.startsWith("[")) return node.slice(1, node.indexOf("]"))
  return isIpv6(node) ? node : node.replace(/:[0-9]+$/, "")
}

/** The members of a list; empty ones say nothing (RFC 9110 5.6.1). */
function membersOf(list: string): string[] {
  return list
    .split(",")
    .map((member) => member.trim())
    .filter((member) => member !== "")
}

/** The values of all fields of that name as one list (RFC 9110 5.3). */
function valuesOf(head: MessageHead, id: number): string {
  const values: string[] = []
  for (let field = 0; field < head.count; field++) if (head.ids[field] === id) values.push(head.value(field))
  return values.join(",")
}

/**
 * The addresses of X-Forwarded-For, from the first on behind which all are well-formed: each proxy appends what it
 * knows, so what is left of nonsense does not count.
 */
function addressesIn(list: string): string[] {
  return wellFormedEnd(list.split(","), isNode)
}

/** The elements of Forwarded (RFC 7239 4), by the same rule. A quote that does not end leaves none. */
function elementsIn(list: string): string[] {
  const parts: string[] = []
  let start = 0
  let quoted = false
  for (let at = 0; at < list.length; at++) {
    const char = list[at]
    if (quoted && char === "\\") at++
    else if (char === '"') quoted = !quoted
    else if (char === "," && !quoted) {
      parts.push(list.slice(start, at))
      start = at + 1
    }
  }
  return quoted ? [] : wellFormedEnd([...parts, list.slice(start)], isElement)
}

/** The last `hopsMax` parts, but none up to the last that is malformed. Empty ones say nothing (RFC 9110 5.6.1). */
function wellFormedEnd(parts: readonly string[], isWellFormed: (text: string) => boolean): string[] {
  const kept: string[] = []
  for (let index = parts.length - 1; index >= 0 && kept.length < hopsMax; index--) {
    const part = parts[index]!.replace(/^[ \t]+/, "").trimEnd()
    if (part === "") continue
    if (!isWellFormed(part)) break
    kept.push(part)
  }
  return kept.toReversed()
}

/** An address, with or without a port, `unknown`, or an obfuscated name (RFC 7239 6). */
function isNode(text: string): boolean {
  if (isIpv4(text) || isIpv6(text) || /^(?:unknown|_[A-Za-z0-9._-]{1,64})$/i.test(text)) return true
  const [, ipv6, ipv4, port] = /^(?:\[([^\]]*)\]|([0-9.]+))(?::([0-9]{1,5}))?$/.exec(text) ?? []
  if (port !== undefined && !isPort(port)) return false
  return ipv6 === undefined ? ipv4 !== undefined && isIpv4(ipv4) : isIpv6(ipv6)
}

const token = String.raw`[!#$%&'*+.^_\x60|~0-9A-Za-z-]+`
const quotedText = String.raw`(?:[\t \x21\x23-\x5b\x5d-\x7e]|\\[\t \x21-\x7e])*`
const pair = `${token}=(?:${token}|"${quotedText}")`
const elementForm = new RegExp(`^(?:${pair})(?:;(?:${pair})?)*$`)
const pairForm = new RegExp(`(${token})=(?:(${token})|"(${quotedText})")`, "g")

function isElement(text: string): boolean {
  return elementForm.test(text)
}

function isHost(text: string): boolean {
  return text.length <= hostBytesMax && hostOf(text) !== undefined
}

function isPort(text: string): boolean {
  return /^[1-9][0-9]{0,4}$/.test(text) && Number(text) <= 65_535
}
