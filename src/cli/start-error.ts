import type { StartError } from "../balancer.ts"
import { formatEndpoint } from "../core/endpoint.ts"

const flags = { traffic: "-o", registration: "-i", admin: "-f" } as const

/** Why a balancer did not start, and what to do about it. */
export function explainStartError(error: StartError): string {
  const { listener, endpoint, code } = error
  const where = formatEndpoint(endpoint)
  const other =
    listener === "tls"
      ? "choose another with tls.listen in the configuration"
      : `choose another with ${flags[listener]} host:port or in the configuration`
  switch (code) {
    case "EADDRINUSE":
      return `port ${endpoint.port} is busy: something listens on ${where} already, where the ${listener} listener should be; ${other}`
    case "EACCES":
      return `no permission to listen on ${where} (${listener}); ports below 1024 want CAP_NET_BIND_SERVICE, or ${other}`
    case "EADDRNOTAVAIL":
      return `${where} is no address of this machine (${listener}); ${other}`
    default:
      return error.message
  }
}
