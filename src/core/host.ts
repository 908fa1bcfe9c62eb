/**
 * Hosts as they are compared. Two spellings of one host are one host (RFC 3986 6.2.2, RFC 1034 3.1): hosts are
 * compared by their normal forms. A host that goes on is sent as it came.
 */
import { isIpv6, parseEndpoint } from "./endpoint.ts"
import { ipBytes, ipText } from "./ip-bytes.ts"

/** The ports that need not be said (RFC 9110 4.2.1, 4.2.2). */
export const defaultPorts = { http: 80, https: 443 } as const

/**
 * The normal form of a host without its port: lower case, without the dot of a fully qualified name, an IPv6 address
 * as RFC 5952 writes it, with or without brackets as it came, and nothing percent-encoded that need not be.
 * Internationalised names stay in the form that they have. Any text has a normal form, also one that is no host.
 */
export function normalHost(host: string): string {
  const bracketed = host.startsWith("[") && host.endsWith("]")
  const inner = bracketed ? host.slice(1, -1) : host
  if (isIpv6(inner)) {
    const text = ipText(ipBytes(inner)!)
    return bracketed ? `[${text}]` : text
  }
  const plain = host.replace(/%([0-9A-Fa-f]{2})/g, unreserved).toLowerCase()
  return plain.length > 1 && plain.endsWith(".") ? plain.slice(0, -1) : plain
}

/** `host [":" port]` in its parts; port "" where none is given. Brackets stay with the host. */
export function splitAuthority(authority: string): { readonly host: string; readonly port: string } {
  const colon = authority.indexOf(":", authority.startsWith("[") ? Math.max(0, authority.indexOf("]")) : 0)
  return colon === -1
    ? { host: authority, port: "" }
    : { host: authority.slice(0, colon), port: authority.slice(colon + 1) }
}

/**
 * The host of `host [":" port]` as it may stand in an address that we write, in its normal form, brackets kept: an IP
 * address or a DNS name and nothing of the wider grammar of RFC 3986 3.2.2. Undefined for anything else.
 */
export function hostOf(authority: string): string | undefined {
  const match = /^(\[[^[\]]*\]|[^:[\]]+)(?::[0-9]{0,5})?$/.exec(authority)
  const host = match?.[1]
  if (host === undefined) return undefined
  return parseEndpoint(`${host}:0`) === undefined ? undefined : normalHost(host)
}

/** Whether two authorities name one host. */
export function isSameHost(a: string, b: string): boolean {
  return a === b || normalHost(splitAuthority(a).host) === normalHost(splitAuthority(b).host)
}

/** Whether two authorities name one port: one that is not given is that of the scheme (RFC 9110 4.2.3). */
export function isSamePort(a: string, b: string, scheme: keyof typeof defaultPorts): boolean {
  return portOf(a, scheme) === portOf(b, scheme)
}

function portOf(authority: string, scheme: keyof typeof defaultPorts): number {
  const { port } = splitAuthority(authority)
  return port === "" ? defaultPorts[scheme] : Number(port)
}

/** A percent-encoded byte, decoded if it is one that stands for itself (RFC 3986 2.3). */
function unreserved(encoded: string, hex: string): string {
  const char = String.fromCharCode(Number.parseInt(hex, 16))
  return /[A-Za-z0-9._~-]/.test(char) ? char : encoded
}
