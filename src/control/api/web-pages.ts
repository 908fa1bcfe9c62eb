/**
 * What keeps pages of other origins away from the listeners of the control plane. A browser on this machine, or near
 * it, lends its place in the network to every page that it shows: pages ask directly (`Origin`, `Sec-Fetch-Site`), or
 * under a name of theirs that they made lead here (DNS rebinding: `Host`).
 */
import { isIP } from "node:net"
import type { IncomingMessage } from "node:http"
import { normalHost, splitAuthority } from "../../core/host.ts"

/** The names as `namesHost` compares them. */
export function hostsOf(names: readonly string[] = []): ReadonlySet<string> {
  return new Set(names.map(normalHost))
}

/**
 * Whether `Host` names this balancer: by an IP address, as localhost or by one of `hosts`. No page can have such an
 * origin but those of this machine. Several `Host` fields name nothing (RFC 9112 3.2).
 */
export function namesHost({ headersDistinct }: IncomingMessage, hosts: ReadonlySet<string>): boolean {
  const [host = "", ...more] = headersDistinct["host"] ?? []
  if (more.length > 0) return false
  const name = nameIn(host)
  const isAddress = isIP(name.replace(/^\[(.*)\]$/, "$1")) !== 0
  return isAddress || name === "localhost" || hosts.has(name)
}

/** Whether `Host` is a name without a dot, as containers and machines of one network have: none that a page can own. */
export function namesNeighbour({ headersDistinct }: IncomingMessage): boolean {
  const [host = "", ...more] = headersDistinct["host"] ?? []
  return more.length === 0 && /^[a-z0-9_-]+$/.test(nameIn(host))
}

function nameIn(host: string): string {
  return normalHost(splitAuthority(host).host)
}
