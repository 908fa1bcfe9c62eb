import { parseEndpoint } from "../core/endpoint.ts"

/**
 * The host of `host [":" port]` as it may stand in an address that we write, in lower case, brackets kept: an IP
 * address or a DNS name and nothing of the wider grammar of RFC 3986 3.2.2. Undefined for anything else.
 */
export function hostOf(authority: string): string | undefined {
  const match = /^(\[[^[\]]*\]|[^:[\]]+)(?::[0-9]{0,5})?$/.exec(authority)
  const host = match?.[1]
  if (host === undefined) return undefined
  // The dot of a fully qualified name.
  const name = host.length > 1 && host.endsWith(".") ? host.slice(0, -1) : host
  return parseEndpoint(`${name}:0`) === undefined ? undefined : host.toLowerCase()
}
