/** Where a socket listens or connects. */
export interface Endpoint {
  /**
   * An IP address without brackets, a DNS name as it was written, or "" where none was given: every interface, or the
   * peer's.
   */
  readonly host: string
  /** 0 to 65535; 0 lets the system choose. */
  readonly port: number
}

/** One end of a connection: an IP address, or the path of a Unix socket (latin1: one char per byte). */
export type EndAddress = Endpoint | { readonly path: string }

/** Both ends of a client's connection: where it comes from, and what it has reached. */
export interface ConnectionEnds {
  readonly source: EndAddress
  readonly destination: EndAddress
}

/** What is allowed, as the end of the sentence "expected …". */
export const endpointExpected = "host:port or :port, IPv6 in brackets, with a port from 0 to 65535"

const decimal = /^(0|[1-9][0-9]{0,4})$/
const label = /^[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$/

/**
 * An endpoint from `5252`, `:5252`, `0.0.0.0:5252`, `example.org:5252` or `[::1]:5252`. Without a host, the
 * host is "": what that stands for is the caller's to say.
 *
 * @returns undefined when it is none of these.
 */
export function parseEndpoint(input: string | number): Endpoint | undefined {
  const text = String(input)
  const colon = text.lastIndexOf(":")
  const portText = text.slice(colon + 1)
  if (!decimal.test(portText) || Number(portText) > 65_535) return undefined
  const host = hostOf(text.slice(0, Math.max(colon, 0)))
  return host === undefined ? undefined : { host, port: Number(portText) }
}

/** `host:port`, with brackets around IPv6; `:port` without a host. */
export function formatEndpoint({ host, port }: Endpoint): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`
}

function hostOf(text: string): string | undefined {
  if (text.startsWith("[")) {
    const inner = text.slice(1, -1)
    return text.endsWith("]") && isIpv6(inner) ? inner : undefined
  }
  return text === "" || isIpv4(text) || isDnsName(text) ? text : undefined
}

/** Whether only this machine can reach a listener there. "" is every interface, so it is not. */
export function isLoopback(host: string): boolean {
  if (/^localhost\.?$/i.test(host)) return true
  if (isIpv4(host)) return host.startsWith("127.")
  return isIpv6(host) && /^[0:]*:0*1$/.test(host)
}

/** An IPv4 address mapped into IPv6 as the IPv4 address that it is, any other text as it is. */
export function plainIp(text: string): string {
  return text.replace(/^::ffff:(?=[0-9.]+$)/i, "")
}

/** Four decimal numbers from 0 to 255 without leading zeros. */
export function isIpv4(text: string): boolean {
  const parts = text.split(".")
  return parts.length === 4 && parts.every((part) => decimal.test(part) && Number(part) <= 255)
}

/** The text forms of RFC 4291 2.2, without a zone. */
export function isIpv6(text: string): boolean {
  const halves = text.split("::")
  if (halves.length > 2) return false
  let groups = 0
  for (const [index, half] of halves.entries()) {
    if (half === "") continue
    const parts = half.split(":")
    const last = parts.at(-1)!
    // IPv4 may stand for the last two groups.
    if (index === halves.length - 1 && last.includes(".")) {
      if (!isIpv4(last)) return false
      parts.splice(-1, 1, "0", "0")
    }
    if (!parts.every((part) => /^[0-9A-Fa-f]{1,4}$/.test(part))) return false
    groups += parts.length
  }
  return halves.length === 2 ? groups <= 7 : groups === 8
}

/** An address range as `10.0.0.0/8` or `fd00::/8`, or one address. */
export function isCidr(text: string): boolean {
  const slash = text.indexOf("/")
  const address = slash === -1 ? text : text.slice(0, slash)
  const bits = isIpv4(address) ? 32 : isIpv6(address) ? 128 : undefined
  if (bits === undefined) return false
  const prefix = text.slice(slash + 1)
  return slash === -1 || (decimal.test(prefix) && Number(prefix) <= bits)
}

/**
 * Labels of letters, digits, `_` and `-`, 253 characters in all (RFC 1035 2.3.4), and perhaps the dot behind them with
 * which no search list is gone through.
 */
export function isDnsName(text: string): boolean {
  const name = text.endsWith(".") ? text.slice(0, -1) : text
  if (name.length > 253) return false
  const labels = name.split(".")
  // A name whose last label is a number is a mistyped IPv4 address (RFC 3696 2).
  return labels.every((part) => label.test(part)) && !/^[0-9]+$/.test(labels.at(-1)!)
}
