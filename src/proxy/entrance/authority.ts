import { parseEndpoint } from "../../core/endpoint.ts"
import { normalHost } from "../../core/host.ts"

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
